//! How long nobody grants after the leader's death.
//!
//! From the signal to the first grant at the successor. A killed process resets its connections: that is the hint of
//! `docs/leadership.md`. A stopped one answers nothing while its kernel keeps the connections, as when a host is gone: then the
//! timers rule.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use crate::fleet::{Fleet, Shape};
use crate::order::{Answer, Order};
use crate::plot::{Labels, Line, svg};
use crate::report::{Section, met, ms};
use crate::sample::median;
use crate::setting::Setting;

const TIMES: u64 = 100;

pub(super) fn answer(setting: &Setting) -> Result<Section> {
    let mut fleet = Fleet::start(&setting.at("failover"), Shape { attesters: 4, ..Shape::default() })?;
    let (mut killed, mut silent) = (Vec::new(), Vec::new());
    for turn in 0..setting.times(TIMES) {
        killed.push(strike(&mut fleet, Signal::SIGKILL, turn)?);
        silent.push(strike(&mut fleet, Signal::SIGSTOP, turn)?);
    }
    section(killed, silent)
}

/// Strikes the leader; returns the microseconds to the next grant. Afterwards the leader is started anew.
fn strike(fleet: &mut Fleet, signal: Signal, turn: u64) -> Result<u64> {
    let old = fleet.settled()?;
    let others: Vec<u64> = fleet.ids().into_iter().filter(|id| *id != old).collect();
    for id in &others {
        fleet.tell(*id, &Order::Succeed { old })?;
    }
    // Spread over two heartbeats, in steps that do not repeat them.
    std::thread::sleep(Duration::from_micros(turn * 7_919 % 60_000));
    let struck = Instant::now();
    fleet.signal(old, signal)?;
    let mut took = None;
    for (id, answered, answer) in fleet.answers(&others)? {
        let Answer::Succeed { leads } = answer else { bail!("replica {id} answered {answer:?}") };
        if leads {
            took = Some(answered.duration_since(struck));
        }
    }
    fleet.bury(old)?;
    fleet.revive(old)?;
    Ok(u64::try_from(took.context("nobody took over")?.as_micros())?)
}

fn section(mut killed: Vec<u64>, mut silent: Vec<u64>) -> Result<Section> {
    let mut section = Section::new("failover");
    killed.sort_unstable();
    silent.sort_unstable();
    section.head(["leader", "median, ms", "p90", "longest", "of"]);
    let ninetieth = |times: &[u64]| times.get(times.len() * 9 / 10).copied().unwrap_or(0);
    let longest = |times: &[u64]| times.last().copied().unwrap_or(0);
    for (what, times) in [("its process is killed", &killed), ("it falls silent", &silent)] {
        let middle = median(times.clone()).context("nothing was struck")?;
        section.row([what.to_owned(), ms(middle), ms(ninetieth(times)), ms(longest(times)), format!("{} times", times.len())]);
    }
    let middle = |times: &[u64]| median(times.to_vec()).unwrap_or(u64::MAX);
    section.head(["goal", "measured", ""]);
    let mut goal = |text: &str, micros: u64, most_ms: u64| {
        section.row([text.to_owned(), format!("{} ms", ms(micros)), met(micros <= most_ms * 1000)]);
    };
    goal("a silent leader: median at most 350 ms", middle(&silent), 350);
    goal("a silent leader: at most 1 s", longest(&silent), 1000);
    goal("a killed process: median under 150 ms", middle(&killed), 150);
    goal("a killed process: at most 1 s", longest(&killed), 1000);
    let labels = Labels { title: "From a leader's death to the next grant", x: "ms", y: "% of the deaths" };
    let lines = [("killed", &killed), ("silent", &silent)];
    let lines = lines.map(|(name, times)| Line { name: name.to_owned(), points: distribution(times) });
    section.plot("benchmarks-failover.svg", svg(&labels, &lines));
    Ok(section)
}

/// How many per cent were over by then.
#[allow(clippy::cast_precision_loss, reason = "points of a plot")]
fn distribution(sorted: &[u64]) -> Vec<(f64, f64)> {
    let count = sorted.len() as f64;
    let point = |(at, micros): (usize, &u64)| (*micros as f64 / 1000.0, (at + 1) as f64 * 100.0 / count);
    sorted.iter().enumerate().map(point).collect()
}
