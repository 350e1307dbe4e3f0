use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use alloy_primitives::address;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::fault::Fault;

/// Keys of the publicly known development phrase.
const KEY_0: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const KEY_1: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const KEY_2: &str = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";
const PHRASE: &str = "test test test test test test test test test test test junk";
const ATTESTER_0: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
const ATTESTER_1: Address = address!("70997970C51812dc3A010C7d01b50e0d17dc79C8");
const ATTESTER_2: Address = address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC");
const RECIPIENT: &str = "0x0000000000000000000000000000000000000000000000000000000000000007";

/// A directory of keystore files.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &Value)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, document) in files {
            folder.write(name, &document.to_string());
        }
        folder
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn load(&self) -> Result<UnboundKeystore, KeystoreError> {
        load(self.0.path())
    }

    fn faults(&self) -> Vec<Fault> {
        match self.load() {
            Err(KeystoreError::Invalid { faults }) => faults,
            other => panic!("{other:?}"),
        }
    }
}

fn validator(attester: Value) -> Value {
    json!({"attester": attester, "feeRecipient": RECIPIENT})
}

fn keystore(validators: Value) -> Value {
    json!({"schemaVersion": 1, "validators": validators})
}

fn load_one(document: &Value) -> UnboundKeystore {
    Folder::new(&[("keystore.json", document)]).load().unwrap()
}

/// The one fault of a document, after checking that it names the file and shows no key.
fn only_fault(document: &Value) -> Fault {
    let faults = Folder::new(&[("keystore.json", document)]).faults();
    assert_eq!(faults.len(), 1, "{faults:#?}");
    let shown = faults[0].to_string();
    assert!(shown.contains("keystore.json"), "{shown}");
    for key in [KEY_0, KEY_1, KEY_2] {
        assert!(!shown.contains(&key[2..]) && !shown.contains(&key[10..40]), "a key in {shown}");
    }
    faults[0].clone()
}

#[test]
fn the_guides_file_works() {
    let document = json!({
        "schemaVersion": 1,
        "validators": [{
            "attester": [KEY_0],
            "publisher": [KEY_1],
            "coinbase": ATTESTER_2.to_string(),
            "feeRecipient": RECIPIENT,
        }],
    });
    let keystore = load_one(&document);
    let entries: Vec<_> = keystore.attesters().cloned().collect();
    let expected = AttesterEntry {
        address: ATTESTER_0,
        coinbase: ATTESTER_2,
        fee_recipient: ollin_protocol::field::Fr::from_u64(7),
        publishers: vec![ATTESTER_1],
    };
    assert_eq!(entries, [expected]);
    assert_eq!(keystore.warnings(), []);
    assert!(!format!("{keystore:?}").contains(&KEY_0[2..]), "Debug shows a key");
}

#[test]
fn the_attesters_of_a_block_are_its_publishers_and_each_its_own_coinbase_by_default() {
    let keystore = load_one(&keystore(json!([validator(json!([KEY_0, KEY_1])), validator(json!(KEY_2))])));
    let entries: Vec<_> = keystore.attesters().map(|entry| (entry.address, entry.coinbase, entry.publishers.clone())).collect();
    let both = vec![ATTESTER_0, ATTESTER_1];
    let mut expected =
        vec![(ATTESTER_0, ATTESTER_0, both.clone()), (ATTESTER_1, ATTESTER_1, both), (ATTESTER_2, ATTESTER_2, vec![ATTESTER_2])];
    expected.sort();
    assert_eq!(entries, expected);
}

#[test]
fn the_guides_placeholders_are_named_with_their_remedy() {
    let document = json!({
        "schemaVersion": 1,
        "validators": [{
            "attester": ["ETH_PRIVATE_KEY_0"],
            "publisher": ["ETH_PRIVATE_KEY_1"],
            "coinbase": "ETH_ADDRESS_2",
            "feeRecipient": "AZTEC_ADDRESS_0",
        }],
    });
    let folder = Folder::new(&[("keystore.json", &document)]);
    let message = folder.load().unwrap_err().to_string();
    for part in [
        "4 fault(s)",
        "keystore.json: validators[0].attester[0] is \"ETH_PRIVATE_KEY_0\", expected a private key: 0x and 64 hex digits: this is the \
         guide's placeholder",
        "validators[0].publisher[0] is \"ETH_PRIVATE_KEY_1\"",
        "validators[0].coinbase is \"ETH_ADDRESS_2\", expected an Ethereum address",
        "validators[0].feeRecipient is \"AZTEC_ADDRESS_0\", expected an Aztec address",
    ] {
        assert!(message.contains(part), "{part}\nnot in\n{message}");
    }
}

