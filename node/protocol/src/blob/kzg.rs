//! KZG commitments under Ethereum's trusted setup.

use std::fmt;

use alloy_primitives::{B256, hex};
use c_kzg::{KzgSettings, ethereum_kzg_settings};
use sha2::{Digest, Sha256};

use super::{BLOB_BYTES, Blob, BlobError, COMMITMENT_BYTES};

/// No tables are precomputed: they speed up cell proofs only and take 100 MB.
const PRECOMPUTE: u64 = 0;

/// Version byte of a versioned hash. Source: EIP-4844.
const VERSIONED_HASH_VERSION_KZG: u8 = 0x01;

/// A KZG commitment: a compressed BLS12-381 point.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlobCommitment([u8; COMMITMENT_BYTES]);

impl BlobCommitment {
    /// Wraps the bytes of a commitment.
    pub const fn new(bytes: [u8; COMMITMENT_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; COMMITMENT_BYTES] {
        &self.0
    }

    /// The hash by which L1 knows the blob: SHA-256 of the commitment, its first byte replaced by the version.
    pub fn versioned_hash(&self) -> B256 {
        let mut digest: [u8; 32] = Sha256::digest(self.0).into();
        digest[0] = VERSIONED_HASH_VERSION_KZG;
        B256::new(digest)
    }
}

impl fmt::Debug for BlobCommitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_prefixed(self.0))
    }
}

impl Blob {
    /// The commitment to the blob. The first call of a process loads the setup: see [`warm_up`].
    ///
    /// # Errors
    /// [`BlobError::Kzg`] for an element that is not below the BLS12-381 scalar modulus.
    pub fn commitment(&self) -> Result<BlobCommitment, BlobError> {
        let blob = c_kzg::Blob::new(*self.as_bytes());
        let commitment = kzg_settings().blob_to_kzg_commitment(&blob).map_err(|_| BlobError::Kzg)?;
        Ok(BlobCommitment(commitment.to_bytes().into_inner()))
    }

    /// The hash by which L1 knows the blob.
    ///
    /// # Errors
    /// As [`Self::commitment`].
    pub fn versioned_hash(&self) -> Result<B256, BlobError> {
        Ok(self.commitment()?.versioned_hash())
    }
}

/// Loads the trusted setup, which takes seconds: call it when a process starts, away from the hot path.
pub fn warm_up() {
    kzg_settings();
}

/// The trusted setup, loaded once per process: give it to everything that makes proofs, so that no second one is loaded.
pub fn kzg_settings() -> &'static KzgSettings {
    const { assert!(c_kzg::BYTES_PER_BLOB == BLOB_BYTES) };
    ethereum_kzg_settings(PRECOMPUTE)
}
