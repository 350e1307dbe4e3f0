//! Keystore files: found, parsed, merged, resolved to keys.

mod account;
mod document;
#[cfg(test)]
mod fuzz;
mod merge;
mod mnemonic;
mod reading;
mod v3;
mod value;

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use alloy_primitives::Address;
use ollin_protocol::units::ReplicaId;
use zeroize::Zeroizing;

use crate::fault::{KeystoreError, Place};
use crate::json::Json;
use crate::key::Key;
use crate::keystore::{AttesterEntry, Keystore};
use crate::outlet::{OutletContext, OutletRecord, Outlets};
use reading::Reading;

/// A keystore of hundreds of attesters has far less.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Loaded keys that cannot sign yet: they are not bound to a chain and rollup.
#[derive(Debug, Default)]
pub struct UnboundKeystore {
    attesters: BTreeMap<Address, (AttesterEntry, Key)>,
    publishers: BTreeMap<Address, Key>,
    warnings: Vec<Warning>,
}

/// Something about the files that an operator should know. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// For programs: `keystore_mode`, `keystore_unused`, `keystore_recipient`.
    pub code: &'static str,
    /// For a person.
    pub message: String,
}

impl UnboundKeystore {
    /// All attesters, by address.
    pub fn attesters(&self) -> impl Iterator<Item = &AttesterEntry> {
        self.attesters.values().map(|(entry, _)| entry)
    }

    /// What an operator should know about the files.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Ties the keys to one replica, chain and rollup. `record` is where everything that leaves is written, if anywhere.
    pub fn bind(self, replica: ReplicaId, chain_id: u64, rollup: Address, record: Option<OutletRecord>) -> Keystore {
        let context = OutletContext { replica, chain_id, rollup };
        Keystore { attesters: self.attesters, publishers: self.publishers, outlets: Outlets { context, record } }
    }
}

/// Loads a file, or every `*.json` of a directory (not recursively), in the order of their names.
pub(crate) fn load(path: &Path) -> Result<UnboundKeystore, KeystoreError> {
    let unreadable = |source| KeystoreError::Unreadable { path: path.to_owned(), source };
    let files = match fs::metadata(path).map_err(unreadable)?.is_dir() {
        true => json_files(path).map_err(unreadable)?,
        false => vec![path.to_owned()],
    };
    if files.is_empty() {
        return Err(KeystoreError::Empty { path: path.to_owned() });
    }
    let mut reading = Reading::default();
    let mut documents = Vec::new();
    for file in &files {
        let (text, metadata) = read(file).map_err(|source| KeystoreError::Unreadable { path: file.clone(), source })?;
        reading.warn_about_mode(file, &metadata);
        let place = Place::file(file);
        match Json::parse(&text) {
            Ok(json) => documents.extend(document::read(&place, &json, &mut reading)),
            // The parser's text holds a position and a rule, never a value.
            Err(error) => reading.fault(place.fault("is not JSON", "a keystore file", error.to_string())),
        }
    }
    let resolved = merge::resolve(documents, &mut reading);
    if !reading.faults.is_empty() {
        return Err(KeystoreError::Invalid { faults: reading.faults });
    }
    for warning in &reading.warnings {
        tracing::warn!(code = warning.code, "{}", warning.message);
    }
    Ok(UnboundKeystore { attesters: resolved.attesters, publishers: resolved.publishers, warnings: reading.warnings })
}

/// The `*.json` files of a directory, by name: every replica reads them in the same order.
fn json_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if is_json && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A file's text, wiped when dropped.
fn read(path: &Path) -> io::Result<(Zeroizing<String>, Metadata)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {FILE_BYTES_MAX} bytes")));
    }
    // Room for all of it at once: a growing string would leave copies behind.
    let room = usize::try_from(metadata.len()).unwrap_or_default().saturating_add(1);
    let mut text = Zeroizing::new(String::with_capacity(room));
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok((text, metadata))
}

/// Whether someone beside the owner may read or change the file.
fn is_open_to_others(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(test)]
mod tests;
