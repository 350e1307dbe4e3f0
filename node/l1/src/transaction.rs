//! Transactions: nonces, fees, sending, receipts.

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionReceipt;
use alloy::transports::{RpcError, TransportError};
use ollin_protocol::units::L1BlockNumber;

use crate::client::{L1, answer};
use crate::error::L1Error;
use crate::pool::PoolExhausted;
use crate::rollup::{CheckpointProposed, L1Block};

/// Blocks over whose tips the market is read.
const FEE_HISTORY_BLOCKS: u64 = 5;
/// Percentile of a block's tips that counts.
const TIP_PERCENTILE: f64 = 75.0;
/// The tip never exceeds this multiple of the endpoint's own suggestion.
const TIP_LIMIT_FACTOR: u128 = 100;

/// What L1 asks for now, wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketFees {
    /// The greater of the base fees of the latest and of the next block.
    pub base_fee_wei: u128,
    /// Blob base fee of the next block.
    pub blob_base_fee_wei: u128,
    /// Tip that recent blocks took.
    pub priority_fee_wei: u128,
}

/// A mined transaction. Mined is not final (rule R22).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Hash of the transaction.
    pub transaction: B256,
    /// The L1 block that holds it.
    pub block: L1BlockNumber,
    /// Hash of that block.
    pub block_hash: B256,
    /// Whether the outer call succeeded. A Multicall3 bundle succeeds even when `propose` in it was refused.
    pub succeeded: bool,
    /// Whether the rollup logged `CheckpointProposed` in it: the only sign of success.
    pub checkpoint_proposed: bool,
    /// The checkpoints that the rollup logged.
    pub proposed: Vec<CheckpointProposed>,
    /// Gas used.
    pub gas_used: u64,
    /// Price paid, wei per gas.
    pub effective_gas_price_wei: u128,
}

/// Why an endpoint did not take a transaction. None of these changes any state (rule R21): the same bytes may be on their way.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The pool has these bytes.
    #[error("the transaction is known already")]
    AlreadyKnown,
    /// The pool has another transaction at this nonce that pays too much to be replaced, or the fees are below the base fee.
    #[error("underpriced: {0}")]
    Underpriced(String),
    /// The endpoint counts more transactions of this account.
    #[error("nonce too low: {0}")]
    NonceTooLow(String),
    /// The account cannot pay gas, blobs and value at the fee caps.
    #[error("the publisher has too little ether: {0}")]
    InsufficientFunds(String),
    /// Any other refusal.
    #[error("refused: {0}")]
    Rejected(String),
    /// No endpoint answered: the bytes may have arrived or not.
    #[error(transparent)]
    Unreachable(#[from] PoolExhausted),
}

/// Makes the error of a class from the endpoint's message.
type Class = fn(String) -> SendError;

/// The refusals that have a class, by fragments of the messages of geth, reth, nethermind, erigon, besu and anvil, in lower case.
/// There are no codes for them: all clients answer -32000 or -32003. The first match counts.
const REFUSALS: &[(&str, Class)] = &[
    ("already known", |_| SendError::AlreadyKnown),
    ("alreadyknown", |_| SendError::AlreadyKnown),
    ("already imported", |_| SendError::AlreadyKnown),
    ("already_exists", |_| SendError::AlreadyKnown),
    ("known transaction", |_| SendError::AlreadyKnown),
    ("underpriced", SendError::Underpriced),
    ("replacementnotallowed", SendError::Underpriced),
    ("feetoolow", SendError::Underpriced),
    ("fee too low", SendError::Underpriced),
    ("fee per gas less than block", SendError::Underpriced),
    ("blob gas fee less than", SendError::Underpriced),
    ("blob fee less than", SendError::Underpriced),
    ("max fee per blob gas", SendError::Underpriced),
    ("gas price below", SendError::Underpriced),
    ("nonce too low", SendError::NonceTooLow),
    ("oldnonce", SendError::NonceTooLow),
    ("insufficient funds", SendError::InsufficientFunds),
    ("insufficientfunds", SendError::InsufficientFunds),
    ("upfront cost exceeds", SendError::InsufficientFunds),
];

impl SendError {
    fn from_transport(error: TransportError) -> Self {
        match error {
            RpcError::ErrorResp(payload) => Self::from_message(payload.message.into_owned()),
            RpcError::Transport(kind) => match PoolExhausted::of(&kind) {
                Some(exhausted) => Self::Unreachable(exhausted),
                None => Self::Rejected(kind.to_string()),
            },
            other @ (RpcError::NullResp
            | RpcError::UnsupportedFeature(_)
            | RpcError::LocalUsageError(_)
            | RpcError::SerError(_)
            | RpcError::DeserError { .. }) => {
                Self::Rejected(L1Error::from_transport("eth_sendRawTransaction", other).to_string())
            }
        }
    }

    fn from_message(message: String) -> Self {
        let lower = message.to_lowercase();
        let class = REFUSALS.iter().find(|(fragment, _)| lower.contains(fragment));
        class.map_or(Self::Rejected as Class, |(_, class)| *class)(message)
    }
}

