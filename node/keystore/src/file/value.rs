//! Single values of a keystore file, and how they are shown when they are wrong.

use alloy_primitives::{Address, hex};
use ollin_protocol::field::Fr;
use zeroize::Zeroizing;

use crate::fault::{Fault, Place};
use crate::json::Json;
use crate::key::Key;

/// Longer texts are not shown, whatever they are: half a key is too much.
const SHOWN_CHARACTERS_MAX: usize = 24;

/// A private key written out.
pub(super) fn private_key(place: &Place, text: &str) -> Result<Key, Fault> {
    let rule = "a private key: 0x and 64 hex digits";
    let mut bytes = Zeroizing::new([0_u8; 32]);
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 64);
    let is_hex = digits.is_some_and(|digits| hex::decode_to_slice(digits, bytes.as_mut_slice()).is_ok());
    if is_hex {
        let range = "a number from 1 to the order of secp256k1 less 1";
        let make = "make a key with `cast wallet new`";
        return Key::from_bytes(&bytes).ok_or_else(|| place.fault(secret(text), range, make));
    }
    let remedy = if is_placeholder(text) {
        "this is the guide's placeholder, put the key itself in its place (`cast wallet new` makes one)"
    } else if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        "write 0x in front"
    } else if is_address(text) {
        "this is an address, whose key a remote signer would hold: remote signers are not supported yet, put the key itself here"
    } else if text.split_whitespace().count() >= 12 {
        "this looks like a recovery phrase: write {\"mnemonic\": \"...\"} in place of the list"
    } else {
        "copy the key again"
    };
    Err(place.fault(secret(text), rule, remedy))
}

/// An L1 address.
///
/// Source: npm @aztec/foundation 4.1.2, `src/eth-address/index.ts`: with or without 0x, one case or a right checksum.
pub(super) fn address(place: &Place, json: &Json) -> Result<Address, Fault> {
    let rule = "an Ethereum address: 0x and 40 hex digits";
    let text = text(place, json, rule)?;
    if !is_address(text) {
        let remedy = if is_placeholder(text) {
            "this is the guide's placeholder, put the address in its place, or leave the field out"
        } else if is_long_hex(text) {
            "this has the length of a private key or an Aztec address"
        } else {
            ""
        };
        return Err(place.fault(public(text), rule, remedy));
    }
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mixed = digits.bytes().any(|byte| byte.is_ascii_uppercase()) && digits.bytes().any(|byte| byte.is_ascii_lowercase());
    let prefixed = format!("0x{digits}");
    if mixed && Address::parse_checksummed(&prefixed, None).is_err() {
        let remedy = "a digit is wrong; if you are sure of it, write it in lower case";
        return Err(place.fault(public(text), "an address with a right checksum (EIP-55)", remedy));
    }
    prefixed.parse().map_err(|_| place.fault(public(text), rule, ""))
}

/// An Aztec address: a field element.
pub(super) fn aztec_address(place: &Place, json: &Json) -> Result<Fr, Fault> {
    let rule = "an Aztec address: 0x and 64 hex digits, below the order of BN254";
    let text = text(place, json, rule)?;
    let mut bytes = [0; 32];
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let parsed = (digits.len() == 64 && hex::decode_to_slice(digits, &mut bytes).is_ok()).then(|| Fr::from_be_bytes(&bytes).ok());
    parsed.flatten().ok_or_else(|| {
        let remedy = if is_placeholder(text) {
            "this is the guide's placeholder, put the address of your deployed Aztec account in its place"
        } else if is_address(text) {
            "this is an Ethereum address; fees are paid to an account on Aztec"
        } else {
            ""
        };
        place.fault(public(text), rule, remedy)
    })
}

/// A text that must be there.
pub(super) fn text<'a>(place: &Place, json: &'a Json, rule: &str) -> Result<&'a str, Fault> {
    json.text().ok_or_else(|| place.fault(format!("is {}", json.kind()), rule, ""))
}

/// A whole number in a range.
pub(super) fn number(place: &Place, json: &Json, min: u32, max: u32) -> Result<u32, Fault> {
    let rule = || format!("a whole number from {min} to {max}");
    match json {
        Json::Number(number) => {
            let in_range = u32::try_from(*number).ok().filter(|number| (min..=max).contains(number));
            in_range.ok_or_else(|| place.fault(format!("is {number}"), rule(), ""))
        }
        Json::Null | Json::Bool | Json::OtherNumber | Json::Text(_) | Json::List(_) | Json::Object(_) => {
            Err(place.fault(format!("is {}", json.kind()), rule(), ""))
        }
    }
}

/// A value from a field that may hold a secret: shown by its length, placeholders as they are.
pub(super) fn secret(text: &str) -> String {
    match is_placeholder(text) {
        true => format!("is \"{text}\""),
        false => format!("is <{} characters>", text.chars().count()),
    }
}

/// A value from a public field. What is long enough to be a key is shown by its ends, in case it is one.
fn public(text: &str) -> String {
    let characters = text.chars().count();
    if is_address(text) || (characters <= SHOWN_CHARACTERS_MAX && !text.chars().any(char::is_control)) {
        return format!("is \"{text}\"");
    }
    match (is_long_hex(text), text.get(..4), text.len().checked_sub(2).and_then(|start| text.get(start..))) {
        (true, Some(head), Some(tail)) if text.starts_with("0x") => format!("is {head}…{tail} ({characters} characters)"),
        _ => format!("is <{characters} characters>"),
    }
}

/// Words such as `ETH_PRIVATE_KEY_0`, `ETH_ADDRESS_2`, `AZTEC_ADDRESS_0`.
fn is_placeholder(text: &str) -> bool {
    let is_word = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    is_word
        && text.len() <= SHOWN_CHARACTERS_MAX
        && (text.starts_with("ETH_") || text.starts_with("AZTEC_") || text.contains("_KEY"))
}

fn is_address(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_long_hex(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    digits.len() >= 48 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
