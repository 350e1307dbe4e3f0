//! Who belongs to the cluster: stable names, Raft ids that are never used twice, and the rules for changing members.
//!
//! A replica is called by its *name*, the number that an operator gave it in `cluster.json` ([`ReplicaId`]). Its *Raft id* is
//! another thing: the first members' ids equal their names, every later one comes from the log (`Roster::reserve`), and is taken
//! by one store, once (`Roster::enlist`). So a replica whose store was lost, rolled back or cloned comes back under the same name
//! and a new Raft id, and whatever its old store promised is never mistaken for its own (safety rules R6 and R8).
//!
//! `rule::plan` decides about every change, from what the leader knows; it is pure. The log carries the change out
//! (`log/members.rs`), one at a time, by joint consensus.

mod order;
mod roster;
pub(crate) mod rule;

use ollin_protocol::units::ReplicaId;
use serde::{Deserialize, Serialize};

pub use order::{MemberChanged, MemberOrder, MemberRefusal};
pub(crate) use roster::Roster;
pub use roster::{EnlistRefusal, EnlistToken, Retirement};

/// What a member is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberKind {
    /// Holds keys, and acts when it leads.
    #[default]
    Full,
    /// Votes and stores the log. It holds no key, grants nothing, and hands over leadership as soon as it has it (safety rule R11).
    Witness,
}

impl std::fmt::Display for MemberKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Witness => "witness",
        })
    }
}

/// How one member is reached and recognised. Its Raft id is the key under which the membership holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Its stable name.
    pub(crate) name: ReplicaId,
    /// `host:port`.
    pub(crate) address: String,
    /// SHA-256 of its certificate's DER.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) kind: MemberKind,
}

/// openraft asks for one; no membership of ours holds it.
impl Default for Member {
    fn default() -> Self {
        Self { name: ReplicaId::new(0), address: String::new(), fingerprint: [0; 32], kind: MemberKind::Full }
    }
}
