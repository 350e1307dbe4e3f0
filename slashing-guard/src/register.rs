//! What is bound, and the payloads behind it.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use ollin_protocol::units::{SigningRoot, Slot};
use serde::{Deserialize, Serialize};

use crate::{Duty, DutyKind, Fault, limit, planted};

/// Roots by duty, payloads by root.
///
/// A payload is shared by all duties of one slot and kind that are bound to its root. The first one stored stays: a later claim
/// of the same root may come from a replica that spells what lies outside the root differently, and a successor must find the
/// bytes that went out. It is stored only together with a new binding, so a dropped payload does not come back with a claim that
/// is merely granted again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Register {
    records: BTreeMap<Duty, SigningRoot>,
    payloads: BTreeMap<PayloadKey, Vec<u8>>,
}

/// What one duty is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound<'a> {
    /// The only root that may ever be signed for the duty.
    pub root: SigningRoot,
    /// The bytes whose root it is, unless it was imported without them or they were dropped.
    pub payload: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct PayloadKey {
    slot: Slot,
    kind: DutyKind,
    root: SigningRoot,
}

impl Register {
    pub(crate) const fn new() -> Self {
        Self { records: BTreeMap::new(), payloads: BTreeMap::new() }
    }

    pub(crate) fn bound(&self, duty: &Duty) -> Option<Bound<'_>> {
        self.records.get(duty).map(|root| self.with_payload(duty, root))
    }

    pub(crate) fn bound_in_slot(&self, slot: Slot) -> impl Iterator<Item = (&Duty, Bound<'_>)> {
        self.records
            .range(Duty::first_of(slot)..)
            .take_while(move |(duty, _)| duty.slot == slot)
            .map(|(duty, root)| (duty, self.with_payload(duty, root)))
    }

    /// Binds `duty`, which must be unbound or bound to this root, and says whether it was unbound.
    pub(crate) fn bind(&mut self, duty: &Duty, root: &SigningRoot, payload: &[u8]) -> bool {
        if planted(Fault::PayloadReplaced) {
            self.payloads.insert(PayloadKey::new(duty, root), payload.to_vec());
        }
        if self.records.contains_key(duty) {
            return false;
        }
        self.records.insert(*duty, *root);
        self.payloads.entry(PayloadKey::new(duty, root)).or_insert_with(|| payload.to_vec());
        true
    }

    /// Takes over records without payloads.
    pub(crate) fn import(&mut self, records: BTreeMap<Duty, SigningRoot>) {
        self.records = records;
    }

    /// Forgets everything at or below `slot`.
    pub(crate) fn forget(&mut self, slot: Slot) {
        self.records.retain(|duty, _| duty.slot > slot);
        self.drop_payloads(slot);
    }

    /// Forgets payloads at or below `slot`.
    pub(crate) fn drop_payloads(&mut self, slot: Slot) {
        self.payloads.retain(|key, _| key.slot > slot);
    }

    pub(crate) fn lowest_slot(&self) -> Option<Slot> {
        self.records.first_key_value().map(|(duty, _)| duty.slot)
    }

    pub(crate) fn highest_slot(&self) -> Option<Slot> {
        self.records.last_key_value().map(|(duty, _)| duty.slot)
    }

    pub(crate) fn highest_slot_of(&self, attester: &Address) -> Option<Slot> {
        self.duties().rev().find(|duty| duty.attester == *attester).map(|duty| duty.slot)
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = (&Duty, &SigningRoot)> {
        self.records.iter()
    }

    pub(crate) fn duties(&self) -> impl DoubleEndedIterator<Item = &Duty> {
        self.records.keys()
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether every payload belongs to a record and is within its limit.
    pub(crate) fn payloads_are_sound(&self) -> bool {
        let keys: BTreeSet<_> = self.records.iter().map(|(duty, root)| PayloadKey::new(duty, root)).collect();
        let fits = |payload: &[u8]| !payload.is_empty() && payload.len() <= limit::MAX_PAYLOAD_BYTES;
        self.payloads.iter().all(|(key, payload)| keys.contains(key) && fits(payload))
    }

    fn with_payload(&self, duty: &Duty, root: &SigningRoot) -> Bound<'_> {
        Bound { root: *root, payload: self.payloads.get(&PayloadKey::new(duty, root)).map(Vec::as_slice) }
    }
}

impl PayloadKey {
    fn new(duty: &Duty, root: &SigningRoot) -> Self {
        Self { slot: duty.slot, kind: duty.kind, root: *root }
    }
}
