//! One keystore file, schema 1 or 2. Every object is strict.
//!
//! Source: npm @aztec/node-keystore 4.1.2, `src/schemas.ts`.

use alloy_primitives::Address;
use ollin_protocol::field::Fr;

use super::account::{self, Placed, Role};
use super::reading::Reading;
use super::value;
use crate::fault::Place;
use crate::json::Json;

const VALIDATOR_FIELDS: [&str; 6] = ["attester", "coinbase", "publisher", "feeRecipient", "remoteSigner", "fundingAccount"];
const FIELDS_1: [&str; 6] = ["schemaVersion", "validators", "slasher", "remoteSigner", "prover", "fundingAccount"];
const FIELDS_2: [&str; 9] = [
    "schemaVersion",
    "validators",
    "slasher",
    "remoteSigner",
    "prover",
    "fundingAccount",
    "publisher",
    "coinbase",
    "feeRecipient",
];

/// A file, still closed.
pub(super) struct Document {
    pub(super) place: Place,
    pub(super) version: u64,
    pub(super) validators: Vec<Validator>,
    pub(super) has_prover: bool,
    pub(super) defaults: Defaults,
}

/// One element of `validators`.
pub(super) struct Validator {
    pub(super) place: Place,
    pub(super) attesters: Vec<Placed>,
    pub(super) coinbase: Option<Address>,
    /// `None`: the field is absent, which means the attesters themselves; a list that is there is never empty.
    pub(super) publishers: Option<Vec<Placed>>,
    pub(super) fee_recipient: Recipient,
}

/// A fee recipient as the file has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Recipient {
    Given(Fr),
    Absent,
    /// A fault was reported.
    Faulty,
}

/// What schema 2 sets for all validators.
#[derive(Default)]
pub(super) struct Defaults {
    pub(super) publishers: Vec<Placed>,
    pub(super) coinbase: Option<(Place, Address)>,
    pub(super) fee_recipient: Option<(Place, Fr)>,
}

/// Reads a file; what is wrong goes to `reading`.
pub(super) fn read(place: &Place, json: &Json, reading: &mut Reading) -> Option<Document> {
    if !matches!(json, Json::Object(_)) {
        reading.fault(place.fault(format!("is {}", json.kind()), "a keystore object", "see the guide's keystore.json"));
        return None;
    }
    let version = version(place, json, reading)?;
    only(place, json, if version == 1 { &FIELDS_1 } else { &FIELDS_2 }, reading);
    if json.member("validators").is_none() && json.member("prover").is_none() {
        reading.fault(place.key("validators").fault("is missing", "at least one validator", "see the guide's keystore.json"));
    }
    if json.member("remoteSigner").is_some() {
        reading.fault(account::remote(&place.key("remoteSigner")));
    }
    for name in ["slasher", "fundingAccount"] {
        check_unused(place, json, name, reading);
    }
    check_prover(place, json, reading);
    let validators = match json.member("validators") {
        Some(Json::List(items)) => {
            let items = items.iter().enumerate();
            items.filter_map(|(index, item)| read_validator(&place.key("validators").index(index), item, reading)).collect()
        }
        Some(other) => {
            reading.fault(place.key("validators").fault(format!("is {}", other.kind()), "an array of validators", ""));
            Vec::new()
        }
        None => Vec::new(),
    };
    let defaults = if version == 2 { read_defaults(place, json, reading) } else { Defaults::default() };
    Some(Document { place: place.clone(), version, validators, has_prover: json.member("prover").is_some(), defaults })
}

/// Reports every member that is not one of `names`.
pub(super) fn only(place: &Place, json: &Json, names: &[&str], reading: &mut Reading) {
    let Json::Object(members) = json else { return };
    for (name, _) in members.iter().filter(|(name, _)| !names.contains(&name.as_str())) {
        let near = names.iter().find(|known| known.eq_ignore_ascii_case(name));
        let remedy = near.map_or("remove it".to_owned(), |near| format!("write {near}"));
        // A name may be a secret in the wrong place.
        let shown: String = match name.len() {
            0..=24 => name.escape_debug().collect(),
            length => format!("<{length} characters>"),
        };
        reading.fault(place.key(&shown).fault("is not a field here", format!("one of {}", names.join(", ")), remedy));
    }
}

