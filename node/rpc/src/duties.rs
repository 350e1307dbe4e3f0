//! What an operator asks about duties, over one path of the admin port: a JSON document each way.

use alloy_primitives::Address;
use ollin_protocol::units::Slot;
use serde::{Deserialize, Serialize};

use crate::view::{AttesterMoved, DutiesImported, DutyList, MissedDuties};

/// A question about duties, or a change of whom the cluster signs for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum DutiesRequest {
    /// What is bound.
    List {
        /// Of one attester only.
        attester: Option<Address>,
        /// In one slot only.
        slot: Option<Slot>,
        /// At most so many duties.
        limit: usize,
    },
    /// The interchange file.
    Export {
        /// Of these attesters; of all if empty.
        attesters: Vec<Address>,
    },
    /// Take over an interchange file, before the cluster is created.
    Import {
        /// The file's text.
        file: String,
        /// Doubts that the operator has settled: `unreleased`, `frozen`.
        accept: Vec<String>,
    },
    /// What was missed.
    Missed {},
    /// Sign for another attester from now on.
    AddAttester {
        /// Its address.
        attester: Address,
        /// The stop line of its former cluster, if it had one.
        after: Option<Slot>,
    },
    /// Give an attester up.
    ReleaseAttester {
        /// Its address.
        attester: Address,
        /// The last slot in which it may sign; the present one if absent.
        last_slot: Option<Slot>,
    },
    /// Answer the evidence that froze an attester: the second holder of its key is gone.
    Unfreeze {
        /// Its address.
        attester: Address,
        /// Why, for the audit.
        reason: String,
    },
}

/// The answer to a [`DutiesRequest`], variant for variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "one at a time")]
pub enum DutiesAnswer {
    /// What is bound.
    List(DutyList),
    /// The interchange file's text.
    Exported(String),
    /// What was taken over.
    Imported(DutiesImported),
    /// What was missed.
    Missed(MissedDuties),
    /// The attester that came.
    Added(AttesterMoved),
    /// The attester that went.
    Released(AttesterMoved),
    /// The attester that signs again, after the slot.
    Unfrozen(AttesterMoved),
}
