//! Every attester of a slot at once.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::fleet::{Fleet, Shape};
use crate::order::{Load, SlotTime, Timed};
use crate::peer::Database;
use crate::report::{Section, met, ms};
use crate::sample::median;
use crate::setting::Setting;

const ATTESTERS: usize = 500;
const SLOTS: u64 = 50;
const GOAL_US: u64 = 50_000;
/// One call of each caller: they begin before the time is over, and none begins a second one.
const ONCE: Load = Load { callers: ATTESTERS, millis: 1, signs: true };

pub(super) fn answer(setting: &Setting) -> Result<Section> {
    let mut fleet = Fleet::start(&setting.at("slot"), Shape::default())?;
    let etcd = setting.etcd("etcd", Duration::ZERO)?;
    let mut official = setting.official()?;
    let (mut ours, mut etcds, mut alone, mut standby) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let leader = fleet.settled()?;
    for slot in 0..setting.times(SLOTS) {
        ours.push(fleet.slot(leader, ATTESTERS)?);
        // As often as every other question: they are slow.
        if slot < setting.times(5) {
            if let Some(etcd) = &etcd {
                etcds.push(whole(&etcd.load(ONCE)?));
            }
            if let Some(official) = &mut official {
                alone.push(whole(&official.signer.load(Database::Alone, ONCE)?));
                standby.push(whole(&official.signer.load(Database::WithStandby, ONCE)?));
            }
        }
    }
    section(
        &ours,
        [
            ("etcd, 3 nodes (no signature)", etcds),
            ("official signer, PostgreSQL alone", alone),
            ("official signer, one synchronous standby", standby),
        ],
    )
}

/// Of one call each: from the first question to the last answer.
fn whole(timed: &Timed) -> u64 {
    timed.elapsed_us
}

fn section(ours: &[SlotTime], peers: [(&str, Vec<u64>); 3]) -> Result<Section> {
    let mut section = Section::new("slot");
    let of = |pick: fn(&SlotTime) -> u64| ours.iter().map(pick).collect::<Vec<_>>();
    let (claims, totals) = (of(|time| time.claim_us), of(|time| time.total_us));
    section.head(["500 attesters, one slot", "median, ms", "longest, ms", "of"]);
    let row = |section: &mut Section, what: &str, times: Vec<u64>| {
        let (count, longest) = (times.len(), times.iter().max().copied().unwrap_or(0));
        if let Some(median) = median(times) {
            section.row([what.to_owned(), ms(median), ms(longest), format!("{count} slots")]);
        }
    };
    row(&mut section, "ollin: one entry is granted", claims);
    row(&mut section, "ollin: all 500 are signed", totals.clone());
    for (peer, times) in peers {
        row(&mut section, peer, times);
    }
    let total = median(totals).context("no slot was measured")?;
    section.head(["goal", "measured", ""]);
    section.row(["500 attesters signed within 50 ms".to_owned(), format!("{} ms", ms(total)), met(total <= GOAL_US)]);
    Ok(section)
}
