//! L1's history as checkpoints, blocks, messages and tips.
//!
//! The archiver follows the newest L1 block. Each pass is pinned to one block and reads what that block makes true: the inbox, the
//! pending chain, a prune that is due. Nothing is believed because a log says so. A checkpoint enters the store only after its
//! calldata was found and matches the hashes in the log, its attestations are those of the slot's committee, its blobs decode, and
//! every root in its header is the one that its inputs give on top of our own state.
//!
//! For now those inputs are known for checkpoints of one empty block only. A checkpoint with transactions stops the archiver with a
//! fault: it is never believed unverified.
//!
//! - [`Archiver`]: opens the store, runs the loop.
//! - [`ArchiverHandle`]: what the rest of the replica reads.
//! - The store is rebuildable: deleting its directory costs a resynchronisation and nothing else.

mod archiver;
mod at_work;
mod calldata;
mod error;
mod fault;
#[cfg(test)]
mod fuzz;
mod inbox;
mod record;
mod store;
mod sync;
mod tip;
mod verification;
mod view;

pub use archiver::Archiver;
pub use at_work::{AtWork, keys_at_work};
pub use calldata::{CalldataError, recover_propose};
pub use error::ArchiverError;
pub use fault::Fault;
pub use inbox::InboxFault;
pub use record::{InvalidCheckpoint, StoredCheckpoint, StoredMessage};
pub use tip::{Tip, TipState, Tips};
pub use verification::{VerificationInputs, verify_checkpoint};
pub use view::{ArchiverHandle, ArchiverView, MessageTree};
