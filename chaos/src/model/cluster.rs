//! The state of the model: the processes, the copies of their disks, and what has left them.

use super::log::{Applied, Command, Entry, Log, Payload, SLOT_COUNT, Slot};
use super::replica::{Disk, Lead, Phase, Process, Replica, Role, VOTER_COUNT, Voters};

/// Roots that have left the cluster for one slot's duty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Released {
    /// The first payload's.
    pub x: bool,
    /// The second payload's.
    pub y: bool,
}

/// The whole cluster. Time is the number of the slot that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cluster {
    /// The processes; the last one runs only after A's disk was copied.
    pub replicas: [Replica; super::replica::PROCESS_COUNT],
    /// Copies of disks to roll back to.
    pub backups: [Option<Disk>; VOTER_COUNT],
    /// The slot that has begun last.
    pub now: Slot,
    /// How many payloads were claimed for each slot's duty.
    pub claims: [u8; SLOT_COUNT],
    /// Disks rolled back so far.
    pub rollbacks: u8,
    /// Power cuts so far.
    pub power_cuts: u8,
    /// What has left, per slot.
    pub released: [Released; SLOT_COUNT],
    /// Something left a process that had not applied its claim.
    pub unapplied_left: bool,
    /// The process that answers at A's address.
    pub at_address: Process,
    /// Voters whose connection from A is older than the copy.
    pub old_connections: Voters,
    /// Voters whose process has heard of the copy.
    pub heard_of_copy: Voters,
    /// The cluster was made anew from this survivor.
    pub survivor: Option<Process>,
}

impl Released {
    /// Notes a payload.
    pub fn add(&mut self, payload: Payload) {
        match payload {
            Payload::X => self.x = true,
            Payload::Y => self.y = true,
        }
    }

    /// The payload that left, if exactly one did.
    pub fn only(self) -> Option<Payload> {
        match (self.x, self.y) {
            (true, false) => Some(Payload::X),
            (false, true) => Some(Payload::Y),
            (true, true) | (false, false) => None,
        }
    }
}

impl Cluster {
    /// A leads in term 1, and its barrier is on every disk.
    pub fn started() -> Self {
        let mut log = Log::default();
        log.push(Entry { term: 1, command: Command::Barrier });
        let disk = Disk { term: 1, vote: Some(Process::A), led: false, log, ..Disk::default() };
        let mut replicas = [Replica::follower(disk); super::replica::PROCESS_COUNT];
        let leader = &mut replicas[Process::A.position()];
        leader.disk.led = true;
        leader.applied = 1;
        leader.phase = Phase::Up(Role::Leader(Lead { matched: [1; VOTER_COUNT], doubt: None }));
        replicas[Process::CopyOfA.position()] = Replica { phase: Phase::Gone, ..Replica::follower(Disk::default()) };
        Self {
            replicas,
            backups: [None; VOTER_COUNT],
            now: Slot::FIRST,
            claims: [0; SLOT_COUNT],
            rollbacks: 0,
            power_cuts: 0,
            released: [Released::default(); SLOT_COUNT],
            unapplied_left: false,
            at_address: Process::A,
            old_connections: Voters::default(),
            heard_of_copy: Voters::default(),
            survivor: None,
        }
    }

    /// The same with B and C having changed places.
    pub fn swapped(&self) -> Self {
        let [a, b, c, copy] = self.replicas.map(Replica::swapped);
        let [of_a, of_b, of_c] = self.backups.map(|disk| disk.map(Disk::swapped));
        Self {
            replicas: [a, c, b, copy],
            backups: [of_a, of_c, of_b],
            old_connections: self.old_connections.swapped(),
            heard_of_copy: self.heard_of_copy.swapped(),
            survivor: self.survivor.map(Process::swapped),
            ..*self
        }
    }

    /// A process.
    pub fn at(&self, process: Process) -> &Replica {
        &self.replicas[process.position()]
    }

    /// A process, to change it.
    pub fn at_mut(&mut self, process: Process) -> &mut Replica {
        &mut self.replicas[process.position()]
    }

    /// How many voters decide.
    pub fn quorum(&self) -> u32 {
        if self.survivor.is_some() { 1 } else { 2 }
    }

    /// What a process has applied.
    pub fn applied(&self, process: Process) -> Applied {
        let replica = self.at(process);
        replica.disk.log.apply(replica.applied)
    }
}
