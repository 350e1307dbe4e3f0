//! What L1 says: which slots have a checkpoint, in which block, by whose transaction.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, keccak256};
use alloy::rpc::types::Log;
use alloy::sol;
use alloy::sol_types::SolEvent;
use anyhow::{Context, Result, ensure};
use ollin_chaos::ChainFact;
use ollin_dev_l1::Description;
use ollin_protocol::attestations::attestations_and_signers_message;
use ollin_protocol::multicall::decode_aggregate3;
use ollin_protocol::propose::ProposeCall;
use ollin_protocol::units::{CheckpointNumber, L1BlockNumber, Slot};
use serde_json::{Value, json};

use crate::clock::SlotClock;
use crate::rpc::{Rpc, quantity};

sol! {
    /// Source: npm @aztec/l1-artifacts 4.1.2, `IRollup`.
    event CheckpointProposed(
        uint256 indexed checkpointNumber,
        bytes32 indexed archive,
        bytes32[] versionedBlobHashes,
        bytes32 payloadDigest,
        bytes32 attestationsHash
    );

    /// Source: npm @aztec/l1-artifacts 4.1.2, `IRollup`.
    event PrunedPending(uint256 provenCheckpointNumber, uint256 pendingCheckpointNumber);
}

/// L1 threw away what nobody had proven in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prune {
    /// The L1 block.
    pub l1_block: u64,
    /// The tip that remained.
    pub proven: u64,
    /// The tip before.
    pub pending: u64,
}

/// A checkpoint on L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landed {
    /// What the oracles read of it.
    pub fact: ChainFact,
    /// Signatures in its bundle.
    pub signatures: usize,
    /// Who sent and paid for the transaction.
    pub publisher: Address,
    /// Second of the L1 block.
    pub timestamp: u64,
}

impl Landed {
    /// Its slot.
    pub const fn slot(&self) -> u64 {
        self.fact.slot.get()
    }

    /// Its height.
    pub const fn checkpoint(&self) -> u64 {
        self.fact.checkpoint.get()
    }

    /// Its L1 block.
    pub const fn l1_block(&self) -> u64 {
        self.fact.l1_block.get()
    }
}

/// A reader of one rollup.
#[derive(Clone, Debug)]
pub struct Chain {
    rpc: Rpc,
    chain_id: u64,
    rollup: Address,
    clock: SlotClock,
}

