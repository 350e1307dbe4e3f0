//! What became of a nonce on L1.

use alloy_primitives::{Address, B256};
use ollin_protocol::units::L1BlockNumber;
use serde::{Deserialize, Serialize};

use super::{AttemptLedger, AttemptRefusal, MinedAt};

/// What the leader has learned from L1 about a nonce. Reported again, it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// One of our attempts was included. Not final: attempts are kept until [`Outcome::Settled`].
    Mined {
        /// The publisher.
        publisher: Address,
        /// The nonce.
        nonce: u64,
        /// The included transaction.
        tx_hash: B256,
        /// The L1 block that holds it.
        l1_block: L1BlockNumber,
        /// That block's hash.
        l1_block_hash: B256,
    },
    /// The including block is final: the nonce's attempts are forgotten.
    Settled {
        /// The publisher.
        publisher: Address,
        /// The nonce.
        nonce: u64,
    },
    /// The including block is gone: the nonce's attempts are open again.
    Reorged {
        /// The publisher.
        publisher: Address,
        /// The nonce.
        nonce: u64,
    },
    /// A transaction that is not ours has spent the nonce, and with it every open one below.
    ForeignSpend {
        /// The publisher.
        publisher: Address,
        /// The highest nonce spent so.
        nonce: u64,
    },
}

impl AttemptLedger {
    /// Applies what L1 showed.
    ///
    /// # Errors
    /// [`AttemptRefusal`] for a publisher or nonce without a record, or one that is settled before it was mined.
    pub fn conclude(&mut self, outcome: &Outcome) -> Result<(), AttemptRefusal> {
        match *outcome {
            Outcome::Mined { publisher, nonce, tx_hash, l1_block, l1_block_hash } => {
                self.mine(publisher, nonce, MinedAt { tx_hash, l1_block, l1_block_hash })
            }
            Outcome::Settled { publisher, nonce } => self.settle(publisher, nonce),
            Outcome::Reorged { publisher, nonce } => self.reopen(publisher, nonce),
            Outcome::ForeignSpend { publisher, nonce } => self.abandon(publisher, nonce),
        }
    }
}
