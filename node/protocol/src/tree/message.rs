//! Roots over lists: block hashes of a checkpoint, messages from L1, messages to L1.

use crate::field::Fr;
use crate::hash::{poseidon2_hash, sha256_pair};

/// Leaves of the in-hash tree: the messages of a checkpoint, padded.
pub const MESSAGES_PER_CHECKPOINT: usize = 1024;

/// Leaves of the epoch's out-hash tree.
pub const MAX_CHECKPOINTS_PER_EPOCH: usize = 32;

/// The in-hash of a checkpoint without messages.
pub const EMPTY_IN_HASH: &str = "0x00de7b349d2306334734e4f58b1302a6ed5a6c796a706f6597a5641b6d468223";

/// The epoch out hash while no checkpoint of the epoch had a message.
pub const EMPTY_EPOCH_OUT_HASH: &str = "0x00c95e0ceb41951039e1592745ec2faea9866f6eaf01bf189a4463b4143af093";

/// More leaves than the balanced tree has places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} leaves exceed the {limit} of the tree")]
pub struct TooManyLeaves {
    /// Leaves given.
    pub count: usize,
    /// Places of the tree.
    pub limit: usize,
}

/// The root over a checkpoint's block hashes (`blockHeadersHash`): an unbalanced Poseidon2 tree; one block is its own root.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/checkpoint`; npm @aztec/foundation 4.1.2, `src/trees`.
pub fn blocks_root(block_hashes: &[Fr]) -> Fr {
    unbalanced(block_hashes, &|left, right| poseidon2_hash(&[left, right]))
}

/// The root over a checkpoint's L1-to-L2 messages, padded with zeros to 1024 (`inHash`): the Inbox's own root.
///
/// # Errors
/// [`TooManyLeaves`] above 1024 messages.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/messaging/in_hash.ts`.
pub fn in_hash(messages: &[Fr]) -> Result<Fr, TooManyLeaves> {
    balanced(messages, MESSAGES_PER_CHECKPOINT)
}

/// The out hash of a transaction: the unbalanced SHA tree over its L2-to-L1 messages; none give zero, one is its own root.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/messaging/out_hash.ts`.
pub fn tx_out_hash(messages: &[Fr]) -> Fr {
    unbalanced(messages, &sha256_pair)
}

/// The out hash of a block from those of its transactions: zeros vanish and their siblings move up unhashed.
pub fn block_out_hash(tx_out_hashes: &[Fr]) -> Fr {
    unbalanced(tx_out_hashes, &compress)
}

/// The out hash of a checkpoint from those of its blocks, by the rule of [`block_out_hash`].
pub fn checkpoint_out_hash(block_out_hashes: &[Fr]) -> Fr {
    unbalanced(block_out_hashes, &compress)
}

/// The header's out hash: the balanced SHA tree over the out hashes of the epoch's checkpoints so far, this one included,
/// padded with zeros to 32. A checkpoint without messages keeps its (zero) place.
///
/// # Errors
/// [`TooManyLeaves`] above 32 checkpoints.
pub fn epoch_out_hash(checkpoint_out_hashes: &[Fr]) -> Result<Fr, TooManyLeaves> {
    balanced(checkpoint_out_hashes, MAX_CHECKPOINTS_PER_EPOCH)
}

fn compress(left: Fr, right: Fr) -> Fr {
    match (left.is_zero(), right.is_zero()) {
        (true, _) => right,
        (_, true) => left,
        (false, false) => sha256_pair(left, right),
    }
}

/// Left: the largest power of two of leaves below the count; right: the rest.
fn unbalanced(leaves: &[Fr], node: &dyn Fn(Fr, Fr) -> Fr) -> Fr {
    match leaves {
        [] => Fr::ZERO,
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node(unbalanced(left, node), unbalanced(right, node))
        }
    }
}

/// `width` is a power of two.
fn balanced(leaves: &[Fr], width: usize) -> Result<Fr, TooManyLeaves> {
    if leaves.len() > width {
        return Err(TooManyLeaves { count: leaves.len(), limit: width });
    }
    let mut nodes = leaves.to_vec();
    let mut empty = Fr::ZERO;
    let mut level = width;
    while level > 1 {
        nodes = nodes
            .chunks(2)
            .map(|pair| sha256_pair(pair.first().copied().unwrap_or(empty), pair.get(1).copied().unwrap_or(empty)))
            .collect();
        empty = sha256_pair(empty, empty);
        level /= 2;
    }
    Ok(nodes.first().copied().unwrap_or(empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lists_have_the_published_roots() {
        assert_eq!(in_hash(&[]).unwrap().to_string(), EMPTY_IN_HASH);
        assert_eq!(epoch_out_hash(&[]).unwrap().to_string(), EMPTY_EPOCH_OUT_HASH);
        assert_eq!(epoch_out_hash(&[Fr::ZERO; 32]).unwrap().to_string(), EMPTY_EPOCH_OUT_HASH);
    }

    #[test]
    fn one_leaf_too_many_is_refused() {
        assert_eq!(in_hash(&[Fr::ZERO; 1025]), Err(TooManyLeaves { count: 1025, limit: 1024 }));
        assert_eq!(epoch_out_hash(&[Fr::ZERO; 33]), Err(TooManyLeaves { count: 33, limit: 32 }));
    }
}
