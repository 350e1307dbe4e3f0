//! The protocol as a relation between states: which steps are possible, and what they lead to.

mod fault;
mod raft;
mod recovery;
mod signing;

use super::action::Action;
use super::cluster::Cluster;
use super::log::{Payload, Slot};
use super::replica::Process;
use super::rule::{Dropped, Rule};
use super::world::World;

/// The protocol in one world, with some rules dropped.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// What may go wrong, and how far.
    pub world: World,
    /// Which rules are not followed.
    pub dropped: Dropped,
}

/// What a request is for: how its sender is checked depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Append,
    Other,
}

impl Protocol {
    fn keeps(&self, rule: Rule) -> bool {
        self.dropped.keeps(rule)
    }

    /// What a step leads to; `None` if it is not possible.
    pub fn step(&self, cluster: &Cluster, action: Action) -> Option<Cluster> {
        let mut next = self.take(cluster, action)?;
        self.sign_all(&mut next);
        Some(next)
    }

    fn take(&self, cluster: &Cluster, action: Action) -> Option<Cluster> {
        match action {
            Action::Campaign(process) => self.campaign(cluster, process),
            Action::Vote { voter, candidate } => self.vote(cluster, voter, candidate),
            Action::Append { leader, follower } => self.append(cluster, leader, follower),
            Action::Sync(process) => self.sync(cluster, process),
            Action::Claim { leader, slot, payload } => self.claim(cluster, leader, slot, payload),
            Action::Close(process) => self.close(cluster, process),
            Action::Gossip { process, slot, payload } => self.gossip(cluster, process, slot, payload),
            Action::Restart(process) => self.restart(cluster, process),
            Action::PowerCut(process) => self.power_cut(cluster, process),
            Action::Ask { asker, answerer } => self.ask(cluster, asker, answerer),
            Action::ProceedWithout { asker, missing } => self.proceed_without(cluster, asker, missing),
            Action::Tick => self.tick(cluster),
            Action::Backup(process) => self.backup(cluster, process),
            Action::BackupAll => self.backup_all(cluster),
            Action::Restore(process) => self.restore(cluster, process),
            Action::RestoreAll => self.restore_all(cluster),
            Action::Wipe(process) => self.wipe(cluster, process),
            Action::CopyA => self.copy_a(cluster),
            Action::MoveAddress => self.move_address(cluster),
            Action::Recover(process) => self.recover(cluster, process),
        }
    }

    /// Every step that the world knows, possible now or not.
    pub fn all_actions(&self) -> Vec<Action> {
        let world = &self.world;
        let processes = if world.copy { &Process::ALL[..] } else { &Process::VOTERS[..] };
        let mut actions = vec![Action::Tick];
        for &process in processes {
            actions.extend([Action::Campaign(process), Action::Close(process)]);
            if world.late_sync {
                actions.push(Action::Sync(process));
            }
            if world.kills {
                actions.push(Action::Restart(process));
            }
            if world.power_cuts > 0 {
                actions.push(Action::PowerCut(process));
            }
            for slot in Slot::FIRST.next().unwrap_or(Slot::FIRST).up_to() {
                for payload in [Payload::X, Payload::Y] {
                    actions.push(Action::Claim { leader: process, slot, payload });
                    if !self.keeps(Rule::OutletGuard) {
                        actions.push(Action::Gossip { process, slot, payload });
                    }
                }
            }
            for &other in processes.iter().filter(|other| other.voter() != process.voter()) {
                actions.push(Action::Vote { voter: other, candidate: process });
                actions.push(Action::Append { leader: process, follower: other });
                actions.push(Action::Ask { asker: process, answerer: other });
                if world.proceed && other.voter() == other {
                    actions.push(Action::ProceedWithout { asker: process, missing: other });
                }
            }
        }
        for process in Process::VOTERS {
            if world.rollbacks > 0 {
                actions.extend([Action::Backup(process), Action::Restore(process), Action::Wipe(process)]);
            }
            if world.recover {
                actions.push(Action::Recover(process));
            }
        }
        if world.backup_of_all {
            actions.extend([Action::BackupAll, Action::RestoreAll]);
        }
        if world.copy {
            actions.extend([Action::CopyA, Action::MoveAddress]);
        }
        actions
    }

    /// Whether a request of one process counts with another as one of its id (R8). Without a copy it always does.
    fn counts(&self, cluster: &Cluster, requester: Process, answerer: Process, request: Request) -> bool {
        if !self.world.copy || !self.keeps(Rule::OneLiveCopy) {
            return true;
        }
        if answerer.voter() == Process::A {
            return answerer == cluster.at_address;
        }
        if requester.voter() != Process::A || requester == cluster.at_address {
            return true;
        }
        let unknown_connection = !self.keeps(Rule::DialBackAlways) && !cluster.heard_of_copy.has(answerer);
        request == Request::Append && (cluster.old_connections.has(answerer) || unknown_connection)
    }

    /// Notes that two processes have met: whoever meets the copy takes no more frames of the original.
    fn meet(&self, cluster: &mut Cluster, one: Process, other: Process) {
        for (process, peer) in [(one, other), (other, one)] {
            if process == Process::CopyOfA {
                cluster.heard_of_copy.add(peer);
                cluster.old_connections.remove(peer);
            }
        }
    }
}
