//! `GET /cluster/status`: the cluster as one replica sees it.

use alloy_primitives::{Address, B256};
use ollin_protocol::units::{L1BlockNumber, ReplicaId, Slot};
use serde::{Deserialize, Serialize};

use super::decimal;
use super::l2_tips::L2Tips;
use super::leadership::LeadershipSection;

/// How many slots [`ClusterStatus::released`] holds at most, the newest last.
pub const RECENT_SLOTS: usize = 32;

/// The cluster as this replica sees it, now.
///
/// Both ports serve it as JSON at `GET /cluster/status`. The admin port serves all of it; the public port serves
/// [`ClusterStatus::summary`], without the fields marked *admin*. No field ever holds a signing root of ours, a key, a password
/// or an endpoint's path or query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// Version of this program.
    pub version: String,
    /// Id of the cluster: 32 hex digits; `null` before the cluster file is read.
    pub cluster_id: Option<String>,
    /// Phase of the signing log: `sealed` before creation, then `open`; free text for a person otherwise.
    pub phase: String,
    /// The rules by which verdicts are made.
    #[serde(default)]
    pub rules: RulesSection,
    /// This replica.
    pub replica: ReplicaSection,
    /// The leader as this replica knows it; `null` during an election.
    pub leader: Option<ReplicaId>,
    /// Raft term.
    pub term: u64,
    /// Positions in the log.
    pub log: LogPosition,
    /// Nothing new is bound at or below this slot.
    pub floor: Option<Slot>,
    /// Nothing is granted at or below this slot, not even what is bound: the cluster's memory had a gap.
    #[serde(default)]
    pub closed: Option<Slot>,
    /// Every claim at or below this slot is refused.
    pub watermark: Option<Slot>,
    /// All members, this one included.
    pub members: Vec<Member>,
    /// Attesters that this cluster signs for.
    pub attesters: Vec<Address>,
    /// View of L1.
    pub l1: L1Section,
    /// Tips of the L2 chain.
    pub l2_tips: L2Tips,
    /// Accounts that pay for L1 transactions.
    pub publishers: Vec<PublisherBalance>,
    /// What was released for the last [`RECENT_SLOTS`] slots in which anything was, oldest first.
    pub released: Vec<ReleasedSlot>,
    /// Why this replica does not grant at all (a damaged log, for instance); `null` when it may.
    pub halted: Option<String>,
    /// Attesters whose keys have signed elsewhere: nothing is signed for them until `ollin attester unfreeze`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<FrozenAttester>,
    /// What an operator should look at. Empty when all is well.
    pub warnings: Vec<Warning>,
    /// State of p2p.
    pub p2p: P2pSection,
    /// The last time that another replica came to lead, as this replica saw it; `null` if none did since its start.
    pub last_failover: Option<LeaderChange>,
    /// Who should lead.
    pub leadership: LeadershipSection,
}

impl ClusterStatus {
    /// What the public port shows: without addresses of replicas, endpoints and their error texts.
    pub fn summary(&self) -> Self {
        let mut summary = self.clone();
        for member in &mut summary.members {
            member.address = None;
        }
        for endpoint in &mut summary.l1.endpoints {
            endpoint.url = None;
            endpoint.error = None;
        }
        summary
    }
}

/// The rules by which verdicts are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesSection {
    /// The version in force, as far as this replica has applied the log.
    pub version: u16,
    /// The versions that this program supports, the oldest and the newest.
    pub supported: (u16, u16),
}

/// This replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaSection {
    /// Its name.
    pub id: ReplicaId,
    /// Its Raft id; equal to the name of a first member, another one of a replica that was added or healed.
    pub raft_id: u64,
    /// Its part in Raft.
    pub role: RoleWord,
    /// Whether it acts for the attesters.
    pub duty_state: DutyState,
    /// Unix time of its start, in milliseconds.
    pub started_ms: u64,
}

/// Part in Raft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleWord {
    /// Replicates to the others.
    Leader,
    /// Votes and follows.
    #[default]
    Follower,
    /// Follows without a vote.
    Learner,
}

