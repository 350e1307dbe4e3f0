//! The questions: one file each.

mod bytes;
mod claims;
mod failover;
mod footprint;
mod fsync;
mod round_trips;
mod slot;
mod start;

use anyhow::Result;

use crate::report::Section;
use crate::setting::Setting;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Question {
    /// Latency and throughput of claims, three replicas and five, beside the peers.
    Claims,
    /// The same over long ways.
    RoundTrips,
    /// The same with slow disks.
    Fsync,
    /// 500 attesters in one slot.
    Slot,
    /// How long nobody grants after a leader's death.
    Failover,
    /// What a duty costs on disk and on the wire.
    Bytes,
    /// Memory and processor time of a replica.
    Footprint,
    /// A start with a million duties in the history.
    Start,
}

impl Question {
    pub(crate) fn answer(self, setting: &Setting) -> Result<Section> {
        match self {
            Self::Claims => claims::answer(setting),
            Self::RoundTrips => round_trips::answer(setting),
            Self::Fsync => fsync::answer(setting),
            Self::Slot => slot::answer(setting),
            Self::Failover => failover::answer(setting),
            Self::Bytes => bytes::answer(setting),
            Self::Footprint => footprint::answer(setting),
            Self::Start => start::answer(setting),
        }
    }
}
