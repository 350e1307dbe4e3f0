//! Blobs of a claimed checkpoint, made again from what the log holds, and their sidecar.

use alloy::consensus::BlobTransactionSidecar;
use alloy::eips::eip4844::Blob as WireBlob;
use ollin_protocol::blob::{self, BlobError};
use ollin_protocol::chain;
use ollin_protocol::payload::CheckpointPayload;

/// Why no sidecar could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SidecarError {
    /// The claimed block holds transactions, and their effects are not in the log.
    #[error("the claimed block holds {count} transactions and this version executes none")]
    HasTransactions {
        /// How many.
        count: usize,
    },
    /// The header's values fit no blob.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// KZG failed.
    #[error("no commitment or proof for a blob: {0}")]
    Kzg(String),
}

/// The EIP-4844 sidecar (one proof per blob) of a checkpoint of one empty block: everything in it follows from the block's header.
///
/// # Errors
/// [`SidecarError`].
pub(crate) fn of_checkpoint(checkpoint: &CheckpointPayload) -> Result<BlobTransactionSidecar, SidecarError> {
    let count = checkpoint.last_block.tx_hashes.len();
    if count > 0 || checkpoint.block_count != 1 {
        return Err(SidecarError::HasTransactions { count });
    }
    let fields = chain::empty_checkpoint_fields(&checkpoint.last_block.header)?;
    let blobs = blob::blobs_from_fields(&fields)?;
    let wire = blobs.iter().map(|blob| WireBlob::from_slice(blob.as_bytes())).collect();
    BlobTransactionSidecar::try_from_blobs_with_settings(wire, blob::kzg_settings())
        .map_err(|error| SidecarError::Kzg(error.to_string()))
}
