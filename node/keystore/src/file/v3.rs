//! JSON V3 key files (Web3 secret storage). Checked before they are decrypted: the library trusts its parameters.

use std::path::Path;

use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, hex};

use super::reading::Reading;
use crate::fault::{Fault, Place};
use crate::json::Json;
use crate::key::Key;

/// Above this the key derivation takes minutes or exhausts memory (128 bytes times n times r).
const SCRYPT_MEMORY_MAX: u64 = 1 << 30;
/// As high as any known writer goes, times ten.
const PBKDF2_ROUNDS_MAX: u64 = 10_000_000;
/// Bytes of the derived key: half deciphers, half authenticates.
const DERIVED_BYTES: u64 = 32;

/// Decrypts one file. `place` is the account that names it.
pub(super) fn decrypt(place: &Place, file: &Path, password: &str, reading: &mut Reading) -> Result<Key, Fault> {
    let name = file.display();
    let fault = |found: String, expected: &str, remedy: &str| place.key("path").fault(found, expected, remedy);
    let unreadable = |error: std::io::Error| {
        fault(format!("is {name}, which cannot be read ({error})"), "a JSON V3 key file", "check path and owner")
    };
    let (text, metadata) = super::read(file).map_err(unreadable)?;
    reading.warn_about_mode(file, &metadata);
    let json = Json::parse(&text).map_err(|_| fault(format!("is {name}, which is not JSON"), "a JSON V3 key file", ""))?;
    let stated =
        check(&json).map_err(|rule| fault(format!("is {name}"), rule, "write the key file again with a current tool"))?;
    let signer = PrivateKeySigner::decrypt_keystore(file, password).map_err(|_| {
        fault(format!("is {name}, which the password does not open"), "the password of that file", "check password")
    })?;
    let key = Key::from_secret(signer.into_credential());
    match stated {
        Some(stated) if stated != key.address() => Err(fault(
            format!("is {name}, which names {stated} but holds the key of {}", key.address()),
            "a file whose key is its own",
            "",
        )),
        Some(_) | None => Ok(key),
    }
}

/// The address that the file names, if its parameters are within reason.
pub(super) fn check(json: &Json) -> Result<Option<Address>, &'static str> {
    let rule = "a JSON V3 key file: version 3, aes-128-ctr, scrypt or pbkdf2";
    let number = |json: Option<&Json>| match json {
        Some(Json::Number(number)) => Some(*number),
        _ => None,
    };
    let crypto = json.member("crypto").or_else(|| json.member("Crypto")).ok_or(rule)?;
    let text = |name: &str| crypto.member(name).and_then(Json::text);
    if number(json.member("version")) != Some(3) || text("cipher") != Some("aes-128-ctr") {
        return Err(rule);
    }
    let bytes = |text: Option<&str>| text.and_then(|text| hex::decode(text).ok()).map(|bytes| bytes.len());
    let vector = crypto.member("cipherparams").and_then(|params| params.member("iv")).and_then(Json::text);
    if bytes(vector) != Some(16) || bytes(text("ciphertext")) != Some(32) || bytes(text("mac")) != Some(32) {
        return Err("an iv of 16, a ciphertext of 32 and a mac of 32 bytes");
    }
    let params = crypto.member("kdfparams").ok_or(rule)?;
    let param = |name: &str| number(params.member(name));
    if param("dklen") != Some(DERIVED_BYTES) {
        return Err("a derived key of 32 bytes (dklen)");
    }
    match text("kdf") {
        Some("scrypt") => {
            let (n, r, p) = (param("n").ok_or(rule)?, param("r").ok_or(rule)?, param("p").ok_or(rule)?);
            let memory = n.checked_mul(r).and_then(|product| product.checked_mul(128));
            let is_sound = n.is_power_of_two() && n > 1 && (1..=64).contains(&r) && (1..=64).contains(&p);
            if !is_sound || memory.is_none_or(|memory| memory > SCRYPT_MEMORY_MAX) {
                return Err("scrypt parameters that need at most 1 GiB");
            }
        }
        Some("pbkdf2") => {
            let rounds = param("c").ok_or(rule)?;
            let is_sha256 = params.member("prf").and_then(Json::text) == Some("hmac-sha256");
            if !is_sha256 || !(1..=PBKDF2_ROUNDS_MAX).contains(&rounds) {
                return Err("pbkdf2 with hmac-sha256 and at most 10000000 rounds");
            }
        }
        Some(_) | None => return Err(rule),
    }
    let stated = json.member("address").and_then(Json::text).unwrap_or_default();
    Ok(format!("0x{}", stated.trim_start_matches("0x")).parse().ok())
}
