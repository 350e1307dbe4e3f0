//! Number types that never mix: slots, epochs, heights, indices, replicas, roots.

use std::fmt;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

/// Declares a `u64` newtype with checked arithmetic and deliberately no `From<u64>`.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Wraps a raw number.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The raw number.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The following one, or `None` past `u64::MAX`.
            pub fn next(self) -> Option<Self> {
                self.0.checked_add(1).map(Self)
            }

            /// The one before, or `None` at zero.
            pub fn previous(self) -> Option<Self> {
                self.0.checked_sub(1).map(Self)
            }

            /// `self + count`, or `u64::MAX`.
            pub fn saturating_add(self, count: u64) -> Self {
                Self(self.0.saturating_add(count))
            }

            /// `self - count`, or zero.
            pub fn saturating_sub(self, count: u64) -> Self {
                Self(self.0.saturating_sub(count))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// One proposing window, counted from the rollup's genesis. Its length is `Rollup.getSlotDuration()`, never a constant here.
    Slot
);
number!(
    /// A run of `Rollup.getEpochDuration()` slots that shares one committee.
    Epoch
);
number!(
    /// Height of an L2 block; genesis is 0.
    BlockNumber
);
number!(
    /// Height of a checkpoint, the unit that L1 sees (at most one a slot); genesis is 0.
    CheckpointNumber
);
number!(
    /// Position of a block in its checkpoint, from 0.
    BlockIndex
);
number!(
    /// Height of an L1 block.
    L1BlockNumber
);
number!(
    /// One process of the cluster: its Raft id. Never reused.
    ReplicaId
);

/// The 32 bytes that enter ECDSA: EIP-191 of the official message hash, or the EIP-712 digest of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SigningRoot(B256);

impl SigningRoot {
    /// Wraps the digest. Only code that computed it from a payload, or decodes a stored one, should call this.
    pub const fn new(digest: B256) -> Self {
        Self(digest)
    }

    /// The digest.
    pub const fn get(&self) -> &B256 {
        &self.0
    }
}

impl fmt::Display for SigningRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_slot_has_no_successor_and_the_first_no_predecessor() {
        assert_eq!(Slot::new(u64::MAX).next(), None);
        assert_eq!(Slot::new(0).previous(), None);
        assert_eq!(Slot::new(6).next(), Some(Slot::new(7)));
    }
}
