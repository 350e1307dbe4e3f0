//! Starting a replica.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use futures::future::join_all;
use ollin_guard::{Fault, planted};
use openraft::{Config, SnapshotPolicy};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::admit::{Applicant, admit, enlist};
use super::close::Closer;
use super::horizon::Horizon;
use super::watch::RoleLoop;
use super::{Inner, OpenError, SigningLog};
use crate::admission::Enlistment;
use crate::chain::ChainIndex;
use crate::cluster_file::ClusterFile;
use crate::config::ConsensusConfig;
use crate::directory::{DirectoryError, DirectoryLock};
use crate::entry::{MembershipRecord, StoredMembership};
use crate::fitness::Report;
use crate::halt::Halt;
use crate::leadership::{
    Measured, PAUSE, ROUNDS, Suspicion, Watchdog, exchange, hand_over_as_witness, hand_over_when_stalled, measure_sync,
};
use crate::membership::{Member, MemberKind};
use crate::recovery::{Anchor, AnchorFile, Continuity, Marker, Recovering, Recovery, StartRefusal, continuity, memory_backed};
use crate::retired::RetiredMark;
use crate::role::{Role, Term};
use crate::rules::Supported;
use crate::runtime;
use crate::state::{State, StateBytesError};
use crate::store::{
    Database, Disk, Durable, Fatal, LogStore, Progress, RocksDisk, SharedState, StateMachine, StoreError, SyncQueue,
    abort_process,
};
use crate::transport::{
    CallError, Client, Fingerprint, Network, Refused, Self_, Server, Shared, Sources, TlsIdentity, TlsWire, Wire, greet,
};

/// How long another process under our id has to answer.
const GREETING: Duration = Duration::from_millis(500);
/// Orders that may wait: changes of the members come one at a time.
const ORDERS: usize = 4;
/// How long a snapshot may take from one replica's memory to another's disk.
const SNAPSHOT_TIMEOUT_MS: u64 = 30_000;

/// What a replica stands on. [`SigningLog::open`] makes it of directories and an address; a simulation, of a seed.
pub struct Parts {
    /// Who the replicas are.
    pub cluster: ClusterFile,
    /// Where the store lives.
    pub disk: Box<dyn Disk>,
    /// How frames travel.
    pub wire: Arc<dyn Wire>,
    /// The local anchor (safety rule R6), if there is one.
    pub anchor: Option<Box<dyn Anchor>>,
    /// What ends the process when the disk refuses to be synced.
    pub fatal: Fatal,
}

impl Parts {
    /// The real ones: RocksDB in the data directory, which is locked, mutual TLS, an anchor where one is configured. Whoever opens
    /// them by [`SigningLog::open_with`] may put something around one of them first.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn of(config: &ConsensusConfig) -> Result<Self, OpenError> {
        let cluster = ClusterFile::load(&config.cluster_directory.join("cluster.json"))?;
        let tls = TlsIdentity::load(&config.cluster_directory)?;
        let wire = Arc::new(TlsWire::new(config.listen, tls)?);
        check_certificate(config, &cluster.members()?, wire.fingerprint())?;
        Self::in_directories(config, cluster, wire)
    }

    /// Takes the data directory, and opens what lies in it and in the anchor's directory.
    ///
    /// # Errors
    /// [`OpenError`]; the directory is free again.
    pub fn in_directories(config: &ConsensusConfig, cluster: ClusterFile, wire: Arc<dyn Wire>) -> Result<Self, OpenError> {
        let Opened { disk, anchor } = Opened::new(config, &cluster)?;
        Ok(Self { cluster, disk: Box::new(disk), wire, anchor, fatal: abort_process })
    }
}

/// What a replica keeps in files, opened.
pub(crate) struct Opened {
    pub(crate) disk: RocksDisk,
    pub(crate) anchor: Option<Box<dyn Anchor>>,
}

impl Opened {
    pub(crate) fn new(config: &ConsensusConfig, cluster: &ClusterFile) -> Result<Self, OpenError> {
        let lock = DirectoryLock::take(&config.data_directory)?;
        check_marker(config)?;
        let anchor = anchor(config, cluster)?;
        let disk = RocksDisk::open(&config.data_directory, lock)?;
        Ok(Self { disk, anchor })
    }
}

