//! What the bench asks of a replica's process, and what that answers: one line of JSON each, over its standard input and output.

use std::path::PathBuf;

use ollin_consensus::TimerProfile;
use serde::{Deserialize, Serialize};

/// How a replica is started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) id: u64,
    /// Holds its store and its outlet record.
    pub(crate) directory: PathBuf,
    /// Its certificates.
    pub(crate) certificates: PathBuf,
    pub(crate) keystore: PathBuf,
    pub(crate) port: u16,
    pub(crate) multi_region: bool,
    /// Added to every sync of its store.
    pub(crate) sync_delay_us: u64,
}

impl Spec {
    pub(crate) fn profile(&self) -> TimerProfile {
        if self.multi_region { TimerProfile::MultiRegion } else { TimerProfile::OneRegion }
    }
}

/// What a replica is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Create the cluster, for all attesters of the keystore.
    Create,
    /// How is it?
    Look,
    /// Claim, one duty a call, by so many callers at a time.
    Load(Load),
    /// Claim and sign one attestation for each of the first attesters, in one entry for all.
    Slot { attesters: usize },
    /// Wait for a leader other than `old`. Who has become it claims a duty, and answers when that is granted.
    Succeed { old: u64 },
    /// Claim attestations of so many slots for all attesters, as fast as it goes.
    History { slots: u64, keep: bool },
    /// End in order.
    End,
}

/// A load of single duties.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) callers: usize,
    pub(crate) millis: u64,
    /// Whether what is granted is signed, too.
    pub(crate) signs: bool,
}

/// What a replica answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Look(Look),
    Load(Timed),
    Slot(SlotTime),
    /// Whether this replica is the successor.
    Succeed {
        leads: bool,
    },
    Failed(String),
}

/// What a replica knows of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Look {
    pub(crate) active: bool,
    pub(crate) whole: bool,
    pub(crate) leader: Option<u64>,
    pub(crate) applied: u64,
    pub(crate) halted: Option<String>,
    pub(crate) duties: usize,
}

/// What calls took. Microseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Timed {
    /// From the question to the grant, each call.
    pub(crate) claim_us: Vec<u32>,
    /// From the question to the signature, each call.
    pub(crate) total_us: Vec<u32>,
    pub(crate) elapsed_us: u64,
}

/// What one slot of many attesters took. Microseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct SlotTime {
    pub(crate) claim_us: u64,
    pub(crate) total_us: u64,
}
