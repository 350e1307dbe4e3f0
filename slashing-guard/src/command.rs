//! What the log can ask of the guard, and what it answers.

use alloy_primitives::Address;
use ollin_protocol::units::{SigningRoot, Slot};
use serde::{Deserialize, Serialize};

use crate::{Binding, CommandRejection, Duty, Sighting, Verdict};

/// One entry of the log, as far as the guard is concerned.
///
/// The position of a variant is part of the log's format: append, never reorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuardCommand {
    /// Binds chain, rollup and attesters. First, and once.
    Bind(Binding),
    /// Takes over what an earlier signer has signed. After `Bind`, before `Open`, at most once, whole or not at all.
    /// The stop line becomes the first floor, and `Open` cannot lower it.
    Import {
        /// Duties and the roots signed for them, none above the stop line.
        records: Vec<(Duty, SigningRoot)>,
        /// The last slot that the earlier signer may have signed in.
        stop_line: Slot,
    },
    /// Ends the set-up: from here on claims above `floor` can be granted. Once.
    Open {
        /// The first floor; a higher stop line of an import prevails.
        floor: Slot,
    },
    /// Asks to bind duties to roots; each duty has its own verdict.
    Claim(Vec<Claim>),
    /// Binds nothing new at or below `slot`. What is bound there stays claimable. A lower slot than the floor changes nothing.
    RaiseFloor {
        /// The new floor.
        slot: Slot,
    },
    /// Forgets records at or below `slot`, applied as at most the highest bound slot - [`crate::limit::KEEP_SLOTS`].
    /// The floor rises with it. A lower slot than the watermark changes nothing.
    RaiseWatermark {
        /// The slot asked for.
        slot: Slot,
    },
    /// Forgets payloads at or below `slot`, applied as at most the highest bound slot -
    /// [`crate::limit::KEEP_PAYLOAD_SLOTS`]. Roots stay.
    DropPayloads {
        /// The slot asked for.
        slot: Slot,
    },
    /// Adds an attester, with a floor of its own.
    AddAttester {
        /// Its address; one that was released never comes back.
        attester: Address,
        /// Nothing is bound for it at or below this slot.
        floor: Slot,
    },
    /// Gives an attester up after `last_slot`, irrevocably.
    ReleaseAttester {
        /// Its address.
        attester: Address,
        /// The last slot in which it may still be granted duties.
        last_slot: Slot,
    },
    /// Reports a verified signature of one of our attesters under a root that the state does not bind: freezes the attester.
    Foreign {
        /// The duty that was signed elsewhere.
        duty: Duty,
        /// The root under that signature.
        root: SigningRoot,
        /// Where it was seen.
        seen: Sighting,
    },
    /// Grants nothing more at or below `slot`, not even what is bound there: for a memory that may have gaps (safety rule R7).
    /// The floor rises with it. A lower slot than the closed one changes nothing.
    Close {
        /// The last closed slot.
        slot: Slot,
    },
    /// An operator's answer to the evidence that froze an attester: nothing more is granted to it at or below `floor`, not even what
    /// is bound there; above it, it signs again.
    Unfreeze {
        /// Its address.
        attester: Address,
        /// The last slot in which its key may have signed elsewhere. The slots of the evidence and of the attester's bound duties
        /// prevail where they are higher.
        floor: Slot,
        /// What the operator says, for the audit: 1 to [`crate::limit::MAX_REASON_BYTES`] bytes.
        reason: String,
    },
}

/// A question to the guard: may these duties be bound to this root?
///
/// Several duties are a batch: one slot, one kind, one attester each. The payload is stored once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The duties; all of one slot and one kind.
    pub duties: Vec<Duty>,
    /// The root that all of them are to be bound to.
    pub root: SigningRoot,
    /// The bytes whose root it is. The guard neither reads nor hashes them.
    pub payload: Vec<u8>,
}

/// What `apply` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuardReply {
    /// A command other than a claim was applied.
    Done,
    /// The claims' answers: one per duty, claims in order, duties in order.
    Verdicts(Vec<Verdict>),
    /// The command was not applied; the state is unchanged.
    Rejected(CommandRejection),
}
