//! What a test may do to the L1 while it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::eips::BlockNumberOrTag;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::sol_types::SolCall;
use serde::Deserialize;

use crate::account::Account;
use crate::clock::{self, until};
use crate::contracts::{IInbox, InboxMessage};
use crate::dev_l1::DevL1;
use crate::error::DevL1Error;
use crate::parameters::ETHEREUM_SLOT_DURATION_S;

/// A transaction is in the next block, unless its fee is too low or mining is paused.
const RECEIPT_LIMIT: Duration = Duration::from_secs(20);

/// Whether blocks come by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mining {
    /// One every second.
    Running,
    /// None: transactions wait in the pool.
    Paused,
}

/// The answer of `txpool_content`: by sender, then by nonce.
#[derive(Clone, Debug, Deserialize)]
struct PoolContent {
    pending: BTreeMap<Address, BTreeMap<String, PoolEntry>>,
    queued: BTreeMap<Address, BTreeMap<String, PoolEntry>>,
}

/// All that is used of a transaction in the pool.
#[derive(Clone, Debug, Deserialize)]
struct PoolEntry {
    hash: B256,
}

impl DevL1 {
    /// Sets the base fee of the next block; later ones follow from it by EIP-1559.
    ///
    /// # Errors
    /// [`DevL1Error::Rpc`].
    pub async fn set_next_base_fee(&self, wei: u128) -> Result<(), DevL1Error> {
        self.rpc().request("anvil_setNextBlockBaseFeePerGas", (U256::from(wei),)).await
    }

    /// The base fee of the latest block.
    ///
    /// # Errors
    /// [`DevL1Error::Rpc`].
    pub async fn base_fee_wei(&self) -> Result<u128, DevL1Error> {
        Ok(self.rpc().head().await?.base_fee_wei)
    }

    /// Stops mining: the L1 head stands still and transactions wait in the pool.
    ///
    /// # Errors
    /// [`DevL1Error::Rpc`].
    pub async fn pause_mining(&self) -> Result<(), DevL1Error> {
        let mut mining = self.mining().lock().await;
        *mining = Mining::Paused;
        self.rpc().request("evm_setIntervalMining", (0,)).await
    }

    /// Mines again, and waits until the head's time is the wall clock's: the next block jumps over the pause.
    ///
    /// # Errors
    /// [`DevL1Error::Rpc`], [`DevL1Error::Timeout`].
    pub async fn resume_mining(&self) -> Result<(), DevL1Error> {
        {
            let mut mining = self.mining().lock().await;
            clock::start(self.rpc(), ETHEREUM_SLOT_DURATION_S).await?;
            *mining = Mining::Running;
        }
        clock::wait_until_aligned(self.rpc()).await
    }

    /// Mines `blocks` blocks, one a second, that hold no transactions: what is in the pool stays there, and what arrives joins it.
    ///
    /// To be awaited to its end: dropped before, it leaves mining paused.
    ///
    /// # Errors
    /// [`DevL1Error::Rpc`].
    pub async fn withhold_inclusion(&self, blocks: u64) -> Result<(), DevL1Error> {
        let _mining = self.mining().lock().await;
        self.rpc().request::<_, ()>("evm_setIntervalMining", (0,)).await?;
        let mut ticks = tokio::time::interval(Duration::from_secs(ETHEREUM_SLOT_DURATION_S));
        let mut withheld = Ok(());
        for _ in 0..blocks {
            ticks.tick().await;
            withheld = self.mine_without_transactions().await;
            if withheld.is_err() {
                break;
            }
        }
        clock::start(self.rpc(), ETHEREUM_SLOT_DURATION_S).await?;
        withheld
    }

