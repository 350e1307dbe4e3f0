//! What the guard knows of one attester.

use alloy_primitives::B256;
use ollin_protocol::units::{L1BlockNumber, SigningRoot, Slot};
use serde::{Deserialize, Serialize};

use crate::Duty;

/// One attester's standing in the cluster. It stays for ever, so that a released attester is never taken for a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttesterState {
    /// Nothing is bound for it at or below this slot; `None` if it came with the binding, where the cluster's floor holds.
    pub floor: Option<Slot>,
    /// The last slot in which it may be granted duties, once it was given up.
    pub released: Option<Slot>,
    /// The first proof that its key signs elsewhere, once there is one and until an operator has answered it.
    pub frozen: Option<Evidence>,
    /// Nothing is granted at or below this slot, not even what is bound: its key had signed elsewhere, and an operator has answered.
    pub thawed: Option<Slot>,
}

/// A signature of one of our attesters that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The duty that was signed elsewhere.
    pub duty: Duty,
    /// The root under the signature.
    pub root: SigningRoot,
    /// Where the signature was seen.
    pub seen: Sighting,
}

/// Where a signature was seen.
///
/// The position of a variant is part of the log's and the snapshot's format: append, never reorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Sighting {
    /// In a checkpoint on L1.
    L1 {
        /// The block that carried it when it was read.
        block: L1BlockNumber,
        /// The transaction.
        transaction: B256,
    },
}

impl std::fmt::Display for Sighting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::L1 { block, transaction } => write!(f, "L1 block {block}, transaction {transaction}"),
        }
    }
}