/// Whether a replica acts for the attesters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DutyState {
    /// Another one does.
    #[default]
    Standby,
    /// Elected, but earlier claims are still being applied.
    CatchingUp,
    /// This one does.
    Active,
}

/// Positions in the log; `null` while it is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    /// Last entry here.
    pub last: Option<u64>,
    /// Last entry known to be on a quorum's disks.
    pub committed: Option<u64>,
    /// Last entry in this replica's state.
    pub applied: Option<u64>,
}

/// One member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name. One that is being healed is listed twice, under two Raft ids.
    pub id: ReplicaId,
    /// Its Raft id.
    pub raft_id: u64,
    /// *Admin.* Where the others reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether it votes.
    pub voter: bool,
    /// Whether it is a witness: it never acts and holds no key.
    pub witness: bool,
    /// Whether it answered this replica lately; `null` when this replica does not know (only a leader hears from all).
    pub reachable: Option<bool>,
    /// The versions of the rules that its program supports, the oldest and the newest; `null` if it has not said so lately.
    #[serde(default)]
    pub rules: Option<(u16, u16)>,
    /// Entries it is behind the leader; `null` unless this replica leads.
    pub lag: Option<u64>,
}

/// View of L1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct L1Section {
    /// Configured endpoints, in their order of use.
    pub endpoints: Vec<L1Endpoint>,
    /// Height of the newest block seen.
    pub head: Option<L1BlockNumber>,
    /// Its timestamp, in seconds.
    pub head_timestamp: Option<u64>,
    /// Wall clock minus that timestamp, in seconds, when the head was last read.
    pub clock_skew_s: Option<i64>,
}

/// One L1 endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct L1Endpoint {
    /// *Admin.* Scheme, host and port; never a path, a query or credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether it is in use when its turn comes.
    pub healthy: bool,
    /// Its newest block.
    pub head: Option<L1BlockNumber>,
    /// *Admin.* Why it was last passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// An account that pays for L1 transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublisherBalance {
    /// The account.
    pub address: Address,
    /// What it holds, in wei, as a decimal string.
    #[serde(with = "decimal")]
    pub balance_wei: u128,
}

/// What left the cluster for one slot. Written only after the bytes left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedSlot {
    /// The slot.
    pub slot: Slot,
    /// Kinds of duty signed for it.
    pub kinds: Vec<DutyWord>,
    /// L1 block that holds its checkpoint; `null` while (or if never) mined.
    pub landed_l1_block: Option<L1BlockNumber>,
    /// Who led during it, in that order, as this replica saw it; several after a failover, the last of whom finished it.
    pub led_by: Vec<ReplicaId>,
}

/// A change of leader, as one replica saw it: it looks four times a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderChange {
    /// Who led before.
    pub from: ReplicaId,
    /// Who leads since.
    pub to: ReplicaId,
    /// The term of the new leader.
    pub term: u64,
    /// Unix time of the first look that named the new leader, in milliseconds.
    pub at_ms: u64,
    /// Milliseconds from the last look that named the old leader to that one.
    pub gap_ms: u64,
}

/// A kind of duty, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words of docs/ARCHITECTURE.md")]
pub enum DutyWord {
    BlockProposal,
    CheckpointProposal,
    Attestation,
    AttestationsAndSigners,
    GovernanceVote,
    SlashingVote,
}

/// Something an operator should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// For programs: `clock_skew`, `l1_endpoint`, `keystore_mode`, ...
    pub code: String,
    /// For a person. Shown on the public port too: whoever writes it leaves out hosts, paths and everything secret.
    pub message: String,
}

/// An attester that is frozen, and the signature that froze it. It was public before it was seen here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenAttester {
    /// The attester.
    pub attester: Address,
    /// The slot of the duty that was signed elsewhere.
    pub slot: Slot,
    /// Its kind.
    pub kind: DutyWord,
    /// The root that was signed there.
    pub root: B256,
    /// Where it was seen.
    pub seen: String,
}

/// State of p2p.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct P2pSection {
    /// Whether this replica takes part.
    pub in_use: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
