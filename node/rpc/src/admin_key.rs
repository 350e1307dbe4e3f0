//! The key of the admin port: shown once, stored only as a hash.
//!
//! Source: npm @aztec/aztec 4.1.2, `src/cli/admin_api_key_store.ts`; npm @aztec/foundation 4.1.2,
//! `src/json-rpc/server/api_key_auth.ts`. Unlike the official store, a damaged hash file is an error and not a reason for a new
//! key: the operator's key would stop working without a word.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use rand::TryRngCore;
use rand::rngs::OsRng;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Folder in the data directory.
const DIRECTORY: &str = "admin";
/// File in that folder: 64 hex digits.
const FILE: &str = "api_key_hash";
/// What a hash file or setting is read up to; anything longer is damaged.
const FILE_BYTES: u64 = 256;

/// SHA-256 of the key's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Reads 64 lower-case hex digits, or `None`.
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 64 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).ok()?;
        Some(Self(hash))
    }

    /// Hash of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Whether `key` is the one, in constant time.
    pub fn admits(&self, key: &str) -> bool {
        self.0.ct_eq(&Self::of(key).0).into()
    }
}

/// Where the key comes from, by the official options' order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminKeySource {
    /// `AZTEC_DISABLE_ADMIN_API_KEY`: no key is asked for.
    Disabled,
    /// `AZTEC_ADMIN_API_KEY_HASH`: the operator made the key.
    Given(KeyHash),
    /// `<data>/admin/api_key_hash`, made at the first start.
    Stored {
        /// The data directory.
        data_directory: PathBuf,
        /// `AZTEC_RESET_ADMIN_API_KEY`: make a new key now.
        reset: bool,
    },
}

/// What guards the admin port.
#[derive(Debug)]
pub struct AdminKey {
    hash: Option<KeyHash>,
    fresh: Option<SecretString>,
}

impl AdminKey {
    /// Finds or makes the key.
    ///
    /// # Errors
    /// [`AdminKeyError`] when the stored hash cannot be read, written or understood.
    pub fn resolve(source: AdminKeySource) -> Result<Self, AdminKeyError> {
        match source {
            AdminKeySource::Disabled => Ok(Self { hash: None, fresh: None }),
            AdminKeySource::Given(hash) => Ok(Self { hash: Some(hash), fresh: None }),
            AdminKeySource::Stored { data_directory, reset } => {
                let file = data_directory.join(DIRECTORY).join(FILE);
                if !reset && let Some(hash) = read(&file)? {
                    return Ok(Self { hash: Some(hash), fresh: None });
                }
                let key = generate()?;
                let hash = KeyHash::of(key.expose_secret());
                write(&file, &hash).map_err(|source| AdminKeyError::Write { file, source })?;
                Ok(Self { hash: Some(hash), fresh: Some(key) })
            }
        }
    }

    /// The new key, to be shown to the operator now: it is kept nowhere.
    pub fn fresh(&self) -> Option<&SecretString> {
        self.fresh.as_ref()
    }

    /// Whether every request is let in.
    pub fn is_disabled(&self) -> bool {
        self.hash.is_none()
    }

    /// Whether the request carries the key, as `x-api-key: KEY` or `authorization: Bearer KEY`.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(hash) = &self.hash else { return true };
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
        let Some(key) = text("x-api-key").or_else(|| text(AUTHORIZATION.as_str()).map(without_scheme)) else {
            return false;
        };
        !key.is_empty() && hash.admits(key)
    }
}

/// Drops a leading `Bearer ` in any case; the official server also takes the bare key.
fn without_scheme(value: &str) -> &str {
    match value.split_at_checked(6) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") && rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => value,
    }
}

