//! What turns a recorded attempt into its transaction: all of it is made again from the log, by whoever leads.

use std::sync::Arc;

use alloy::consensus::BlobTransactionSidecar;
use alloy::primitives::Address;
use ollin_guard::Duty;
use ollin_protocol::payload::BundlePayload;
use ollin_protocol::signature::Signature;

/// The bundle of one slot with the proposer's signature over it and its blobs.
#[derive(Clone)]
pub(crate) struct Material {
    /// The bundle's duty.
    pub(crate) duty: Duty,
    /// The account that sends it.
    pub(crate) publisher: Address,
    /// The claimed bundle.
    pub(crate) bundle: Arc<BundlePayload>,
    /// The proposer's signature over attestations and signers.
    pub(crate) signature: Signature,
    /// The checkpoint's blobs.
    pub(crate) sidecar: BlobTransactionSidecar,
}
