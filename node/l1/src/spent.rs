//! Which transaction spent a nonce, found without knowing its hash.

use alloy::consensus::Transaction as TransactionTrait;
use alloy::eips::BlockNumberOrTag;
use alloy::network::TransactionResponse as _;
use alloy::primitives::{Address, B256};
use alloy::providers::Provider;
use ollin_protocol::units::L1BlockNumber;

use crate::client::{L1, answer};
use crate::error::L1Error;

/// The mined transaction of one account at one nonce, as far as it tells whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpentNonce {
    /// Its hash.
    pub transaction: B256,
    /// The L1 block that holds it.
    pub block: L1BlockNumber,
    /// Whom it calls; `None` creates a contract.
    pub to: Option<Address>,
    /// Its gas limit.
    pub gas_limit: u64,
    /// Tip per gas, wei.
    pub max_priority_fee_per_gas: Option<u128>,
    /// Fee cap per gas, wei.
    pub max_fee_per_gas: u128,
    /// Fee cap per blob gas, wei; `None` without blobs.
    pub max_fee_per_blob_gas: Option<u128>,
}

impl L1 {
    /// The transaction that spent `nonce` of `account`: the block is found by the account's counts at past blocks, going back from
    /// the head in steps that double. `None` if it is not mined as far as the endpoint has read.
    ///
    /// # Errors
    /// [`L1Error`]; [`L1Error::Rpc`] where the endpoint does not keep the state of past blocks for so long (full nodes keep 128).
    pub async fn spent_nonce(&self, account: Address, nonce: u64) -> Result<Option<SpentNonce>, L1Error> {
        let mut with = self.head().await?.number.get();
        if self.count_at(account, with).await? <= nonce {
            return Ok(None);
        }
        let mut step: u64 = 1;
        let mut before = with.saturating_sub(step);
        while before > 0 && self.count_at(account, before).await? > nonce {
            with = before;
            step = step.saturating_mul(2);
            before = before.saturating_sub(step);
        }
        // Spent in a block of `before + 1..=with`.
        while with.saturating_sub(before) > 1 {
            let middle = before.midpoint(with);
            if self.count_at(account, middle).await? > nonce {
                with = middle;
            } else {
                before = middle;
            }
        }
        let block = self.provider().get_block_by_number(BlockNumberOrTag::Number(with)).full().await;
        let block = answer("eth_getBlockByNumber", block)?;
        let transactions = block.into_iter().flat_map(|block| block.transactions.into_transactions());
        let mut found = transactions.filter(|transaction| transaction.from() == account && transaction.nonce() == nonce);
        Ok(found.next().map(|transaction| SpentNonce {
            transaction: transaction.tx_hash(),
            block: L1BlockNumber::new(with),
            to: transaction.to(),
            gas_limit: transaction.gas_limit(),
            max_priority_fee_per_gas: transaction.max_priority_fee_per_gas(),
            max_fee_per_gas: TransactionTrait::max_fee_per_gas(&transaction),
            max_fee_per_blob_gas: transaction.max_fee_per_blob_gas(),
        }))
    }

    /// Transactions of `account` up to and with a block.
    async fn count_at(&self, account: Address, block: u64) -> Result<u64, L1Error> {
        let count = self.provider().get_transaction_count(account).number(block).await;
        answer("eth_getTransactionCount", count)
    }
}
