//! What a claim costs and how many a second there can be, beside the floor, etcd and the official signer.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::fleet::{Fleet, Shape};
use crate::floor::Floor;
use crate::order::Load;
use crate::peer::Database;
use crate::report::{Section, met, ms, ratio};
use crate::rounds::{Rounds, load};
use crate::setting::{CALLERS, Setting};

const OURS: &str = "ollin, 3 replicas";
const UNSIGNED: &str = "ollin, 3 replicas (no signature)";
const FIVE: &str = "ollin, 5 replicas";
const ETCD: &str = "etcd, 3 nodes (no signature)";
const OFFICIAL: &str = "official signer, PostgreSQL alone";
const STANDBY: &str = "official signer, one synchronous standby";

pub(super) fn answer(setting: &Setting) -> Result<Section> {
    let mut rounds = Rounds::default();
    {
        let mut fleet = Fleet::start(&setting.at("three"), Shape::default())?;
        let etcd = setting.etcd("etcd", Duration::ZERO)?;
        let mut official = setting.official()?;
        for _ in 0..setting.rounds() {
            rounds.floor(Floor::measure(&setting.directory, Duration::ZERO, Duration::ZERO)?);
            for callers in CALLERS {
                let asked = setting.load(callers);
                rounds.add(OURS, callers, &load(&mut fleet, asked)?)?;
                rounds.add(UNSIGNED, callers, &load(&mut fleet, Load { signs: false, ..asked })?)?;
                if let Some(etcd) = &etcd {
                    rounds.add(ETCD, callers, &etcd.load(asked)?)?;
                }
                if let Some(official) = &mut official {
                    rounds.add(OFFICIAL, callers, &official.signer.load(Database::Alone, asked)?)?;
                    rounds.add(STANDBY, callers, &official.signer.load(Database::WithStandby, asked)?)?;
                }
            }
        }
    }
    let mut five = Fleet::start(&setting.at("five"), Shape { replicas: 5, ..Shape::default() })?;
    for _ in 0..setting.rounds() {
        for callers in CALLERS {
            rounds.add(FIVE, callers, &load(&mut five, setting.load(callers))?)?;
        }
    }
    drop(five);
    section(&rounds)
}

fn section(rounds: &Rounds) -> Result<Section> {
    let mut section = Section::new("claims");
    let floor = rounds.median_floor()?;
    section.line(format!(
        "Floor: one fdatasync {} ms + one round trip {} ms = {} ms.",
        ms(floor.sync_us),
        ms(floor.round_trip_us),
        ms(floor.total_us())
    ));
    Rounds::head(&mut section);
    rounds.rows("", &mut section);
    goals(rounds, floor, &mut section)?;
    Ok(section)
}

fn goals(rounds: &Rounds, floor: Floor, section: &mut Section) -> Result<()> {
    section.head(["goal", "measured", ""]);
    let ours = |subject, callers| rounds.median(subject, callers).context("nothing of ours was measured");
    let (one, many, unsigned) = (ours(OURS, 1)?, ours(OURS, 64)?, ours(UNSIGNED, 64)?);
    let mut goal = |text: &str, number: u64, of: u64, reached: fn(u64, u64) -> bool| {
        section.row([text.to_owned(), ratio(number, of), met(reached(number, of))]);
    };
    goal("p50 of a claim at most 1.5 x the floor", one.p50_us, floor.total_us(), |ours, floor| ours * 2 <= floor * 3);
    if let (Some(etcd), Some(etcd_many)) = (rounds.median(ETCD, 1), rounds.median(ETCD, 64)) {
        goal("p50 of a claim at most 0.8 x etcd", one.p50_us, etcd.p50_us, |ours, etcd| ours * 5 <= etcd * 4);
        goal("64 callers: at least 10 x etcd (neither signs)", unsigned.per_second, etcd_many.per_second, |ours, etcd| {
            ours >= etcd * 10
        });
    }
    for peer in [OFFICIAL, STANDBY] {
        if let (Some(single), Some(busy)) = (rounds.median(peer, 1), rounds.median(peer, 64)) {
            let text = format!("p50 of claim and signature at most 0.1 x {peer}");
            goal(&text, one.total_p50_us, single.total_p50_us, |ours, peer| ours * 10 <= peer);
            goal(&format!("64 callers: at least 50 x {peer}"), many.per_second, busy.per_second, |ours, peer| ours >= peer * 50);
        }
    }
    Ok(())
}
