//! S4: at a publisher's nonce only recorded attempts leave, each as one transaction, and a slot's checkpoint only as claimed.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use ollin_guard::DutyKind;
use ollin_protocol::units::Slot;

use crate::{Attempt, ChainFact, Emitted, History, Origin, Signature, Transaction, Violation};

/// Checks that an attempt is one transaction and a transaction one attempt, over all replicas, and that later attempts at a nonce
/// are never for earlier slots.
pub fn one_attempt(history: &History) -> Vec<Violation> {
    let mut by_attempt: BTreeMap<Attempt, (&Origin, &Transaction)> = BTreeMap::new();
    let mut by_hash: BTreeMap<B256, (&Origin, &Transaction)> = BTreeMap::new();
    let mut violations = Vec::new();
    for (origin, transaction) in history.transactions() {
        let same_attempt = *by_attempt.entry(transaction.attempt).or_insert((origin, transaction));
        let same_hash = *by_hash.entry(transaction.hash).or_insert((origin, transaction));
        violations.extend(contradiction(same_attempt, (origin, transaction)));
        violations.extend(doubled(same_hash, (origin, transaction)));
    }
    violations.extend(fallen_slots(&by_attempt));
    violations
}

/// Checks that every checkpoint of ours on L1 is the one whose attestation and bundle were signed, by a transaction that was
/// recorded, and the only one of its slot.
pub fn claimed_checkpoints(history: &History, facts: &[ChainFact]) -> Vec<Violation> {
    let mut of_slot: BTreeMap<(u64, Address, Slot), B256> = BTreeMap::new();
    let mut violations = Vec::new();
    for fact in facts {
        let slot = fact.slot;
        if !history.signatures().any(|(_, signature)| signature.is_attestation_of(fact)) {
            violations.push(Violation::UnrecordedCheckpoint { slot, root: fact.attestation_root() });
        }
        if !history.signatures().any(|(_, signature)| {
            signature.is_bundle_of(fact.chain_id, fact.rollup, slot) && signature.root == fact.bundle_root()
        }) {
            violations.push(Violation::UnrecordedBundle { slot, root: fact.bundle_root() });
        }
        if !history.transactions().any(|(_, transaction)| transaction.made(fact)) {
            violations.push(Violation::UnrecordedTransaction { slot, hash: fact.transaction });
        }
        let first = *of_slot.entry((fact.chain_id, fact.rollup, slot)).or_insert(fact.transaction);
        if first != fact.transaction {
            violations.push(Violation::TwoCheckpoints { slot, first, second: fact.transaction });
        }
    }
    violations
}

/// Two lines of one attempt must tell the same.
fn contradiction(first: (&Origin, &Transaction), second: (&Origin, &Transaction)) -> Option<Violation> {
    let attempt = first.1.attempt;
    let (first_origin, second_origin) = (first.0.clone(), second.0.clone());
    if first.1.hash != second.1.hash {
        let (first, second) = (first.1.hash, second.1.hash);
        return Some(Violation::TwoTransactions { attempt, first, first_origin, second, second_origin });
    }
    (first.1 != second.1).then_some(Violation::TwoDescriptions { attempt, first_origin, second_origin })
}

/// Two lines of one transaction must be of one attempt.
fn doubled(first: (&Origin, &Transaction), second: (&Origin, &Transaction)) -> Option<Violation> {
    (first.1.attempt != second.1.attempt).then(|| Violation::TwoAttempts {
        hash: first.1.hash,
        first: first.1.attempt,
        first_origin: first.0.clone(),
        second: second.1.attempt,
        second_origin: second.0.clone(),
    })
}

/// Neighbours in the order of attempts that share a nonce and go back in slots.
fn fallen_slots(attempts: &BTreeMap<Attempt, (&Origin, &Transaction)>) -> impl Iterator<Item = Violation> {
    let later = attempts.iter().skip(1);
    attempts.iter().zip(later).filter_map(|((earlier, (_, first)), (later, (_, second)))| {
        let same_nonce = Attempt { number: later.number, ..*earlier } == *later;
        (same_nonce && second.slot < first.slot).then_some(Violation::SlotFell {
            earlier: earlier.number,
            earlier_slot: first.slot,
            later: *later,
            later_slot: second.slot,
        })
    })
}

impl History {
    pub(crate) fn transactions(&self) -> impl Iterator<Item = (&Origin, &Transaction)> {
        self.emissions.iter().filter_map(|emission| match &emission.emitted {
            Emitted::Transaction(transaction) => Some((&emission.origin, transaction)),
            Emitted::Signature(_) => None,
        })
    }
}

impl Signature {
    /// Whether it is a proposer's signature under attestations and signers of this slot.
    pub(crate) fn is_bundle_of(&self, chain_id: u64, rollup: Address, slot: Slot) -> bool {
        self.is_of(DutyKind::AttestationsAndSigners, chain_id, rollup, slot)
    }

    fn is_attestation_of(&self, fact: &ChainFact) -> bool {
        self.is_of(DutyKind::Attestation, fact.chain_id, fact.rollup, fact.slot) && self.root == fact.attestation_root()
    }

    fn is_of(&self, kind: DutyKind, chain_id: u64, rollup: Address, slot: Slot) -> bool {
        let key = &self.key;
        (key.duty.kind, key.chain_id, key.rollup, key.duty.slot) == (kind, chain_id, rollup, slot)
    }
}

impl Transaction {
    fn made(&self, fact: &ChainFact) -> bool {
        let place = (self.attempt.chain_id, self.rollup, self.slot);
        self.hash == fact.transaction && place == (fact.chain_id, fact.rollup, fact.slot) && self.root == Some(fact.bundle_root())
    }
}
