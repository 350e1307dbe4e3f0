//! The answers to a claim.

use alloy_primitives::Address;
use ollin_protocol::units::{SigningRoot, Slot};
use serde::{Deserialize, Serialize};

use crate::Duty;

/// The guard's answer for one duty of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The duty is bound to the root that was asked for.
    Granted {
        /// `false` if it had been bound to this root before.
        newly_bound: bool,
    },
    /// It is not; nothing was changed for this duty.
    Refused(Refusal),
}

/// Why a duty was not bound to the root that was asked for. Final for that root, save [`Refusal::Sealed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The duty is bound to another root: adopt the bound payload, never sign the requested one.
    #[error("{duty} is bound to {bound}, requested {requested}")]
    Conflict {
        /// The duty.
        duty: Duty,
        /// The root it is bound to.
        bound: SigningRoot,
        /// The root that was asked for.
        requested: SigningRoot,
        /// The bound payload, unless it was imported without one or dropped.
        payload: Option<Vec<u8>>,
    },
    /// Nothing new is bound at or below the floor.
    #[error("{duty} is not above the floor {floor}")]
    BelowFloor {
        /// The duty.
        duty: Duty,
        /// The cluster's or the attester's floor, whichever is higher.
        floor: Slot,
    },
    /// Records at or below the watermark are gone.
    #[error("{duty} is not above the watermark {watermark}")]
    BelowWatermark {
        /// The duty.
        duty: Duty,
        /// The watermark.
        watermark: Slot,
    },
    /// The cluster does not sign for this attester.
    #[error("attester {attester} is not bound to this cluster")]
    Unbound {
        /// Its address.
        attester: Address,
    },
    /// A signature of this attester was seen that is not ours.
    #[error("attester {attester} is frozen: its key has signed elsewhere")]
    Frozen {
        /// Its address.
        attester: Address,
    },
    /// The attester was given up after an earlier slot.
    #[error("attester {attester} was released after slot {last_slot}")]
    Released {
        /// Its address.
        attester: Address,
        /// The last slot in which it may be granted duties.
        last_slot: Slot,
    },
    /// The cluster is not open yet.
    #[error("the signing log is sealed: it was not opened yet")]
    Sealed,
    /// The cluster's memory had a gap when this slot was at hand: nothing is granted there, not even what is bound.
    #[error("{duty} is not above slot {closed}, closed since the memory of a replica had a gap")]
    Closed {
        /// The duty.
        duty: Duty,
        /// The last closed slot.
        closed: Slot,
    },
    /// The attester's key had signed elsewhere, up to this slot as far as is known: nothing is granted there, not even what is bound.
    #[error("{duty} is not above slot {thawed}, up to which the attester was frozen")]
    Thawed {
        /// The duty.
        duty: Duty,
        /// The last slot in which nothing is granted to it.
        thawed: Slot,
    },
}
