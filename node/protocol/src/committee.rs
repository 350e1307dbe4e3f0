//! Which validators serve an epoch, and whose turn a slot is.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolType, SolValue, sol_data};

use crate::units::{Epoch, Slot};

/// A committee cannot be larger than the set it is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a committee of {size} cannot be drawn from {validators} validators")]
pub struct SampleTooLarge {
    /// Wanted size.
    pub size: usize,
    /// Size of the set.
    pub validators: usize,
}

/// Indices of the committee's members in the validator set, in committee order: `size` of `validators`, without replacement.
///
/// # Errors
/// [`SampleTooLarge`].
///
/// Source: npm @aztec/l1-artifacts 4.1.2, `SampleLib.computeCommittee`.
pub fn sample_committee(seed: U256, validators: usize, size: usize) -> Result<Vec<usize>, SampleTooLarge> {
    if size > validators {
        return Err(SampleTooLarge { size, validators });
    }
    let mut places: Vec<usize> = (0..validators).collect();
    let mut drawn = Vec::with_capacity(size);
    for draw in 0..size {
        // Each draw takes the last free place's content into the hole.
        let free = places.len();
        let hole = if free <= 1 { 0 } else { reduce(keccak256((seed, U256::from(draw)).abi_encode()), free) };
        drawn.push(places.swap_remove(hole));
    }
    Ok(drawn)
}

/// Index of the slot's proposer in the committee; `None` for an empty one.
///
/// Source: npm @aztec/l1-artifacts 4.1.2, `ValidatorSelectionLib.computeProposerIndex`.
pub fn proposer_index(epoch: Epoch, slot: Slot, seed: U256, size: usize) -> Option<usize> {
    let digest = keccak256((U256::from(epoch.get()), U256::from(slot.get()), seed).abi_encode());
    (size > 0).then(|| reduce(digest, size))
}

/// The epoch's sample seed from the randao value in force for it (its low 224 bits).
///
/// Source: npm @aztec/l1-artifacts 4.1.2, `ValidatorSelectionLib.getSampleSeed`.
pub fn seed(epoch: Epoch, randao: U256) -> U256 {
    let low = randao & (U256::MAX >> 32);
    keccak256((U256::from(epoch.get()), low).abi_encode()).into()
}

/// L1's commitment to a committee: `keccak256(abi.encode(address[]))`.
pub fn committee_commitment(committee: &[Address]) -> B256 {
    keccak256(sol_data::Array::<sol_data::Address>::abi_encode(committee))
}

fn reduce(digest: B256, modulus: usize) -> usize {
    let remainder = U256::from_be_bytes(digest.0) % U256::from(modulus);
    usize::try_from(remainder).expect("a remainder is below its modulus")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_committee_larger_than_the_set_is_refused_and_an_empty_one_has_no_proposer() {
        assert_eq!(sample_committee(U256::ZERO, 3, 4), Err(SampleTooLarge { size: 4, validators: 3 }));
        assert_eq!(proposer_index(Epoch::new(1), Slot::new(1), U256::ZERO, 0), None);
    }
}
