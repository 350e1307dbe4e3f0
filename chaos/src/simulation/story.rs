//! What happened in a run: the evidence that the oracles judge.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ollin_consensus::Role;
use ollin_guard::Duty;
use ollin_protocol::units::{ReplicaId, SigningRoot, Slot};
use parking_lot::Mutex;

use super::fault::Fault;

/// A machine: a disk, a clock and a place in the network. A replica's process runs on it, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(pub u64);

/// One event and when it happened, counted from the beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// When.
    pub at: Duration,
    /// What.
    pub event: Event,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each variant says what its fields are")]
pub enum Event {
    /// A process was started.
    Started { host: HostId, replica: ReplicaId },
    /// A process did not start, or gave up by itself.
    Stopped { host: HostId, reason: String },
    /// A process died by a fault.
    Killed { host: HostId, lost_batches: usize },
    /// A task of a process panicked.
    Panicked { host: HostId, message: String },
    /// A replica stopped granting for good.
    Halted { host: HostId, reason: String },
    /// A fault began.
    Struck(Fault),
    /// Everything is whole again, for good.
    Healed,
    /// A replica's role changed.
    Role { host: HostId, replica: ReplicaId, role: Role },
    /// A signature left.
    Signed { host: HostId, replica: ReplicaId, duty: Duty, root: SigningRoot, evidence: Evidence },
    /// A claim had no grant.
    NotGranted { host: HostId, duty: Duty, why: String },
    /// The state of a replica.
    Sampled { host: HostId, state: Sample },
    /// The bindings of the leader's state at the end.
    Final { host: HostId, bound: Vec<(Duty, SigningRoot)>, watermark: Option<Slot> },
    /// The run could not go on.
    Stuck { reason: String },
}

/// On how many disks a claim was durable when its signature left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Disks that held the root, or whose contents a fault has taken away.
    pub durable: usize,
    /// How many are a quorum.
    pub quorum: usize,
    /// The process's own state bound the root.
    pub applied: bool,
}

/// A replica's state at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The last applied entry.
    pub index: u64,
    /// Hash of everything that was applied.
    pub digest: [u8; 32],
    /// The floor.
    pub floor: Option<Slot>,
    /// The watermark.
    pub watermark: Option<Slot>,
}

/// Everything that happened, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// The events.
    pub events: Vec<Told>,
    /// A hash over every frame that was delivered, and when.
    pub frames: u64,
    /// How many frames.
    pub frame_count: u64,
}

impl Story {
    /// How many signatures left.
    pub fn signatures(&self) -> usize {
        self.events.iter().filter(|told| matches!(told.event, Event::Signed { .. })).count()
    }
}

/// Where tasks write what happens.
#[derive(Clone, Default)]
pub(super) struct Recorder {
    story: Arc<Mutex<Story>>,
}

impl Recorder {
    pub(super) fn tell(&self, at: Duration, event: Event) {
        self.story.lock().events.push(Told { at, event });
    }

    /// Mixes a delivered frame into the hash (FNV-1a).
    pub(super) fn frame(&self, at: Duration, from: HostId, to: HostId, bytes: &[u8]) {
        const PRIME: u64 = 0x0100_0000_01b3;
        let mut story = self.story.lock();
        story.frame_count += 1;
        let head = u64::try_from(at.as_micros()).unwrap_or(u64::MAX).to_be_bytes();
        let ends = [from.0.to_be_bytes(), to.0.to_be_bytes()];
        let mixed = [head.as_slice(), ends.as_flattened(), bytes];
        story.frames = mixed.into_iter().flatten().fold(story.frames, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    }

    pub(super) fn take(&self) -> Story {
        std::mem::take(&mut self.story.lock())
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {}", self.0)
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9.3} ms  {}", self.at.as_secs_f64() * 1000.0, self.event)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { host, replica } => write!(f, "{host}: replica {replica} starts"),
            Self::Stopped { host, reason } => write!(f, "{host}: stops: {reason}"),
            Self::Killed { host, lost_batches } => write!(f, "{host}: dies, {lost_batches} unsynced batches lost"),
            Self::Panicked { host, message } => write!(f, "{host}: panics: {message}"),
            Self::Halted { host, reason } => write!(f, "{host}: halts: {reason}"),
            Self::Struck(fault) => write!(f, "fault: {fault:?}"),
            Self::Healed => write!(f, "everything is healed"),
            Self::Role { host, replica, role } => write!(f, "{host}: replica {replica} is {role:?}"),
            Self::Signed { host, duty, root, evidence, .. } => {
                let Evidence { durable, quorum, .. } = evidence;
                write!(f, "{host}: signs {root} for {duty}, durable on {durable} of {quorum} disks")
            }
            Self::NotGranted { host, duty, why } => write!(f, "{host}: no grant for {duty}: {why}"),
            Self::Sampled { host, state } => {
                write!(f, "{host}: applied {} ({}..), floor {:?}", state.index, hex::encode(&state.digest[..4]), state.floor)
            }
            Self::Final { host, bound, watermark } => {
                write!(f, "{host}: {} duties are bound at the end, watermark {watermark:?}", bound.len())
            }
            Self::Stuck { reason } => write!(f, "the run is stuck: {reason}"),
        }
    }
}