impl L1 {
    /// Transactions of `account` in the latest block: its next nonce as far as mined.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn transaction_count(&self, account: Address) -> Result<u64, L1Error> {
        answer("eth_getTransactionCount", self.provider().get_transaction_count(account).await)
    }

    /// Transactions of `account` including those in the endpoint's pool.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn pending_transaction_count(&self, account: Address) -> Result<u64, L1Error> {
        answer("eth_getTransactionCount", self.provider().get_transaction_count(account).pending().await)
    }

    /// Balance of `account` in the latest block, wei.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn balance(&self, account: Address) -> Result<U256, L1Error> {
        answer("eth_getBalance", self.provider().get_balance(account).await)
    }

    /// Hands a signed transaction to the first endpoint that takes it.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send_raw(&self, transaction: &[u8]) -> Result<B256, SendError> {
        match self.provider().send_raw_transaction(transaction).await {
            Ok(pending) => Ok(*pending.tx_hash()),
            Err(error) => Err(SendError::from_transport(error)),
        }
    }

    /// The receipt of a transaction, `None` if the endpoint knows of none: not mined, or not mined as far as it has read.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn receipt(&self, transaction: B256) -> Result<Option<Receipt>, L1Error> {
        let receipt = answer("eth_getTransactionReceipt", self.provider().get_transaction_receipt(transaction).await)?;
        receipt.map(|receipt| self.read_receipt(&receipt)).transpose()
    }

    /// What L1 asks for now.
    ///
    /// # Errors
    /// [`L1Error`].
    ///
    /// Source: npm @aztec/ethereum 4.1.2, `src/l1_tx_utils/fee-strategies`; the tips of the pending block are left out.
    pub async fn market_fees(&self) -> Result<MarketFees, L1Error> {
        let provider = self.provider();
        let (history, suggestion, blob_base_fee_wei) = futures::join!(
            provider.get_fee_history(FEE_HISTORY_BLOCKS, BlockNumberOrTag::Latest, &[TIP_PERCENTILE]),
            provider.get_max_priority_fee_per_gas(),
            provider.get_blob_base_fee(),
        );
        let history = answer("eth_feeHistory", history)?;
        let suggestion = answer("eth_maxPriorityFeePerGas", suggestion)?;
        let mut tips: Vec<u128> = history.reward.iter().flatten().filter_map(|block| block.first().copied()).collect();
        tips.sort_unstable();
        let median = tips.get(tips.len() / 2).copied().unwrap_or(0);
        let limit = if suggestion == 0 { u128::MAX } else { suggestion.saturating_mul(TIP_LIMIT_FACTOR) };
        Ok(MarketFees {
            base_fee_wei: history.base_fee_per_gas.iter().rev().take(2).copied().max().unwrap_or(0),
            blob_base_fee_wei: answer("eth_blobBaseFee", blob_base_fee_wei)?,
            priority_fee_wei: median.max(suggestion).min(limit),
        })
    }

    /// The newest block that L1 will not take back.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn finalized(&self) -> Result<L1Block, L1Error> {
        let block = self.l1_block(BlockId::finalized()).await?;
        block.ok_or(L1Error::Malformed { call: "eth_getBlockByNumber", reason: "no finalized block".to_owned() })
    }

    fn read_receipt(&self, receipt: &TransactionReceipt) -> Result<Receipt, L1Error> {
        let missing = |what: &str| L1Error::Malformed { call: "eth_getTransactionReceipt", reason: format!("no {what}") };
        let rollup = self.contracts().rollup;
        let logs = receipt.inner.logs().iter().filter(|log| log.address() == rollup);
        let proposed: Vec<CheckpointProposed> = logs.filter_map(|log| CheckpointProposed::read(log).ok()).collect();
        Ok(Receipt {
            transaction: receipt.transaction_hash,
            block: L1BlockNumber::new(receipt.block_number.ok_or_else(|| missing("block number"))?),
            block_hash: receipt.block_hash.ok_or_else(|| missing("block hash"))?,
            succeeded: receipt.status(),
            checkpoint_proposed: !proposed.is_empty(),
            proposed,
            gas_used: receipt.gas_used,
            effective_gas_price_wei: receipt.effective_gas_price,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_every_client_fall_into_their_class() {
        let class = |message: &str| match SendError::from_message(message.to_owned()) {
            SendError::AlreadyKnown => "known",
            SendError::Underpriced(_) => "underpriced",
            SendError::NonceTooLow(_) => "nonce",
            SendError::InsufficientFunds(_) => "funds",
            SendError::Rejected(_) => "rejected",
            SendError::Unreachable(_) => "unreachable",
        };
        let cases = [
            ("already known", "known"),
            ("transaction already imported", "known"),
            ("AlreadyKnown", "known"),
            ("Known transaction", "known"),
            ("replacement transaction underpriced: new tx gas fee cap 2 <= 3 queued", "underpriced"),
            ("transaction underpriced", "underpriced"),
            ("max fee per gas less than block base fee: address 0x.., maxFeePerGas: 1, baseFee: 2", "underpriced"),
            ("max fee per blob gas less than block blob gas fee", "underpriced"),
            ("FeeTooLowToCompete", "underpriced"),
            ("nonce too low: next nonce 4, tx nonce 3", "nonce"),
            ("Nonce too low", "nonce"),
            ("OldNonce", "nonce"),
            ("insufficient funds for gas * price + value: balance 0", "funds"),
            ("Upfront cost exceeds account balance", "funds"),
            ("Insufficient funds for gas * price + value", "funds"),
            ("intrinsic gas too low", "rejected"),
            ("", "rejected"),
        ];
        for (message, expected) in cases {
            assert_eq!(class(message), expected, "{message}");
        }
    }
}
