//! Merkle trees: the append-only Poseidon2 trees by their right edge, and the hashes of message and block lists.

mod frontier;
mod message;

pub use frontier::{Frontier, TreeError, empty_root};
pub use message::{
    EMPTY_EPOCH_OUT_HASH, EMPTY_IN_HASH, MAX_CHECKPOINTS_PER_EPOCH, MESSAGES_PER_CHECKPOINT, TooManyLeaves, block_out_hash,
    blocks_root, checkpoint_out_hash, epoch_out_hash, in_hash, tx_out_hash,
};

/// Height of the archive: a leaf per block, genesis included.
pub const ARCHIVE_HEIGHT: u8 = 30;

/// Height of the tree of L1-to-L2 messages.
pub const MESSAGE_TREE_HEIGHT: u8 = 36;

/// Height of the subtree of messages that each checkpoint appends.
pub const MESSAGE_SUBTREE_HEIGHT: u8 = 10;
