//! The state that empty blocks touch, and checkpoints of one empty block on it.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use crate::blob::{self, Blob, BlobCommitment, BlobError, BlockEnd, BlockEndMarker, BlockEndState};
use crate::field::Fr;
use crate::hash::SpongeBlob;
use crate::header::{
    BlockHeader, CheckpointHeader, GasFees, GlobalVariables, HeaderError, PartialState, Snapshot, StateReference,
};
use crate::tree::{
    ARCHIVE_HEIGHT, Frontier, MESSAGE_SUBTREE_HEIGHT, MESSAGE_TREE_HEIGHT, MESSAGES_PER_CHECKPOINT, TooManyLeaves, TreeError,
    blocks_root, checkpoint_out_hash, epoch_out_hash, in_hash,
};
use crate::units::{BlockNumber, CheckpointNumber, Slot};

/// The trees by which one block follows another. Blocks without transactions leave `partial` as it is.
///
/// Invariants between blocks: the archive has one leaf more than there are blocks, the message tree 1024 leaves per checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainState {
    messages: Frontier,
    archive: Frontier,
    partial: PartialState,
}

/// What a checkpoint of one empty block depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointInputs {
    /// L1 chain id.
    pub chain_id: u64,
    /// The rollup's version.
    pub rollup_version: u64,
    /// Number of the checkpoint.
    pub checkpoint: CheckpointNumber,
    /// Number of its block.
    pub block: BlockNumber,
    /// Its slot.
    pub slot: Slot,
    /// Start of the slot, seconds.
    pub timestamp: u64,
    /// L1 recipient of rewards.
    pub coinbase: Address,
    /// L2 recipient of fees.
    pub fee_recipient: Fr,
    /// Prices.
    pub gas_fees: GasFees,
    /// The checkpoint's messages from L1, unpadded.
    pub messages: Vec<Fr>,
    /// Out hashes of the epoch's earlier checkpoints, in order.
    pub previous_out_hashes: Vec<Fr>,
}

/// A checkpoint of one empty block, and the state after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmptyCheckpoint {
    /// The block's header.
    pub block_header: BlockHeader,
    /// Its hash: the new leaf of the archive.
    pub block_hash: Fr,
    /// The checkpoint's header.
    pub header: CheckpointHeader,
    /// The archive after it.
    pub archive: Snapshot,
    /// All fields of its blobs, without padding.
    pub blob_fields: Vec<Fr>,
    /// Its blobs.
    pub blobs: Vec<Blob>,
    /// Their commitments.
    pub commitments: Vec<BlobCommitment>,
    /// The state after it.
    pub state: ChainState,
    /// The checkpoint's own out hash: zero without transactions.
    pub out_hash: Fr,
}

