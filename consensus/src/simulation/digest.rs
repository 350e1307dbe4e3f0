//! What a replica's log has led to, in a few bytes.

use sha2::{Digest, Sha256};

use crate::state::State;

/// A replica's state after an entry. Two replicas that have applied the same history hold the same state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateDigest {
    /// The last applied entry.
    pub index: u64,
    /// The hash of everything in the log up to it (safety rule R2).
    pub chain: [u8; 32],
    /// A hash of everything that it has led to.
    pub state: [u8; 32],
}

impl StateDigest {
    pub(crate) fn of(state: &State) -> Option<Self> {
        let applied = state.applied()?;
        let hash = Sha256::new_with_prefix(state.encode()).finalize().into();
        Some(Self { index: applied.index, chain: *applied.chain.as_bytes(), state: hash })
    }
}