impl SigningLog {
    /// Opens the replica in its data directory, with its certificates, on its address: see [`SigningLog::open_with`].
    ///
    /// # Errors
    /// [`OpenError`]; nothing is running then.
    pub async fn open(config: ConsensusConfig) -> Result<Self, OpenError> {
        let faults = config.validate();
        if !faults.is_empty() {
            return Err(OpenError::Config { faults });
        }
        let parts = Parts::of(&config)?;
        let (timers, directory) = (config.timers(), config.data_directory.clone());
        let log = Self::open_with(config, parts).await?;
        let mut measured = Measured::default();
        for _ in 0..ROUNDS {
            let (sync, round_trips) = (measure_sync(&directory).await, log.measure_round_trips().await);
            measured.improve(Measured { sync, round_trips });
            if timers.misfits(&measured).is_empty() {
                return Ok(log);
            }
            runtime::sleep(PAUSE).await;
        }
        log.shutdown().await;
        Err(OpenError::Timers { misfits: timers.misfits(&measured) })
    }

    /// Opens the replica on what it is given: verifies its store, makes sure that no other process acts under its id, and starts
    /// Raft and the listener. A replica without a cluster waits to be created or joined.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is running then.
    pub async fn open_with(config: ConsensusConfig, parts: Parts) -> Result<Self, OpenError> {
        let faults = config.validate();
        if !faults.is_empty() {
            return Err(OpenError::Config { faults });
        }
        let raft_config = raft_config(&config)?;
        let Parts { cluster, disk, wire, anchor, fatal } = parts;
        let (id, name, listed) = (cluster.cluster_id_bytes()?, config.replica, cluster.members()?);
        check_certificate(&config, &listed, wire.fingerprint())?;

        let kind = listed.get(&name.get()).map_or(MemberKind::Full, |member| member.kind);
        let (database, index) = Database::open(disk)?;
        require_rules(&database, config.rules)?;
        let recovery = Recovery::new(database.promise(&index).await?);
        let (database, chain) = (Arc::new(database), Arc::new(RwLock::new(index)));
        let admitted = admit(&database, wire.as_ref(), (id, name), listed.clone()).await?;
        let me = Self_ { cluster: id, name, replica: admitted.identity.id, boot: runtime::random() };
        let closed = database.closed();
        let halt = Halt::new();
        let membership = stored_membership(&database, &admitted.members)?;
        let shared = Shared::new(me, admitted.members.clone(), Arc::clone(&chain), recovery.clone(), halt.clone());
        shared.hear_members(admitted.set_by, admitted.members.clone());
        shared.leadership.set_own_report(Report { rules: config.rules, ..Report::default() });
        let client = Client::new(shared.clone(), Arc::clone(&wire), RetiredMark::new(&database));

        // Of this cluster: a store without an identity may be given another cluster's file.
        if let Some(retired) = database.retired()?.filter(|retired| retired.cluster == id) {
            shared.halt.halt(retired.to_string());
        }
        if let Some(refusal) = &admitted.refusal {
            shared.halt.halt(refusal.to_string());
        }
        refuse_second_process(&config, &client, &shared).await?;
        if !halt.is_halted()
            && let Some(refusal) = enlist(&database, &client, &admitted, config.rules).await?
        {
            shared.halt.halt(refusal.to_string());
        }
        // Not before: the anchor may be the one of a process that runs.
        if admitted.has_id {
            continue_from(&me, anchor, &recovery, &chain.read())?;
        } else if let Some(anchor) = anchor {
            recovery.anchored(anchor, me.replica, false);
        }
        let state: SharedState = Arc::new(RwLock::new(State::default()));
        let enlistment = Enlistment::new(&database, admitted.identity, admitted.has_id);
        let (orders, ordered) = mpsc::channel(ORDERS);
        let server = Server::new(Sources {
            shared: shared.clone(),
            client: client.clone(),
            state: Arc::clone(&state),
            enlistment: enlistment.clone(),
            orders: orders.clone(),
            rules: config.rules,
        });
        let stop = CancellationToken::new();
        let listen = |source| OpenError::Listen { address: config.listen, source };
        let serving = wire.listen(server.clone(), stop.clone()).await.map_err(listen)?;

        let progress = Progress::new();
        let in_task = database.flush_in_task().is_some();
        let durable = Durable::new(Arc::clone(&chain), recovery.clone());
        let sync = SyncQueue::start(Arc::clone(&database), durable.clone(), fatal);
        let sync = sync.map_err(|error| OpenError::Raft { reason: error.to_string() })?;
        let sync_clock = sync.clock();
        let log_store =
            LogStore::new(Arc::clone(&database), Arc::clone(&chain), Arc::clone(&state), sync.clone(), durable, me.replica)?;
        let machine = StateMachine::new(database, chain, Arc::clone(&state), sync, progress.clone(), halt, config.rules);
        let network = Network::new(client.clone(), shared.clone());
        let raft = openraft::Raft::new(me.replica, Arc::new(raft_config), network, log_store, machine).await;
        let cannot_apply = |error: &dyn std::error::Error| match shared.halt.reason() {
            Some(reason) => OpenError::Apply { reason },
            None => OpenError::Raft { reason: error.to_string() },
        };
        let raft = raft.map_err(|error| cannot_apply(&error))?;
        server.attach(raft.clone());

        let (role, role_seen) = watch::channel(Role::default());
        let (term, term_seen) = watch::channel(Term::default());
        let (sequence, horizon) = (Arc::new(AtomicU64::new(0)), Arc::new(Horizon::default()));
        let closer = Closer {
            raft: raft.clone(),
            state: Arc::clone(&state),
            shared: shared.clone(),
            horizon: Arc::clone(&horizon),
            sequence: Arc::clone(&sequence),
            waits: AtomicBool::new(false),
        };
        let recovering = Recovering {
            recovery,
            raft: raft.clone(),
            client: client.clone(),
            shared: shared.clone(),
            state: Arc::clone(&state),
            progress: progress.clone(),
            membership,
            stop: stop.clone(),
        };
        let role_loop = RoleLoop {
            closer: Arc::new(closer),
            raft: raft.clone(),
            state: Arc::clone(&state),
            progress: progress.clone(),
            shared: shared.clone(),
            lease: config.lease(),
            kind,
            stalled: shared.leadership.stalled(),
            role,
            term,
            stop: stop.clone(),
        };
        let watchdog = Watchdog { clock: sync_clock.clone(), leadership: shared.leadership.clone(), fatal, stop: stop.clone() };
        let watchdog = watchdog.start(in_task).map_err(|error| OpenError::Raft { reason: error.to_string() })?;
        let suspicion = Suspicion {
            raft: raft.clone(),
            client: client.clone(),
            shared: shared.clone(),
            stalled: shared.leadership.stalled(),
            stop: stop.clone(),
        };
        let (may_start_anew, admitted) = watch::channel(false);
        let applicant = Applicant {
            wire,
            cluster: id,
            name,
            listed,
            enlistment: enlistment.clone(),
            halt: shared.halt.clone(),
            admitted: may_start_anew,
            stop: stop.clone(),
        };
        let tasks = vec![
            runtime::spawn(applicant.run()),
            runtime::spawn(serving),
            runtime::spawn(role_loop.run()),
            runtime::spawn(recovering.recover()),
            runtime::spawn(greet(client.clone(), shared.clone(), stop.clone())),
            runtime::spawn(exchange(client.clone(), shared.clone(), stop.clone())),
            runtime::spawn(suspicion.run()),
            runtime::spawn(watchdog),
        ];
        let inner = Inner {
            config,
            cluster,
            raft,
            state,
            progress,
            shared,
            client,
            sync_clock,
            role: role_seen,
            term: term_seen,
            sequence,
            horizon,
            enlistment,
            orders,
            admitted,
            stop: stop.clone(),
            tasks: Mutex::new(tasks),
            closed,
        };
        let log = Self { inner: Arc::new(inner) };
        let of_log = [
            runtime::spawn(hand_over_when_stalled(log.clone(), stop.clone())),
            runtime::spawn(hand_over_as_witness(log.clone(), stop)),
            runtime::spawn(log.clone().serve_orders(ordered)),
        ];
        log.inner.tasks.lock().extend(of_log);
        Ok(log)
    }
}

