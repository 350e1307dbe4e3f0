//! What L1 says of the cluster's checkpoints.

use std::fs;
use std::path::Path;

use alloy_primitives::{Address, B256, eip191_hash_message};
use ollin_protocol::units::{CheckpointNumber, L1BlockNumber, SigningRoot, Slot};
use serde::{Deserialize, Serialize};

use crate::ReadError;

/// One `CheckpointProposed` log of a slot whose proposer is ours, with what the `propose` call carried.
///
/// Message hashes, not signing roots: the oracle prefixes them itself, so that an error in the cluster's own EIP-191 shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainFact {
    /// L1 chain id.
    pub chain_id: u64,
    /// The rollup contract.
    pub rollup: Address,
    /// Slot of the checkpoint's header.
    pub slot: Slot,
    /// The checkpoint's height.
    pub checkpoint: CheckpointNumber,
    /// Archive root in the log.
    pub archive: B256,
    /// Payload digest in the log: message hash of the attestations.
    pub payload_digest: B256,
    /// Digest of attestations and signers in the call: message hash of the proposer's signature under them.
    pub bundle_digest: B256,
    /// Hash of the L1 transaction.
    pub transaction: B256,
    /// L1 block that holds it.
    pub l1_block: L1BlockNumber,
}

impl ChainFact {
    /// Reads a JSON array of facts.
    ///
    /// # Errors
    /// [`ReadError::Io`] or [`ReadError::ChainFacts`].
    pub fn read_all(path: &Path) -> Result<Vec<Self>, ReadError> {
        let bytes = fs::read(path).map_err(|source| ReadError::Io { path: path.to_path_buf(), source })?;
        serde_json::from_slice(&bytes).map_err(|source| ReadError::ChainFacts { path: path.to_path_buf(), source })
    }

    /// The root that attesters signed.
    pub fn attestation_root(&self) -> SigningRoot {
        SigningRoot::new(eip191_hash_message(self.payload_digest))
    }

    /// The root that the proposer signed under attestations and signers.
    pub fn bundle_root(&self) -> SigningRoot {
        SigningRoot::new(eip191_hash_message(self.bundle_digest))
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::keccak256;

    use super::*;

    #[test]
    fn roots_are_the_prefixed_message_hashes() {
        let digest = B256::repeat_byte(5);
        let zero = B256::ZERO;
        let fact = ChainFact {
            chain_id: 1,
            rollup: Address::ZERO,
            slot: Slot::new(1),
            checkpoint: CheckpointNumber::new(1),
            archive: zero,
            payload_digest: digest,
            bundle_digest: zero,
            transaction: zero,
            l1_block: L1BlockNumber::new(1),
        };
        let prefixed = [b"\x19Ethereum Signed Message:\n32", digest.as_slice()].concat();
        assert_eq!(*fact.attestation_root().get(), keccak256(prefixed));
        assert_ne!(fact.bundle_root(), fact.attestation_root());
    }
}
