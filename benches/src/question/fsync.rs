//! Claims on slow disks.

use std::time::Duration;

use anyhow::Result;

use crate::fleet::{Fleet, Shape};
use crate::floor::Floor;
use crate::report::{Section, ms, ratio};
use crate::rounds::{Rounds, load};
use crate::setting::{CALLERS, Setting};

const ADDED: Duration = Duration::from_millis(1);
const OURS: &str = "ollin, 3 replicas";

pub(super) fn answer(setting: &Setting) -> Result<Section> {
    let mut section = Section::new("fsync");
    let mut rounds = Rounds::default();
    let mut fleet = Fleet::start(&setting.at("slow"), Shape { sync_delay: ADDED, ..Shape::default() })?;
    for _ in 0..setting.rounds() {
        rounds.floor(Floor::measure(&setting.directory, Duration::ZERO, ADDED)?);
        for callers in CALLERS {
            rounds.add(OURS, callers, &load(&mut fleet, setting.load(callers))?)?;
        }
    }
    let floor = rounds.median_floor()?;
    let p50 = rounds.median(OURS, 1).map_or(0, |figures| figures.p50_us);
    section.line(format!(
        "Each sync of a replica's store takes 1 ms more. Floor: {} ms + {} ms = {} ms; the p50 of a claim is {} times it.",
        ms(floor.sync_us),
        ms(floor.round_trip_us),
        ms(floor.total_us()),
        ratio(p50, floor.total_us())
    ));
    Rounds::head(&mut section);
    rounds.rows("", &mut section);
    Ok(section)
}
