//! Commands that the admin port hands to the binary.

use alloy_primitives::Address;
use ollin_protocol::units::{ReplicaId, Slot};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::duties::{DutiesAnswer, DutiesRequest};
use crate::order::{LeadershipOrder, OrderDone};

/// Where the outcome of a command goes.
pub type CommandReply<T> = oneshot::Sender<Result<T, CommandRefused>>;

/// Why a command was not carried out; after `unknown` it may have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct CommandRefused {
    /// For programs: `exists`, `not_leader`, `lags`, ... chosen by the binary; `malformed`, `busy`, `stopping` and `unknown` by this crate.
    pub code: String,
    /// For a person: what is wrong and what to do.
    pub message: String,
}

/// Something an operator asks of the running replica. Sent over a bounded channel; whoever receives it answers on `reply`.
#[derive(Debug)]
pub enum AdminCommand {
    /// Make the cluster: membership from its file, chain, rollup and attesters bound, the first floor written (safety R9).
    CreateCluster {
        /// What is asked for beside it.
        order: CreateOrder,
        /// Answered once, with what was made or why nothing was.
        reply: CommandReply<ClusterCreated>,
    },
    /// Duties: list, export, import, missed ones, attesters that come and go.
    Duties {
        /// What is asked.
        request: DutiesRequest,
        /// Answered once.
        reply: CommandReply<DutiesAnswer>,
    },
    /// Move leadership, or keep it away from a replica.
    Leadership {
        /// What is ordered.
        order: LeadershipOrder,
        /// Answered once.
        reply: CommandReply<OrderDone>,
    },
    /// Raise the version of the rules by which verdicts are made.
    Upgrade {
        /// Answered once, with the version in force or why it was not raised.
        reply: CommandReply<RulesUpgraded>,
    },
    /// Change the members.
    ChangeMembers {
        /// What is asked for.
        change: MemberChange,
        /// Answered once, with what was changed or why nothing was.
        reply: CommandReply<MembersChanged>,
    },
}

/// One change of the membership: the body of `POST /cluster/members`. Replicas are called by their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum MemberChange {
    /// A new replica becomes a learner.
    Add {
        /// Its name.
        replica: ReplicaId,
        /// Where the others reach it, `host:port`.
        address: String,
        /// SHA-256 of its certificate's DER, 64 hex digits.
        fingerprint: String,
        /// Whether it votes without ever holding a key.
        #[serde(default)]
        witness: bool,
    },
    /// A member whose store is lost becomes a learner under a new Raft id.
    Renew {
        /// Its name.
        replica: ReplicaId,
    },
    /// A learner becomes a voter.
    Promote {
        /// Its name.
        replica: ReplicaId,
    },
    /// A voter becomes a learner.
    Demote {
        /// Its name.
        replica: ReplicaId,
    },
    /// A member leaves.
    Remove {
        /// Its name.
        replica: ReplicaId,
    },
    /// A learner takes a voter's place in one joint change; the voter leaves.
    Replace {
        /// The voter.
        old: ReplicaId,
        /// The learner.
        new: ReplicaId,
    },
}

/// A change that is committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembersChanged {
    /// The replica that was changed, or the new one of two.
    pub replica: ReplicaId,
    /// Its Raft id; of a removed one, the last that it had.
    pub raft_id: u64,
    /// Log index of the membership in force.
    pub index: u64,
    /// All voters now.
    pub voters: Vec<ReplicaId>,
    /// The members were so already: nothing was changed.
    pub already: bool,
    /// The replica led, and leadership went to this one before the change was made.
    pub handed_over_to: Option<ReplicaId>,
    /// What an operator should know.
    pub warnings: Vec<String>,
}

/// How a cluster is to be created: the body of `POST /cluster/create`, which may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CreateOrder {
    /// Slots of L1 that are read for the keys at work first; the binary's own number if it is greater.
    pub listen_slots: Option<u64>,
    /// What the operator takes upon itself, by the codes of refusals.
    pub accept: Vec<String>,
}

/// The rules that are in force: the answer of `POST /cluster/upgrade`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesUpgraded {
    /// Their version.
    pub version: u16,
    /// No member knows a newer one: nothing was changed.
    pub already: bool,
}

/// A cluster that now exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterCreated {
    /// Its id.
    pub cluster_id: String,
    /// Nothing new is bound at or below this slot.
    pub floor: Slot,
    /// The attesters it signs for.
    pub attesters: Vec<Address>,
}
