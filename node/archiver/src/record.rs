//! What the store holds.

use alloy_primitives::{Address, B256, FixedBytes};
use ollin_protocol::attestations::CommitteeAttestations;
use ollin_protocol::chain::ChainState;
use ollin_protocol::field::Fr;
use ollin_protocol::header::{BlockHeader, CheckpointHeader, Snapshot};
use ollin_protocol::units::{BlockNumber, CheckpointNumber, L1BlockNumber, Slot};
use serde::{Deserialize, Serialize};

/// A verified checkpoint of the pending chain, and the state after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCheckpoint {
    /// Its number.
    pub number: CheckpointNumber,
    /// Its header.
    pub header: CheckpointHeader,
    /// The archive after it.
    pub archive: Snapshot,
    /// Header of its one block.
    pub block_header: BlockHeader,
    /// Hash of that header.
    pub block_hash: Fr,
    /// The checkpoint's own out hash.
    pub out_hash: Fr,
    /// Change of the fee-asset price, basis points.
    pub fee_asset_price_modifier: i64,
    /// The committee's attestations, as published.
    pub attestations: CommitteeAttestations,
    /// The members that signed.
    pub signers: Vec<Address>,
    /// The L1 block that carried it when it was read.
    pub l1_block: L1BlockNumber,
    /// Its hash.
    pub l1_block_hash: B256,
    /// Its timestamp, seconds.
    pub l1_timestamp: u64,
    /// The L1 transaction.
    pub transaction: B256,
    /// The state after the checkpoint: unwinding to it is a look-up.
    pub state: ChainState,
}

impl StoredCheckpoint {
    /// Number of its last block.
    pub fn block(&self) -> BlockNumber {
        self.block_header.global_variables.block_number
    }

    /// Its slot.
    pub fn slot(&self) -> Slot {
        self.header.slot
    }
}

/// A message from L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMessage {
    /// Its place over all checkpoints.
    pub index: u64,
    /// How many messages there are up to this one.
    pub count: u64,
    /// Its hash.
    pub leaf: Fr,
    /// Running hash up to this one.
    pub rolling_hash: FixedBytes<16>,
    /// The L1 block that carried it when it was read.
    pub l1_block: L1BlockNumber,
    /// Its hash.
    pub l1_block_hash: B256,
}

/// A checkpoint that L1 took and we skip: its attestations are not valid, or it stands on such a one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvalidCheckpoint {
    /// Its number.
    pub number: CheckpointNumber,
    /// Archive root after it.
    pub archive: Fr,
    /// Its slot, if its calldata was read.
    pub slot: Option<Slot>,
    /// What is wrong.
    pub reason: String,
    /// The L1 block that carried it.
    pub l1_block: L1BlockNumber,
    /// The L1 transaction.
    pub transaction: B256,
}

/// A block up to which logs have been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncPoint {
    pub(crate) block: L1BlockNumber,
    pub(crate) hash: B256,
}

/// Which chain and rollup a store is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoreBinding {
    pub(crate) chain_id: u64,
    pub(crate) rollup: Address,
    pub(crate) rollup_version: u64,
    pub(crate) genesis_archive_root: Fr,
}
