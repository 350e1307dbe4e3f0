//! The ledger itself: a pure state, changed by attempts and outcomes only.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use ollin_guard::{DutyKind, Fault, planted};
use ollin_protocol::units::{SigningRoot, Slot};
use serde::{Deserialize, Serialize};

use super::{AttemptContent, AttemptRefusal, AttemptRequest, Fees, MinedAt, MinedNonce, PublisherState, RecordedAttempt};

/// Publishers of one cluster.
pub const MAX_PUBLISHERS: usize = 256;

/// Nonces of one publisher that are open or not settled: more than two L1 epochs of slots.
pub const MAX_NONCES: usize = 512;

/// Attempts at one nonce. Fees double with each, so 64 of them are beyond any account's means.
pub const MAX_ATTEMPTS: usize = 64;

/// Every recorded attempt that may still matter, by publisher and nonce.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptLedger {
    publishers: BTreeMap<Address, Publisher>,
}

/// One publisher. It stays after its nonces are settled: the next nonce must not be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Publisher {
    /// The first nonce that was never used.
    unused: u64,
    /// The newest slot an attempt was recorded for.
    newest_slot: Slot,
    nonces: BTreeMap<u64, Nonce>,
}

/// What was recorded at one nonce.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Nonce {
    attempts: Vec<RecordedAttempt>,
    mined: Option<MinedAt>,
}

impl AttemptLedger {
    /// Records an attempt and returns its number. `bundle_root` is the root that the bundle's duty is bound to, if it is.
    ///
    /// The newest attempt asked for again is the same attempt: a leader that did not hear the answer may repeat the question.
    ///
    /// # Errors
    /// [`AttemptRefusal`] says which rule it breaks; nothing is changed then.
    pub fn record(&mut self, request: &AttemptRequest, bundle_root: Option<SigningRoot>) -> Result<u32, AttemptRefusal> {
        let root = check_content(request, bundle_root)?;
        check_transaction(request)?;
        let known = self.publishers.get(&request.publisher);
        let mut earlier: &[RecordedAttempt] = &[];
        if let Some(publisher) = known {
            publisher.check_nonce(request)?;
            if request.slot < publisher.newest_slot && !planted(Fault::PastSlotAttempt) {
                return Err(AttemptRefusal::PastSlot { requested: request.slot, newest: publisher.newest_slot });
            }
            earlier = publisher.nonces.get(&request.nonce).map_or(&[], |nonce| nonce.attempts.as_slice());
            if let Some(newest) = earlier.last()
                && newest.request == *request
            {
                return Ok(newest.number);
            }
            publisher.check_room(request.nonce)?;
        } else if self.publishers.len() >= MAX_PUBLISHERS {
            return Err(full("publishers", self.publishers.len(), MAX_PUBLISHERS));
        }
        let unsent = usize::from(planted(Fault::AttemptBelowUnsent));
        check_fees(&request.fees, &earlier[..earlier.len().saturating_sub(unsent)])?;
        let unused = request.nonce.checked_add(1).ok_or(full("nonces", MAX_NONCES, MAX_NONCES))?;
        let number = u32::try_from(earlier.len()).map_err(|_| full("attempts", earlier.len(), MAX_ATTEMPTS))?;
        let held_blobs = earlier.iter().any(|attempt| attempt.holds_blobs) && !planted(Fault::BlobsDropped);
        let holds_blobs = root.is_some() || held_blobs;

        let publisher = self.publishers.entry(request.publisher).or_insert(Publisher {
            unused,
            newest_slot: request.slot,
            nonces: BTreeMap::new(),
        });
        publisher.unused = publisher.unused.max(unused);
        publisher.newest_slot = request.slot;
        let nonce = publisher.nonces.entry(request.nonce).or_default();
        nonce.attempts.push(RecordedAttempt { number, request: *request, holds_blobs, root });
        Ok(number)
    }

