//! What a started replica may have forgotten, and what must happen before it takes part again (safety rules R6, R7, R8).
//!
//! A disk that was restored from a copy, or that lost what it had acknowledged, looks like any other. So a started process proves
//! that it continues the one before (the [`anchor`]), or asks all other voters what they have seen (the [`roll_call`]); until then
//! it neither votes nor acknowledges. Where what it hears does not exclude a gap, it takes part, and *demands a closing*: no
//! leader that has heard of the demand grants anything before the slots that had begun are closed.

mod anchor;
mod marker;
mod memory;
mod promise;
mod recover;
mod roll_call;

pub use anchor::{Anchor, default_anchor_directory};
pub(crate) use anchor::{AnchorFile, Continuity, continuity, memory_backed};
pub(crate) use marker::Marker;
pub(crate) use memory::Demands;
pub use memory::Memory;
pub use promise::Promise;
pub(crate) use recover::{Noted, Recovering, Recovery, Said, seen};
pub(crate) use roll_call::{Seen, Standing};

use ollin_protocol::units::ReplicaId;

/// Why a replica that was started takes no part. It stays up, so that its status can be asked, and is healed by an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartRefusal {
    /// The store is empty, and this replica has promised something.
    #[error(
        "the store of replica {replica} was wiped: it is empty, and {witness} has seen more of it ({promised}). Bring it back as a \
         new member: `ollin cluster heal {replica}`"
    )]
    Wiped {
        /// This replica.
        replica: ReplicaId,
        /// Who saw it: the local anchor or a replica.
        witness: String,
        /// What was promised.
        promised: String,
    },
    /// The store is older than what this replica has promised.
    #[error(
        "the store of replica {replica} was rolled back: it is older than what {witness} has seen of it ({promised}; the store \
         has {found}). Stop it, lay the store aside (`ollin cluster discard`), start it, and bring it back as a new member: \
         `ollin cluster heal {replica}`"
    )]
    RolledBack {
        /// This replica.
        replica: ReplicaId,
        /// Who saw it: the local anchor or a replica.
        witness: String,
        /// What was promised.
        promised: String,
        /// What the store holds.
        found: String,
    },
    /// The data directory is a copy of the one that this replica was started in.
    #[error(
        "the data directory of replica {replica} was copied or moved: {difference}. If the original is gone for good, stop \
         this one, lay the store aside (`ollin cluster discard`), start it, and bring the replica back as a new member: \
         `ollin cluster heal {replica}`"
    )]
    Copied {
        /// This replica.
        replica: ReplicaId,
        /// What is not as it was.
        difference: String,
    },
}

impl StartRefusal {
    /// Of a store that lacks what its replica had promised.
    pub(crate) fn of(replica: ReplicaId, witness: String, promised: &Promise, store: &Promise) -> Self {
        let promised = promised.to_string();
        if store.is_empty() {
            return Self::Wiped { replica, witness, promised };
        }
        Self::RolledBack { replica, witness, promised, found: store.to_string() }
    }
}
