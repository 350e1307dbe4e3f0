//! Claims over long ways.

use std::time::Duration;

use anyhow::Result;

use crate::fleet::{Fleet, Shape};
use crate::floor::Floor;
use crate::plot::{Labels, Line, svg};
use crate::report::{Section, ms};
use crate::rounds::{Rounds, load};
use crate::setting::{CALLERS, Setting};

const ROUND_TRIPS_MS: [u64; 4] = [0, 1, 10, 50];
const OURS: &str = "ollin";
const ETCD: &str = "etcd (no signature)";

pub(super) fn answer(setting: &Setting) -> Result<Section> {
    let mut section = Section::new("round-trips");
    section.line("Three replicas, three nodes; every piece of data between two of them waits half a round trip in a proxy.");
    Rounds::head(&mut section);
    let (mut ours, mut etcds, mut floors) = (Vec::new(), Vec::new(), Vec::new());
    for added_ms in ROUND_TRIPS_MS {
        let rounds = measure(setting, Duration::from_millis(added_ms))?;
        let floor = rounds.median_floor()?;
        rounds.rows(&format!("+{added_ms} ms (floor {}): ", ms(floor.total_us())), &mut section);
        let x = milliseconds(added_ms * 1000);
        floors.push((x, milliseconds(floor.total_us())));
        ours.extend(rounds.median(OURS, 1).map(|figures| (x, milliseconds(figures.p50_us))));
        etcds.extend(rounds.median(ETCD, 1).map(|figures| (x, milliseconds(figures.p50_us))));
    }
    let line = |name: &str, points| Line { name: name.to_owned(), points };
    let mut lines = vec![line("ollin", ours), line("floor", floors)];
    if !etcds.is_empty() {
        lines.push(line("etcd", etcds));
    }
    let labels = Labels { title: "A claim against the round trip", x: "added round trip, ms", y: "p50 of a claim, ms" };
    section.plot("benchmarks-round-trips.svg", svg(&labels, &lines));
    Ok(section)
}

fn measure(setting: &Setting, round_trip: Duration) -> Result<Rounds> {
    let name = format!("{}-ms", round_trip.as_millis());
    let mut rounds = Rounds::default();
    let mut fleet = Fleet::start(&setting.at(&name), Shape { round_trip, ..Shape::default() })?;
    let etcd = setting.etcd(&format!("etcd-{name}"), round_trip)?;
    for _ in 0..setting.rounds() {
        rounds.floor(Floor::measure(&setting.directory, round_trip, Duration::ZERO)?);
        for callers in CALLERS {
            let asked = setting.load(callers);
            rounds.add(OURS, callers, &load(&mut fleet, asked)?)?;
            if let Some(etcd) = &etcd {
                rounds.add(ETCD, callers, &etcd.load(asked)?)?;
            }
        }
    }
    Ok(rounds)
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds on a plot")]
fn milliseconds(micros: u64) -> f64 {
    micros as f64 / 1000.0
}