    /// What is recorded for one publisher.
    pub fn publisher(&self, publisher: Address) -> PublisherState {
        let Some(publisher) = self.publishers.get(&publisher) else {
            return PublisherState::default();
        };
        let open = publisher.open().flat_map(|(_, nonce)| nonce.attempts.iter().copied()).collect();
        let mined = publisher.nonces.iter().filter_map(|(nonce, entry)| {
            entry.mined.map(|at| MinedNonce { nonce: *nonce, at, attempts: entry.attempts.clone() })
        });
        PublisherState { next_nonce: Some(publisher.next()), open, mined: mined.collect() }
    }

    /// One recorded attempt at a nonce that is not known to be spent.
    pub fn open_attempt(&self, publisher: Address, nonce: u64, number: u32) -> Option<&RecordedAttempt> {
        let entry = self.publishers.get(&publisher)?.nonces.get(&nonce)?;
        if entry.mined.is_some() {
            return None;
        }
        entry.attempts.get(usize::try_from(number).ok()?)
    }

    /// Every publisher with a record.
    pub fn publishers(&self) -> impl Iterator<Item = Address> {
        self.publishers.keys().copied()
    }

    pub(super) fn mine(&mut self, publisher: Address, nonce: u64, at: MinedAt) -> Result<(), AttemptRefusal> {
        let unknown = AttemptRefusal::Unknown { publisher, nonce };
        let entry = self.publishers.get_mut(&publisher).and_then(|publisher| publisher.nonces.get_mut(&nonce));
        entry.ok_or(unknown)?.mined = Some(at);
        if planted(Fault::OutcomeTakenAsFinal) { self.settle(publisher, nonce) } else { Ok(()) }
    }

    pub(super) fn settle(&mut self, publisher: Address, nonce: u64) -> Result<(), AttemptRefusal> {
        let unknown = AttemptRefusal::Unknown { publisher, nonce };
        let Some(known) = self.publishers.get_mut(&publisher) else {
            return Err(unknown);
        };
        match known.nonces.get(&nonce) {
            Some(entry) if entry.mined.is_none() => Err(AttemptRefusal::NotMined { publisher, nonce }),
            Some(_) => {
                known.nonces.remove(&nonce);
                Ok(())
            }
            None if nonce < known.unused => Ok(()),
            None => Err(unknown),
        }
    }

    pub(super) fn reopen(&mut self, publisher: Address, nonce: u64) -> Result<(), AttemptRefusal> {
        let unknown = AttemptRefusal::Unknown { publisher, nonce };
        let entry = self.publishers.get_mut(&publisher).and_then(|publisher| publisher.nonces.get_mut(&nonce));
        entry.ok_or(unknown)?.mined = None;
        Ok(())
    }

    pub(super) fn abandon(&mut self, publisher: Address, nonce: u64) -> Result<(), AttemptRefusal> {
        let unknown = AttemptRefusal::Unknown { publisher, nonce };
        let known = self.publishers.get_mut(&publisher).ok_or(unknown.clone())?;
        let unused = nonce.checked_add(1).ok_or(unknown)?;
        known.nonces.retain(|open, entry| *open > nonce || entry.mined.is_some() || planted(Fault::ForeignSpendIgnored));
        known.unused = known.unused.max(unused);
        Ok(())
    }

    /// Whether a sequence of commands can have led here; asked of a decoded ledger.
    pub(crate) fn is_consistent(&self) -> bool {
        self.publishers.len() <= MAX_PUBLISHERS && self.publishers.iter().all(|(address, known)| known.is_consistent(*address))
    }
}

impl Publisher {
    fn open(&self) -> impl Iterator<Item = (&u64, &Nonce)> {
        self.nonces.iter().filter(|(_, nonce)| nonce.mined.is_none())
    }

    fn next(&self) -> u64 {
        self.open().next().map_or(self.unused, |(nonce, _)| *nonce)
    }

    /// One nonce is open at a time; more only after a reorg, and then each of them may be raised.
    fn check_nonce(&self, request: &AttemptRequest) -> Result<(), AttemptRefusal> {
        let expected = self.next();
        if request.nonce == expected || planted(Fault::NonceFromL1) || self.open().any(|(nonce, _)| *nonce == request.nonce) {
            return Ok(());
        }
        Err(AttemptRefusal::Nonce { publisher: request.publisher, requested: request.nonce, expected })
    }