fn raft_config(config: &ConsensusConfig) -> Result<Config, OpenError> {
    let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let raft = Config {
        cluster_name: "ollin".to_owned(),
        heartbeat_interval: milliseconds(config.heartbeat),
        election_timeout_min: milliseconds(config.election_timeout_min),
        election_timeout_max: milliseconds(config.election_timeout_max),
        install_snapshot_timeout: SNAPSHOT_TIMEOUT_MS,
        max_payload_entries: 64,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(config.snapshot_every),
        // Greater than the distance between snapshots, or a snapshot might not cure the lag it is sent for.
        replication_lag_threshold: config.snapshot_every.saturating_mul(2),
        // With the default distance the chains of at least the last 10,000 entries can be compared (safety rule R2).
        max_in_snapshot_log_to_keep: config.snapshot_every.saturating_mul(2),
        // The entry is on its way while our own disk still syncs it.
        broadcast_submitted_on_append: Some(true),
        // A replica that was cut off must not depose a healthy leader when it comes back.
        enable_pre_vote: Some(true),
        // No leader by memory (safety rule R1); the log store sees to it a second time.
        enable_leader_restore: Some(planted(Fault::LeaderByMemory)),
        allow_log_reversion: Some(false),
        // Nobody campaigns before it knows what it may have forgotten (safety rule R6).
        enable_elect: false,
        ..Config::default()
    };
    raft.validate().map_err(|error| OpenError::Raft { reason: error.to_string() })
}

