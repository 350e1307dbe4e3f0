//! What a duty costs on disk and on the wire.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::fleet::{Fleet, Shape};
use crate::order::Order;
use crate::process::written;
use crate::replica::payload_bytes;
use crate::report::Section;
use crate::setting::Setting;

const SLOTS: u64 = 200;
const ATTESTERS: u64 = 500;

/// Totals of a cluster.
#[derive(Clone, Copy)]
struct Totals {
    at: Instant,
    carried: u64,
    written: u64,
}

pub(super) fn answer(setting: &Setting) -> Result<Section> {
    let mut fleet = Fleet::start(&setting.at("bytes"), Shape { counted: true, ..Shape::default() })?;
    let leader = fleet.settled()?;
    // What is there without a duty: signs of life.
    let before = totals(&mut fleet)?;
    std::thread::sleep(Duration::from_secs(setting.times(5)));
    let idle = totals(&mut fleet)?;
    let mut section = Section::new("bytes");
    section
        .line(format!("The payload of an attestation: {} bytes. Signs of life without a duty are taken off.", payload_bytes()));
    section.head(["", "on the wire, a duty", "written by each replica, a duty"]);
    for (what, one_by_one) in [("attestations of 500 attesters, one entry a slot", false), ("attestations one by one", true)] {
        let from = totals(&mut fleet)?;
        let duties = if one_by_one {
            u64::try_from(fleet.load(leader, setting.load(1))?.claim_us.len())?
        } else {
            let slots = setting.times(SLOTS);
            fleet.ask(leader, &Order::History { slots, keep: false })?;
            slots * ATTESTERS
        };
        let to = totals(&mut fleet)?;
        let wire = (to.carried - from.carried).saturating_sub(share(
            idle.carried - before.carried,
            idle.at - before.at,
            to.at - from.at,
        ));
        let replicas = u64::try_from(fleet.ids().len())?;
        let disk = (to.written - from.written) / replicas;
        let per_duty = |bytes: u64| format!("{} bytes", bytes.checked_div(duties).unwrap_or(0));
        section.row([what.to_owned(), per_duty(wire), per_duty(disk)]);
    }
    let seconds = (idle.at - before.at).as_secs().max(1);
    section.line("");
    section.line(format!(
        "Without a duty the three replicas exchange {} bytes a second.",
        (idle.carried - before.carried) / seconds
    ));
    Ok(section)
}

/// What an idle cluster carries in `span`.
fn share(idle: u64, measured: Duration, span: Duration) -> u64 {
    let parts = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    idle.saturating_mul(parts(span)).checked_div(parts(measured)).unwrap_or(0)
}

fn totals(fleet: &mut Fleet) -> Result<Totals> {
    let mut all = 0;
    for id in fleet.ids() {
        all += written(fleet.pid(id)?)?;
    }
    Ok(Totals { at: Instant::now(), carried: fleet.carried(), written: all })
}
