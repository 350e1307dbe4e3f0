//! How well each replica could lead: from what it reports of itself to an ordered class. Pure.
//!
//! A report holds readings, not judgements; the reader classifies all of them by one rule, against the best of the cluster. So an
//! L1 that stands still for everybody moves nobody, and a replica whose L1 lags behind the others' is seen by the others too.

mod decide;
mod steady;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::rules::Supported;

pub use decide::{Candidate, Decision, History, Rules, Situation, StayReason, decide, stands_back};
pub use steady::{Patience, Steady};

/// A replica whose L1 head or archiver is so many blocks behind, and so much L1 time, is degraded.
const BEHIND_DEGRADED: (u64, u64) = (2, 6_000);
/// And so many and so much: it could not work a slot.
const BEHIND_UNABLE: (u64, u64) = (4, 12_000);
/// Free disk space below which a replica is degraded, and below which it is unable to lead.
const FREE_DEGRADED: u64 = 1 << 30;
const FREE_UNABLE: u64 = 128 << 20;
/// A clock that differs so much from the best one's is degraded. Official peers allow half a second; L1 is read a little late.
const CLOCK_DEGRADED_MS: u64 = 2_000;
/// And one that differs so much, or by an L1 slot if that is longer, cannot work a slot.
const CLOCK_UNABLE_MS: u64 = 6_000;

/// Readings of one replica, as it sends them to the others. Nothing in it is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether it may grant at all: not halted, not recovering.
    pub can_grant: bool,
    /// Whether it is about to leave.
    pub leaving: Leaving,
    /// L1 endpoints configured.
    pub l1_endpoints: u16,
    /// Those that answer.
    pub l1_endpoints_up: u16,
    /// Height of the newest L1 block that it has seen.
    pub l1_head: Option<u64>,
    /// Its wall clock minus that block's timestamp when it first saw it, in milliseconds.
    pub l1_head_delay_ms: Option<i64>,
    /// L1 block up to which its archiver has read.
    pub archiver_block: Option<u64>,
    /// Its archiver stands still in front of something that it cannot read.
    pub archiver_fault: bool,
    /// Free bytes on the disk of its signing log.
    pub disk_free: Option<u64>,
    /// A sync of its log has not finished for longer than the watchdog allows.
    pub disk_stalled: bool,
    /// How long a sync of its log takes, the median of the latest ones, in milliseconds.
    pub sync_ms: Option<u32>,
    /// How long ago it handed leadership over, in milliseconds, the newest first; at most [`Report::HAND_OVERS`].
    pub hand_overs_ms: Vec<u64>,
    /// The versions of the rules that its program supports (safety rule R13).
    pub rules: Supported,
}

impl Report {
    /// So many hand-overs are remembered.
    pub const HAND_OVERS: usize = 8;
}

/// Whether a replica is about to leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leaving {
    /// It stays.
    #[default]
    No,
    /// An operator wants it not to lead.
    Draining,
    /// It is shutting down.
    Stopping,
}

/// How well a replica could lead, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It could not work a slot.
    Unable,
    /// It could, and an operator wants another one to.
    Draining,
    /// It works, less well than it should.
    Degraded,
    /// Nothing speaks against it.
    Fit,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unable => "unable",
            Self::Draining => "draining",
            Self::Degraded => "degraded",
            Self::Fit => "fit",
        })
    }
}

/// What speaks against a replica as leader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It is halted or recovering, or every attester is frozen.
    #[error("it does not grant")]
    NoGrants,
    /// It is shutting down.
    #[error("it is stopping")]
    Stopping,
    /// An operator drained it.
    #[error("an operator drained it")]
    Draining,
    /// None of its L1 endpoints answers.
    #[error("none of its {endpoints} L1 endpoints answers")]
    L1Unreachable {
        /// How many it has.
        endpoints: u16,
    },
    /// Some do not.
    #[error("{down} of its {endpoints} L1 endpoints do not answer")]
    L1EndpointDown {
        /// How many do not.
        down: u16,
        /// How many it has.
        endpoints: u16,
    },
    /// It has seen no L1 block yet.
    #[error("it has not read L1 yet")]
    L1Unread,
    /// Its newest L1 block is older than another replica's.
    #[error("its L1 head is {blocks} blocks behind another replica's")]
    L1Behind {
        /// By how many.
        blocks: u64,
    },
    /// Its archiver stands still.
    #[error("its archiver stands still")]
    ArchiverFault,
    /// Its archiver has not read what it has seen.
    #[error("its archiver is {blocks} blocks behind L1")]
    ArchiverBehind {
        /// By how many.
        blocks: u64,
    },
    /// A sync does not end.
    #[error("a sync of its log does not end")]
    DiskStalled,
    /// Syncs are slow for the timers in force.
    #[error("a sync of its log takes {sync_ms} ms")]
    DiskSlow {
        /// The median.
        sync_ms: u32,
    },
    /// Its disk fills up.
    #[error("its disk has {free_mib} MiB left")]
    DiskFull {
        /// What is left.
        free_mib: u64,
    },
    /// Its clock differs from the others'.
    #[error("its clock is {offset_ms} ms off")]
    Clock {
        /// By how much; positive: ahead.
        offset_ms: i64,
    },
}

