//! All oracles over one run.

use std::collections::BTreeSet;
use std::fmt;

use ollin_protocol::units::ReplicaId;

use crate::invariant::{claimed_checkpoints, no_news_after_wake, one_attempt, one_root, write_ahead};
use crate::{ChainFact, History, Violation};

/// Whether signing the same root twice gives the same signature (RFC 6979) or may not (some remote signers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerKind {
    /// The same signature.
    Deterministic,
    /// Maybe another one.
    Varying,
}

/// A replica that was stopped and went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// The replica.
    pub replica: ReplicaId,
    /// When it went on, in milliseconds since 1970.
    pub woke_at_ms: u64,
    /// Until when it may say nothing new: it may lead again later. `None`: for ever.
    pub until_ms: Option<u64>,
}

/// What the evidence shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// How much was looked at: a verdict over nothing is worth nothing.
    pub counts: Counts,
    /// What was found.
    pub violations: Vec<Violation>,
}

/// How much evidence there was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Replicas that emitted something.
    pub replicas: usize,
    /// Signatures.
    pub signatures: usize,
    /// Duties that they are for.
    pub duties: usize,
    /// Sent transactions.
    pub transactions: usize,
    /// Attempts that they carry out.
    pub attempts: usize,
    /// Checkpoints on L1.
    pub checkpoints: usize,
    /// Lines that a kill tore.
    pub torn_lines: usize,
}

/// Runs every oracle.
pub fn judge(history: &History, facts: &[ChainFact], wakes: &[Wake], signer: SignerKind) -> Judgement {
    let mut violations = one_root(history, signer);
    violations.extend(write_ahead(history));
    violations.extend(one_attempt(history));
    violations.extend(claimed_checkpoints(history, facts));
    violations.extend(wakes.iter().flat_map(|wake| no_news_after_wake(history, *wake)));
    Judgement { counts: Counts::of(history, facts), violations }
}

impl Counts {
    fn of(history: &History, facts: &[ChainFact]) -> Self {
        Self {
            replicas: history.emissions.iter().map(|emission| emission.origin.replica).collect::<BTreeSet<_>>().len(),
            signatures: history.signatures().count(),
            duties: history.signatures().map(|(_, signature)| signature.key).collect::<BTreeSet<_>>().len(),
            transactions: history.transactions().count(),
            attempts: history.transactions().map(|(_, transaction)| transaction.attempt).collect::<BTreeSet<_>>().len(),
            checkpoints: facts.len(),
            torn_lines: history.torn_lines,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replicas, signatures, duties, transactions, attempts, checkpoints, torn_lines } = self;
        write!(f, "{replicas} replicas, {signatures} signatures for {duties} duties, {transactions} transactions for ")?;
        write!(f, "{attempts} attempts, {checkpoints} checkpoints on L1, {torn_lines} torn lines")
    }
}