#[test]
fn a_wrong_key_is_shown_by_its_length_only() {
    let bare = &KEY_0[2..];
    for (key, found, remedy) in [
        (bare, "is <64 characters>", "write 0x in front"),
        (&KEY_0[..65], "is <65 characters>", "copy the key again"),
        (&format!("{KEY_0}0"), "is <67 characters>", "copy the key again"),
        (&format!("0x{}", "g".repeat(64)), "is <66 characters>", "copy the key again"),
        (&format!("0x{}", "0".repeat(64)), "is <66 characters>", "cast wallet new"),
        (&format!("0x{}", "f".repeat(64)), "is <66 characters>", "cast wallet new"),
        (PHRASE, "is <59 characters>", "mnemonic"),
        (&ATTESTER_0.to_string(), "is <42 characters>", "remote signers are not supported yet"),
    ] {
        let fault = only_fault(&keystore(json!([validator(json!([key]))])));
        assert_eq!((fault.field.as_str(), fault.found.as_str()), ("validators[0].attester[0]", found));
        assert!(fault.remedy.contains(remedy), "{fault}");
    }
}

#[test]
fn a_key_in_a_public_field_is_not_shown() {
    for field in ["coinbase", "feeRecipient"] {
        let mut document = keystore(json!([validator(json!([KEY_0]))]));
        // One digit more than a fee recipient has, so that both fields refuse it.
        document["validators"][0][field] = json!(format!("{KEY_1}0"));
        let fault = only_fault(&document);
        assert_eq!((fault.field, fault.found), (format!("validators[0].{field}"), "is 0x59…d0 (67 characters)".to_owned()));
    }
}

#[test]
fn addresses_are_read_as_the_official_node_reads_them() {
    let with = |coinbase: &str| json!({"attester": KEY_0, "feeRecipient": RECIPIENT, "coinbase": coinbase});
    let checksummed = ATTESTER_1.to_string();
    for good in [&checksummed, &checksummed.to_lowercase(), &checksummed[2..].to_uppercase(), &checksummed[2..]] {
        let loaded = load_one(&keystore(json!([with(good)])));
        assert_eq!(loaded.attesters().next().unwrap().coinbase, ATTESTER_1, "{good}");
    }
    let wrong_case = checksummed.replace('C', "c");
    let fault = only_fault(&keystore(json!([with(&wrong_case)])));
    assert!(fault.expected.contains("EIP-55") && fault.found.contains(&wrong_case), "{fault}");
    assert!(only_fault(&keystore(json!([with("0x12")]))).found.contains("0x12"));
}

#[test]
fn a_fee_recipient_is_a_field_element_and_zero_is_warned_about() {
    let with = |recipient: Value| keystore(json!([{"attester": KEY_0, "feeRecipient": recipient}]));
    assert_eq!(only_fault(&keystore(json!([{"attester": KEY_0}]))).field, "validators[0].feeRecipient");
    for wrong in [json!(format!("0x{}", "f".repeat(64))), json!("0x07"), json!(7), json!(ATTESTER_0.to_string())] {
        assert_eq!(only_fault(&with(wrong)).field, "validators[0].feeRecipient");
    }
    let zero = load_one(&with(json!(format!("0x{}", "0".repeat(64)))));
    assert_eq!(zero.warnings().iter().map(|warning| warning.code).collect::<Vec<_>>(), ["keystore_recipient"]);
}

