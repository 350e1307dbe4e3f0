//! Memory and processor time of a replica's log and keystore.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::fleet::{Fleet, Shape};
use crate::process::{memory, processor};
use crate::report::Section;
use crate::setting::Setting;

const SECONDS: u64 = 10;

pub(super) fn answer(setting: &Setting) -> Result<Section> {
    let mut fleet = Fleet::start(&setting.at("footprint"), Shape::default())?;
    let leader = fleet.settled()?;
    let mut section = Section::new("footprint");
    section.head(["", "replica", "resident, MiB", "at most, MiB", "of a core"]);
    let seconds = setting.times(SECONDS);
    observe(&mut fleet, leader, "idle", &mut section, |_| {
        std::thread::sleep(Duration::from_secs(seconds));
        Ok(())
    })?;
    observe(&mut fleet, leader, "500 attesters, one slot a second", &mut section, |fleet| {
        let started = Instant::now();
        for second in 1..=seconds {
            fleet.slot(leader, 500)?;
            std::thread::sleep((started + Duration::from_secs(second)).saturating_duration_since(Instant::now()));
        }
        Ok(())
    })?;
    observe(&mut fleet, leader, "as many claims as 64 callers can make", &mut section, |fleet| {
        fleet.load(leader, setting.load(64))?;
        Ok(())
    })?;
    Ok(section)
}

fn observe(
    fleet: &mut Fleet,
    leader: u64,
    what: &str,
    section: &mut Section,
    work: impl FnOnce(&mut Fleet) -> Result<()>,
) -> Result<()> {
    let ids = fleet.ids();
    let pids = ids.iter().map(|id| fleet.pid(*id)).collect::<Result<Vec<_>>>()?;
    let before = pids.iter().map(|pid| processor(*pid)).collect::<Result<Vec<_>>>()?;
    let started = Instant::now();
    work(fleet)?;
    let span = started.elapsed();
    for ((id, pid), before) in ids.into_iter().zip(pids).zip(before) {
        let memory = memory(pid)?;
        let worked = processor(pid)?.saturating_sub(before);
        let per_mille = worked.as_millis().saturating_mul(1000).checked_div(span.as_millis()).unwrap_or(0);
        section.row([
            what.to_owned(),
            if id == leader { "leader" } else { "follower" }.to_owned(),
            (memory.resident_kib / 1024).to_string(),
            (memory.peak_kib / 1024).to_string(),
            format!("{}.{} %", per_mille / 10, per_mille % 10),
        ]);
    }
    Ok(())
}
