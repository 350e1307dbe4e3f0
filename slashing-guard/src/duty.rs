//! What an attester may sign at most once.

use std::fmt;

use alloy_primitives::Address;
use ollin_protocol::units::{BlockIndex, Slot};
use serde::{Deserialize, Serialize};

/// One thing that one attester may sign at most once on the rollup that the cluster is bound to.
///
/// Ordered by slot first, so that all duties of a slot lie together and old ones leave as a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Duty {
    /// The proposing window it belongs to.
    pub slot: Slot,
    /// What is signed in it.
    pub kind: DutyKind,
    /// The address whose key signs.
    pub attester: Address,
}

/// The kinds of duty, as the official HA key tells them apart.
///
/// The position of a variant is part of the log's and the snapshot's format: append, never reorder.
///
/// Source: npm @aztec/validator-ha-signer 4.1.2, `src/types.ts` (`DutyType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DutyKind {
    /// A block of the proposer's checkpoint; each index is a duty of its own.
    BlockProposal {
        /// Position of the block in its checkpoint, from 0.
        index: BlockIndex,
    },
    /// The proposer's checkpoint of the slot.
    CheckpointProposal,
    /// A committee member's attestation to the slot's checkpoint.
    Attestation,
    /// The proposer's signature under the collected attestations and their signers.
    AttestationsAndSigners,
    /// A vote in a governance round.
    GovernanceVote,
    /// A vote in a slashing round.
    SlashingVote,
}

impl Duty {
    /// The smallest duty of `slot` in the order of duties; no attester has this address.
    pub(crate) fn first_of(slot: Slot) -> Self {
        Self { slot, kind: DutyKind::BlockProposal { index: BlockIndex::new(0) }, attester: Address::ZERO }
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} in slot {}", self.kind, self.attester, self.slot)
    }
}

impl fmt::Display for DutyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockProposal { index } => write!(f, "block proposal {index}"),
            Self::CheckpointProposal => f.write_str("checkpoint proposal"),
            Self::Attestation => f.write_str("attestation"),
            Self::AttestationsAndSigners => f.write_str("attestations and signers"),
            Self::GovernanceVote => f.write_str("governance vote"),
            Self::SlashingVote => f.write_str("slashing vote"),
        }
    }
}