    fn check_room(&self, nonce: u64) -> Result<(), AttemptRefusal> {
        match self.nonces.get(&nonce) {
            Some(entry) if entry.attempts.len() >= MAX_ATTEMPTS => Err(full("attempts", entry.attempts.len(), MAX_ATTEMPTS)),
            None if self.nonces.len() >= MAX_NONCES => Err(full("nonces", self.nonces.len(), MAX_NONCES)),
            Some(_) | None => Ok(()),
        }
    }

    fn is_consistent(&self, address: Address) -> bool {
        self.nonces.len() <= MAX_NONCES
            && self.nonces.iter().all(|(number, nonce)| {
                *number < self.unused && !nonce.attempts.is_empty() && nonce.is_consistent(address, *number)
            })
    }
}

impl Nonce {
    fn is_consistent(&self, publisher: Address, number: u64) -> bool {
        let mut earlier: &[RecordedAttempt] = &[];
        for (position, attempt) in self.attempts.iter().enumerate() {
            let request = &attempt.request;
            let belongs = request.publisher == publisher && request.nonce == number;
            let blobs = attempt.root.is_some() || earlier.iter().any(|attempt| attempt.holds_blobs);
            let counted = usize::try_from(attempt.number).is_ok_and(|counted| counted == position);
            if !belongs || !counted || attempt.holds_blobs != blobs || check_fees(&request.fees, earlier).is_err() {
                return false;
            }
            earlier = &self.attempts[..=position];
        }
        self.attempts.len() <= MAX_ATTEMPTS
    }
}

/// The root that the attempt is tied to: a bundle's must be bound, a cancellation has none.
fn check_content(request: &AttemptRequest, bundle_root: Option<SigningRoot>) -> Result<Option<SigningRoot>, AttemptRefusal> {
    match request.content {
        AttemptContent::Cancellation => Ok(None),
        AttemptContent::Bundle { duty } => {
            let is_bundle = duty.kind == DutyKind::AttestationsAndSigners && duty.slot == request.slot;
            match bundle_root {
                Some(root) if is_bundle => Ok(Some(root)),
                None if planted(Fault::UnboundBundle) => Ok(None),
                Some(_) | None => Err(AttemptRefusal::NoBundle { duty, slot: request.slot }),
            }
        }
    }
}

fn check_transaction(request: &AttemptRequest) -> Result<(), AttemptRefusal> {
    let Fees { max_priority_fee_per_gas: tip, max_fee_per_gas: fee_cap, .. } = request.fees;
    if tip > fee_cap || request.gas_limit == 0 {
        return Err(AttemptRefusal::NotATransaction { tip, fee_cap, gas_limit: request.gas_limit });
    }
    Ok(())
}

/// Each fee at least twice that of every earlier attempt, and never zero: twice nothing is no bump.
fn check_fees(fees: &Fees, earlier: &[RecordedAttempt]) -> Result<(), AttemptRefusal> {
    for (kind, (fee, requested)) in by_kind(fees).into_iter().enumerate() {
        let highest = earlier.iter().map(|attempt| by_kind(&attempt.request.fees)[kind].1).max().unwrap_or(0);
        let least = highest.checked_mul(2).map(|twice| twice.max(1));
        if least.is_none_or(|least| requested < least) {
            return Err(AttemptRefusal::FeeTooLow { fee: fee.to_owned(), requested, least: least.unwrap_or(u128::MAX) });
        }
    }
    Ok(())
}

fn by_kind(fees: &Fees) -> [(&'static str, u128); 3] {
    [
        ("max_priority_fee_per_gas", fees.max_priority_fee_per_gas),
        ("max_fee_per_gas", fees.max_fee_per_gas),
        ("max_fee_per_blob_gas", fees.max_fee_per_blob_gas),
    ]
}

fn full(what: &str, count: usize, limit: usize) -> AttemptRefusal {
    AttemptRefusal::Full { what: what.to_owned(), count, limit }
}