    /// Takes everything out of the pool, mines, and puts it back; the way of the official tests (npm @aztec/ethereum 4.1.2,
    /// `src/test/eth_cheat_codes.ts`, `mineEmptyBlock`).
    async fn mine_without_transactions(&self) -> Result<(), DevL1Error> {
        let pool: PoolContent = self.rpc().request("txpool_content", ()).await?;
        let mut kept: Vec<Bytes> = Vec::new();
        for PoolEntry { hash } in pool.pending.into_values().chain(pool.queued.into_values()).flat_map(BTreeMap::into_values) {
            kept.extend(self.rpc().request::<_, Option<Bytes>>("debug_getRawTransaction", (hash,)).await?);
            self.rpc().request::<_, Option<B256>>("anvil_dropTransaction", (hash,)).await?;
        }
        self.rpc().request::<_, serde_json::Value>("evm_mine", ()).await?;
        for transaction in kept {
            // Refused only if its sender has replaced it in these milliseconds: then the newer one counts.
            let _ = self.rpc().request::<_, B256>("eth_sendRawTransaction", (transaction,)).await;
        }
        Ok(())
    }

    /// Replaces the last `depth` blocks by empty ones with the same numbers and times and other hashes; their transactions are lost.
    ///
    /// `anvil_reorg` would do as much, but sets the chain's clock back by `depth` seconds for good.
    ///
    /// # Errors
    /// [`DevL1Error::Rpc`]; [`DevL1Error::Timeout`] if the head does not return to the wall clock.
    pub async fn reorg(&self, depth: u64) -> Result<(), DevL1Error> {
        let mining = self.mining().lock().await;
        self.rpc().request::<_, ()>("evm_setIntervalMining", (0,)).await?;
        let replaced = self.replace_blocks(depth).await;
        if *mining == Mining::Running {
            clock::start(self.rpc(), ETHEREUM_SLOT_DURATION_S).await?;
        }
        replaced?;
        match *mining {
            Mining::Running => clock::wait_until_aligned(self.rpc()).await,
            Mining::Paused => Ok(()),
        }
    }

    async fn replace_blocks(&self, depth: u64) -> Result<(), DevL1Error> {
        let head = self.rpc().head().await?.number;
        let mut timestamps = Vec::new();
        for number in head.saturating_sub(depth).saturating_add(1)..=head {
            timestamps.push(self.rpc().block(BlockNumberOrTag::Number(number)).await?.timestamp);
        }
        self.rpc().request::<_, ()>("anvil_rollback", (depth,)).await?;
        for timestamp in timestamps {
            self.rpc().request::<_, ()>("evm_setNextBlockTimestamp", (timestamp,)).await?;
            self.rpc().request::<_, serde_json::Value>("evm_mine", ()).await?;
        }
        Ok(())
    }

    /// Sends a message to an L2 contract, and waits until an L1 block holds it.
    ///
    /// # Errors
    /// [`DevL1Error::Transaction`] if it failed, [`DevL1Error::Timeout`] while mining is paused.
    pub async fn send_inbox_message(
        &self,
        recipient: B256,
        content: B256,
        secret_hash: B256,
    ) -> Result<InboxMessage, DevL1Error> {
        let call = "sendL2Message";
        let recipient = IInbox::L2Actor { actor: recipient, version: U256::from(self.info().rollup_version) };
        let input = IInbox::sendL2MessageCall { recipient, content, secretHash: secret_hash }.abi_encode();
        let from = Account::at(Account::DEPLOYER)?.address;
        let request = TransactionRequest::default().with_from(from).with_to(self.info().inbox).with_input(input);
        // anvil signs for its own accounts.
        let hash: B256 = self.rpc().request("eth_sendTransaction", (request,)).await?;
        let receipt = self.receipt(hash).await?;
        let failed = |outcome: &str| DevL1Error::Transaction { call, outcome: outcome.to_owned() };
        if !receipt.status() {
            return Err(failed("was reverted"));
        }
        let sent = receipt.decoded_log::<IInbox::MessageSent>().ok_or_else(|| failed("left no MessageSent log"))?;
        Ok(InboxMessage {
            checkpoint: sent.checkpointNumber.try_into().map_err(|_| failed("names no checkpoint number"))?,
            index: sent.index,
            leaf: sent.hash,
            l1_block: receipt.block_number.ok_or_else(|| failed("is in no block"))?,
        })
    }

    async fn receipt(&self, hash: B256) -> Result<TransactionReceipt, DevL1Error> {
        until(RECEIPT_LIMIT, "a transaction to be mined", || self.rpc().request("eth_getTransactionReceipt", (hash,))).await
    }
}