fn version(place: &Place, json: &Json, reading: &mut Reading) -> Option<u64> {
    let place = place.key("schemaVersion");
    let found = match json.member("schemaVersion") {
        Some(Json::Number(version @ (1 | 2))) => return Some(*version),
        Some(Json::Number(version)) => format!("is {version}"),
        Some(other) => format!("is {}", other.kind()),
        None => "is missing".to_owned(),
    };
    reading.fault(place.fault(found, "1 or 2, as a number", "write \"schemaVersion\": 1"));
    None
}

fn read_validator(place: &Place, json: &Json, reading: &mut Reading) -> Option<Validator> {
    if !matches!(json, Json::Object(_)) {
        reading.fault(place.fault(format!("is {}", json.kind()), "a validator object", ""));
        return None;
    }
    only(place, json, &VALIDATOR_FIELDS, reading);
    if json.member("remoteSigner").is_some() {
        reading.fault(account::remote(&place.key("remoteSigner")));
    }
    check_unused(place, json, "fundingAccount", reading);
    let attester_place = place.key("attester");
    let attesters = match json.member("attester") {
        Some(Json::List(items)) if items.is_empty() => {
            reading.fault(attester_place.fault("is empty", "at least one attester", ""));
            Vec::new()
        }
        Some(json) => account::read_all(&attester_place, json, Role::Attester, reading),
        None => {
            reading.fault(attester_place.fault("is missing", "the attester's private key", "see the guide's keystore.json"));
            Vec::new()
        }
    };
    let publisher_place = place.key("publisher");
    let publishers = match json.member("publisher") {
        Some(Json::List(items)) if items.is_empty() => {
            let remedy = "leave the field out to let the attester pay, or name an account";
            reading.fault(publisher_place.fault("is empty", "at least one publisher", remedy));
            None
        }
        Some(json) => Some(account::read_all(&publisher_place, json, Role::Other, reading)),
        None => None,
    };
    let coinbase = json.member("coinbase").and_then(|json| reading.keep(value::address(&place.key("coinbase"), json)));
    let fee_recipient = match json.member("feeRecipient") {
        Some(json) => {
            let given = reading.keep(value::aztec_address(&place.key("feeRecipient"), json));
            given.map_or(Recipient::Faulty, Recipient::Given)
        }
        None => Recipient::Absent,
    };
    Some(Validator { place: place.clone(), attesters, coinbase, publishers, fee_recipient })
}

fn read_defaults(place: &Place, json: &Json, reading: &mut Reading) -> Defaults {
    let publishers = json.member("publisher").map(|json| account::read_all(&place.key("publisher"), json, Role::Other, reading));
    let coinbase = json.member("coinbase").and_then(|json| {
        let place = place.key("coinbase");
        let address = reading.keep(value::address(&place, json))?;
        Some((place, address))
    });
    let fee_recipient = json.member("feeRecipient").and_then(|json| {
        let place = place.key("feeRecipient");
        let recipient = reading.keep(value::aztec_address(&place, json))?;
        Some((place, recipient))
    });
    Defaults { publishers: publishers.unwrap_or_default(), coinbase, fee_recipient }
}

/// Parsed as the official node parses it, and as there without effect.
fn check_unused(place: &Place, json: &Json, name: &str, reading: &mut Reading) {
    let Some(json) = json.member(name) else { return };
    let place = place.key(name);
    drop(account::read_all(&place, json, Role::Other, reading));
    reading.warn_unused(&place, "votes go out through the publisher, and nothing funds publishers");
}

/// `Prover = EthAccount | {id, publisher}`.
fn check_prover(place: &Place, json: &Json, reading: &mut Reading) {
    let Some(prover) = json.member("prover") else { return };
    let place = place.key("prover");
    match (prover.member("id"), prover.member("publisher")) {
        (None, None) => drop(account::read_one(&place, prover, Role::Other, reading)),
        (id, publisher) => {
            only(&place, prover, &["id", "publisher"], reading);
            for (name, member) in [("id", id), ("publisher", publisher)] {
                if member.is_none() {
                    reading.fault(place.key(name).fault("is missing", "id and publisher together", ""));
                }
            }
            if let Some(id) = id {
                let checked = value::address(&place.key("id"), id);
                reading.keep(checked);
            }
            if let Some(publisher) = publisher {
                drop(account::read_all(&place.key("publisher"), publisher, Role::Other, reading));
            }
        }
    }
    reading.warn_unused(&place, "a sequencer does not prove");
}
