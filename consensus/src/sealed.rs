//! The coat of every stored value that has no chain of its own: `version (1) ‖ SHA-256 of version and body (32) ‖ body`.

use ollin_guard::{Fault, planted};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

const VERSION: u8 = 2;
const HEADER_BYTES: usize = 33;

/// Why stored bytes were not believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Too short to hold version and checksum.
    #[error("{bytes} bytes are too few")]
    Truncated {
        /// How many there are.
        bytes: usize,
    },
    /// Written by another version.
    #[error("version {found}, expected {VERSION}")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// The bytes were damaged.
    #[error("the checksum does not match")]
    Checksum,
    /// The body is not what was expected.
    #[error("the body cannot be decoded")]
    Body(#[from] postcard::Error),
    /// Something follows the body.
    #[error("{bytes} bytes follow the body")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

/// Encodes a value as postcard. Our types hold no sequence of unknown length, the only thing that postcard refuses to write.
pub(crate) fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("every sequence has a known length, and a vector grows")
}

/// Decodes a value and refuses what follows it.
pub(crate) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SealError> {
    let (value, rest) = postcard::take_from_bytes(bytes)?;
    if !rest.is_empty() {
        return Err(SealError::Trailing { bytes: rest.len() });
    }
    Ok(value)
}

/// Encodes and seals a value.
pub(crate) fn seal(value: &impl Serialize) -> Vec<u8> {
    let body = to_bytes(value);
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&checksum(VERSION, &body));
    bytes.extend_from_slice(&body);
    bytes
}

/// Reads what [`seal`] wrote, and nothing else.
pub(crate) fn open<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SealError> {
    from_bytes(body(bytes)?)
}

/// Reads the first field of what [`seal`] wrote: what follows may be of a form that is not known here.
pub(crate) fn open_first<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SealError> {
    Ok(postcard::take_from_bytes(body(bytes)?)?.0)
}

fn body(bytes: &[u8]) -> Result<&[u8], SealError> {
    let Some((header, body)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(SealError::Truncated { bytes: bytes.len() });
    };
    let (version, found) = (header[0], &header[1..]);
    if version != VERSION {
        return Err(SealError::Version { found: version });
    }
    if found != checksum(version, body) && !planted(Fault::SealUnchecked) {
        return Err(SealError::Checksum);
    }
    Ok(body)
}

fn checksum(version: u8, body: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update([version]).chain_update(body).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_bit_any_cut_and_anything_added_is_refused() {
        let value = (7u64, "text".to_owned());
        let bytes = seal(&value);
        assert_eq!(open::<(u64, String)>(&bytes), Ok(value));
        for position in 0..bytes.len() {
            assert!(open::<(u64, String)>(&bytes[..position]).is_err(), "cut at {position}");
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            assert!(open::<(u64, String)>(&changed).is_err(), "changed at {position}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(open::<(u64, String)>(&longer), Err(SealError::Checksum));
        assert_eq!(from_bytes::<u8>(&[1, 2]), Err(SealError::Trailing { bytes: 1 }));
    }
}
