//! What this replica knows of the cluster, for status pages.

use ollin_guard::{Binding, Evidence, Phase};
use ollin_protocol::units::{ReplicaId, Slot};

use crate::membership::MemberKind;
use crate::recovery::Memory;
use crate::role::{LogIndex, Term};
use crate::rules::{RulesVersion, Supported};

/// One replica's knowledge of the cluster at one moment. Nothing in it is secret, and no root of ours is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterView {
    /// The cluster's id, 32 hexadecimal digits.
    pub cluster_id: String,
    /// This replica.
    pub replica: ReplicaId,
    /// Its Raft id.
    pub raft_id: u64,
    /// How far the cluster has been set up.
    pub phase: Phase,
    /// The version of the rules in force.
    pub rules: RulesVersion,
    /// The versions that this replica's program supports.
    pub supported: Supported,
    /// The leader, as far as this replica knows.
    pub leader: Option<ReplicaId>,
    /// The current term.
    pub term: Term,
    /// The last entry of the own log.
    pub last_log: Option<LogIndex>,
    /// The last entry known to be committed.
    pub committed: Option<LogIndex>,
    /// The last entry applied here.
    pub applied: Option<LogIndex>,
    /// Nothing new is bound at or below it.
    pub floor: Option<Slot>,
    /// Nothing is granted at or below it, not even what is bound: a replica's memory had a gap.
    pub closed: Option<Slot>,
    /// How far this process's memory can be relied on.
    pub memory: Memory,
    /// Whose answers this process waits for before it takes part.
    pub waits_for: Vec<ReplicaId>,
    /// Records at or below it are gone.
    pub watermark: Option<Slot>,
    /// The members, by Raft id.
    pub members: Vec<MemberView>,
    /// The attesters whose keys have signed elsewhere: nothing is granted to them until an operator has answered.
    pub frozen: Vec<Evidence>,
    /// Why this replica stopped granting, if it did.
    pub halted: Option<String>,
    /// What the cluster signs for.
    pub binding: Option<Binding>,
}

/// One member of the cluster as this replica sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Its stable name. A replica that is being healed is listed twice, under two Raft ids.
    pub id: ReplicaId,
    /// Its Raft id.
    pub raft_id: u64,
    /// What it is for.
    pub kind: MemberKind,
    /// Where it listens, `host:port`.
    pub address: String,
    /// Whether it votes.
    pub voter: bool,
    /// How many entries it lags behind; known by the leader only.
    pub lag: Option<u64>,
    /// The versions of the rules that its program supports, if it has said so lately.
    pub rules: Option<Supported>,
    /// How long ago an authenticated frame of it arrived; `None` for this replica and before the first.
    pub last_heard_ms: Option<u64>,
}
