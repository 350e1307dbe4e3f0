//! What can go wrong with the store, and in a pass over L1.

use std::path::PathBuf;

use ollin_l1::{BlobError, L1Error};
use ollin_protocol::units::CheckpointNumber;

use crate::inbox::InboxFault;

/// Why the store cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiverError {
    /// RocksDB refuses: no space, no rights, or another process has the directory.
    #[error("the archiver's store at {} cannot be used", .path.display())]
    Store {
        /// The directory.
        path: PathBuf,
        /// RocksDB's reason.
        #[source]
        source: rocksdb::Error,
    },
    /// The directory belongs to another rollup, chain or version.
    #[error(
        "the archiver's store at {} is for {what} {found}, expected {expected}: use another DATA_DIRECTORY, or delete this one \
         (it is rebuilt from L1)",
        .path.display()
    )]
    OtherRollup {
        /// The directory.
        path: PathBuf,
        /// Which property.
        what: &'static str,
        /// In the store.
        found: String,
        /// On L1, or of this version.
        expected: String,
    },
    /// Stored bytes are not what was written.
    #[error("the archiver's store at {} is corrupt ({what}): delete it, it is rebuilt from L1", .path.display())]
    Corrupt {
        /// The directory.
        path: PathBuf,
        /// Which record.
        what: String,
    },
}

/// Why a pass ended early. The next one tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    Store(#[from] ArchiverError),
    #[error(transparent)]
    Blobs(#[from] BlobError),
    #[error(transparent)]
    Inbox(#[from] InboxFault),
    /// The inbox has more messages than its logs show.
    #[error("the inbox has {expected} messages, its logs show {found}")]
    MessagesMissing { expected: u64, found: u64 },
    /// The rollup has more checkpoints than its logs show.
    #[error("the rollup's chain has {expected} checkpoints, its logs show {found}")]
    CheckpointsMissing { expected: CheckpointNumber, found: CheckpointNumber },
    /// The genesis archive is not ours: the compatibility check was left out, or L1 answers for another chain.
    #[error("the rollup's archive at checkpoint 0 is not the genesis that the store began with")]
    Genesis,
    /// The log's transaction is unknown to the endpoint.
    #[error("transaction {transaction} of checkpoint {checkpoint} not found on L1")]
    TransactionMissing { checkpoint: CheckpointNumber, transaction: alloy_primitives::B256 },
    /// L1 moved while it was read.
    #[error("L1 block {block} of checkpoint {checkpoint} is gone")]
    BlockGone { checkpoint: CheckpointNumber, block: ollin_protocol::units::L1BlockNumber },
    /// The task that executed the checkpoint ended without an answer.
    #[error("verification of checkpoint {checkpoint} was interrupted")]
    Interrupted { checkpoint: CheckpointNumber },
}
