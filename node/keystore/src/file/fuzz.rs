//! Hostile keystore files. Keys are not derived here: that is slow by design, and its parameters are what is checked before.

use ollin_fuzz::Fuzz;
use serde_json::json;

use super::{Json, Place, Reading, document, v3};

/// A key of the publicly known development phrase.
const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const PHRASE: &str = "test test test test test test test test test test test junk";
const RECIPIENT: &str = "0x0000000000000000000000000000000000000000000000000000000000000007";

#[test]
fn a_keystore_is_read_or_its_faults_are_named_without_its_secrets() {
    let mnemonic = json!({"mnemonic": PHRASE, "addressIndex": 1, "addressCount": 2});
    let file = json!({"path": "/nowhere/key.json", "password": "password"});
    let validator = json!({
        "attester": [KEY, mnemonic.clone(), file], "publisher": KEY, "coinbase": "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "feeRecipient": RECIPIENT,
    });
    let defaults = json!({
        "schemaVersion": 2, "validators": [{"attester": {"eth": KEY}}], "publisher": mnemonic, "feeRecipient": RECIPIENT,
        "slasher": KEY, "prover": {"id": KEY, "publisher": [KEY]},
    });
    let seeds = [json!({"schemaVersion": 1, "validators": [validator]}), defaults, json!({"validators": []})];
    let words = ["\"remoteSigner\":\"http://a\"", "\"attester\":", "\"schemaVersion\":2", "\"password\":", "<", "0x"];
    let seeds = seeds.map(|file| file.to_string().into_bytes());
    Fuzz::new("keystore").seeds(seeds).words(&words).run(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let Ok(json) = Json::parse(&text) else { return };
        let mut reading = Reading::default();
        let read = document::read(&Place::file("keystore.json".as_ref()), &json, &mut reading);
        assert!(read.is_some() || !reading.faults.is_empty(), "refused without a fault");
        for fault in &reading.faults {
            let shown = fault.to_string();
            assert!(!shown.contains(&KEY[2..42]) && !shown.contains(&PHRASE[..24]), "a secret in {shown}");
        }
    });
}

#[test]
fn a_key_file_is_decrypted_only_with_parameters_within_reason() {
    let seed = include_bytes!("../../fixtures/v3.json").to_vec();
    let pbkdf2 = json!({
        "version": 3, "address": "00", "crypto": {
            "cipher": "aes-128-ctr", "ciphertext": "00".repeat(32), "mac": "00".repeat(32), "cipherparams": {"iv": "00".repeat(16)},
            "kdf": "pbkdf2", "kdfparams": {"c": 10_000, "dklen": 32, "prf": "hmac-sha256", "salt": "00"},
        },
    });
    let words = ["\"n\":", "\"r\":8", "\"p\":1", "\"dklen\":32", "18446744073709551615", "1073741824"];
    Fuzz::new("key-file").seeds([seed, pbkdf2.to_string().into_bytes()]).words(&words).run(|bytes| {
        let Ok(json) = Json::parse(&String::from_utf8_lossy(bytes)) else { return };
        if v3::check(&json).is_err() {
            return;
        }
        let params = json.member("crypto").or_else(|| json.member("Crypto")).and_then(|crypto| crypto.member("kdfparams"));
        let number = |name| match params.and_then(|params| params.member(name)) {
            Some(Json::Number(number)) => *number,
            _ => 0,
        };
        assert!(128 * u128::from(number("n")) * u128::from(number("r")) <= 1 << 30 || number("c") > 0);
        assert!(number("c") <= 10_000_000);
    });
}