impl Chain {
    /// A reader of the rollup that `l1` describes.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(l1: &Description, clock: SlotClock) -> Result<Self> {
        Ok(Self { rpc: Rpc::new(l1.rpc_url.as_str())?, chain_id: l1.chain_id, rollup: l1.rollup, clock })
    }

    /// Every checkpoint that L1 now has a log of, by slot.
    ///
    /// # Errors
    /// When L1 does not answer, or two logs claim one slot.
    pub async fn landed(&self) -> Result<BTreeMap<u64, Landed>> {
        self.landed_since(0).await
    }

    /// Likewise for L1 blocks from `first` on.
    ///
    /// # Errors
    /// When L1 does not answer, or two logs claim one slot.
    pub async fn landed_since(&self, first: u64) -> Result<BTreeMap<u64, Landed>> {
        let logs = self.logs(first, CheckpointProposed::SIGNATURE_HASH).await?;
        let mut landed = BTreeMap::new();
        for log in logs {
            let one = self.read(&log).await?;
            let slot = one.slot();
            ensure!(landed.insert(slot, one).is_none(), "two checkpoints on L1 for slot {slot}");
        }
        Ok(landed)
    }

    /// Second of the newest L1 block.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn head_timestamp(&self) -> Result<u64> {
        self.timestamp("latest".into()).await
    }

    /// Height of the newest L1 block.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn head_number(&self) -> Result<u64> {
        let number: Value = self.rpc.call("eth_blockNumber", json!([])).await?;
        parse_quantity(&number)
    }

    /// Base fee of the newest L1 block, in wei.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn base_fee_wei(&self) -> Result<u64> {
        let block: Value = self.rpc.call("eth_getBlockByNumber", json!(["latest", false])).await?;
        parse_quantity(block.get("baseFeePerGas").context("an L1 block without a base fee")?)
    }

    /// The transaction `hash` as L1 shows it, pending or mined, or `None`.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn transaction(&self, hash: B256) -> Result<Option<Value>> {
        let transaction: Value = self.rpc.call("eth_getTransactionByHash", json!([hash])).await?;
        Ok(Some(transaction).filter(|transaction| !transaction.is_null()))
    }

    /// Takes the newest checkpoint off L1's pending chain, as an invalidation does, by writing the contract's tips.
    ///
    /// Source: npm @aztec/ethereum 4.1.2, `src/contracts/rollup.ts` (`stfStorageSlot`): `pending << 128 | proven`.
    ///
    /// # Errors
    /// When L1 does not answer, or there is no unproven checkpoint.
    pub async fn drop_newest_checkpoint(&self) -> Result<()> {
        let slot = keccak256("aztec.stf.storage");
        let word: B256 = self.rpc.call("eth_getStorageAt", json!([self.rollup, slot, "latest"])).await?;
        let (pending, proven) = word.split_at(16);
        let pending = u128::from_be_bytes(pending.try_into()?);
        ensure!(pending > u128::from_be_bytes(proven.try_into()?), "there is no unproven checkpoint");
        let fewer = [&(pending - 1).to_be_bytes(), proven].concat();
        let set: bool = self.rpc.call("anvil_setStorageAt", json!([self.rollup, slot, B256::from_slice(&fewer)])).await?;
        ensure!(set, "anvil did not write the tips");
        Ok(())
    }

    /// Every prune, oldest first.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn prunes(&self) -> Result<Vec<Prune>> {
        let logs = self.logs(0, PrunedPending::SIGNATURE_HASH).await?;
        logs.iter().map(read_prune).collect()
    }

    async fn logs(&self, first: u64, topic: B256) -> Result<Vec<Log>> {
        let filter = json!([{"fromBlock": quantity(first), "toBlock": "latest", "address": self.rollup, "topics": [topic]}]);
        self.rpc.call("eth_getLogs", filter).await
    }

    async fn read(&self, log: &Log) -> Result<Landed> {
        let event = CheckpointProposed::decode_log(&log.inner).context("CheckpointProposed log")?;
        let l1_block = log.block_number.context("a log without a block")?;
        let hash = log.transaction_hash.context("a log without a transaction")?;
        let timestamp = match log.block_timestamp {
            Some(timestamp) => timestamp,
            None => self.timestamp(quantity(l1_block)).await?,
        };
        let transaction = self.transaction(hash).await?.context("a log whose transaction is unknown")?;
        let input: Bytes = serde_json::from_value(transaction.get("input").cloned().unwrap_or_default()).context("calldata")?;
        let call = propose_call(&input, self.rollup, event.payloadDigest)?;
        // The slot of the block, not of the header: the contract demands that they are equal, and so do we.
        let slot = Slot::new(self.clock.slot_at(timestamp).context("a checkpoint before genesis")?);
        ensure!(call.args.header.slot == slot, "a header of slot {} in a block of slot {slot}", call.args.header.slot);
        let bundle_digest = keccak256(attestations_and_signers_message(&call.attestations, &call.signers));
        Ok(Landed {
            fact: ChainFact {
                chain_id: self.chain_id,
                rollup: self.rollup,
                slot,
                checkpoint: CheckpointNumber::new(u64::try_from(event.checkpointNumber).context("checkpoint number")?),
                archive: event.archive,
                payload_digest: event.payloadDigest,
                bundle_digest,
                transaction: hash,
                l1_block: L1BlockNumber::new(l1_block),
            },
            signatures: call.signers.len(),
            publisher: serde_json::from_value(transaction.get("from").cloned().unwrap_or_default()).context("sender")?,
            timestamp,
        })
    }

    async fn timestamp(&self, block: Value) -> Result<u64> {
        let block: Value = self.rpc.call("eth_getBlockByNumber", json!([block, false])).await?;
        parse_quantity(block.get("timestamp").context("an L1 block without a timestamp")?)
    }
}

/// The `propose` with this payload digest in a transaction to Multicall3.
fn propose_call(input: &[u8], rollup: Address, payload_digest: B256) -> Result<ProposeCall> {
    let calls = decode_aggregate3(input).context("a checkpoint that did not come through Multicall3")?;
    let proposals = calls.iter().filter(|call| call.target == rollup).filter_map(|call| ProposeCall::decode(&call.calldata).ok());
    let mut matching = proposals.filter(|call| call.args.payload_digest() == payload_digest);
    matching.next().context("a transaction without the propose that its log shows")
}

fn read_prune(log: &Log) -> Result<Prune> {
    let event = PrunedPending::decode_log(&log.inner).context("PrunedPending log")?;
    Ok(Prune {
        l1_block: log.block_number.context("a log without a block")?,
        proven: u64::try_from(event.provenCheckpointNumber).context("checkpoint number")?,
        pending: u64::try_from(event.pendingCheckpointNumber).context("checkpoint number")?,
    })
}

/// Reads a quantity as L1 nodes write it.
///
/// # Errors
/// When it is none, or above `u64::MAX`.
pub fn parse_quantity(value: &Value) -> Result<u64> {
    let text = value.as_str().context("a quantity is a string")?;
    let digits = text.strip_prefix("0x").with_context(|| format!("'{text}' is no quantity"))?;
    u64::from_str_radix(digits, 16).with_context(|| format!("'{text}' is no quantity"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::b256;

    #[test]
    fn the_event_is_the_one_the_contract_emits() {
        let topic = b256!("6ff492bf2b4ca1b93a175167d14b3e46085b935cab3f39ca94013000799b93a0");
        assert_eq!(CheckpointProposed::SIGNATURE_HASH, topic);
    }

    #[test]
    fn quantities_are_hexadecimal_strings() {
        assert_eq!(parse_quantity(&json!("0x1f")).unwrap(), 31);
        assert!(parse_quantity(&json!("31")).is_err());
        assert!(parse_quantity(&json!(31)).is_err());
        assert!(parse_quantity(&json!("0x10000000000000000")).is_err());
    }
}
