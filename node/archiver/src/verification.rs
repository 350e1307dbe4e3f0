//! A checkpoint of L1 against the one that its inputs give.

use alloy_primitives::B256;
use ollin_protocol::blob::{Blob, decode_checkpoint, fields_from_blobs};
use ollin_protocol::chain::{ChainState, CheckpointInputs, EmptyCheckpoint};
use ollin_protocol::field::Fr;
use ollin_protocol::propose::ProposeArgs;
use ollin_protocol::units::{BlockNumber, CheckpointNumber, Slot};

use crate::fault::Fault;

/// Everything by which a checkpoint is judged.
#[derive(Clone, Debug)]
pub struct VerificationInputs {
    /// Its number.
    pub checkpoint: CheckpointNumber,
    /// Number of its block.
    pub block: BlockNumber,
    /// L1 chain id.
    pub chain_id: u64,
    /// The rollup's version.
    pub rollup_version: u64,
    /// First second of the slot that the header names.
    pub slot_start: u64,
    /// What was proposed.
    pub args: ProposeArgs,
    /// Versioned hashes of its blobs, as logged.
    pub versioned_blob_hashes: Vec<B256>,
    /// The blobs with those hashes.
    pub blobs: Vec<Blob>,
    /// Our state before it.
    pub parent: ChainState,
    /// Its messages, as the inbox has them.
    pub messages: Vec<Fr>,
    /// Out hashes of the epoch's earlier checkpoints.
    pub previous_out_hashes: Vec<Fr>,
}

/// Decodes the blobs, executes the checkpoint on our own state and compares everything that L1 holds with what comes out.
///
/// # Errors
/// [`Fault`], the first one found.
pub fn verify_checkpoint(inputs: &VerificationInputs) -> Result<EmptyCheckpoint, Fault> {
    let (checkpoint, header) = (inputs.checkpoint, &inputs.args.header);
    let slot = header.slot;
    require_one_empty_block(inputs, checkpoint, slot)?;
    let built = inputs
        .parent
        .build_empty_checkpoint(&CheckpointInputs {
            chain_id: inputs.chain_id,
            rollup_version: inputs.rollup_version,
            checkpoint,
            block: inputs.block,
            slot,
            timestamp: inputs.slot_start,
            coinbase: header.coinbase,
            fee_recipient: header.fee_recipient,
            gas_fees: header.gas_fees,
            messages: inputs.messages.clone(),
            previous_out_hashes: inputs.previous_out_hashes.clone(),
        })
        .map_err(|source| Fault::Execution { checkpoint, slot, source })?;
    let built_hashes: Vec<B256> = built.commitments.iter().map(|commitment| commitment.versioned_hash()).collect();
    let pairs = [
        ("the archive before it", header.last_archive_root.to_string(), built.header.last_archive_root.to_string()),
        ("the hash of its messages", header.in_hash.to_string(), built.header.in_hash.to_string()),
        ("the epoch's out hash", header.epoch_out_hash.to_string(), built.header.epoch_out_hash.to_string()),
        ("its timestamp", header.timestamp.to_string(), built.header.timestamp.to_string()),
        ("its mana", header.total_mana_used.to_string(), built.header.total_mana_used.to_string()),
        ("its blobs", format!("{:?}", inputs.versioned_blob_hashes), format!("{built_hashes:?}")),
        ("the hash of its blobs", header.blobs_hash.to_string(), built.header.blobs_hash.to_string()),
        ("the hash of its block headers", header.block_headers_hash.to_string(), built.header.block_headers_hash.to_string()),
        ("its header", header.hash().to_string(), built.header.hash().to_string()),
        ("the archive after it", inputs.args.archive.to_string(), built.archive.root.to_string()),
    ];
    match pairs.into_iter().find(|(_, found, expected)| found != expected) {
        Some((what, found, expected)) => Err(Fault::Mismatch { checkpoint, slot, what, found, expected }),
        None => Ok(built),
    }
}

fn require_one_empty_block(inputs: &VerificationInputs, checkpoint: CheckpointNumber, slot: Slot) -> Result<(), Fault> {
    let decoded = fields_from_blobs(&inputs.blobs).and_then(|fields| decode_checkpoint(&fields));
    let decoded = decoded.map_err(|source| Fault::Blobs { checkpoint, slot, source })?;
    if decoded.blocks.iter().any(|block| !block.transactions.is_empty()) {
        return Err(Fault::Transactions { checkpoint, slot });
    }
    match decoded.blocks.len() {
        1 => Ok(()),
        blocks => Err(Fault::Blocks { checkpoint, slot, blocks }),
    }
}

#[cfg(test)]
mod tests;
