//! Why a survivor does not go on.

use std::path::PathBuf;

use ollin_protocol::units::ReplicaId;

use crate::audit::AuditHead;
use crate::audit::file::AuditFault;
use crate::cluster_file::ClusterFileError;
use crate::directory::DirectoryError;
use crate::log::OpenError;
use crate::recovery::StartRefusal;
use crate::state::ApplyError;
use crate::store::StoreError;

/// Why a survivor does not go on as a new cluster. See [`super::recover_from_survivor`] for what was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The replica runs, its directories cannot be used, its certificate does not fit, or its data directory is a copy.
    #[error(transparent)]
    Open(OpenError),
    /// The store is damaged, or another replica's or cluster's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its log does not continue its snapshot, or is of another version.
    #[error("the log cannot be applied")]
    Apply(#[from] ApplyError),
    /// It was stopped in the middle of taking a snapshot over.
    #[error("the log ends at entry {log} and the state at entry {state}: start this replica once, stop it, and ask again")]
    Halfway {
        /// The last entry of the log.
        log: u64,
        /// The last one of the state.
        state: u64,
    },
    /// The store is older than what the replica has promised.
    #[error(transparent)]
    Start(#[from] StartRefusal),
    /// The audit beside the store is not the store's.
    #[error(
        "the audit files of this replica do not fit its store: it was exchanged or rolled back. Recover from another replica"
    )]
    Audit {
        /// What differs.
        #[source]
        source: AuditFault,
    },
    /// The store lacks the end of its audit.
    #[error(
        "the audit files of this replica end at {found}, its store at {log}. A process that is killed may leave that; so does a store that \
         was restored from a backup, and has forgotten every release and every freezing since: then recover from another replica. If \
         it was not restored: --accept-audit-ahead"
    )]
    AuditAhead {
        /// The audit's end.
        found: AuditHead,
        /// The store's.
        log: AuditHead,
    },
    /// There is no store.
    #[error("{path} holds the store of no replica: there is nothing to go on from")]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// It has heard that its cluster was retired.
    #[error("{reason}")]
    Retired {
        /// By which, and what to do.
        reason: String,
    },
    /// Nothing was ever granted.
    #[error(
        "the cluster was never opened, so that nothing is to be kept: make a new one (`ollin cluster certificates`, `create`)"
    )]
    Sealed,
    /// It was removed.
    #[error("Raft id {id} of replica {replica} is no member's: this store was given up. Recover from a replica that was a voter")]
    NoMember {
        /// Its name.
        replica: ReplicaId,
        /// The id of its store.
        id: u64,
    },
    /// It had no vote.
    #[error(
        "replica {replica} was a learner: it may lack any number of entries. Recover from a voter; where none is left, \
         `ollin duties export --data-directory` here, and a new cluster that imports that file"
    )]
    Learner {
        /// Its name.
        replica: ReplicaId,
    },
    /// It holds no keys.
    #[error(
        "replica {replica} is a witness and holds no keys. Recover from a full replica; where none is left, \
         `ollin duties export --data-directory` here, and a new cluster that imports that file"
    )]
    Witness {
        /// Its name.
        replica: ReplicaId,
    },
    /// It is a quorum by itself.
    #[error("replica {replica} is the only voter of its cluster: no quorum is lost, start it")]
    Alone {
        /// Its name.
        replica: ReplicaId,
    },
    /// The cluster lives.
    #[error(
        "no quorum is lost: {} with a log of this cluster, and with this replica that is a majority. Start this replica, and \
         `ollin cluster heal` what is lost. If one of them takes no part (`ollin status` there says why), stop it and ask again",
        if .answering.len() == 1 { format!("replica {} answers", .answering[0]) } else { format!("replicas {} answer", list(.answering)) }
    )]
    QuorumReachable {
        /// Who answers.
        answering: Vec<ReplicaId>,
    },
    /// A replica that is to count as lost runs.
    #[error(
        "{} with a log of this cluster: whoever is to count as lost must not run. Stop it, and see to it that it stays down",
        if .answering.len() == 1 { format!("replica {} answers", .answering[0]) } else { format!("replicas {} answer", list(.answering)) }
    )]
    LostAnswer {
        /// Who answers.
        answering: Vec<ReplicaId>,
    },
    /// Another replica was recovered already.
    #[error(
        "replica {replica} is of cluster {cluster}: it went on already, and a second cluster of the same keys would sign beside it. Take this \
         host in there: lay its store aside (`ollin cluster discard`), give it that cluster's cluster.json, and `ollin cluster add`"
    )]
    WentOn {
        /// Which one.
        replica: ReplicaId,
        /// Its cluster.
        cluster: String,
    },
    /// The members of this store are not those of now.
    #[error(
        "replica {replica} has seen the members change since: those that this store knows are not all, and this replica may be none. \
         Recover from a replica that has seen the latest change"
    )]
    Outdated {
        /// Who says so.
        replica: ReplicaId,
    },
    /// A member is there, and cannot be understood.
    #[error(
        "replica {replica} answers, but not in a way that this program understands ({reason}): it may be of another version. Use the \
         program that it runs, or stop it if it is to count as lost"
    )]
    Unreadable {
        /// Which one.
        replica: ReplicaId,
        /// What is wrong with the answer.
        reason: String,
    },
    /// Nobody has answered for the lost ones.
    #[error(
        "replicas {} are still a quorum of the old cluster, with keys: if they come back without meeting this replica, both sides \
         sign, and the stake is slashed. Make sure that none of them runs and that their data directories are gone or never used \
         again, then confirm all of them: --confirm-lost {}{}",
        list(.lost),
        list(.lost).replace(", ", ","),
        if .confirmed.is_empty() { String::new() } else { format!(" (confirmed: {})", list(.confirmed)) }
    )]
    Unconfirmed {
        /// The other voters.
        lost: Vec<ReplicaId>,
        /// Those that were named.
        confirmed: Vec<ReplicaId>,
    },
    /// The cluster file cannot be read.
    #[error(transparent)]
    Listed(#[from] ClusterFileError),
    /// The new cluster file cannot be written: before the store was changed, or after. The same command goes on from there.
    #[error("cannot write {path}: make it writable, and give the same command again")]
    ClusterFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl RecoverError {
    /// For programs: the case in a word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open(OpenError::Directory(DirectoryError::InUse { .. })) => "running",
            Self::Open(_) | Self::Listed(_) => "setup",
            Self::Store(_) | Self::Apply(_) => "store",
            Self::Halfway { .. } => "halfway",
            Self::Start(StartRefusal::Copied { .. }) => "copied",
            Self::Start(_) => "rolled_back",
            Self::Audit { .. } => "audit",
            Self::AuditAhead { .. } => "audit_ahead",
            Self::LostAnswer { .. } => "lost_answer",
            Self::WentOn { .. } => "went_on",
            Self::Outdated { .. } => "outdated",
            Self::Unreadable { .. } => "unreadable",
            Self::Empty { .. } => "empty",
            Self::Retired { .. } => "retired",
            Self::Sealed => "sealed",
            Self::NoMember { .. } => "no_member",
            Self::Learner { .. } => "learner",
            Self::Witness { .. } => "witness",
            Self::Alone { .. } => "alone",
            Self::QuorumReachable { .. } => "quorum_reachable",
            Self::Unconfirmed { .. } => "unconfirmed",
            Self::ClusterFile { .. } => "cluster_file",
        }
    }
}

impl From<OpenError> for RecoverError {
    fn from(error: OpenError) -> Self {
        if let OpenError::Start(refusal) = error { Self::Start(refusal) } else { Self::Open(error) }
    }
}

fn list(names: &[ReplicaId]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