#[test]
fn unknown_and_misspelt_fields_are_refused_with_the_right_name() {
    let mut document = keystore(json!([validator(json!([KEY_0]))]));
    document["validators"][0]["coinBase"] = json!(ATTESTER_1.to_string());
    let fault = only_fault(&document);
    assert_eq!((fault.field.as_str(), fault.remedy.as_str()), ("validators[0].coinBase", "write coinbase"));

    let mut document = keystore(json!([validator(json!([KEY_0]))]));
    document["publisher"] = json!([KEY_1]);
    assert_eq!(only_fault(&document).field, "publisher", "schema 1 has no publisher at the top");

    let mut document = keystore(json!([validator(json!([KEY_0]))]));
    document[KEY_1] = json!(1);
    assert_eq!(only_fault(&document).field, "<66 characters>", "a key as a name is not shown");
}

#[test]
fn forms_that_no_reader_should_guess_at_are_refused() {
    let cases = [
        (json!({"validators": []}), "schemaVersion"),
        (json!({"schemaVersion": "1", "validators": []}), "schemaVersion"),
        (json!({"schemaVersion": 3, "validators": []}), "schemaVersion"),
        (json!({"schemaVersion": 1}), "validators"),
        (json!({"schemaVersion": 1, "validators": {}}), "validators"),
        (json!({"schemaVersion": 1, "validators": []}), "validators"),
        (keystore(json!([5])), "validators[0]"),
        (keystore(json!([{"feeRecipient": RECIPIENT}])), "validators[0].attester"),
        (keystore(json!([validator(json!([]))])), "validators[0].attester"),
        (keystore(json!([validator(json!([5]))])), "validators[0].attester[0]"),
        (keystore(json!([validator(json!([[KEY_0]]))])), "validators[0].attester[0]"),
        (keystore(json!([validator(json!([{"key": KEY_0}]))])), "validators[0].attester[0]"),
        (keystore(json!([{"attester": KEY_0, "publisher": [], "feeRecipient": RECIPIENT}])), "validators[0].publisher"),
        (keystore(json!([validator(json!([{"mnemonic": PHRASE}]))])), "validators[0].attester[0].mnemonic"),
        (keystore(json!([validator(json!({"mnemonic": "test junk"}))])), "validators[0].attester.mnemonic"),
        (keystore(json!([validator(json!({"mnemonic": PHRASE, "addressCount": 0}))])), "validators[0].attester.addressCount"),
        (keystore(json!([validator(json!({"mnemonic": PHRASE, "addressIndex": 1.5}))])), "validators[0].attester.addressIndex"),
        (
            keystore(json!([validator(json!({"mnemonic": PHRASE, "addressCount": 10000, "accountCount": 10000}))])),
            "validators[0].attester",
        ),
        (keystore(json!([validator(json!({"path": "x"}))])), "validators[0].attester.password"),
        (keystore(json!([validator(json!({"path": "/nowhere", "password": "p"}))])), "validators[0].attester.path"),
        (json!([]), ""),
    ];
    for (document, field) in cases {
        assert_eq!(only_fault(&document).field, field, "{document}");
    }
}

#[test]
fn remote_signers_are_refused_by_the_field_that_names_them() {
    let url = "https://user:hunter2@signer.example";
    let account = json!({"address": ATTESTER_0.to_string(), "remoteSignerUrl": url});
    let mut whole = keystore(json!([validator(json!([KEY_0]))]));
    whole["remoteSigner"] = json!(url);
    let mut block = keystore(json!([validator(json!([KEY_0]))]));
    block["validators"][0]["remoteSigner"] = json!({"remoteSignerUrl": url});
    for (document, field) in [
        (keystore(json!([validator(json!([account]))])), "validators[0].attester[0].remoteSignerUrl"),
        (whole, "remoteSigner"),
        (block, "validators[0].remoteSigner"),
    ] {
        let fault = only_fault(&document);
        assert_eq!(fault.field, field);
        assert!(
            fault.remedy.contains("remote signers are not supported yet") && !fault.to_string().contains("hunter2"),
            "{fault}"
        );
    }
}