/// A copy of a data directory is not the replica (safety rule R8).
fn check_marker(config: &ConsensusConfig) -> Result<(), OpenError> {
    let path = config.data_directory.clone();
    match Marker::check(&path).map_err(|source| DirectoryError::Io { path, source })? {
        None => Ok(()),
        Some(difference) => Err(StartRefusal::Copied { replica: config.replica, difference }.into()),
    }
}

fn anchor(config: &ConsensusConfig, cluster: &ClusterFile) -> Result<Option<Box<dyn Anchor>>, OpenError> {
    let Some(directory) = &config.anchor_directory else { return Ok(None) };
    let failed = |source| OpenError::Anchor { directory: directory.clone(), source };
    std::fs::create_dir_all(directory).map_err(failed)?;
    if !memory_backed(directory).map_err(failed)? {
        return Err(OpenError::AnchorOnDisk { directory: directory.clone() });
    }
    let name = format!("{}-{}", cluster.cluster_id, config.replica);
    Ok(Some(Box::new(AnchorFile::new(directory, &name).map_err(failed)?)))
}

/// Compares the store with the local anchor. Unless that proves that it is the one that the last process left, the anchor is
/// removed until there is something to prove again.
fn continue_from(me: &Self_, anchor: Option<Box<dyn Anchor>>, recovery: &Recovery, log: &ChainIndex) -> Result<(), OpenError> {
    let Some(anchor) = anchor else { return Ok(()) };
    let store = recovery.promise();
    match continuity(anchor.read(me.replica).as_ref(), &store, log) {
        Continuity::Proven => recovery.anchored(anchor, me.replica, true),
        Continuity::Broken(promised) => {
            return Err(StartRefusal::of(me.name, "the anchor of this machine".to_owned(), &promised, &store).into());
        }
        Continuity::Unknown => {
            anchor.remove().map_err(|error| OpenError::Raft { reason: format!("a stale anchor cannot be removed: {error}") })?;
            recovery.anchored(anchor, me.replica, false);
        }
    }
    Ok(())
}

/// A state under rules that this program does not support is not gone on from (safety rule R13). Where the rules are raised by an entry
/// behind the snapshot, it is noticed when that is applied.
fn require_rules(database: &Database, supported: Supported) -> Result<(), OpenError> {
    let Some(snapshot) = database.snapshot()? else { return Ok(()) };
    let damaged = |source| StoreError::Snapshot { source: Box::new(StateBytesError::Seal(source)) };
    let version = State::rules_of(&snapshot).map_err(damaged)?;
    if supported.includes(version) { Ok(()) } else { Err(OpenError::Rules { version, supported }) }
}

/// The latest membership that the store holds: of the log, or of the snapshot; the cluster file's while there is none.
fn stored_membership(database: &Database, members: &BTreeMap<u64, Member>) -> Result<StoredMembership, OpenError> {
    if let Some(stored) = database.membership()? {
        return Ok(stored);
    }
    let configurations = vec![members.keys().copied().collect()];
    Ok(StoredMembership { set_by: None, membership: MembershipRecord { configurations, members: members.clone() } })
}

fn check_certificate(config: &ConsensusConfig, members: &BTreeMap<u64, Member>, found: Fingerprint) -> Result<(), OpenError> {
    let replica = config.replica;
    let member = members.get(&replica.get()).ok_or(OpenError::NotInCluster { replica })?;
    if member.fingerprint != found {
        let (found, expected) = (hex::encode(found), hex::encode(member.fingerprint));
        return Err(OpenError::OtherCertificate { replica, found, expected });
    }
    Ok(())
}

/// Asks our own address whether somebody is there already, and the others whether they know another live process with our id.
async fn refuse_second_process(config: &ConsensusConfig, client: &Client, shared: &Shared) -> Result<(), OpenError> {
    let own = shared.me.replica;
    let greetings =
        shared.members().into_iter().map(|(id, member)| async move { (id, member, client.hello(id, GREETING).await) });
    for (id, member, answer) in join_all(greetings).await {
        let address = match answer {
            Ok(_) if id == own => member.address,
            Err(CallError::Refused { refused: Refused::Duplicate { address, .. }, .. }) => address,
            Ok(_) | Err(_) => continue,
        };
        return Err(OpenError::DuplicateReplica { replica: config.replica, address });
    }
    Ok(())
}
