//! One replica's engines on a development L1, with something in their way.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::primitives::Address;
use ollin_archiver::Archiver;
use ollin_consensus::{Binding, ConsensusConfig, SigningLog, certificates};
use ollin_dev_l1::DevL1;
use ollin_keystore::{Keystore, OutletRecord};
use ollin_l1::{L1, L1Config};
use ollin_protocol::schedule::Timetable;
use ollin_protocol::units::{ReplicaId, Slot};
use ollin_publisher::fees::FeeCaps;
use ollin_publisher::{PublishReport, Publisher, PublisherConfig};
use ollin_sequencer::{Hindrance, Sequencer, SequencerConfig, SlotReport};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Several slots, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is in the way; nothing by default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) build_if_empty: bool,
    /// Every moment is too late to begin.
    pub(crate) always_late: bool,
    /// Leadership is about to go over.
    pub(crate) handing_over: bool,
    /// Slots from the present one to the floor.
    pub(crate) slots_to_floor: u64,
    /// The outlet record takes no line.
    pub(crate) outlet_full: bool,
    pub(crate) caps: FeeCaps,
    /// Another key than the development L1's publisher.
    pub(crate) publisher: Option<&'static str>,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            build_if_empty: true,
            always_late: false,
            handing_over: false,
            slots_to_floor: 0,
            outlet_full: false,
            caps: FeeCaps::default(),
            publisher: None,
        }
    }
}

/// The first that was stated.
#[derive(Debug)]
pub(crate) enum Told {
    Sequencer(SlotReport),
    Publisher(PublishReport),
}

/// Engines at work; they end with it.
pub(crate) struct Replica {
    l1: L1,
    sequencer: mpsc::Receiver<SlotReport>,
    publisher: mpsc::Receiver<PublishReport>,
    /// Reports of the sequencer about it and earlier ones are of slots in which the engines began, too late for some.
    began: Slot,
    shutdown: CancellationToken,
    _directory: TempDir,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Replica {
    pub(crate) async fn start(dev: &DevL1, manner: Manner) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let l1 = L1::connect(l1_config(dev)).await.unwrap();
        let archiver = Archiver::open(&directory.path().join("archiver"), l1.clone()).unwrap();
        let (view, shutdown) = (archiver.handle(), CancellationToken::new());
        tokio::spawn(archiver.run(shutdown.clone()));
        let keystore = Arc::new(keystore(directory.path(), dev, manner));
        let log = log(directory.path(), dev, &l1, manner).await;
        let mut role = log.role();
        tokio::time::timeout(PATIENCE, role.wait_for(|role| role.active_term().is_some())).await.unwrap().unwrap();
        let mut read = view.view();
        tokio::time::timeout(PATIENCE, read.wait_for(|view| view.synced_at.is_some())).await.unwrap().unwrap();
        let began = slot_now(&l1).saturating_add(1);

        let (to_sequencer, sequencer) = mpsc::channel(64);
        let (to_publisher, publisher) = mpsc::channel(64);
        // The official defaults are for slots of 72 s; and this machine may be slow.
        let timetable = Timetable::new(&l1.schedule(), Duration::from_secs(1), Duration::ZERO, None).unwrap();
        let whole = Duration::from_secs(l1.schedule().slot_duration);
        let initialize_deadline = if manner.always_late { Duration::ZERO } else { whole };
        let config = SequencerConfig {
            timetable: Timetable { initialize_deadline, ..timetable },
            claim_timeout: Duration::from_secs(2),
            build_if_empty: manner.build_if_empty,
        };
        let engine = Sequencer::new(log.clone(), Arc::clone(&keystore), l1.clone(), view.clone(), config, to_sequencer);
        tokio::spawn(engine.run(shutdown.clone()));
        let config = PublisherConfig { caps: manner.caps, stall: 3, max_attempts: 4, claim_timeout: Duration::from_secs(2) };
        let engine = Publisher::new(log, keystore, l1.clone(), view, config, to_publisher);
        tokio::spawn(engine.run(shutdown.clone()));
        Self { l1, sequencer, publisher, began, shutdown, _directory: directory }
    }

    /// The first report, save for what passes: that L1 is not read up to a slot yet, or does not take it yet.
    pub(crate) async fn told(&mut self) -> Told {
        let next = async {
            loop {
                tokio::select! {
                    biased;
                    Some(report) = self.publisher.recv() => return Told::Publisher(report),
                    Some(report) = self.sequencer.recv() => if self.began < report.slot && is_lasting(&report) { return Told::Sequencer(report) },
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.unwrap()
    }

    /// The sequencer's first report about a slot that is yet to begin.
    pub(crate) async fn told_of_next_slot(&mut self) -> SlotReport {
        let now = slot_now(&self.l1).saturating_add(1);
        let next = async {
            loop {
                let report = self.sequencer.recv().await.unwrap();
                if report.slot > now {
                    return report;
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.unwrap()
    }
}

fn is_lasting(report: &SlotReport) -> bool {
    !matches!(report.hindrance, Hindrance::L1Behind | Hindrance::NotProposable)
}

fn slot_now(l1: &L1) -> Slot {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    l1.schedule().slot_at(now).unwrap()
}

fn l1_config(dev: &DevL1) -> L1Config {
    let info = dev.info();
    L1Config {
        rpc_urls: vec![info.rpc_url.clone()],
        consensus_urls: Vec::new(),
        blob_file_store_urls: vec![info.blob_url.clone()],
        registry: info.registry,
        rollup_version: None,
        expected_chain_id: Some(info.chain_id),
        ethereum_slot_duration: info.ethereum_slot_duration,
        // anvil loads the trusted setup when the first blob arrives.
        request_timeout: Duration::from_secs(20),
    }
}

fn keystore(directory: &Path, dev: &DevL1, manner: Manner) -> Keystore {
    let info = dev.info();
    let attesters: Vec<String> = info.validators.iter().map(|one| one.private_key.to_string()).collect();
    let publisher = manner.publisher.map_or_else(|| info.publisher_keys[0].private_key.to_string(), str::to_owned);
    let recipient = format!("0x{:064x}", 7);
    let validators = serde_json::json!([{"attester": attesters, "publisher": [publisher], "feeRecipient": recipient}]);
    let path = directory.join("keystore.json");
    std::fs::write(&path, serde_json::json!({"schemaVersion": 1, "validators": validators}).to_string()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let outlets = manner.outlet_full.then(|| OutletRecord::open(Path::new("/dev/full")).unwrap());
    Keystore::load(&path).unwrap().bind(ReplicaId::new(1), info.chain_id, info.rollup, outlets)
}

/// A cluster of one.
async fn log(directory: &Path, dev: &DevL1, l1: &L1, manner: Manner) -> SigningLog {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = held.local_addr().unwrap();
    drop(held);
    let replica = ReplicaId::new(1);
    let certificates = directory.join("certificates");
    certificates::create(&certificates, &[certificates::NewReplica::full(replica, listen.to_string())]).unwrap();
    let config = ConsensusConfig::new(directory.join("store"), certificates.join("replica-1"), replica, listen);
    let log = SigningLog::open(config).await.unwrap();
    let attesters: BTreeSet<Address> = dev.info().validators.iter().map(|one| one.address).collect();
    let floor = slot_now(l1).saturating_add(manner.slots_to_floor);
    let binding = Binding { chain_id: dev.info().chain_id, rollup: dev.info().rollup, attesters };
    log.create_cluster(binding, floor).await.unwrap();
    log.set_starts(!manner.handing_over);
    log
}