#[test]
fn text_that_is_not_json_is_refused_by_line_and_quotes_nothing() {
    for text in ["", "{", &format!("{{\"schemaVersion\": {KEY_0}}}"), "{\"a\":1,\"a\":2}"] {
        let folder = Folder::new(&[]);
        folder.write("keystore.json", text);
        let faults = folder.faults();
        let shown = faults[0].to_string();
        assert!(shown.contains("is not JSON") && shown.contains("line 1") && !shown.contains(&KEY_0[2..]), "{shown}");
    }
}

#[test]
fn a_mnemonic_gives_accounts_outside_and_addresses_inside() {
    let document = keystore(json!([validator(json!({"mnemonic": format!("  {PHRASE} "), "addressCount": 3}))]));
    let addresses: Vec<_> = load_one(&document).attesters().map(|entry| entry.address).collect();
    let mut expected = vec![ATTESTER_0, ATTESTER_1, ATTESTER_2];
    expected.sort();
    assert_eq!(addresses, expected);

    let document = keystore(json!([validator(json!({"mnemonic": PHRASE, "addressIndex": 1}))]));
    let keystore = load_one(&document);
    assert_eq!(keystore.attesters().next().unwrap().address, ATTESTER_1);
}

fn v3(folder: &Folder, name: &str) -> String {
    folder.write(name, include_str!("../../fixtures/v3.json")).display().to_string()
}

#[test]
fn json_v3_files_and_directories_are_opened_with_their_password() {
    let keys = Folder::new(&[]);
    let path = v3(&keys, "key.json");
    keys.write("notes.txt", "not a key");
    for path in [path, keys.0.path().display().to_string()] {
        let account = json!({"path": path, "password": "test"});
        for attester in [json!(account), json!([account]), json!({"eth": account, "bls": KEY_1})] {
            let keystore = load_one(&keystore(json!([validator(attester)])));
            assert_eq!(keystore.attesters().next().unwrap().address, ATTESTER_0);
        }
    }
}

#[test]
fn a_json_v3_file_is_checked_before_and_after_it_is_opened() {
    let account = |path: &str, password: &str| keystore(json!([validator(json!({"path": path, "password": password}))]));
    let keys = Folder::new(&[]);
    let fault = only_fault(&account(&v3(&keys, "key.json"), "wrong"));
    assert!(fault.found.contains("the password does not open") && !fault.to_string().contains("wrong"), "{fault}");

    let good: Value = serde_json::from_str(include_str!("../../fixtures/v3.json")).unwrap();
    let changes: [(&str, Value); 8] = [
        ("/crypto/kdfparams/dklen", json!(16)),
        ("/crypto/kdfparams/n", json!(1_u64 << 40)),
        ("/crypto/kdfparams/n", json!(5)),
        ("/crypto/cipherparams/iv", json!("00")),
        ("/crypto/ciphertext", json!("00")),
        ("/crypto/cipher", json!("rot13")),
        ("/version", json!(4)),
        ("/address", json!("70997970c51812dc3a010c7d01b50e0d17dc79c8")),
    ];
    for (pointer, value) in changes {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let path = keys.write("changed.json", &changed.to_string()).display().to_string();
        assert_eq!(only_fault(&account(&path, "test")).field, "validators[0].attester.path", "{pointer}");
    }
    let empty = Folder::new(&[]);
    assert!(only_fault(&account(&empty.0.path().display().to_string(), "test")).found.contains("holds no *.json file"));
}

#[test]
fn an_attester_that_stands_twice_is_refused_also_behind_files_and_phrases() {
    let keys = Folder::new(&[]);
    let file = json!({"path": v3(&keys, "key.json"), "password": "test"});
    let phrase = json!({"mnemonic": PHRASE});
    let upper = format!("0x{}", KEY_0[2..].to_uppercase());
    for (one, other) in [
        (json!([KEY_0]), json!([KEY_0])),
        (json!([KEY_0]), json!([upper])),
        (json!([KEY_0]), file.clone()),
        (phrase.clone(), file),
        (json!([KEY_0]), phrase),
    ] {
        let same = Folder::new(&[("a.json", &keystore(json!([validator(one.clone()), validator(other.clone())])))]);
        let apart = Folder::new(&[
            ("a.json", &keystore(json!([validator(one.clone())]))),
            ("b.json", &keystore(json!([validator(other.clone())]))),
        ]);
        for folder in [same, apart] {
            let faults = folder.faults();
            assert_eq!(faults.len(), 1, "{faults:#?}");
            assert!(faults[0].found.contains(&format!("is the attester {ATTESTER_0}, which is validators[0]")), "{}", faults[0]);
        }
    }
    let twice = Folder::new(&[("a.json", &keystore(json!([validator(json!([KEY_0, KEY_0]))])))]);
    assert_eq!(twice.faults()[0].field, "validators[0].attester[1]");
}