/// Why there is no key to guard the admin port with.
#[derive(Debug, thiserror::Error)]
pub enum AdminKeyError {
    /// The file is there but cannot be read.
    #[error("cannot read the admin key's hash {}", file.display())]
    Read {
        /// The hash file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is there but holds no hash.
    #[error(
        "{} holds {length} bytes, expected 64 lower-case hex digits: restore it, or start once with --reset-admin-api-key",
        file.display()
    )]
    Damaged {
        /// The hash file.
        file: PathBuf,
        /// What it holds.
        length: usize,
    },
    /// The file could not be made.
    #[error("cannot write the admin key's hash {}", file.display())]
    Write {
        /// The hash file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no random bytes.
    #[error("no random bytes for an admin key")]
    Random(#[source] rand::rand_core::OsError),
}

fn generate() -> Result<SecretString, AdminKeyError> {
    let mut bytes = [0_u8; 32];
    OsRng.try_fill_bytes(&mut bytes).map_err(AdminKeyError::Random)?;
    Ok(SecretString::from(hex::encode(bytes)))
}

fn read(file: &Path) -> Result<Option<KeyHash>, AdminKeyError> {
    let failed = |source| AdminKeyError::Read { file: file.to_owned(), source };
    let mut text = String::new();
    match File::open(file) {
        Ok(handle) => io::Read::read_to_string(&mut io::Read::take(handle, FILE_BYTES), &mut text).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let hash = KeyHash::from_hex(text.trim());
    hash.map(Some).ok_or_else(|| AdminKeyError::Damaged { file: file.to_owned(), length: text.len() })
}

/// Written whole or not at all, readable by the owner only from its first byte on.
fn write(file: &Path, hash: &KeyHash) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let fresh = file.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut handle = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    handle.write_all(hex::encode(hash.0).as_bytes())?;
    handle.sync_all()?;
    fs::rename(&fresh, file)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use axum::http::HeaderValue;

    use super::*;

    fn stored(directory: &Path, reset: bool) -> AdminKeySource {
        AdminKeySource::Stored { data_directory: directory.to_owned(), reset }
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(axum::http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn the_key_is_shown_at_the_first_start_only_and_its_hash_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let first = AdminKey::resolve(stored(directory.path(), false)).unwrap();
        let key = first.fresh().expect("a first start makes a key").expose_secret().to_owned();
        assert_eq!(key.len(), 64);

        let file = directory.path().join("admin/api_key_hash");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(!fs::read_to_string(&file).unwrap().contains(&key));

        let second = AdminKey::resolve(stored(directory.path(), false)).unwrap();
        assert!(second.fresh().is_none());
        assert!(second.admits(&headers("x-api-key", &key)));
        assert!(second.admits(&headers("authorization", &format!("Bearer {key}"))));
        assert!(second.admits(&headers("authorization", &format!("bearer \t{key}"))));
        assert!(second.admits(&headers("authorization", &key)), "the official server takes a bare key");
        assert!(!second.admits(&headers("x-api-key", "other")));
        assert!(!second.admits(&headers("authorization", &format!("Basic {key}"))));
        assert!(!second.admits(&HeaderMap::new()));
    }

    #[test]
    fn a_reset_replaces_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let old = AdminKey::resolve(stored(directory.path(), false)).unwrap();
        let new = AdminKey::resolve(stored(directory.path(), true)).unwrap();
        assert!(new.admits(&headers("x-api-key", new.fresh().unwrap().expose_secret())));
        assert!(!new.admits(&headers("x-api-key", old.fresh().unwrap().expose_secret())));
    }

    #[test]
    fn a_damaged_hash_is_an_error_and_not_a_new_key() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("admin")).unwrap();
        fs::write(directory.path().join("admin/api_key_hash"), "abc").unwrap();
        let refused = AdminKey::resolve(stored(directory.path(), false)).unwrap_err();
        assert!(matches!(refused, AdminKeyError::Damaged { length: 3, .. }), "{refused}");
    }

    #[test]
    fn only_64_lower_case_hex_digits_are_a_hash() {
        let hash = "ab".repeat(32);
        assert!(KeyHash::from_hex(&hash).is_some());
        for wrong in ["", &hash[1..], &hash.to_uppercase(), &format!("0x{}", &hash[2..]), &"zz".repeat(32)] {
            assert_eq!(KeyHash::from_hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn without_a_key_everyone_is_admitted() {
        let open = AdminKey::resolve(AdminKeySource::Disabled).unwrap();
        assert!(open.is_disabled() && open.admits(&HeaderMap::new()));
    }
}
