//! The ledger of L1 transactions: what may be sent at a publisher's nonce (safety rules R20 to R23).
//!
//! At a (publisher, nonce) only recorded attempts are ever broadcast. Each one's tip, fee cap and blob fee cap are at least
//! twice those of every earlier one, sent or not, and a nonce that once held blobs holds blobs. A pool replaces a pending
//! transaction only by one that raises all three (by 100 % for blobs), so in whatever order attempts reach it, the newest wins.
//!
//! Nonces come from here. L1's transaction count only confirms one, or reveals a [`Outcome::ForeignSpend`].

mod ledger;
mod outcome;
#[cfg(test)]
mod tests;

use alloy_primitives::{Address, B256};
use ollin_guard::Duty;
use ollin_protocol::units::{L1BlockNumber, SigningRoot, Slot};
use serde::{Deserialize, Serialize};

pub use ledger::{AttemptLedger, MAX_ATTEMPTS, MAX_NONCES, MAX_PUBLISHERS};
pub use outcome::Outcome;

/// What a transaction carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptContent {
    /// The claimed bundle of a slot: a blob transaction.
    Bundle {
        /// The `AttestationsAndSigners` duty that the bundle was claimed under.
        duty: Duty,
    },
    /// Nothing: it takes the nonce away from what was recorded before. At a nonce that once held blobs it must carry a blob
    /// too, or pools refuse it as a replacement: see [`RecordedAttempt::holds_blobs`].
    Cancellation,
}

/// What an attempt pays, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fees {
    /// Tip per gas.
    pub max_priority_fee_per_gas: u128,
    /// Fee cap per gas, tip included.
    pub max_fee_per_gas: u128,
    /// Fee cap per blob gas. Also set, and doubled, for a transaction without blobs.
    pub max_fee_per_blob_gas: u128,
}

/// A transaction that the leader wants to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRequest {
    /// The slot it is sent for; for a cancellation the present one.
    pub slot: Slot,
    /// The L1 account that signs and pays.
    pub publisher: Address,
    /// Its nonce: [`PublisherState::next_nonce`], or L1's count for a publisher that the log does not know.
    pub nonce: u64,
    /// What it carries.
    pub content: AttemptContent,
    /// Its gas limit.
    pub gas_limit: u64,
    /// What it pays.
    pub fees: Fees,
}

/// A transaction as the log holds it. Sent again, it is the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedAttempt {
    /// Its position at its nonce, from 0.
    pub number: u32,
    /// What was asked for.
    pub request: AttemptRequest,
    /// Whether the transaction must carry a blob: a bundle does, and so does everything after one at the same nonce.
    pub holds_blobs: bool,
    /// The root that the bundle's duty is bound to; `None` for a cancellation.
    pub root: Option<SigningRoot>,
}

/// Where on L1 a nonce was spent by one of our attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinedAt {
    /// The transaction that was included.
    pub tx_hash: B256,
    /// The L1 block that holds it.
    pub l1_block: L1BlockNumber,
    /// That block's hash.
    pub l1_block_hash: B256,
}

/// A nonce that an attempt of ours has spent, until L1 finality settles it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinedNonce {
    /// The nonce.
    pub nonce: u64,
    /// Where it was spent.
    pub at: MinedAt,
    /// What was recorded at it, oldest first; a reorg makes them live again.
    pub attempts: Vec<RecordedAttempt>,
}

/// One publisher's part of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublisherState {
    /// The nonce for the next attempt: the lowest open one, or else the first unused one. `None` before the first attempt.
    pub next_nonce: Option<u64>,
    /// Attempts at nonces that are not known to be spent, by nonce and number.
    pub open: Vec<RecordedAttempt>,
    /// Spent nonces that are not settled yet.
    pub mined: Vec<MinedNonce>,
}

/// Why an attempt or an outcome was not recorded. The ledger is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AttemptRefusal {
    /// Another nonce is the one to use.
    #[error("nonce {requested} of {publisher}, expected {expected}")]
    Nonce {
        /// The publisher.
        publisher: Address,
        /// The nonce that was asked for.
        requested: u64,
        /// The nonce to use.
        expected: u64,
    },
    /// A transaction of a past slot is never started.
    #[error("attempt for slot {requested}, but slot {newest} was recorded already at this publisher")]
    PastSlot {
        /// The slot that was asked for.
        requested: Slot,
        /// The newest recorded one.
        newest: Slot,
    },
    /// A fee is not at least twice that of every earlier attempt at this nonce.
    #[error("{fee} is {requested} wei, expected at least {least} wei")]
    FeeTooLow {
        /// Which of the three.
        fee: String,
        /// What was asked for.
        requested: u128,
        /// The least that is accepted.
        least: u128,
    },
    /// A tip above the fee cap, or no gas: no pool takes it.
    #[error("no transaction: tip {tip} wei, fee cap {fee_cap} wei, gas limit {gas_limit}")]
    NotATransaction {
        /// The tip.
        tip: u128,
        /// The fee cap.
        fee_cap: u128,
        /// The gas limit.
        gas_limit: u64,
    },
    /// The duty is not a bundle's, is of another slot, or is not bound.
    #[error("{duty} is no bundle that is bound for slot {slot}")]
    NoBundle {
        /// The duty.
        duty: Duty,
        /// The attempt's slot.
        slot: Slot,
    },
    /// The ledger is full: too many publishers, nonces of one publisher, or attempts at one nonce.
    #[error("{count} {what}, expected at most {limit}")]
    Full {
        /// What there is too much of.
        what: String,
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// An outcome for a publisher or nonce that the log does not know.
    #[error("nothing is recorded for nonce {nonce} of {publisher}")]
    Unknown {
        /// The publisher.
        publisher: Address,
        /// The nonce.
        nonce: u64,
    },
    /// A nonce settles only after it was mined.
    #[error("nonce {nonce} of {publisher} is not mined")]
    NotMined {
        /// The publisher.
        publisher: Address,
        /// The nonce.
        nonce: u64,
    },
}
