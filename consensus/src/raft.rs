//! The types that openraft works with, and the bridge between its entries and ours.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use openraft::entry::RaftEntry;
use serde::{Deserialize, Serialize};

use crate::entry::{Body, Entry, MembershipRecord, StoredMembership};
use crate::membership::Member;
use crate::state::Applied;

openraft::declare_raft_types!(
    /// Standard Raft: one leader per term. Commands stay encoded until they are applied.
    pub(crate) Raft:
        D = CommandBytes,
        R = ApplyReply,
        NodeId = u64,
        Node = Member,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<Self::Term, Self::NodeId>,
        AsyncRuntime = crate::runtime::Runtime,
);

pub(crate) type LogId = openraft::type_config::alias::LogIdOf<Raft>;
pub(crate) type Vote = openraft::type_config::alias::VoteOf<Raft>;
pub(crate) type RaftEntryOf = openraft::type_config::alias::EntryOf<Raft>;
pub(crate) type Membership = openraft::Membership<u64, Member>;
pub(crate) type RaftMembership = openraft::type_config::alias::StoredMembershipOf<Raft>;
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<Raft>;

/// An encoded command.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CommandBytes(pub(crate) Bytes);

/// What applying an entry answers; `None` for entries without a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApplyReply(pub(crate) Option<Arc<Applied>>);

impl fmt::Debug for CommandBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Display for CommandBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A vote in our own form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VoteRecord {
    pub(crate) term: u64,
    pub(crate) voted_for: u64,
    pub(crate) committed: bool,
}

impl From<&Vote> for VoteRecord {
    fn from(vote: &Vote) -> Self {
        Self { term: vote.leader_id.term, voted_for: vote.leader_id.voted_for, committed: vote.committed }
    }
}

impl VoteRecord {
    pub(crate) fn into_raft(self) -> Vote {
        if self.committed { Vote::new_committed(self.term, self.voted_for) } else { Vote::new(self.term, self.voted_for) }
    }
}

pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new_term_index(term, index)
}

pub(crate) fn from_log_id(id: &LogId) -> (u64, u64) {
    (id.leader_id.term, id.index)
}

impl From<&RaftEntryOf> for Entry {
    fn from(entry: &RaftEntryOf) -> Self {
        let (term, index) = from_log_id(&entry.log_id);
        let body = match &entry.payload {
            openraft::EntryPayload::Blank => Body::Blank,
            openraft::EntryPayload::Normal(command) => Body::Command(command.0.clone()),
            openraft::EntryPayload::Membership(membership) => Body::Membership(membership.into()),
        };
        Self { term, index, body }
    }
}

impl Entry {
    pub(crate) fn into_raft(self) -> Result<RaftEntryOf, BadMembership> {
        let payload = match self.body {
            Body::Blank => openraft::EntryPayload::Blank,
            Body::Command(bytes) => openraft::EntryPayload::Normal(CommandBytes(bytes)),
            Body::Membership(record) => openraft::EntryPayload::Membership(record.into_raft()?),
        };
        Ok(RaftEntryOf::new(log_id(self.term, self.index), payload))
    }
}

/// A membership in which a voter has no address, or a configuration has no voters.
#[derive(Debug, thiserror::Error)]
#[error("not a membership: {reason}")]
pub(crate) struct BadMembership {
    reason: String,
}

impl From<&Membership> for MembershipRecord {
    fn from(membership: &Membership) -> Self {
        let members = membership.nodes().map(|(id, member)| (*id, member.clone())).collect();
        Self { configurations: membership.get_joint_config().clone(), members }
    }
}

impl MembershipRecord {
    pub(crate) fn into_raft(self) -> Result<Membership, BadMembership> {
        Membership::new(self.configurations, self.members).map_err(|error| BadMembership { reason: error.to_string() })
    }
}

impl From<&RaftMembership> for StoredMembership {
    fn from(stored: &RaftMembership) -> Self {
        Self { set_by: stored.log_id().as_ref().map(from_log_id), membership: stored.membership().into() }
    }
}

impl StoredMembership {
    pub(crate) fn into_raft(self) -> Result<RaftMembership, BadMembership> {
        let set_by = self.set_by.map(|(term, index)| log_id(term, index));
        Ok(RaftMembership::new(set_by, self.membership.into_raft()?))
    }
}
