//! A machine and the process on it.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ollin_consensus::simulation::{Image, MemoryAnchor, MemoryDisk, ProcessId, SyncTimes, World};
use ollin_consensus::{ClusterFile, ConsensusConfig, Fingerprint, MemberKind, ReplicaAddress, SigningLog, Timers};
use ollin_protocol::schedule::Schedule;
use ollin_protocol::units::{ReplicaId, Slot};
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

/// What is promised by a disk's contents.
type Promised = Vec<Option<Bytes>>;

/// A machine.
pub(super) struct Host {
    pub(super) id: HostId,
    pub(super) replica: ReplicaId,
    pub(super) disk: MemoryDisk,
    pub(super) anchor: MemoryAnchor,
    pub(super) clock: Clock,
    pub(super) process: Option<ProcessId>,
    pub(super) log: Slotted,
    /// What its disk durably held, oldest first.
    pub(super) backups: VecDeque<(Duration, Image)>,
    pub(super) halted: bool,
    /// What its disk held at first.
    pub(super) began: Image,
    /// Set while its disk holds something else than its last process left: that, and what it was given instead.
    owed: Option<(Promised, Promised)>,
    /// Its last process was refused for what its store lacks.
    pub(super) refused: Arc<AtomicBool>,
    /// It was a member.
    pub(super) is_member: bool,
    /// Since when it is seen to be out.
    pub(super) out_since: Option<Duration>,
}

/// What contents that were put in the place of others are to whoever promised something over those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// The same promises.
    Same,
    /// Not all of them.
    Less,
    /// All of them, which had been missing.
    Back,
}

/// Where a process puts its log once it is open.
pub(super) type Slotted = Arc<Mutex<Option<SigningLog>>>;

/// A wall clock: the world's, and by how much it is wrong.
#[derive(Clone, Default)]
pub(super) struct Clock {
    wrong_by_ms: Arc<AtomicI64>,
}

impl Host {
    pub(super) fn new(id: HostId, replica: ReplicaId, disk: MemoryDisk, sync: Duration) -> Self {
        disk.set_sync_times(SyncTimes { least: sync / 8, most: sync });
        let began = disk.image();
        Self {
            id,
            replica,
            disk,
            anchor: MemoryAnchor::default(),
            clock: Clock::default(),
            process: None,
            log: Slotted::default(),
            backups: VecDeque::new(),
            halted: false,
            began,
            owed: None,
            refused: Arc::default(),
            is_member: false,
            out_since: None,
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

    /// What the last process that wrote anything has promised.
    pub(super) fn promised(&self) -> Promised {
        let held = self.disk.image().promised();
        match &self.owed {
            Some((owed, given)) if *given == held => owed.clone(),
            Some(_) | None => held,
        }
    }

    /// Puts other contents in the place of its disk's.
    pub(super) fn give(&mut self, image: Image) -> Given {
        let (before, promised, given) = (self.disk.image().promised(), self.promised(), image.promised());
        self.disk = MemoryDisk::of(self.id.to_string(), image);
        let was_whole = before == promised;
        let is_whole = given == promised;
        self.owed = (!is_whole).then_some((promised, given));
        match (was_whole, is_whole) {
            (_, false) => Given::Less,
            (false, true) => Given::Back,
            (true, true) => Given::Same,
        }
    }

    /// Whether it is a copy of another machine.
    pub(super) fn is_copy(&self) -> bool {
        self.id != HostId(self.replica.get())
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

/// The rollup's clock, for rules that count in seconds: here in milliseconds.
pub(super) fn schedule() -> Schedule {
    Schedule { genesis_time: 0, slot_duration: ms(SLOT), epoch_duration: 32, ethereum_slot_duration: ms(L1_SLOT) }
}

/// A time on the scale of [`schedule`].
pub(super) fn timestamp(time: Duration) -> u64 {
    schedule().slot_start(Slot::new(FIRST_SLOT)).saturating_add(ms(time))
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
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

pub(super) fn config(replica: ReplicaId, timers: Timers) -> ConsensusConfig {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 9000));
    let mut config = ConsensusConfig::new(PathBuf::new(), PathBuf::new(), replica, listen);
    let Timers { heartbeat, election_timeout_min, election_timeout_max } = timers;
    (config.heartbeat, config.election_timeout_min, config.election_timeout_max) =
        (heartbeat, election_timeout_min, election_timeout_max);
    // So that snapshots are taken, sent and installed in the middle of everything.
    config.snapshot_every = 20;
    config
}
