//! What an operator asks of the membership, and the answers.

use ollin_protocol::units::ReplicaId;
use serde::{Deserialize, Serialize};

use super::MemberKind;

/// One change of the membership. Replicas are called by their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberOrder {
    /// A new replica becomes a learner, under a new Raft id.
    Add {
        /// Its name, borne by no member.
        replica: ReplicaId,
        /// Where the others reach it, `host:port`.
        address: String,
        /// SHA-256 of its certificate's DER.
        fingerprint: [u8; 32],
        /// What it is for.
        kind: MemberKind,
    },
    /// A member whose store is lost becomes a learner under a second, new Raft id, beside its old one. Promoting it ends the old one.
    Renew {
        /// Its name.
        replica: ReplicaId,
    },
    /// A learner becomes a voter; what the same replica was under an earlier Raft id is removed in the same joint change.
    Promote {
        /// Its name.
        replica: ReplicaId,
    },
    /// A voter becomes a learner.
    Demote {
        /// Its name.
        replica: ReplicaId,
    },
    /// A member leaves, under all its Raft ids.
    Remove {
        /// Its name.
        replica: ReplicaId,
    },
    /// A learner takes a voter's place, in one joint change; the voter leaves.
    Replace {
        /// The voter that leaves.
        old: ReplicaId,
        /// The learner that takes its place.
        new: ReplicaId,
    },
}

impl MemberOrder {
    /// The voter that the order takes the vote from. If it leads, leadership is handed over first.
    pub const fn leaving(&self) -> Option<ReplicaId> {
        match self {
            Self::Demote { replica } | Self::Remove { replica } | Self::Replace { old: replica, .. } => Some(*replica),
            Self::Add { .. } | Self::Renew { .. } | Self::Promote { .. } => None,
        }
    }

    /// The replica that the order is about; the new one of two.
    pub const fn subject(&self) -> ReplicaId {
        match self {
            Self::Add { replica, .. }
            | Self::Renew { replica }
            | Self::Promote { replica }
            | Self::Demote { replica }
            | Self::Remove { replica }
            | Self::Replace { new: replica, .. } => *replica,
        }
    }
}

/// A change that is committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberChanged {
    /// The replica that was changed, or the new one of two.
    pub replica: ReplicaId,
    /// Its Raft id; of a removed one, the last that it had.
    pub raft_id: u64,
    /// The log index of the membership in force.
    pub index: u64,
    /// The names of all voters now.
    pub voters: Vec<ReplicaId>,
    /// The members were so already: nothing was logged. An order may be given again when its outcome is not known.
    pub already: bool,
    /// Something that is allowed and that an operator should know.
    pub warnings: Vec<String>,
}

