//! Why a whole command was not applied.

use alloy_primitives::Address;
use ollin_protocol::units::{SigningRoot, Slot};
use serde::{Deserialize, Serialize};

use crate::{Duty, Phase};

/// Why a command was not applied. The state is unchanged, and every replica answers the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum CommandRejection {
    /// The command has no place in this phase (`Bind`, `Import`, `Open`, then the others).
    #[error("command out of order: the signing log is {phase}")]
    OutOfOrder {
        /// The present phase.
        phase: Phase,
    },
    /// A binding names no attester.
    #[error("a binding needs at least one attester")]
    NoAttesters,
    /// More attesters than [`crate::limit::MAX_ATTESTERS`], released ones included.
    #[error("{count} attesters, expected at most {limit}")]
    TooManyAttesters {
        /// How many there would be.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The cluster does not sign for this attester.
    #[error("attester {attester} is not bound to this cluster")]
    Unbound {
        /// Its address.
        attester: Address,
    },
    /// The attester is bound already.
    #[error("attester {attester} is bound already")]
    AlreadyBound {
        /// Its address.
        attester: Address,
    },
    /// The attester was given up, irrevocably.
    #[error("attester {attester} was released after slot {last_slot}, irrevocably")]
    Released {
        /// Its address.
        attester: Address,
        /// The last slot in which it may be granted duties.
        last_slot: Slot,
    },
    /// The attester cannot be released after a slot below one that it has a bound duty in.
    #[error("attester {attester} has a duty bound in slot {bound_slot}, cannot be released after slot {last_slot}")]
    BoundLater {
        /// Its address.
        attester: Address,
        /// Its highest bound slot.
        bound_slot: Slot,
        /// The last slot that was asked for.
        last_slot: Slot,
    },
    /// Two imported records give one duty two roots.
    #[error("import gives {duty} two roots: {first} and {second}")]
    ImportConflict {
        /// The duty.
        duty: Duty,
        /// The earlier record's root.
        first: SigningRoot,
        /// The later record's root.
        second: SigningRoot,
    },
    /// More imported records than [`crate::limit::MAX_IMPORTED_DUTIES`].
    #[error("{count} imported records, expected at most {limit}")]
    ImportTooLarge {
        /// How many there are.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// A command without claims, or more claims than [`crate::limit::MAX_CLAIMS`].
    #[error("{count} claims in one command, expected 1 to {limit}")]
    ClaimCount {
        /// How many there are.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// A claim without duties, or with more than [`crate::limit::MAX_CLAIM_DUTIES`].
    #[error("{count} duties in claim {claim}, expected 1 to {limit}")]
    DutyCount {
        /// Position of the claim in the command.
        claim: usize,
        /// How many there are.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// An empty payload, or one of more than [`crate::limit::MAX_PAYLOAD_BYTES`].
    #[error("payload of {bytes} bytes in claim {claim}, expected 1 to {limit}")]
    PayloadSize {
        /// Position of the claim in the command.
        claim: usize,
        /// Its payload's size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The payloads of all claims together are more than [`crate::limit::MAX_COMMAND_PAYLOAD_BYTES`].
    #[error("payloads of {bytes} bytes in one command, expected at most {limit}")]
    CommandPayloadSize {
        /// Their size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A claim's duties differ in slot or kind: one root cannot be right for both.
    #[error("claim {claim} mixes {first} with {other}")]
    MixedBatch {
        /// Position of the claim in the command.
        claim: usize,
        /// Its first duty.
        first: Duty,
        /// A duty of another slot or kind.
        other: Duty,
    },
    /// The command could bind more duties than the state has room for; raise the watermark.
    #[error("{live} duties are live and {asked} more were asked for, expected at most {limit}")]
    Full {
        /// Live duties.
        live: usize,
        /// Duties of the command that are not bound yet.
        asked: usize,
        /// The limit, [`crate::limit::MAX_LIVE_DUTIES`].
        limit: usize,
    },
    /// The reported root is the one we bound: no evidence of a foreign signer.
    #[error("{duty} is bound to the reported root")]
    NotForeign {
        /// The duty.
        duty: Duty,
    },
    /// At or below the floor our memory may be incomplete: a signature there is no evidence.
    #[error("{duty} is not above the floor {floor}: no evidence of a foreign signer")]
    NoEvidence {
        /// The duty.
        duty: Duty,
        /// The cluster's or the attester's floor, whichever is higher.
        floor: Slot,
    },
    /// The attester is not frozen: there is nothing to answer.
    #[error("attester {attester} is not frozen")]
    NotFrozen {
        /// Its address.
        attester: Address,
    },
    /// An answer without a reason, or with one that the audit has no room for.
    #[error("the reason has {bytes} bytes, expected 1 to {limit}")]
    Reason {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// An imported record lies above the stop line: the line is wrong, and with it the floor.
    #[error("import has {duty}, above its stop line {stop_line}")]
    ImportBeyondStopLine {
        /// The duty.
        duty: Duty,
        /// The stop line.
        stop_line: Slot,
    },
}
