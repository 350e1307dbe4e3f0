//! Accounts as the grammar has them, and the keys they stand for.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::mnemonic::Mnemonic;
use super::reading::Reading;
use super::value;
use super::{json_files, v3};
use crate::fault::{Fault, Place};
use crate::json::Json;
use crate::key::Key;

/// Accounts in one list.
const ACCOUNTS_MAX: usize = 10_000;

/// One account of the file, still closed.
pub(super) enum Account {
    Key(Key),
    /// A JSON V3 file, or a directory of them.
    File {
        path: PathBuf,
        password: Zeroizing<String>,
    },
    Mnemonic(Mnemonic),
}

/// An account with the place where it was written.
pub(super) struct Placed {
    pub(super) place: Place,
    account: Account,
}

/// A key with the place it came from.
#[derive(Clone, Debug)]
pub(super) struct PlacedKey {
    pub(super) place: Place,
    pub(super) key: Key,
}

/// Which form of account stands here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// May be `{eth, bls}`.
    Attester,
    Other,
}

/// An account, a list of accounts, or a mnemonic.
pub(super) fn read_all(place: &Place, json: &Json, role: Role, reading: &mut Reading) -> Vec<Placed> {
    match json {
        Json::List(items) if items.len() > ACCOUNTS_MAX => {
            reading.fault(place.fault(format!("has {} accounts", items.len()), format!("at most {ACCOUNTS_MAX}"), ""));
            Vec::new()
        }
        Json::List(items) => {
            let items = items.iter().enumerate();
            items.filter_map(|(index, item)| read_one(&place.index(index), item, role, reading)).collect()
        }
        Json::Object(_) if json.member("mnemonic").is_some() => {
            let phrase = Mnemonic::read(place, json, reading);
            phrase.map(|phrase| Placed { place: place.clone(), account: Account::Mnemonic(phrase) }).into_iter().collect()
        }
        Json::Null | Json::Bool | Json::Number(_) | Json::OtherNumber | Json::Text(_) | Json::Object(_) => {
            read_one(place, json, role, reading).into_iter().collect()
        }
    }
}

/// One account.
pub(super) fn read_one(place: &Place, json: &Json, role: Role, reading: &mut Reading) -> Option<Placed> {
    if role == Role::Attester && json.member("eth").is_some() {
        return read_pair(place, json, reading);
    }
    let outcome = match json {
        Json::Text(text) => value::private_key(place, text).map(Account::Key),
        Json::Object(_) if json.member("path").is_some() => return read_file(place, json, reading),
        Json::Object(_) if json.member("remoteSignerUrl").is_some() || json.member("address").is_some() => {
            let field = if json.member("remoteSignerUrl").is_some() { "remoteSignerUrl" } else { "address" };
            Err(remote(&place.key(field)))
        }
        Json::Object(_) if json.member("mnemonic").is_some() => Err(place.key("mnemonic").fault(
            "stands in a list",
            "a mnemonic in place of the whole list",
            "write {\"mnemonic\": ...} without the brackets around it",
        )),
        Json::Object(_) => {
            let expected = "an account: a private key, {path, password}, or {mnemonic}";
            Err(place.fault("is an object of another form", expected, "compare its field names with the guide"))
        }
        Json::Null | Json::Bool | Json::Number(_) | Json::OtherNumber | Json::List(_) => {
            Err(place.fault(format!("is {}", json.kind()), "an account: a private key, {path, password}, or {mnemonic}", ""))
        }
    };
    let account = reading.keep(outcome)?;
    Some(Placed { place: place.clone(), account })
}

/// The refusal of a remote signer.
pub(super) fn remote(place: &Place) -> Fault {
    place.fault(
        "names a remote signer",
        "a key on this host",
        "remote signers are not supported yet, put the key or its JSON V3 file here",
    )
}

/// `{eth, bls?}`.
fn read_pair(place: &Place, json: &Json, reading: &mut Reading) -> Option<Placed> {
    super::document::only(place, json, &["eth", "bls"], reading);
    if let Some(bls) = json.member("bls") {
        check_bls(&place.key("bls"), bls, reading);
    }
    read_one(&place.key("eth"), json.member("eth")?, Role::Other, reading)
}

/// BLS keys are checked and not used: the node signs with the ETH key only.
fn check_bls(place: &Place, json: &Json, reading: &mut Reading) {
    match json {
        Json::Text(text) => {
            let digits = text.strip_prefix("0x").unwrap_or_default();
            if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                reading.fault(place.fault(value::secret(text), "a BLS private key: 0x and 64 hex digits", ""));
            }
        }
        Json::Object(_) if json.member("path").is_some() => super::document::only(place, json, &["path", "password"], reading),
        Json::Null | Json::Bool | Json::Number(_) | Json::OtherNumber | Json::List(_) | Json::Object(_) => {
            reading.fault(place.fault(format!("is {}", json.kind()), "a BLS private key or {path, password}", ""));
        }
    }
    reading.warn_unused(place, "a sequencer signs with its ETH key only");
}

/// `{path, password}`.
fn read_file(place: &Place, json: &Json, reading: &mut Reading) -> Option<Placed> {
    super::document::only(place, json, &["path", "password"], reading);
    let path_place = place.key("path");
    let path =
        reading.keep(value::text(&path_place, json.member("path")?, "the path of a JSON V3 key file or of a directory of them"));
    let Some(password) = json.member("password") else {
        let remedy = "there is no prompt, write the password beside the path";
        reading.fault(place.key("password").fault("is missing", "the password of the key file", remedy));
        return None;
    };
    let password = reading.keep(value::text(&place.key("password"), password, "the password of the key file"));
    let account = Account::File { path: PathBuf::from(path?), password: Zeroizing::new(password?.to_owned()) };
    Some(Placed { place: place.clone(), account })
}

impl Placed {
    /// Opens the account.
    pub(super) fn resolve(self, reading: &mut Reading) -> Vec<PlacedKey> {
        let Self { place, account } = self;
        match account {
            Account::Key(key) => vec![PlacedKey { place, key }],
            Account::Mnemonic(phrase) => {
                phrase.keys(&place, reading).into_iter().map(|key| PlacedKey { place: place.clone(), key }).collect()
            }
            Account::File { path, password } => open(&place, &path, &password, reading),
        }
    }
}

/// Decrypts a JSON V3 file, or every `*.json` of a directory with the one password.
fn open(place: &Place, path: &std::path::Path, password: &str, reading: &mut Reading) -> Vec<PlacedKey> {
    let unreadable = |error: std::io::Error| {
        place.key("path").fault(
            format!("is {}, which cannot be read ({error})", path.display()),
            "a JSON V3 key file",
            "check path and owner",
        )
    };
    let files = match path.is_dir() {
        true => match json_files(path) {
            Ok(files) => files,
            Err(error) => {
                reading.fault(unreadable(error));
                return Vec::new();
            }
        },
        false => vec![path.to_owned()],
    };
    if files.is_empty() {
        reading.fault(place.key("path").fault(
            format!("is {}, which holds no *.json file", path.display()),
            "at least one key file",
            "",
        ));
    }
    let mut keys = Vec::new();
    for file in files {
        let opened = v3::decrypt(place, &file, password, reading);
        keys.extend(reading.keep(opened).map(|key| PlacedKey { place: place.clone(), key }));
    }
    keys
}
