//! What happened in a run: the evidence that the oracles judge.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ollin_consensus::fitness::Class;
use ollin_consensus::simulation::StateDigest;
use ollin_consensus::{MemberOrder, Memory, RecordedAttempt, Role};
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
    /// A process has opened its store, under this Raft id; and what it thinks of its memory before it has asked anybody.
    Opened { host: HostId, raft_id: u64, memory: Memory },
    /// How far a process's memory can be relied on has changed.
    Memory { host: HostId, memory: Memory },
    /// A machine's disk does not hold any more what it had made durable.
    Taken { host: HostId, replica: ReplicaId },
    /// A copy of the machine has promised more than it holds, and is gone. Nothing on the machine tells of it.
    Outlived { host: HostId, replica: ReplicaId },
    /// It holds it again: what it was given back is what its last process had left.
    GivenBack { host: HostId, replica: ReplicaId },
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
    /// How well a replica could lead, as it sees itself.
    Class { host: HostId, replica: ReplicaId, class: Class },
    /// A leader hands over to a fitter replica.
    HandsOver { host: HostId, own: Class, to: ReplicaId, class: Class },
    /// Operators want a replica to leave.
    Leaving { replica: ReplicaId },
    /// An operator's order had an answer.
    Ordered { order: MemberOrder, is_done: bool, answer: String },
    /// A transaction left for L1.
    Sent { host: HostId, attempt: RecordedAttempt },
    /// L1 has included a transaction.
    Included { attempt: RecordedAttempt },
    /// A claim had no grant.
    NotGranted { host: HostId, duty: Duty, why: String },
    /// The state of a replica.
    Sampled { host: HostId, state: Sample },
    /// The bindings of the leader's state at the end.
    Final { host: HostId, bound: Vec<(Duty, SigningRoot)>, lines: Lines },
    /// The slots whose checkpoint L1 holds at the end.
    Landed { slots: Vec<Slot> },
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
    /// After which entry, and what it is.
    pub digest: StateDigest,
    /// Its lines.
    pub lines: Lines,
}

/// The lines of a state: they only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Nothing new is bound at or below it.
    pub floor: Option<Slot>,
    /// Records at or below it are gone.
    pub watermark: Option<Slot>,
    /// Nothing is granted at or below it.
    pub closed: Option<Slot>,
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
    /// The timers, as a multiple of those of one region; 0 counts as 1.
    pub slowness: u32,
}

impl Story {
    /// When the second replica's disk was taken away: from then on the cluster may have forgotten what a quorum had promised.
    pub fn quorum_taken_at(&self) -> Option<Duration> {
        let mut first = None;
        let taken = |told: &&Told| matches!(&told.event, Event::Taken { replica, .. } | Event::Outlived { replica, .. } if *first.get_or_insert(*replica) != *replica);
        self.events.iter().find(taken).map(|told| told.at)
    }

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

    /// Mixes a delivered frame into the hash (FNV-1a over words).
    pub(super) fn frame(&self, at: Duration, from: HostId, to: HostId, bytes: &[u8]) {
        const PRIME: u64 = 0x0100_0000_01b3;
        let mut story = self.story.lock();
        story.frame_count += 1;
        let words = bytes.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        });
        let head = [u64::try_from(at.as_micros()).unwrap_or(u64::MAX), from.0, to.0, bytes.len() as u64];
        story.frames =
            head.into_iter().chain(words).fold(story.frames, |hash, word| (hash ^ word).wrapping_mul(PRIME).rotate_left(29));
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
            Self::Opened { host, raft_id, memory } => {
                write!(f, "{host}: opens its store as Raft id {raft_id}, memory {memory:?}")
            }
            Self::Memory { host, memory } => write!(f, "{host}: memory {memory:?}"),
            Self::Taken { host, replica } => write!(f, "{host}: its disk holds less than replica {replica} has promised"),
            Self::Outlived { host, replica } => write!(f, "{host}: a copy has promised more as replica {replica}, and is gone"),
            Self::GivenBack { host, replica } => write!(f, "{host}: its disk holds again what replica {replica} has promised"),
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
            Self::Class { host, class, .. } => write!(f, "{host}: is {class}"),
            Self::HandsOver { host, own, to, class } => {
                write!(f, "{host}: is {own} and hands over to replica {to}, which is {class}")
            }
            Self::Leaving { replica } => write!(f, "operators want replica {replica} to leave"),
            Self::Ordered { order, is_done, answer } => {
                write!(f, "order {order:?} is {}: {answer}", if *is_done { "done" } else { "refused" })
            }
            Self::Sent { host, attempt } => write!(f, "{host}: sends {}", Spelt(attempt)),
            Self::Included { attempt } => write!(f, "L1 includes {}", Spelt(attempt)),
            Self::NotGranted { host, duty, why } => write!(f, "{host}: no grant for {duty}: {why}"),
            Self::Sampled { host, state: Sample { digest, lines } } => {
                let (index, chain, state) = (digest.index, &digest.chain[..4], &digest.state[..4]);
                write!(f, "{host}: applied {index} ({}.., {}..), {lines}", hex::encode(chain), hex::encode(state))
            }
            Self::Final { host, bound, lines } => {
                write!(f, "{host}: {} duties are bound at the end, {lines}", bound.len())
            }
            Self::Landed { slots } => {
                let slots: Vec<String> = slots.iter().map(ToString::to_string).collect();
                write!(f, "L1 holds the checkpoints of the slots {}", slots.join(", "))
            }
            Self::Stuck { reason } => write!(f, "the run is stuck: {reason}"),
        }
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |slot: Option<Slot>| slot.map_or("none".to_owned(), |slot| slot.to_string());
        write!(f, "floor {}, watermark {}, closed {}", line(self.floor), line(self.watermark), line(self.closed))
    }
}

/// An attempt in few words.
struct Spelt<'a>(&'a RecordedAttempt);

impl fmt::Display for Spelt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = &self.0.request;
        let (slot, nonce, number) = (request.slot, request.nonce, self.0.number);
        write!(f, "attempt {number} at nonce {nonce} for slot {slot}, tip {}", request.fees.max_priority_fee_per_gas)
    }
}