/// Why no checkpoint can be built on a state.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The state is that of another block.
    #[error(
        "block {block} of checkpoint {checkpoint} does not follow a state with {blocks} blocks and {checkpoints} checkpoints"
    )]
    Order {
        /// Number of the block to build.
        block: BlockNumber,
        /// Number of the checkpoint to build.
        checkpoint: CheckpointNumber,
        /// Blocks in the archive, genesis not counted.
        blocks: u64,
        /// Checkpoints whose messages are in the tree.
        checkpoints: u64,
    },
    /// A tree is full.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Too many messages, or too many checkpoints in the epoch.
    #[error(transparent)]
    Leaves(#[from] TooManyLeaves),
    /// A number has no room in the header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The blobs cannot be made.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

impl ChainState {
    /// The state before the first block of a rollup without prefilled public data.
    ///
    /// Source: npm @aztec/constants 4.1.2, `GENESIS_ARCHIVE_ROOT`; npm @aztec/world-state 4.1.2.
    pub fn genesis() -> Self {
        Self::genesis_with(genesis_partial_state())
    }

    /// The state before the first block, with other trees than the default ones (prefilled public data).
    pub fn genesis_with(partial: PartialState) -> Self {
        let messages = Frontier::new(MESSAGE_TREE_HEIGHT);
        let state = StateReference { l1_to_l2_message: messages.snapshot(), partial };
        let mut archive = Frontier::new(ARCHIVE_HEIGHT);
        archive.append(BlockHeader { state, ..BlockHeader::default() }.hash()).expect("an empty archive takes a leaf");
        Self { messages, archive, partial }
    }

    /// A state from its parts: a chain that is entered in its middle.
    pub const fn from_parts(messages: Frontier, archive: Frontier, partial: PartialState) -> Self {
        Self { messages, archive, partial }
    }

    /// The archive: one leaf per block, genesis included.
    pub fn archive(&self) -> Snapshot {
        self.archive.snapshot()
    }

    /// The tree of messages from L1.
    pub fn messages(&self) -> Snapshot {
        self.messages.snapshot()
    }

    /// The trees that transactions write.
    pub const fn partial(&self) -> &PartialState {
        &self.partial
    }

    /// All four state trees.
    pub fn state_reference(&self) -> StateReference {
        StateReference { l1_to_l2_message: self.messages(), partial: self.partial }
    }

    /// Number of the block that follows.
    pub fn next_block(&self) -> BlockNumber {
        BlockNumber::new(self.archive.size())
    }

    /// Builds the checkpoint of one empty block that follows this state.
    ///
    /// # Errors
    /// [`ChainError`]: numbers that do not follow, full trees, too many messages.
    ///
    /// Source: npm @aztec/prover-client 4.1.2, `src/light/lightweight_checkpoint_builder.ts`.
    pub fn build_empty_checkpoint(&self, inputs: &CheckpointInputs) -> Result<EmptyCheckpoint, ChainError> {
        self.check_order(inputs)?;
        let mut state = self.clone();
        state.messages.append_padded_subtree(MESSAGE_SUBTREE_HEIGHT, &inputs.messages)?;
        let mut block_header = BlockHeader {
            last_archive: self.archive(),
            state: state.state_reference(),
            global_variables: inputs.global_variables(),
            ..BlockHeader::default()
        };
        block_header.check()?;
        let end = block_end(&block_header)?;
        let mut sponge = SpongeBlob::new();
        sponge.absorb(&end).map_err(BlobError::from)?;
        block_header.sponge_blob_hash = sponge.squeeze();
        let block_hash = block_header.hash();
        state.archive.append(block_hash)?;

        let blob_fields = blob::checkpoint_fields(end)?;
        let blobs = blob::blobs_from_fields(&blob_fields)?;
        let commitments = blobs.iter().map(Blob::commitment).collect::<Result<Vec<_>, _>>()?;
        let versioned_hashes: Vec<_> = commitments.iter().map(BlobCommitment::versioned_hash).collect();
        let out_hash = checkpoint_out_hash(&[Fr::ZERO]);
        let out_hashes: Vec<Fr> = inputs.previous_out_hashes.iter().copied().chain([out_hash]).collect();
        let header = CheckpointHeader {
            last_archive_root: block_header.last_archive.root,
            block_headers_hash: blocks_root(&[block_hash]),
            blobs_hash: blob::blobs_hash(&versioned_hashes),
            in_hash: in_hash(&inputs.messages)?,
            epoch_out_hash: epoch_out_hash(&out_hashes)?,
            slot: inputs.slot,
            timestamp: inputs.timestamp,
            coinbase: inputs.coinbase,
            fee_recipient: inputs.fee_recipient,
            gas_fees: inputs.gas_fees,
            total_mana_used: Fr::ZERO,
        };
        let archive = state.archive();
        Ok(EmptyCheckpoint { block_header, block_hash, header, archive, blob_fields, blobs, commitments, state, out_hash })
    }

    /// The numbers asked for are the ones that the trees say are next.
    fn check_order(&self, inputs: &CheckpointInputs) -> Result<(), ChainError> {
        let per_checkpoint = u64::try_from(MESSAGES_PER_CHECKPOINT).unwrap_or(u64::MAX);
        let checkpoints = self.messages.size() / per_checkpoint;
        let blocks = self.archive.size().saturating_sub(1);
        let follows = inputs.checkpoint.previous() == Some(CheckpointNumber::new(checkpoints))
            && inputs.block.previous() == Some(BlockNumber::new(blocks));
        if follows {
            Ok(())
        } else {
            Err(ChainError::Order { block: inputs.block, checkpoint: inputs.checkpoint, blocks, checkpoints })
        }
    }
}

impl CheckpointInputs {
    fn global_variables(&self) -> GlobalVariables {
        GlobalVariables {
            chain_id: Fr::from_u64(self.chain_id),
            version: Fr::from_u64(self.rollup_version),
            block_number: self.block,
            slot: self.slot,
            timestamp: self.timestamp,
            coinbase: self.coinbase,
            fee_recipient: self.fee_recipient,
            gas_fees: self.gas_fees,
        }
    }
}

/// All blob fields of a checkpoint whose one block is empty and has this header.
///
/// # Errors
/// [`BlobError::TooLarge`] for a number that has no room in the blob.
pub fn empty_checkpoint_fields(header: &BlockHeader) -> Result<Vec<Fr>, BlobError> {
    blob::checkpoint_fields(block_end(header)?)
}

/// The fields of an empty first block: its end.
fn block_end(header: &BlockHeader) -> Result<Vec<Fr>, BlobError> {
    let StateReference { l1_to_l2_message, partial } = &header.state;
    blob::block_end_fields(&BlockEnd {
        marker: BlockEndMarker {
            num_txs: 0,
            block_number: header.global_variables.block_number,
            timestamp: header.global_variables.timestamp,
        },
        state: BlockEndState {
            l1_to_l2_message_size: l1_to_l2_message.next_available_leaf_index.into(),
            note_hash_size: partial.note_hash.next_available_leaf_index.into(),
            nullifier_size: partial.nullifier.next_available_leaf_index.into(),
            public_data_size: partial.public_data.next_available_leaf_index.into(),
            total_mana_used: 0,
        },
        last_archive_root: header.last_archive.root,
        note_hash_root: partial.note_hash.root,
        nullifier_root: partial.nullifier.root,
        public_data_root: partial.public_data.root,
        l1_to_l2_message_root: Some(l1_to_l2_message.root),
    })
}

/// The trees at genesis: no notes, 128 padding leaves in each indexed tree.
fn genesis_partial_state() -> PartialState {
    let snapshot = |root: &str, next_available_leaf_index| Snapshot {
        root: root.parse().expect("the roots below are canonical"),
        next_available_leaf_index,
    };
    PartialState {
        note_hash: snapshot("0x2ac5dda169f6bb3b9ca09bbac34e14c94d1654597db740153a1288d859a8a30a", 0),
        nullifier: snapshot("0x1ec3788cd1c32e54d889d67fe29e481114f9d4afe9b44b229aa29d8ad528dd31", 128),
        public_data: snapshot("0x23c08a6b1297210c5e24c76b9a936250a1ce2721576c26ea797c7ec35f9e46a9", 128),
    }
}

#[cfg(test)]
mod tests;
