//! What can happen in the model, and how a history writes it.

use std::fmt;
use std::str::FromStr;

use super::log::{Payload, Slot};
use super::replica::Process;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Raises its term and votes for itself.
    Campaign(Process),
    /// Votes for a candidate; with a quorum the candidate leads and appends its barrier.
    Vote {
        /// The voter.
        voter: Process,
        /// For whom.
        candidate: Process,
    },
    /// One exchange: the leader's next entry, or a heartbeat, and its acknowledgement.
    Append {
        /// The leader.
        leader: Process,
        /// Who acknowledges.
        follower: Process,
    },
    /// The leader's own entries reach its disk.
    Sync(Process),
    /// The leader appends a claim.
    Claim {
        /// The leader.
        leader: Process,
        /// Slot of the duty.
        slot: Slot,
        /// Payload.
        payload: Payload,
    },
    /// The leader appends the closing of all slots that have begun.
    Close(Process),
    /// A follower passes on a signature of the leader's.
    Gossip {
        /// Where.
        process: Process,
        /// Slot of the duty.
        slot: Slot,
        /// Payload.
        payload: Payload,
    },
    /// The process ends and starts again; its machine goes on, and the anchor in its memory.
    Restart(Process),
    /// The machine loses its power, and the anchor; the process starts again.
    PowerCut(Process),
    /// A recovering process asks another one.
    Ask {
        /// The recovering one.
        asker: Process,
        /// Who answers.
        answerer: Process,
    },
    /// An operator has it go on without one answer.
    ProceedWithout {
        /// The recovering one.
        asker: Process,
        /// Who is not waited for.
        missing: Process,
    },
    /// The next slot begins.
    Tick,
    /// A disk is copied.
    Backup(Process),
    /// Every disk is copied at one instant.
    BackupAll,
    /// The process ends, its disk is put back to the copy, and it starts again.
    Restore(Process),
    /// All end, all disks are put back to their copies, and all start again.
    RestoreAll,
    /// The process ends, its disk is lost, and it starts again on an empty one.
    Wipe(Process),
    /// A second process is started on a copy of A's disk.
    CopyA,
    /// A's address now leads to the copy.
    MoveAddress,
    /// The two others are lost for good; a new cluster is made of the survivor.
    Recover(Process),
}

/// A line of a history that names no step.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no step")]
pub struct UnknownStep(pub String);

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Campaign(process) => write!(f, "campaign {process}"),
            Self::Vote { voter, candidate } => write!(f, "vote {voter} for {candidate}"),
            Self::Append { leader, follower } => write!(f, "append {leader} to {follower}"),
            Self::Sync(process) => write!(f, "sync {process}"),
            Self::Claim { leader, slot, payload } => write!(f, "claim {leader} slot {slot} {payload:?}"),
            Self::Close(process) => write!(f, "close {process}"),
            Self::Gossip { process, slot, payload } => write!(f, "gossip {process} slot {slot} {payload:?}"),
            Self::Restart(process) => write!(f, "restart {process}"),
            Self::PowerCut(process) => write!(f, "power-cut {process}"),
            Self::Ask { asker, answerer } => write!(f, "ask {asker} of {answerer}"),
            Self::ProceedWithout { asker, missing } => write!(f, "proceed {asker} without {missing}"),
            Self::Tick => write!(f, "tick"),
            Self::Backup(process) => write!(f, "backup {process}"),
            Self::BackupAll => write!(f, "backup all"),
            Self::Restore(process) => write!(f, "restore {process}"),
            Self::RestoreAll => write!(f, "restore all"),
            Self::Wipe(process) => write!(f, "wipe {process}"),
            Self::CopyA => write!(f, "copy A"),
            Self::MoveAddress => write!(f, "move-address A2"),
            Self::Recover(process) => write!(f, "recover {process}"),
        }
    }
}

impl Action {
    /// The same step with B and C having changed places.
    pub fn swapped(self) -> Self {
        match self {
            Self::Campaign(process) => Self::Campaign(process.swapped()),
            Self::Vote { voter, candidate } => Self::Vote { voter: voter.swapped(), candidate: candidate.swapped() },
            Self::Append { leader, follower } => Self::Append { leader: leader.swapped(), follower: follower.swapped() },
            Self::Sync(process) => Self::Sync(process.swapped()),
            Self::Claim { leader, slot, payload } => Self::Claim { leader: leader.swapped(), slot, payload },
            Self::Close(process) => Self::Close(process.swapped()),
            Self::Gossip { process, slot, payload } => Self::Gossip { process: process.swapped(), slot, payload },
            Self::Restart(process) => Self::Restart(process.swapped()),
            Self::PowerCut(process) => Self::PowerCut(process.swapped()),
            Self::Ask { asker, answerer } => Self::Ask { asker: asker.swapped(), answerer: answerer.swapped() },
            Self::ProceedWithout { asker, missing } => {
                Self::ProceedWithout { asker: asker.swapped(), missing: missing.swapped() }
            }
            Self::Backup(process) => Self::Backup(process.swapped()),
            Self::Restore(process) => Self::Restore(process.swapped()),
            Self::Wipe(process) => Self::Wipe(process.swapped()),
            Self::Recover(process) => Self::Recover(process.swapped()),
            Self::Tick | Self::BackupAll | Self::RestoreAll | Self::CopyA | Self::MoveAddress => self,
        }
    }
}

impl FromStr for Action {
    type Err = UnknownStep;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| UnknownStep(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Action> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let process = |text: &str| Process::parse(text);
    let payload = |text: &str| match text {
        "X" => Some(Payload::X),
        "Y" => Some(Payload::Y),
        _ => None,
    };
    Some(match words.as_slice() {
        ["tick"] => Action::Tick,
        ["backup", "all"] => Action::BackupAll,
        ["restore", "all"] => Action::RestoreAll,
        ["copy", "A"] => Action::CopyA,
        ["move-address", "A2"] => Action::MoveAddress,
        ["vote", voter, "for", candidate] => Action::Vote { voter: process(voter)?, candidate: process(candidate)? },
        ["append", leader, "to", follower] => Action::Append { leader: process(leader)?, follower: process(follower)? },
        ["ask", asker, "of", answerer] => Action::Ask { asker: process(asker)?, answerer: process(answerer)? },
        ["proceed", asker, "without", missing] => Action::ProceedWithout { asker: process(asker)?, missing: process(missing)? },
        [verb, at, "slot", slot, bytes] => {
            let (process, slot, payload) = (process(at)?, Slot::parse(slot)?, payload(bytes)?);
            match *verb {
                "claim" => Action::Claim { leader: process, slot, payload },
                "gossip" => Action::Gossip { process, slot, payload },
                _ => return None,
            }
        }
        [verb, at] => of_one(verb, process(at)?)?,
        _ => return None,
    })
}

fn of_one(verb: &str, process: Process) -> Option<Action> {
    Some(match verb {
        "campaign" => Action::Campaign(process),
        "sync" => Action::Sync(process),
        "close" => Action::Close(process),
        "restart" => Action::Restart(process),
        "power-cut" => Action::PowerCut(process),
        "backup" => Action::Backup(process),
        "restore" => Action::Restore(process),
        "wipe" => Action::Wipe(process),
        "recover" => Action::Recover(process),
        _ => return None,
    })
}
