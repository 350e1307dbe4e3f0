//! Several files as one keystore, and the keys behind them.
//!
//! Source: npm @aztec/node-keystore 4.1.2, `src/loader.ts`. Stricter than there: duplicates are found behind JSON V3 files and
//! mnemonics too, and files that contradict each other are refused where the official loader lets the last one win.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use ollin_protocol::field::Fr;

use super::account::PlacedKey;
use super::document::{Document, Recipient, Validator};
use super::reading::Reading;
use crate::fault::Place;
use crate::key::Key;
use crate::keystore::AttesterEntry;

/// What all files stand for.
#[derive(Default)]
pub(super) struct Resolved {
    pub(super) attesters: BTreeMap<Address, (AttesterEntry, Key)>,
    pub(super) publishers: BTreeMap<Address, Key>,
    places: BTreeMap<Address, Place>,
}

/// Defaults of schema 2, of all files together.
struct Shared {
    publishers: Vec<PlacedKey>,
    coinbase: Option<Address>,
    fee_recipient: Option<Fr>,
}

/// Merges the files and opens all accounts.
pub(super) fn resolve(documents: Vec<Document>, reading: &mut Reading) -> Resolved {
    check_versions(&documents, reading);
    let mut provers = documents.iter().filter(|document| document.has_prover);
    if let (Some(first), Some(second)) = (provers.next(), provers.next()) {
        let found = format!("is set, and in {} too", first.place.path().display());
        reading.fault(second.place.key("prover").fault(found, "at most one prover in all files", "remove one"));
    }
    let first = documents.first().map(|document| document.place.clone());
    let mut resolved = Resolved::default();
    let (shared, validators) = share(documents, reading);
    let is_empty = validators.is_empty();
    for validator in validators {
        resolved.add(validator, &shared, reading);
    }
    if let Some(place) = first.filter(|_| is_empty && reading.faults.is_empty()) {
        let remedy = "a replica without attesters has no duty";
        reading.fault(place.key("validators").fault("is empty here and in all other files", "at least one validator", remedy));
    }
    resolved
}

fn check_versions(documents: &[Document], reading: &mut Reading) {
    let Some(first) = documents.first() else { return };
    for document in documents.iter().filter(|document| document.version != first.version) {
        let found = format!("is {}, and {} in {}", document.version, first.version, first.place.path().display());
        reading.fault(document.place.key("schemaVersion").fault(found, "one schema version in all files", ""));
    }
}

/// Takes the defaults out of the files: publishers add up, coinbase and fee recipient must agree.
fn share(documents: Vec<Document>, reading: &mut Reading) -> (Shared, Vec<Validator>) {
    let mut shared = Shared { publishers: Vec::new(), coinbase: None, fee_recipient: None };
    let mut validators = Vec::new();
    for document in documents {
        validators.extend(document.validators);
        let defaults = document.defaults;
        shared.publishers.extend(defaults.publishers.into_iter().flat_map(|account| account.resolve(reading)));
        if let Some((place, coinbase)) = defaults.coinbase {
            agree(&mut shared.coinbase, &place, coinbase, reading);
        }
        if let Some((place, recipient)) = defaults.fee_recipient {
            agree(&mut shared.fee_recipient, &place, recipient, reading);
        }
    }
    (shared, validators)
}

fn agree<T: Copy + PartialEq + std::fmt::Display>(known: &mut Option<T>, place: &Place, value: T, reading: &mut Reading) {
    match known {
        Some(known) if *known != value => {
            let found = format!("is {value}, and {known} in another file");
            reading.fault(place.fault(found, "one value in all files", "set it per validator, or in one file only"));
        }
        Some(_) | None => *known = Some(value),
    }
}

impl Resolved {
    fn add(&mut self, validator: Validator, shared: &Shared, reading: &mut Reading) {
        let Validator { place, attesters, coinbase, publishers, fee_recipient } = validator;
        let attesters: Vec<_> = attesters.into_iter().flat_map(|account| account.resolve(reading)).collect();
        let own =
            publishers.map(|accounts| accounts.into_iter().flat_map(|account| account.resolve(reading)).collect::<Vec<_>>());
        let payers = match own {
            Some(own) => own,
            None if !shared.publishers.is_empty() => shared.publishers.clone(),
            None => attesters.clone(),
        };
        let recipient = match (fee_recipient, shared.fee_recipient) {
            (Recipient::Given(recipient), _) | (Recipient::Absent, Some(recipient)) => recipient,
            (Recipient::Absent, None) => {
                let remedy = "put the address of your deployed Aztec account there";
                reading.fault(place.key("feeRecipient").fault("is missing", "an Aztec address", remedy));
                return;
            }
            (Recipient::Faulty, _) => return,
        };
        if recipient == Fr::ZERO {
            reading.warn("keystore_recipient", format!("{} is zero: fees are lost", place.key("feeRecipient")));
        }
        let mut addresses: Vec<Address> = Vec::new();
        for payer in &payers {
            if !addresses.contains(&payer.key.address()) {
                addresses.push(payer.key.address());
            }
            self.publishers.entry(payer.key.address()).or_insert_with(|| payer.key.clone());
        }
        let coinbase = coinbase.or(shared.coinbase);
        for attester in attesters {
            let address = attester.key.address();
            let entry = AttesterEntry {
                address,
                coinbase: coinbase.unwrap_or(address),
                fee_recipient: recipient,
                publishers: addresses.clone(),
            };
            self.add_attester(entry, attester, reading);
        }
    }

    /// An attester that stands twice would be one identity with two sets of recipients, or a mistake: never both.
    fn add_attester(&mut self, entry: AttesterEntry, attester: PlacedKey, reading: &mut Reading) {
        let address = entry.address;
        if let Some(known) = self.places.get(&address) {
            let found = format!("is the attester {address}, which is {known} already");
            reading.fault(attester.place.fault(found, "each attester once in all files", "remove one"));
            return;
        }
        self.places.insert(address, attester.place);
        self.attesters.insert(address, (entry, attester.key));
    }
}
