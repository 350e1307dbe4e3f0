//! Errors of the signing log, one per family of calls, split by what the caller does next.

use std::net::SocketAddr;
use std::path::PathBuf;

use ollin_guard::interchange::ImportRefusal;
use ollin_guard::{CommandRejection, Duty, DutyKind};
use ollin_protocol::payload::PayloadError;
use ollin_protocol::units::{ReplicaId, Slot};

use crate::attempt::AttemptRefusal;
use crate::cluster_file::ClusterFileError;
use crate::config::ConfigError;
use crate::directory::DirectoryError;
use crate::leadership::Misfit;
use crate::membership::MemberRefusal;
use crate::recovery::StartRefusal;
use crate::rules::{RulesVersion, Supported, UpgradeRefusal};
use crate::store::StoreError;
use crate::transport::TlsError;

/// Why a replica could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Settings break their rules.
    #[error("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config {
        /// Every fault.
        faults: Vec<ConfigError>,
    },
    /// `cluster.json` was refused.
    #[error(transparent)]
    ClusterFile(#[from] ClusterFileError),
    /// This replica is not in `cluster.json`.
    #[error("replica {replica} is not in cluster.json")]
    NotInCluster {
        /// Its id.
        replica: ReplicaId,
    },
    /// `cert.pem` is not the certificate that `cluster.json` names for this replica.
    #[error("cert.pem of replica {replica} has fingerprint {found}, cluster.json says {expected}")]
    OtherCertificate {
        /// Its id.
        replica: ReplicaId,
        /// SHA-256 of `cert.pem`.
        found: String,
        /// What `cluster.json` says.
        expected: String,
    },
    /// The data directory is in use or cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The store is damaged, of another replica, or cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Certificates or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store is not the one that this replica left.
    #[error(transparent)]
    Start(#[from] StartRefusal),
    /// The directory for the local anchor cannot be used.
    #[error("cannot use the anchor directory {directory}")]
    Anchor {
        /// The directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It would outlive the machine's memory, and prove what is not so after a restore.
    #[error(
        "the anchor directory {directory} is on a disk, expected a memory-backed file system (tmpfs, such as /run or /dev/shm)"
    )]
    AnchorOnDisk {
        /// The directory.
        directory: PathBuf,
    },
    /// Another process acts under this replica's id.
    #[error("another process with replica id {replica} is alive at {address}")]
    DuplicateReplica {
        /// The id.
        replica: ReplicaId,
        /// Where it answers.
        address: String,
    },
    /// The log could not be asked to let this store take its Raft id. The next start asks again.
    #[error(
        "replica {replica} was added as Raft id {id}, but no leader could be asked for it: {reason}. Start it again when a leader is known"
    )]
    NotEnlisted {
        /// Its name.
        replica: ReplicaId,
        /// The id.
        id: u64,
        /// What happened.
        reason: String,
    },
    /// The store's rules are of a version that this program does not support.
    #[error("the log is under version {version} of the rules, this program supports {supported}: start one that supports it")]
    Rules {
        /// The version.
        version: RulesVersion,
        /// What is supported.
        supported: Supported,
    },
    /// A committed entry of the own log cannot be applied.
    #[error("the log cannot be applied: {reason}")]
    Apply {
        /// Why, and what to do.
        reason: String,
    },
    /// The listening address cannot be taken.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Raft's timers are too short for this network or this disk.
    #[error(
        "raft's timers do not fit: {}; set OLLIN_TIMER_PROFILE=multi-region, or OLLIN_HEARTBEAT_INTERVAL_MS and \
         OLLIN_ELECTION_TIMEOUT_MS, the same on every replica",
        misfits.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Timers {
        /// Everything that does not fit.
        misfits: Vec<Misfit>,
    },
    /// Raft could not be started over the store.
    #[error("raft cannot start: {reason}")]
    Raft {
        /// What it says.
        reason: String,
    },
}

