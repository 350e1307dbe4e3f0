//! The table against the official selectors, and real refusals.

use alloy::sol_types::SolError;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    selectors: Vec<Selector>,
    reverts: Vec<Refusal>,
}

#[derive(Deserialize)]
struct Selector {
    selector: String,
    signature: String,
}

#[derive(Deserialize)]
struct Refusal {
    label: String,
    name: String,
    args: Vec<String>,
    data: String,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../fixtures/reverts.json")).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.trim_start_matches("0x")).unwrap()
}

#[test]
fn every_signature_parses_to_its_official_selector() {
    let fixture = fixture();
    assert_eq!(table().len(), SIGNATURES.len(), "two signatures share a selector, or one does not parse");
    for Selector { selector, signature } in fixture.selectors {
        let selector: [u8; 4] = bytes(&selector).try_into().unwrap();
        let name = signature.split('(').next().unwrap();
        assert_eq!(table().get(&selector).map(|error| error.name.as_str()), Some(name), "{signature}");
    }
}

#[test]
fn refusals_of_the_real_contracts_decode_to_name_and_arguments() {
    for Refusal { label, name, args, data } in fixture().reverts {
        let revert = Revert::decode(&bytes(&data));
        assert_eq!(revert.name, name, "{label}");
        let values: Vec<String> = revert.arguments.into_iter().map(|argument| argument.value).collect();
        assert_eq!(values, args, "{label}");
    }
}

#[test]
fn a_refusal_reads_like_a_call() {
    let data = fixture().reverts.into_iter().find(|refusal| refusal.label == "slot + 1").unwrap().data;
    assert_eq!(Revert::decode(&bytes(&data)).to_string(), "HeaderLib__InvalidSlotNumber(expected: 26, actual: 27)");
    assert_eq!(Revert::decode(&[]).to_string(), "no reason given");
    assert_eq!(Revert::decode(&[1, 2, 3, 4, 5]).to_string(), "0x01020304()");
    let message = alloy::sol_types::Revert::from("Multicall3: call failed").abi_encode();
    assert_eq!(Revert::decode(&message).to_string(), "Error(message: Multicall3: call failed)");
}

#[test]
fn truncated_refusals_show_their_selector() {
    for refusal in fixture().reverts.iter().filter(|refusal| !refusal.args.is_empty()) {
        let data = bytes(&refusal.data);
        for end in 4..data.len() {
            assert_eq!(Revert::decode(&data[..end]).arguments, [], "{} cut at {end}", refusal.label);
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic_or_show_without_bound(choice in any::<prop::sample::Index>(), tail in prop::collection::vec(any::<u8>(), 0..600)) {
        let selectors: Vec<[u8; 4]> = table().keys().copied().collect();
        let mut data = choice.get(&selectors).to_vec();
        data.extend(tail);
        let shown = Revert::decode(&data).to_string();
        prop_assert!(shown.len() < 4_000);
    }
}
