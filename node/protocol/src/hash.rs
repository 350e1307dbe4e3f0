//! Poseidon2, the truncated SHA-256 and the sponge over a checkpoint's blob fields.

use ark_ff::Zero;
use sha2::{Digest, Sha256};

use crate::field::Fr;

/// Separator of the block hash (`BLOCK_HEADER_HASH`). Source: npm @aztec/constants 4.1.2.
pub const BLOCK_HEADER_HASH: u32 = 4_195_546_849;

/// The most fields a checkpoint's blobs hold: 6 blobs of 4096.
pub const MAX_CHECKPOINT_FIELDS: u32 = 24_576;

/// Elements absorbed per permutation.
const RATE: usize = 3;

/// Poseidon2 over BN254 with width 4, rate 3; the number of inputs is the capacity's initial value, times 2^64.
///
/// Source: npm @aztec/foundation 4.1.2, `src/crypto/poseidon`.
pub fn poseidon2_hash(inputs: &[Fr]) -> Fr {
    let mut sponge = Sponge::new(length(inputs));
    inputs.iter().for_each(|input| sponge.absorb(*input));
    sponge.squeeze()
}

/// [`poseidon2_hash`] of the separator followed by the inputs.
pub fn poseidon2_hash_with_separator(inputs: &[Fr], separator: u32) -> Fr {
    let mut sponge = Sponge::new(length(inputs).saturating_add(1));
    sponge.absorb(Fr::from_u64(u64::from(separator)));
    inputs.iter().for_each(|input| sponge.absorb(*input));
    sponge.squeeze()
}

/// [`poseidon2_hash`] of the bytes cut into little-endian integers of 31 bytes (the last one shorter).
pub fn poseidon2_hash_bytes(bytes: &[u8]) -> Fr {
    let inputs: Vec<Fr> = bytes
        .chunks(31)
        .map(|chunk| {
            let mut tail = [0; 31];
            for (place, byte) in tail.iter_mut().rev().zip(chunk) {
                *place = *byte;
            }
            Fr::from_31_bytes(&tail)
        })
        .collect();
    poseidon2_hash(&inputs)
}

/// SHA-256 without its last byte, behind a zero byte: always a field element.
///
/// Source: npm @aztec/foundation 4.1.2, `src/crypto/sha256`; npm @aztec/l1-artifacts 4.1.2, `Hash.sha256ToField`.
pub fn sha256_to_field(bytes: &[u8]) -> Fr {
    truncate(Sha256::digest(bytes).into())
}

/// [`sha256_to_field`] of two elements' bytes: a node of every SHA tree.
pub fn sha256_pair(left: Fr, right: Fr) -> Fr {
    truncate(Sha256::new().chain_update(left.to_be_bytes()).chain_update(right.to_be_bytes()).finalize().into())
}

fn truncate(digest: [u8; 32]) -> Fr {
    let mut tail = [0; 31];
    tail.copy_from_slice(&digest[..31]);
    Fr::from_31_bytes(&tail)
}

fn length(inputs: &[Fr]) -> u64 {
    u64::try_from(inputs.len()).unwrap_or(u64::MAX)
}

/// The duplex sponge: absorbed elements wait until another follows, so that n inputs cost max(1, ceil(n / 3)) permutations.
#[derive(Clone, Debug)]
struct Sponge {
    state: [ark_bn254::Fr; 4],
    pending: usize,
}

impl Sponge {
    fn new(length: u64) -> Self {
        let mut state = [ark_bn254::Fr::zero(); 4];
        state[RATE] = ark_bn254::Fr::from(u128::from(length) << 64);
        Self { state, pending: 0 }
    }

    fn absorb(&mut self, element: Fr) {
        if self.pending == RATE {
            taceo_poseidon2::bn254::t4::permutation_in_place(&mut self.state);
            self.pending = 0;
        }
        self.state[self.pending] += element.to_ark();
        self.pending += 1;
    }

    fn squeeze(&self) -> Fr {
        Fr::from_ark(taceo_poseidon2::bn254::t4::permutation(&self.state)[0])
    }
}

/// The sponge over the blob fields of one checkpoint: its initial value is that of a full checkpoint, whatever is absorbed.
///
/// Source: npm @aztec/blob-lib 4.1.2, `src/sponge_blob.ts`.
#[derive(Clone, Debug)]
pub struct SpongeBlob {
    sponge: Sponge,
    absorbed: u32,
}

/// More fields than a checkpoint may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{absorbed} fields absorbed and {more} more exceed {MAX_CHECKPOINT_FIELDS}")]
pub struct SpongeFull {
    /// Fields absorbed before.
    pub absorbed: u32,
    /// Fields that were to follow.
    pub more: usize,
}

impl SpongeBlob {
    /// A sponge that has absorbed nothing.
    pub fn new() -> Self {
        Self { sponge: Sponge::new(u64::from(MAX_CHECKPOINT_FIELDS)), absorbed: 0 }
    }

    /// Absorbs all of `fields`, or none of them.
    ///
    /// # Errors
    /// [`SpongeFull`] past 24576 fields.
    pub fn absorb(&mut self, fields: &[Fr]) -> Result<(), SpongeFull> {
        let full = SpongeFull { absorbed: self.absorbed, more: fields.len() };
        let more = u32::try_from(fields.len()).map_err(|_| full)?;
        let absorbed = self.absorbed.checked_add(more).filter(|sum| *sum <= MAX_CHECKPOINT_FIELDS).ok_or(full)?;
        fields.iter().for_each(|field| self.sponge.absorb(*field));
        self.absorbed = absorbed;
        Ok(())
    }

    /// The hash of what was absorbed so far; absorbing may go on.
    pub fn squeeze(&self) -> Fr {
        self.sponge.squeeze()
    }
}

impl Default for SpongeBlob {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_sponge_takes_nothing_more_and_keeps_its_state() {
        let mut sponge = SpongeBlob::new();
        sponge.absorb(&vec![Fr::ZERO; 24_575]).unwrap();
        let before = sponge.squeeze();
        assert_eq!(sponge.absorb(&[Fr::ZERO; 2]), Err(SpongeFull { absorbed: 24_575, more: 2 }));
        assert_eq!(sponge.squeeze(), before);
        sponge.absorb(&[Fr::from_u64(1)]).unwrap();
        assert_ne!(sponge.squeeze(), before);
    }
}