#[test]
fn files_of_a_directory_are_merged_in_the_order_of_their_names() {
    let folder = Folder::new(&[
        ("b.json", &keystore(json!([validator(json!([KEY_1]))]))),
        ("a.JSON", &keystore(json!([validator(json!([KEY_0]))]))),
    ]);
    folder.write("ignored.txt", "x");
    fs::create_dir(folder.0.path().join("deeper")).unwrap();
    assert_eq!(folder.load().unwrap().attesters().count(), 2);

    let two = json!({"schemaVersion": 2, "feeRecipient": RECIPIENT, "validators": [{"attester": KEY_2}]});
    folder.write("c.json", &two.to_string());
    assert_eq!(folder.faults()[0].field, "schemaVersion");
}

#[test]
fn schema_2_defaults_hold_for_validators_without_their_own() {
    let mut document = json!({
        "schemaVersion": 2,
        "publisher": [KEY_2],
        "coinbase": ATTESTER_1.to_string(),
        "feeRecipient": RECIPIENT,
        "validators": [{"attester": KEY_0}],
    });
    let keystore = load_one(&document);
    let entry = keystore.attesters().next().unwrap();
    assert_eq!((entry.coinbase, entry.publishers.as_slice()), (ATTESTER_1, [ATTESTER_2].as_slice()));

    let other = json!({"schemaVersion": 2, "coinbase": ATTESTER_2.to_string(), "validators": [{"attester": KEY_1}]});
    let folder = Folder::new(&[("a.json", &document), ("b.json", &other)]);
    assert_eq!(folder.faults()[0].field, "coinbase", "files that contradict each other are refused");

    document.as_object_mut().unwrap().remove("feeRecipient");
    assert_eq!(only_fault(&document).field, "validators[0].feeRecipient");
}

#[test]
fn two_provers_are_refused_and_one_is_without_use() {
    let with = |key: &str, prover: &str| json!({"schemaVersion": 1, "validators": [validator(json!(key))], "prover": prover});
    let folder = Folder::new(&[("a.json", &with(KEY_0, KEY_2)), ("b.json", &with(KEY_1, KEY_2))]);
    assert_eq!(folder.faults()[0].field, "prover");
    let one = load_one(&with(KEY_0, KEY_2));
    assert_eq!(one.warnings().iter().map(|warning| warning.code).collect::<Vec<_>>(), ["keystore_unused"]);
}

#[test]
fn a_file_that_others_can_read_is_warned_about() {
    let folder = Folder::new(&[("keystore.json", &keystore(json!([validator(json!([KEY_0]))])))]);
    let path = folder.0.path().join("keystore.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let keystore = load(&path).unwrap();
    assert_eq!(keystore.warnings().len(), 1);
    assert_eq!(keystore.warnings()[0].code, "keystore_mode");
    assert!(keystore.warnings()[0].message.contains("has mode 644"));
}

#[test]
fn a_path_without_files_says_which() {
    let folder = Folder::new(&[]);
    assert!(matches!(folder.load(), Err(KeystoreError::Empty { .. })));
    let missing = load(&folder.0.path().join("absent")).unwrap_err();
    assert!(missing.to_string().contains("absent cannot be read"), "{missing}");
}

#[test]
fn no_cut_of_a_good_file_panics_or_loads() {
    let text = keystore(json!([validator(json!([KEY_0]))])).to_string();
    let folder = Folder::new(&[]);
    for end in 0..text.len() {
        folder.write("keystore.json", &text[..end]);
        assert!(folder.load().is_err(), "{end}");
    }
}
