//! A machine and the process on it.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ollin_consensus::simulation::{Image, MemoryDisk, ProcessId, SyncTimes, World};
use ollin_consensus::{ClusterFile, ConsensusConfig, Fingerprint, MemberKind, ReplicaAddress, SigningLog, Table};
use ollin_protocol::units::{ReplicaId, SigningRoot, Slot};
use parking_lot::Mutex;

use super::story::HostId;

/// Slots are numbered from here.
const FIRST_SLOT: u64 = 100;
/// Length of a slot.
pub(super) const SLOT: Duration = Duration::from_secs(1);
/// Length of an L1 slot: building begins so long before the slot.
pub(super) const L1_SLOT: Duration = Duration::from_millis(250);
/// Old contents of a disk that are kept for those that roll it back.
const BACKUPS: usize = 24;

/// A machine.
pub(super) struct Host {
    pub(super) id: HostId,
    pub(super) replica: ReplicaId,
    pub(super) disk: MemoryDisk,
    pub(super) clock: Clock,
    pub(super) process: Option<ProcessId>,
    pub(super) log: Slotted,
    /// What its disk durably held, oldest first.
    pub(super) backups: VecDeque<(Duration, Image)>,
    pub(super) halted: bool,
}

/// Where a process puts its log once it is open.
pub(super) type Slotted = Arc<Mutex<Option<SigningLog>>>;

/// A wall clock: the world's, and by how much it is wrong.
#[derive(Clone, Default)]
pub(super) struct Clock {
    wrong_by_ms: Arc<AtomicI64>,
}

/// All disks of the cluster, for those who look for evidence.
#[derive(Clone, Default)]
pub(super) struct Disks {
    inner: Arc<Mutex<BTreeMap<HostId, Evident>>>,
}

struct Evident {
    disk: MemoryDisk,
    /// A fault has taken contents away: what it holds proves nothing any more.
    doubtful: bool,
}

impl Host {
    pub(super) fn new(id: HostId, replica: ReplicaId, disk: MemoryDisk, sync: Duration) -> Self {
        disk.set_sync_times(SyncTimes { least: sync / 8, most: sync });
        Self {
            id,
            replica,
            disk,
            clock: Clock::default(),
            process: None,
            log: Slotted::default(),
            backups: VecDeque::new(),
            halted: false,
        }
    }

    pub(super) fn back_up(&mut self, at: Duration) {
        if self.backups.len() == BACKUPS {
            self.backups.pop_front();
        }
        self.backups.push_back((at, self.disk.image()));
    }

    /// What the disk held `by` ago, or the oldest that is known.
    pub(super) fn backup(&self, now: Duration, by: Duration) -> Image {
        let then = now.saturating_sub(by);
        let kept = self.backups.iter().rev().find(|(at, _)| *at <= then).or(self.backups.front());
        kept.map(|(_, image)| image.clone()).unwrap_or_default()
    }

    pub(super) fn log(&self) -> Option<SigningLog> {
        self.log.lock().clone()
    }
}

impl Clock {
    pub(super) fn set_wrong_by(&self, ms: i64) {
        self.wrong_by_ms.store(ms, Ordering::Relaxed);
    }

    /// Time since the cluster's epoch, as this clock shows it.
    pub(super) fn now(&self, world: &World) -> Duration {
        let wrong_by = self.wrong_by_ms.load(Ordering::Relaxed);
        let by = Duration::from_millis(wrong_by.unsigned_abs());
        let now = world.elapsed();
        if wrong_by < 0 { now.saturating_sub(by) } else { now + by }
    }
}

/// The slot at a time.
pub(super) fn slot_at(time: Duration) -> Slot {
    Slot::new(FIRST_SLOT + time.as_secs() / SLOT.as_secs())
}

/// When a slot begins.
pub(super) fn start_of(slot: Slot) -> Duration {
    SLOT * u32::try_from(slot.get().saturating_sub(FIRST_SLOT)).unwrap_or(u32::MAX)
}

/// Everything at or below it has begun when the cluster is created.
pub(super) fn floor() -> Slot {
    Slot::new(FIRST_SLOT)
}

impl Disks {
    pub(super) fn add(&self, host: HostId, disk: MemoryDisk) {
        self.inner.lock().insert(host, Evident { disk, doubtful: false });
    }

    pub(super) fn doubt(&self, host: HostId) {
        if let Some(evident) = self.inner.lock().get_mut(&host) {
            evident.doubtful = true;
        }
    }

    /// On how many disks a root is durable, in an entry or in a snapshot; those in doubt count.
    pub(super) fn holding(&self, root: &SigningRoot) -> usize {
        let needle = root.get().as_slice();
        let holds = |image: &Image| {
            let tables = [Table::Log, Table::State];
            tables.iter().any(|table| image.table(*table).values().rev().any(|value| contains(value, needle)))
        };
        self.inner.lock().values().filter(|evident| evident.doubtful || holds(&evident.disk.image())).count()
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window[0] == needle[0] && window == needle)
}

/// Certificates are not simulated: a replica's fingerprint is made of its id.
pub(super) fn fingerprint(replica: ReplicaId) -> Fingerprint {
    let mut fingerprint = [0xf0; 32];
    fingerprint[24..].copy_from_slice(&replica.get().to_be_bytes());
    fingerprint
}

pub(super) fn address(replica: ReplicaId) -> String {
    format!("replica-{replica}:9000")
}

pub(super) fn cluster_file(replicas: &[ReplicaId]) -> ClusterFile {
    let replica = |id: &ReplicaId| ReplicaAddress {
        id: *id,
        address: address(*id),
        fingerprint: hex::encode(fingerprint(*id)),
        kind: MemberKind::Full,
    };
    ClusterFile { cluster_id: "00112233445566778899aabbccddeeff".to_owned(), replicas: replicas.iter().map(replica).collect() }
}

pub(super) fn config(replica: ReplicaId) -> ConsensusConfig {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 9000));
    let mut config = ConsensusConfig::new(PathBuf::new(), PathBuf::new(), replica, listen);
    // So that snapshots are taken, sent and installed in the middle of everything.
    config.snapshot_every = 20;
    config
}
