//! One thing that left a process under the cluster's name.

use std::fmt;
use std::sync::Arc;

use alloy_primitives::{Address, B256, FixedBytes};
use ollin_guard::Duty;
use ollin_protocol::units::{ReplicaId, SigningRoot, Slot};

/// One line of an outlet record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emission {
    /// Who wrote it, when, and where it is recorded.
    pub origin: Origin,
    /// What left.
    pub emitted: Emitted,
}

/// Who emitted something, when, and the line that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The record's file name.
    pub file: Arc<str>,
    /// Line in it, from 1.
    pub line: usize,
    /// Wall clock of the replica, in milliseconds since 1970.
    pub time_ms: u64,
    /// The replica.
    pub replica: ReplicaId,
}

/// What left through an outlet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emitted {
    /// The keystore returned a signature.
    Signature(Signature),
    /// A signed transaction was sent to L1.
    Transaction(Transaction),
}

/// A signature over the root of a duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The duty.
    pub key: DutyKey,
    /// The signing root.
    pub root: SigningRoot,
    /// `r ‖ s ‖ v`.
    pub bytes: FixedBytes<65>,
}

/// A duty, on its chain and rollup: what may have one root only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DutyKey {
    /// L1 chain id.
    pub chain_id: u64,
    /// The rollup contract.
    pub rollup: Address,
    /// The duty.
    pub duty: Duty,
}

/// A signed L1 transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The recorded attempt that it carries out.
    pub attempt: Attempt,
    /// The rollup contract that it is for.
    pub rollup: Address,
    /// The slot that it was made for.
    pub slot: Slot,
    /// Its hash.
    pub hash: B256,
    /// Signing root of the bundle in it; `None` for a cancellation.
    pub root: Option<SigningRoot>,
}

/// One attempt at a publisher's nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt {
    /// L1 chain id.
    pub chain_id: u64,
    /// The account that pays.
    pub publisher: Address,
    /// Its nonce.
    pub nonce: u64,
    /// Number of the attempt at this nonce, from 0.
    pub number: u32,
}

impl Origin {
    /// Whether this line was written before `other`: by position in one file, by clock across files (replicas of one run share
    /// the machine's clock).
    pub fn precedes(&self, other: &Self) -> bool {
        if self.file == other.file { self.line < other.line } else { self.time_ms <= other.time_ms }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replica {} at {} ms ({}:{})", self.replica, self.time_ms, self.file, self.line)
    }
}

impl fmt::Display for Emitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature(signature) => write!(f, "signature of root {} for {}", signature.root, signature.key),
            Self::Transaction(transaction) => write!(f, "transaction {} as {}", transaction.hash, transaction.attempt),
        }
    }
}

impl fmt::Display for DutyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (chain {}, rollup {})", self.duty, self.chain_id, self.rollup)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {} at nonce {} of publisher {} (chain {})", self.number, self.nonce, self.publisher, self.chain_id)
    }
}