/// Why a claim did not return verdicts.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Nothing was logged; another replica leads, or none, or this one is not ready to.
    #[error("not the leader (leader: {leader:?})")]
    NotLeader {
        /// Who leads, as far as this replica knows.
        leader: Option<ReplicaId>,
    },
    /// The claim may or may not have committed: do not sign, claim the same root again.
    #[error("no quorum answered within {waited_ms} ms")]
    Unknown {
        /// How long it waited.
        waited_ms: u64,
    },
    /// Nothing was logged: the request contradicts itself.
    #[error(transparent)]
    Invalid(#[from] InvalidClaim),
    /// Nothing was logged: the slot lies too far ahead, or no horizon was set yet.
    #[error("slot {slot} is beyond the horizon {}", horizon.map_or_else(|| "(not set)".to_owned(), |slot| slot.to_string()))]
    TooEarly {
        /// The slot that was asked for.
        slot: Slot,
        /// The latest admissible one: see [`crate::SigningLog::set_slot_horizon`].
        horizon: Option<Slot>,
    },
    /// The guard refused the command whole; nothing was bound.
    #[error(transparent)]
    Rejected(#[from] CommandRejection),
    /// This replica stopped granting.
    #[error("this replica is halted: {reason}")]
    Halted {
        /// Why.
        reason: String,
    },
}

/// A claim that contradicts itself.
#[derive(Debug, thiserror::Error)]
pub enum InvalidClaim {
    /// No request, or one without duties.
    #[error("a claim without duties")]
    Empty,
    /// The payload holds what the protocol cannot carry.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The payload is of another slot or kind than the duty.
    #[error("{duty} cannot be claimed with a payload for {kind} in slot {slot}")]
    Mismatch {
        /// The duty.
        duty: Duty,
        /// The payload's kind.
        kind: DutyKind,
        /// The payload's slot.
        slot: Slot,
    },
    /// Several attesters for a payload that only one can sign.
    #[error("{count} attesters for a {kind}, expected one")]
    ManyAttesters {
        /// How many.
        count: usize,
        /// The payload's kind.
        kind: DutyKind,
    },
    /// The command would be too large for the log.
    #[error("a command of {bytes} bytes, expected at most {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// Why an attempt was not granted.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// Nothing was logged; another replica leads, or none, or this one is not ready to.
    #[error("not the leader (leader: {leader:?})")]
    NotLeader {
        /// Who leads, as far as this replica knows.
        leader: Option<ReplicaId>,
    },
    /// The attempt may or may not be recorded: send nothing, ask for the same attempt again or read the ledger.
    #[error("no quorum answered within {waited_ms} ms")]
    Unknown {
        /// How long it waited.
        waited_ms: u64,
    },
    /// It breaks a rule of the ledger; nothing was recorded.
    #[error(transparent)]
    Refused(#[from] AttemptRefusal),
    /// No such attempt is recorded at a nonce that is still open.
    #[error("attempt {number} at nonce {nonce} is not recorded or no longer open")]
    NotOpen {
        /// The nonce.
        nonce: u64,
        /// The attempt's number.
        number: u32,
    },
    /// The bundle's payload was dropped already: its slot is final.
    #[error("the payload of {duty} is gone")]
    PayloadGone {
        /// The bundle's duty.
        duty: Duty,
    },
    /// This replica stopped granting.
    #[error("this replica is halted: {reason}")]
    Halted {
        /// Why.
        reason: String,
    },
}

/// Why a command that grants nothing was not applied.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Nothing was logged; another replica leads, or none, or this one is not ready to.
    #[error("not the leader (leader: {leader:?})")]
    NotLeader {
        /// Who leads, as far as this replica knows.
        leader: Option<ReplicaId>,
    },
    /// It may or may not be applied; it may be asked again.
    #[error("no quorum answered within {waited_ms} ms")]
    Unknown {
        /// How long it waited.
        waited_ms: u64,
    },
    /// The guard rejected it; nothing was changed.
    #[error(transparent)]
    Rejected(#[from] CommandRejection),
    /// The ledger refused it; nothing was changed.
    #[error(transparent)]
    Refused(#[from] AttemptRefusal),
    /// This replica stopped granting.
    #[error("this replica is halted: {reason}")]
    Halted {
        /// Why.
        reason: String,
    },
}

/// Why the members were not changed, or are not known to be.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// Nothing was logged; another replica leads and could not be asked, or none does.
    #[error("not the leader (leader: {}): ask again", leader.map_or_else(|| "none is known".to_owned(), |leader| format!("replica {leader}")))]
    NotLeader {
        /// Who leads, as far as this replica knows.
        leader: Option<ReplicaId>,
    },
    /// The change may have been made: look at the members before asking again.
    #[error("no quorum answered within {waited_ms} ms: the change may have been made, look at the members")]
    Unknown {
        /// How long it waited.
        waited_ms: u64,
    },
    /// It breaks a rule of the membership; nothing was changed.
    #[error(transparent)]
    Refused(#[from] MemberRefusal),
    /// This replica stopped.
    #[error("this replica is halted: {reason}")]
    Halted {
        /// Why.
        reason: String,
    },
}

/// Why the version of the rules was not raised, or is not known to be.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// Nothing was logged; another replica leads and could not be asked, or none does.
    #[error("not the leader (leader: {}): ask again", leader.map_or_else(|| "none is known".to_owned(), |leader| format!("replica {leader}")))]
    NotLeader {
        /// Who leads, as far as this replica knows.
        leader: Option<ReplicaId>,
    },
    /// It may have been raised.
    #[error("no quorum answered within {waited_ms} ms: the version may have been raised, ask again")]
    Unknown {
        /// How long it waited.
        waited_ms: u64,
    },
    /// A member does not support it; nothing was changed.
    #[error(transparent)]
    Refused(#[from] UpgradeRefusal),
    /// This replica stopped.
    #[error("this replica is halted: {reason}")]
    Halted {
        /// Why.
        reason: String,
    },
}

/// Why an operator's word was not taken that a replica is down.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProceedError {
    /// There is no need for it.
    #[error("replica {replica} takes part: it waits for nobody")]
    NotRecovering {
        /// The replica that was asked.
        replica: ReplicaId,
    },
    /// That one has answered, or is no voter.
    #[error("this replica does not wait for replica {replica}, it waits for {missing:?}")]
    NotMissing {
        /// Whom it was to go on without.
        replica: ReplicaId,
        /// Whom it waits for.
        missing: Vec<ReplicaId>,
    },
}

/// Why a cluster was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// It exists: this replica or another one holds its log.
    #[error("the cluster exists already: replica {replica} holds its log")]
    Exists {
        /// Who holds it.
        replica: ReplicaId,
    },
    /// Every replica must be running: one that does not answer may hold the log of an existing cluster.
    #[error("replica {replica} at {address} does not answer: {reason}")]
    Unreachable {
        /// Which.
        replica: ReplicaId,
        /// Where it should listen.
        address: String,
        /// What happened.
        reason: String,
    },
    /// This process does not know yet whether it has forgotten something.
    #[error("this replica is recovering: it waits for the answers of replicas {missing:?}")]
    Recovering {
        /// Who has not answered since it started.
        missing: Vec<ReplicaId>,
    },
    /// The members could not agree on this replica as leader in time. Creation can be asked for again here.
    #[error("not elected within {waited_ms} ms (leader: {leader:?})")]
    NotElected {
        /// How long it waited.
        waited_ms: u64,
        /// Who leads, as far as this replica knows.
        leader: Option<ReplicaId>,
    },
    /// The file with an earlier cluster's duties was refused; nothing was written.
    #[error(transparent)]
    Import(#[from] ImportRefusal),
    /// The first commands failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Raft refused the membership.
    #[error("raft cannot be initialised: {reason}")]
    Raft {
        /// What it says.
        reason: String,
    },
}
