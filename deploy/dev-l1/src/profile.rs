//! The four shapes of the development L1.

use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::error::DevL1Error;

/// Which rollup is deployed. All mine L1 blocks every second and have epochs of four slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// One validator, slots of 6 s.
    Demo,
    /// One validator, slots of 12 s.
    Failover,
    /// Four validators that are all in the committee, slots of 12 s.
    Committee,
    /// One validator, slots of 6 s, and one epoch's grace for proofs: unproven checkpoints are pruned after two epochs.
    Prune,
}

impl Profile {
    /// Its name on the command line and in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Failover => "failover",
            Self::Committee => "committee",
            Self::Prune => "prune",
        }
    }

    /// Validators, all of them in every committee.
    pub fn committee_size(self) -> u32 {
        match self {
            Self::Demo | Self::Failover | Self::Prune => 1,
            Self::Committee => 4,
        }
    }

    /// Seconds of a slot.
    pub(crate) fn slot_duration_s(self) -> u64 {
        match self {
            Self::Demo | Self::Prune => 6,
            Self::Failover | Self::Committee => 12,
        }
    }

    /// Epochs after its own in which an epoch may still be proven. Nobody proves here: with a small number the chain prunes itself.
    pub(crate) fn proof_submission_epochs(self) -> u64 {
        match self {
            Self::Demo | Self::Failover | Self::Committee => 10_000,
            Self::Prune => 1,
        }
    }

    /// The registered validators: accounts 1, 2, ... of the test mnemonic.
    pub(crate) fn validators(self) -> Result<Vec<Account>, DevL1Error> {
        Account::range(1..1 + self.committee_size())
    }
}
