//! One process of the model, and the disk below it.

use std::fmt;

use super::log::{Log, LogId, Payload, Slot};

/// Voters of the model.
pub const VOTER_COUNT: usize = 3;

/// Processes: the voters, and a copy of the first.
pub const PROCESS_COUNT: usize = VOTER_COUNT + 1;

/// A process. The copy shares A's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// The first voter.
    A,
    /// The second voter.
    B,
    /// The third voter.
    C,
    /// A second process on a copy of A's disk.
    CopyOfA,
}

/// A set of voters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Voters(u8);

/// What a replica has on its disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Disk {
    /// The highest term heard of.
    pub term: u8,
    /// Whom it voted for in that term.
    pub vote: Option<Process>,
    /// Its vote is for itself, and it was elected.
    pub led: bool,
    /// The log, with what is not yet on the disk (see [`Replica::synced`]).
    pub log: Log,
    /// What it owes since its last roll call.
    pub promise: Promise,
}

/// What a replica owes after a roll call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Promise {
    /// It must hold this entry, or a later one, before it campaigns.
    pub awaited: LogId,
    /// This slot must be closed before a leader that has heard of it grants anything.
    pub doubt: Option<Slot>,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// It runs its roll call.
    Asking(RollCall),
    /// It takes part.
    Up(Role),
    /// It does not run: not yet, or never again.
    Gone,
}

/// What a recovering process has heard since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RollCall {
    /// Who has answered.
    pub heard: Voters,
    /// The highest term.
    pub term: u8,
    /// The highest last entry.
    pub last: LogId,
    /// Whether one of them may have forgotten something too.
    pub doubt: bool,
}

/// Raft's roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Follows.
    Follower,
    /// Has voted for itself.
    Candidate {
        /// The highest doubt among those that voted for it, where it does not adopt it.
        doubt: Option<Slot>,
    },
    /// Leads.
    Leader(Lead),
}

/// What a leader knows of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lead {
    /// How far each voter's log is known to agree.
    pub matched: [u8; VOTER_COUNT],
    /// The highest doubt that it has heard in its term, where it does not adopt it.
    pub doubt: Option<Slot>,
}

/// A request that waits for its entry to be applied; the model keeps it only where R3 is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Waiter {
    /// Index of the entry.
    pub index: u8,
    /// Slot that was asked for.
    pub slot: Slot,
    /// Payload that was asked for.
    pub payload: Payload,
}

/// A process with its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replica {
    /// Its disk.
    pub disk: Disk,
    /// Entries that a crash leaves.
    pub synced: u8,
    /// How far it has applied.
    pub applied: u8,
    /// What it does.
    pub phase: Phase,
    /// Who waits for an answer of this process.
    pub waiter: Option<Waiter>,
}

impl Process {
    /// All of them.
    pub const ALL: [Self; PROCESS_COUNT] = [Self::A, Self::B, Self::C, Self::CopyOfA];

    /// The voters.
    pub const VOTERS: [Self; VOTER_COUNT] = [Self::A, Self::B, Self::C];

    /// The voter that it counts as.
    pub fn voter(self) -> Self {
        match self {
            Self::CopyOfA => Self::A,
            Self::A | Self::B | Self::C => self,
        }
    }

    /// The same with B and C having changed places.
    pub fn swapped(self) -> Self {
        match self {
            Self::B => Self::C,
            Self::C => Self::B,
            Self::A | Self::CopyOfA => self,
        }
    }

    /// Its position in arrays.
    pub fn position(self) -> usize {
        self as usize
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|process| process.to_string() == text)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::CopyOfA => "A2",
        })
    }
}

impl Voters {
    /// Adds the voter that a process counts as.
    pub fn add(&mut self, process: Process) {
        self.0 |= 1 << process.voter().position();
    }

    /// The same with B and C having changed places.
    pub fn swapped(self) -> Self {
        Self(self.0 & 1 | (self.0 & 2) << 1 | (self.0 & 4) >> 1)
    }

    /// Takes out the voter that a process counts as.
    pub fn remove(&mut self, process: Process) {
        self.0 &= !(1 << process.voter().position());
    }

    /// Whether the voter of this process is in it.
    pub fn has(self, process: Process) -> bool {
        self.0 & (1 << process.voter().position()) != 0
    }

    /// How many.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }
}

impl Disk {
    /// The same with B and C having changed places.
    pub fn swapped(self) -> Self {
        Self { vote: self.vote.map(Process::swapped), ..self }
    }
}

impl Replica {
    /// The same with B and C having changed places.
    pub fn swapped(self) -> Self {
        let phase = match self.phase {
            Phase::Asking(call) => Phase::Asking(RollCall { heard: call.heard.swapped(), ..call }),
            Phase::Up(Role::Leader(Lead { matched: [a, b, c], doubt })) => {
                Phase::Up(Role::Leader(Lead { matched: [a, c, b], doubt }))
            }
            Phase::Up(Role::Follower | Role::Candidate { .. }) | Phase::Gone => self.phase,
        };
        Self { disk: self.disk.swapped(), phase, ..self }
    }

    /// A follower on this disk, all of it synced.
    pub fn follower(disk: Disk) -> Self {
        Self { synced: disk.log.len(), disk, applied: 0, phase: Phase::Up(Role::Follower), waiter: None }
    }

    /// Takes part in elections and replication.
    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up(_))
    }

    /// Runs.
    pub fn runs(&self) -> bool {
        matches!(self.phase, Phase::Up(_) | Phase::Asking(_))
    }

    /// Its state as leader, if it leads.
    pub fn lead(&self) -> Option<Lead> {
        match self.phase {
            Phase::Up(Role::Leader(lead)) => Some(lead),
            Phase::Up(Role::Follower | Role::Candidate { .. }) | Phase::Asking(_) | Phase::Gone => None,
        }
    }

    /// Its log lacks the highest entry that it heard of in its roll call.
    pub fn catches_up(&self) -> bool {
        self.disk.log.last() < self.disk.promise.awaited
    }

    /// Takes over a term that it has heard of, and follows.
    pub fn follow(&mut self, term: u8) {
        if term > self.disk.term {
            self.disk.term = term;
            self.disk.vote = None;
            self.disk.led = false;
        }
        if self.is_up() {
            self.phase = Phase::Up(Role::Follower);
        }
    }

    /// What would be left of its disk now.
    pub fn on_disk(&self) -> Disk {
        let mut disk = self.disk;
        disk.log.truncate(self.synced);
        disk
    }
}