/// What reports are judged against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// The newest L1 block that any replica has seen.
    pub l1_head: Option<u64>,
    /// The delay with which the replica whose clock is in the middle sees new L1 blocks; `None` unless two report one.
    pub l1_head_delay_ms: Option<i64>,
    /// Length of an L1 slot in milliseconds.
    pub l1_slot_ms: u64,
    /// A median sync that takes longer is degraded.
    pub sync_limit_ms: u32,
}

impl Reference {
    /// From all reports at hand.
    pub fn of<'a>(reports: impl Iterator<Item = &'a Report> + Clone, l1_slot_ms: u64, sync_limit_ms: u32) -> Self {
        let mut delays: Vec<i64> = reports.clone().filter_map(|report| report.l1_head_delay_ms).collect();
        delays.sort_unstable();
        // Of two the smaller: a late look is likelier than a clock that is behind.
        let middle = delays.len().saturating_sub(1) / 2;
        Self {
            l1_head: reports.filter_map(|report| report.l1_head).max(),
            l1_head_delay_ms: (delays.len() > 1).then(|| delays[middle]),
            l1_slot_ms,
            sync_limit_ms,
        }
    }
}

/// A class with what speaks against a better one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// The class.
    pub class: Class,
    /// Everything that speaks against the replica, the gravest first.
    pub reasons: Vec<Reason>,
}

impl Assessment {
    /// Judges one report.
    pub fn of(report: &Report, reference: &Reference) -> Self {
        let mut found: Vec<(Class, Reason)> = Vec::new();
        found.extend(service(report));
        found.extend(l1(report, reference));
        found.extend(archiver(report, reference));
        found.extend(disk(report, reference));
        found.extend(clock(report, reference));
        found.sort_by_key(|(class, _)| *class);
        let class = found.first().map_or(Class::Fit, |(class, _)| *class);
        Self { class, reasons: found.into_iter().map(|(_, reason)| reason).collect() }
    }
}

fn service(report: &Report) -> Vec<(Class, Reason)> {
    let mut found = Vec::new();
    if !report.can_grant {
        found.push((Class::Unable, Reason::NoGrants));
    }
    match report.leaving {
        Leaving::No => {}
        Leaving::Draining => found.push((Class::Draining, Reason::Draining)),
        Leaving::Stopping => found.push((Class::Unable, Reason::Stopping)),
    }
    found
}

fn l1(report: &Report, reference: &Reference) -> Vec<(Class, Reason)> {
    let mut found = Vec::new();
    let (endpoints, up) = (report.l1_endpoints, report.l1_endpoints_up);
    match endpoints.saturating_sub(up) {
        0 => {}
        _ if up == 0 => found.push((Class::Unable, Reason::L1Unreachable { endpoints })),
        down => found.push((Class::Degraded, Reason::L1EndpointDown { down, endpoints })),
    }
    match report.l1_head {
        None => found.push((Class::Unable, Reason::L1Unread)),
        Some(head) => {
            let blocks = reference.l1_head.unwrap_or(head).saturating_sub(head);
            found.extend(behind(blocks, reference).map(|class| (class, Reason::L1Behind { blocks })));
        }
    }
    found
}

fn archiver(report: &Report, reference: &Reference) -> Vec<(Class, Reason)> {
    if report.archiver_fault {
        return vec![(Class::Unable, Reason::ArchiverFault)];
    }
    let blocks = match (report.l1_head, report.archiver_block) {
        (Some(head), read) => head.saturating_sub(read.unwrap_or(0)),
        (None, _) => 0,
    };
    behind(blocks, reference).map(|class| (class, Reason::ArchiverBehind { blocks })).into_iter().collect()
}

fn behind(blocks: u64, reference: &Reference) -> Option<Class> {
    let time_ms = blocks.saturating_mul(reference.l1_slot_ms);
    let reached = |(least, least_ms): (u64, u64)| blocks >= least && time_ms >= least_ms;
    match () {
        () if reached(BEHIND_UNABLE) => Some(Class::Unable),
        () if reached(BEHIND_DEGRADED) => Some(Class::Degraded),
        () => None,
    }
}

fn disk(report: &Report, reference: &Reference) -> Vec<(Class, Reason)> {
    let mut found = Vec::new();
    if report.disk_stalled {
        found.push((Class::Unable, Reason::DiskStalled));
    }
    if let Some(free) = report.disk_free.filter(|free| *free < FREE_DEGRADED) {
        let class = if free < FREE_UNABLE { Class::Unable } else { Class::Degraded };
        found.push((class, Reason::DiskFull { free_mib: free >> 20 }));
    }
    if let Some(sync_ms) = report.sync_ms.filter(|sync_ms| *sync_ms > reference.sync_limit_ms) {
        found.push((Class::Degraded, Reason::DiskSlow { sync_ms }));
    }
    found
}

fn clock(report: &Report, reference: &Reference) -> Option<(Class, Reason)> {
    let offset_ms = report.l1_head_delay_ms?.saturating_sub(reference.l1_head_delay_ms?);
    let off = offset_ms.unsigned_abs();
    let class = match off {
        _ if off > CLOCK_UNABLE_MS.max(reference.l1_slot_ms) => Class::Unable,
        _ if off > CLOCK_DEGRADED_MS => Class::Degraded,
        _ => return None,
    };
    Some((class, Reason::Clock { offset_ms }))
}
