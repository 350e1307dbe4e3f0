//! A start with a million duties in the history.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::fleet::{Fleet, Shape};
use crate::order::Order;
use crate::process::memory;
use crate::report::{Section, ms};
use crate::sample::median;
use crate::setting::Setting;

/// Of 500 attesters each: a million duties.
const SLOTS: u64 = 2_000;

pub(super) fn answer(setting: &Setting) -> Result<Section> {
    let mut section = Section::new("start");
    section.head(["after 1,000,000 duties", "duties held", "store, MiB", "opened, ms", "caught up, ms", "resident, MiB"]);
    for (what, keep) in [("records below the watermark are gone, as in operation", false), ("no record is ever dropped", true)] {
        let mut fleet = Fleet::start(&setting.at(if keep { "kept" } else { "raised" }), Shape::default())?;
        let leader = fleet.settled()?;
        fleet.ask(leader, &Order::History { slots: setting.times(SLOTS), keep })?;
        let (mut opened, mut caught_up) = (Vec::new(), Vec::new());
        for _ in 0..setting.rounds() {
            let leader = fleet.settled()?;
            let follower = fleet.ids().into_iter().find(|id| *id != leader).unwrap_or(leader);
            fleet.bury(follower)?;
            let started = Instant::now();
            fleet.revive(follower)?;
            opened.push(u64::try_from(started.elapsed().as_micros())?);
            fleet.settled()?;
            caught_up.push(u64::try_from(started.elapsed().as_micros())?);
        }
        let leader = fleet.settled()?;
        let follower = fleet.ids().into_iter().find(|id| *id != leader).unwrap_or(leader);
        let held = fleet.look(follower)?.duties;
        section.row([
            what.to_owned(),
            held.to_string(),
            (size(&fleet.data(follower))? >> 20).to_string(),
            ms(median(opened).unwrap_or(0)),
            ms(median(caught_up).unwrap_or(0)),
            (memory(fleet.pid(follower)?)?.resident_kib / 1024).to_string(),
        ]);
    }
    Ok(section)
}

fn size(directory: &Path) -> Result<u64> {
    let mut all = 0;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        all += if path.is_dir() { size(&path)? } else { fs::metadata(&path)?.len() };
    }
    Ok(all)
}
