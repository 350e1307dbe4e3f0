//! Why the archiver stops in front of a checkpoint.

use ollin_protocol::blob::BlobError as DecodingError;
use ollin_protocol::chain::ChainError;
use ollin_protocol::units::{CheckpointNumber, Slot};

use crate::calldata::CalldataError;

/// A checkpoint of L1's chain that cannot be verified, or is wrong. It is not stored; the archiver stands still in front of it until
/// L1 drops it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no execution engine yet.
    #[error("cannot yet verify blocks with transactions (checkpoint {checkpoint}, slot {slot})")]
    Transactions {
        /// The checkpoint.
        checkpoint: CheckpointNumber,
        /// Its slot.
        slot: Slot,
    },
    /// Several blocks without transactions: the protocol allows an empty block only as a checkpoint's first.
    #[error("cannot yet verify checkpoints of {blocks} blocks (checkpoint {checkpoint}, slot {slot})")]
    Blocks {
        /// The checkpoint.
        checkpoint: CheckpointNumber,
        /// Its slot.
        slot: Slot,
        /// How many blocks.
        blocks: usize,
    },
    /// The calldata is not where it can be read.
    #[error("calldata of checkpoint {checkpoint} not recovered: {source}")]
    Calldata {
        /// The checkpoint.
        checkpoint: CheckpointNumber,
        /// Why.
        source: CalldataError,
    },
    /// The blobs hold no checkpoint.
    #[error("blobs of checkpoint {checkpoint} (slot {slot}) do not decode: {source}")]
    Blobs {
        /// The checkpoint.
        checkpoint: CheckpointNumber,
        /// Its slot.
        slot: Slot,
        /// Why.
        source: DecodingError,
    },
    /// The checkpoint cannot follow our state.
    #[error("checkpoint {checkpoint} (slot {slot}) cannot be executed: {source}")]
    Execution {
        /// The checkpoint.
        checkpoint: CheckpointNumber,
        /// Its slot.
        slot: Slot,
        /// Why.
        source: ChainError,
    },
    /// Judged before; L1 still has it.
    #[error("{reason}")]
    Known {
        /// What was found then.
        reason: String,
    },
    /// A value differs from the one that the inputs give.
    #[error("checkpoint {checkpoint} (slot {slot}) is wrong: {what} is {found}, its inputs give {expected}")]
    Mismatch {
        /// The checkpoint.
        checkpoint: CheckpointNumber,
        /// Its slot.
        slot: Slot,
        /// Which value.
        what: &'static str,
        /// On L1.
        found: String,
        /// By execution.
        expected: String,
    },
}
