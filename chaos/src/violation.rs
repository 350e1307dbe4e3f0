//! What an oracle found.

use alloy_primitives::B256;
use ollin_protocol::units::{SigningRoot, Slot};

use crate::{Attempt, DutyKey, Emitted, Origin};

/// A broken invariant, with the lines that show it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// S1: two signing roots left for one duty.
    #[error("S1: {key} has two roots: {first} from {first_origin}, {second} from {second_origin}")]
    TwoRoots {
        /// The duty.
        key: DutyKey,
        /// The root seen first.
        first: SigningRoot,
        /// Where.
        first_origin: Origin,
        /// Another root.
        second: SigningRoot,
        /// Where.
        second_origin: Origin,
    },
    /// S1: a deterministic signer gave two signatures for one root.
    #[error("S1: {key} has two signatures of one root, from {first_origin} and {second_origin}")]
    TwoSignatures {
        /// The duty.
        key: DutyKey,
        /// The first.
        first_origin: Origin,
        /// The other.
        second_origin: Origin,
    },
    /// S2: a bundle went to L1 before its root was signed.
    #[error("S2: {attempt} of slot {slot} from {origin} carries bundle {root}, which nobody had signed")]
    UnsignedBundle {
        /// The attempt.
        attempt: Attempt,
        /// Its slot.
        slot: Slot,
        /// The bundle's root.
        root: SigningRoot,
        /// Where.
        origin: Origin,
    },
    /// S2: attestations and signers were signed before the proposer's own checkpoint or attestation.
    #[error("S2: {key} was signed by {origin} before the attester's {missing} of the slot")]
    Premature {
        /// The duty.
        key: DutyKey,
        /// The kind that should have come before.
        missing: ollin_guard::DutyKind,
        /// Where.
        origin: Origin,
    },
    /// S4: one attempt left as two transactions.
    #[error("S4: {attempt} left as {first} from {first_origin} and as {second} from {second_origin}")]
    TwoTransactions {
        /// The attempt.
        attempt: Attempt,
        /// Hash seen first.
        first: B256,
        /// Where.
        first_origin: Origin,
        /// Another hash.
        second: B256,
        /// Where.
        second_origin: Origin,
    },
    /// S4: one transaction left as two attempts.
    #[error("S4: transaction {hash} left as {first} from {first_origin} and as {second} from {second_origin}")]
    TwoAttempts {
        /// The transaction.
        hash: B256,
        /// Attempt seen first.
        first: Attempt,
        /// Where.
        first_origin: Origin,
        /// Another attempt.
        second: Attempt,
        /// Where.
        second_origin: Origin,
    },
    /// S4: lines of one transaction differ in slot or root.
    #[error("S4: {attempt} is described in two ways, by {first_origin} and {second_origin}")]
    TwoDescriptions {
        /// The attempt.
        attempt: Attempt,
        /// The first line.
        first_origin: Origin,
        /// The other.
        second_origin: Origin,
    },
    /// S4: a later attempt at a nonce is for an earlier slot: a transaction of a past slot was started.
    #[error("S4: {later} is for slot {later_slot}, after attempt {earlier} for slot {earlier_slot}")]
    SlotFell {
        /// Number of the earlier attempt.
        earlier: u32,
        /// Its slot.
        earlier_slot: Slot,
        /// The later attempt.
        later: Attempt,
        /// Its slot.
        later_slot: Slot,
    },
    /// S4: a checkpoint is on L1 whose attestation root nobody of ours signed.
    #[error("S4: checkpoint of slot {slot} on L1 has attestation root {root}, which is not recorded for the slot")]
    UnrecordedCheckpoint {
        /// Its slot.
        slot: Slot,
        /// The root.
        root: SigningRoot,
    },
    /// S4: a checkpoint is on L1 whose bundle root nobody of ours signed.
    #[error("S4: checkpoint of slot {slot} on L1 has bundle root {root}, which is not recorded for the slot")]
    UnrecordedBundle {
        /// Its slot.
        slot: Slot,
        /// The root.
        root: SigningRoot,
    },
    /// S4: a checkpoint is on L1 by a transaction that no outlet recorded for this slot, rollup and bundle.
    #[error("S4: checkpoint of slot {slot} on L1 came by transaction {hash}, which is not recorded for this slot and bundle")]
    UnrecordedTransaction {
        /// Its slot.
        slot: Slot,
        /// The transaction.
        hash: B256,
    },
    /// S4: two checkpoints of one slot are on L1.
    #[error("S4: slot {slot} has two checkpoints on L1, by transactions {first} and {second}")]
    TwoCheckpoints {
        /// The slot.
        slot: Slot,
        /// The first one's transaction.
        first: B256,
        /// The other's.
        second: B256,
    },
    /// A replica that woke from a pause emitted what nobody had emitted before.
    #[error("wake: {origin} emitted something new after its pause: {emitted}")]
    NewAfterWake {
        /// Where.
        origin: Origin,
        /// What.
        emitted: Emitted,
    },
}