/// Why a change was not made; nothing was logged, save perhaps a Raft id that stays unused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum MemberRefusal {
    /// The cluster is not created yet.
    #[error("the cluster is not created: run `ollin cluster create` once")]
    Sealed,
    /// A change is under way, or the last one is not committed.
    #[error("another change of the members is under way: ask again when it is done (`ollin status` shows the members)")]
    UnderWay,
    /// No member bears the name.
    #[error("there is no replica {replica}: the members are {}", list(.members))]
    Unknown {
        /// The name.
        replica: ReplicaId,
        /// Those there are.
        members: Vec<ReplicaId>,
    },
    /// A member bears the name already.
    #[error(
        "replica {replica} is a member already, at {address}: take another name, or `ollin cluster heal {replica}` if its store is lost"
    )]
    Exists {
        /// The name.
        replica: ReplicaId,
        /// Where that member is.
        address: String,
    },
    /// Another member has the address or the certificate.
    #[error("replica {other} has the {what} {value} already: each member needs its own")]
    Shared {
        /// Who has it.
        other: ReplicaId,
        /// `address` or `certificate`.
        what: String,
        /// The value.
        value: String,
    },
    /// The address cannot be dialled.
    #[error("the address is {found:?}, expected host:port")]
    Address {
        /// What it is.
        found: String,
    },
    /// It votes already.
    #[error("replica {replica} is a voter already")]
    Voter {
        /// Its name.
        replica: ReplicaId,
    },
    /// It has no vote to lose or to hand on.
    #[error("replica {replica} is no voter, it is a learner: if it is to leave, `ollin cluster remove {replica}`")]
    Learner {
        /// Its name.
        replica: ReplicaId,
    },
    /// It comes back under a new Raft id already.
    #[error(
        "replica {replica} has a second Raft id {raft_id} already: start it, and `ollin cluster promote {replica}` when it has caught up"
    )]
    Renewed {
        /// Its name.
        replica: ReplicaId,
        /// The new id.
        raft_id: u64,
    },
    /// It is alive under its id: nothing is lost that would have to be healed.
    #[error(
        "replica {replica} runs and takes part, under Raft id {raft_id}: nothing is to be healed. If its store is in doubt all the same, \
         stop it and lay the store aside (`ollin cluster discard`) first"
    )]
    Alive {
        /// Its name.
        replica: ReplicaId,
        /// The id.
        raft_id: u64,
    },
    /// It was heard a moment ago, and answers no more.
    #[error("replica {replica} was heard a moment ago, under Raft id {raft_id}: it is healed once it is silent")]
    Recent {
        /// Its name.
        replica: ReplicaId,
        /// The id.
        raft_id: u64,
    },
    /// It runs, and does not know yet what it has forgotten.
    #[error(
        "replica {replica} runs, under Raft id {raft_id}, and is recovering: it waits for the answers of other replicas (`ollin status` \
         there names them). Start those; or, if they are down for good, `ollin cluster proceed-without` there. Nothing is to be healed"
    )]
    Recovering {
        /// Its name.
        replica: ReplicaId,
        /// The id.
        raft_id: u64,
    },
    /// It runs over a store that is of no use and cannot take the new Raft id.
    #[error(
        "replica {replica} runs and takes no part, and its store has a Raft id and takes no other: it would be waited for in vain. On \
         its host stop it, lay the store aside (`ollin cluster discard --data-directory DIRECTORY --confirm {replica}`) and start it; \
         then heal it again. Its reason: {reason}"
    )]
    InDoubt {
        /// Its name.
        replica: ReplicaId,
        /// Why it takes no part.
        reason: String,
    },
    /// The learner does not hold enough of the log, or was not heard.
    #[error("replica {replica} {}: see that it runs, and ask again when it is at most {limit} entries behind", lag(*.behind))]
    Lags {
        /// Its name.
        replica: ReplicaId,
        /// How far behind it is; `None` if it does not answer.
        behind: Option<u64>,
        /// How far it may be.
        limit: u64,
    },
    /// Fewer of the voters than a majority would be there.
    #[error("of the voters {} only {} are up to date, and {needed} are needed: start or heal those that are missing first", list(.voters), list(.present))]
    QuorumLost {
        /// The voters that would be.
        voters: Vec<ReplicaId>,
        /// Those that run and hold the log.
        present: Vec<ReplicaId>,
        /// A majority.
        needed: usize,
    },
    /// The cluster would have no voter.
    #[error("replica {replica} is the last full voter: without it nobody could sign")]
    LastVoter {
        /// Its name.
        replica: ReplicaId,
    },
    /// Witnesses alone could be a majority.
    #[error(
        "{witnesses} of {voters} voters would be witnesses: every majority needs a full replica, so they must be fewer than half"
    )]
    Witnesses {
        /// How many.
        witnesses: usize,
        /// Of how many.
        voters: usize,
    },
    /// The leader itself cannot leave: it hands over first, and its successor takes the order.
    #[error("replica {replica} leads: hand over first (`ollin cluster transfer`), then ask again")]
    Leads {
        /// Its name.
        replica: ReplicaId,
    },
    /// A replica cannot replace itself: that is what promoting a renewed one does.
    #[error("replica {replica} cannot take its own place: `ollin cluster heal {replica}` gives it a new Raft id")]
    Itself {
        /// Its name.
        replica: ReplicaId,
    },
}

impl MemberRefusal {
    /// For programs: the case in a word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::UnderWay => "under_way",
            Self::Unknown { .. } => "unknown_replica",
            Self::Exists { .. } => "exists",
            Self::Shared { .. } => "shared",
            Self::Address { .. } => "address",
            Self::Voter { .. } => "voter",
            Self::Learner { .. } => "learner",
            Self::Renewed { .. } => "renewed",
            Self::Alive { .. } => "alive",
            Self::Recent { .. } => "recent",
            Self::Recovering { .. } => "recovering",
            Self::InDoubt { .. } => "in_doubt",
            Self::Lags { .. } => "lags",
            Self::QuorumLost { .. } => "quorum_lost",
            Self::LastVoter { .. } => "last_voter",
            Self::Witnesses { .. } => "witnesses",
            Self::Leads { .. } => "leads",
            Self::Itself { .. } => "itself",
        }
    }
}

fn list(names: &[ReplicaId]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn lag(behind: Option<u64>) -> String {
    behind.map_or_else(|| "does not answer".to_owned(), |behind| format!("is {behind} entries behind"))
}
