//! The state as bytes: `version (1) ‖ postcard body ‖ CRC-32 of both (4, little-endian)`.
//!
//! The checksum finds damage, not forgery: whoever hands snapshots around authenticates the sender.

use crate::guard::State;
use crate::{Fault, planted};

/// The only version that this build reads and writes.
const VERSION: u8 = 3;

/// Bytes of the checksum.
const CHECKSUM_BYTES: usize = 4;

/// Why bytes were not taken as a guard's state.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Too short to hold version and checksum.
    #[error("snapshot of {bytes} bytes is truncated")]
    Truncated {
        /// How many there are.
        bytes: usize,
    },
    /// Written by another version.
    #[error("snapshot version {found}, expected {VERSION}")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// The bytes were damaged.
    #[error("snapshot checksum {found:08x}, computed {computed:08x}")]
    Checksum {
        /// The checksum at the end of the bytes.
        found: u32,
        /// The checksum of the bytes before it.
        computed: u32,
    },
    /// The body is no state.
    #[error("snapshot body cannot be decoded")]
    Body(#[from] postcard::Error),
    /// Something follows the body, or the body is spelled in another way than a guard spells it.
    #[error("snapshot is not in canonical form")]
    NotCanonical,
    /// No sequence of commands leads to this state.
    #[error("snapshot breaks a rule of the state: {rule}")]
    Inconsistent {
        /// What does not hold.
        rule: &'static str,
    },
}

pub(crate) fn encode(state: &State) -> Vec<u8> {
    let mut bytes = postcard::to_extend(state, vec![VERSION]).expect("every field has a known length, and a vector grows");
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

pub(crate) fn decode(bytes: &[u8]) -> Result<State, SnapshotError> {
    let truncated = SnapshotError::Truncated { bytes: bytes.len() };
    let Some((covered, checksum)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(truncated);
    };
    let Some((version, body)) = covered.split_first() else {
        return Err(truncated);
    };
    if *version != VERSION {
        return Err(SnapshotError::Version { found: *version });
    }
    let (found, computed) = (u32::from_le_bytes(*checksum), crc32fast::hash(covered));
    if found != computed && !planted(Fault::SnapshotUnchecked) {
        return Err(SnapshotError::Checksum { found, computed });
    }
    let state: State = postcard::from_bytes(body)?;
    state.check()?;
    // Equal states must have equal bytes on every replica, and postcard alone takes repeated keys and trailing bytes.
    if encode(&state) != bytes && !planted(Fault::SnapshotUnchecked) {
        return Err(SnapshotError::NotCanonical);
    }
    Ok(state)
}
