//! Claims, closings, and what leaves.

use super::Protocol;
use crate::model::cluster::Cluster;
use crate::model::log::{Command, Entry, Payload, Slot};
use crate::model::replica::{Process, Waiter};
use crate::model::rule::Rule;

impl Protocol {
    fn has_keys(&self, process: Process) -> bool {
        !(self.world.witness && process == Process::C)
    }

    /// The highest slot that must be closed before this leader grants anything, if it is not closed yet.
    fn open_doubt(&self, cluster: &Cluster, leader: Process, closed: Option<Slot>) -> Option<Slot> {
        let replica = cluster.at(leader);
        let doubt = replica.lead()?.doubt.max(replica.disk.promise.doubt);
        doubt.filter(|_| doubt > closed)
    }

    /// Everything before the leader's term is applied, and no doubt is open.
    pub(in crate::model) fn may_grant(&self, cluster: &Cluster, process: Process) -> bool {
        let replica = cluster.at(process);
        let applied_own = replica.disk.log.get(replica.applied).is_some_and(|entry| entry.term == replica.disk.term);
        let closed = cluster.applied(process).closed;
        replica.lead().is_some() && applied_own && self.open_doubt(cluster, process, closed).is_none() && self.has_keys(process)
    }

    pub(super) fn claim(&self, cluster: &Cluster, leader: Process, slot: Slot, payload: Payload) -> Option<Cluster> {
        let begun = slot <= cluster.now || !self.keeps(Rule::NotTooEarly);
        let count = cluster.claims[slot.position()];
        if !begun || count != payload as u8 || count >= self.world.payloads || slot > self.last_slot() {
            return None;
        }
        if !self.may_grant(cluster, leader) {
            return None;
        }
        let applied = cluster.applied(leader);
        if applied.bound(slot).is_some() || applied.closed >= Some(slot) {
            return None;
        }
        let mut next = *cluster;
        next.claims[slot.position()] += 1;
        self.append_own(&mut next, leader, Command::Claim(slot, payload))?;
        if !self.keeps(Rule::NothingFromApply) {
            let replica = next.at_mut(leader);
            replica.waiter = Some(Waiter { index: replica.disk.log.len(), slot, payload });
        }
        Some(next)
    }

    pub(super) fn close(&self, cluster: &Cluster, leader: Process) -> Option<Cluster> {
        let replica = cluster.at(leader);
        let asked = replica.disk.log.apply(replica.disk.log.len()).closed;
        self.open_doubt(cluster, leader, asked)?;
        let mut next = *cluster;
        let now = next.now;
        self.append_own(&mut next, leader, Command::Close(now))?;
        Some(next)
    }

    /// Lets leave whatever may leave now. A grant that is used later, by a process that was paused, shows the same roots:
    /// what has left only grows, and no rule looks at it.
    pub(super) fn sign_all(&self, next: &mut Cluster) {
        let slots = || self.last_slot().up_to();
        for process in Process::ALL.into_iter().filter(|process| self.has_keys(*process)) {
            for (slot, payload) in slots().flat_map(|slot| [(slot, Payload::X), (slot, Payload::Y)]) {
                if self.permits(next, process, slot, payload) {
                    self.release(next, process, slot, payload);
                }
            }
        }
    }

    fn permits(&self, cluster: &Cluster, process: Process, slot: Slot, payload: Payload) -> bool {
        let replica = cluster.at(process);
        if !replica.is_up() {
            return false;
        }
        let by_index = replica
            .waiter
            .is_some_and(|waiter| waiter.slot == slot && waiter.payload == payload && replica.applied >= waiter.index);
        if replica.lead().is_none() {
            return by_index;
        }
        let applied = cluster.applied(process);
        let closed = applied.closed >= Some(slot) && self.keeps(Rule::CloseEndsBound);
        let granted = applied.bound(slot) == Some(payload) && !closed && self.may_grant(cluster, process);
        let claim = Entry { term: replica.disk.term, command: Command::Claim(slot, payload) };
        let ahead = !self.keeps(Rule::WriteAhead) && replica.disk.log.up_to(replica.disk.log.len()).any(|entry| entry == claim);
        granted || ahead || by_index
    }

    pub(super) fn gossip(&self, cluster: &Cluster, process: Process, slot: Slot, payload: Payload) -> Option<Cluster> {
        let released = cluster.released[slot.position()];
        let left = match payload {
            Payload::X => released.x,
            Payload::Y => released.y,
        };
        let applied = cluster.applied(process).bound(slot) == Some(payload);
        if !left || !cluster.at(process).is_up() || (self.keeps(Rule::OutletGuard) && !applied) {
            return None;
        }
        let mut next = *cluster;
        self.release(&mut next, process, slot, payload);
        Some(next)
    }

    fn release(&self, next: &mut Cluster, process: Process, slot: Slot, payload: Payload) {
        next.released[slot.position()].add(payload);
        next.unapplied_left |= next.applied(process).bound(slot) != Some(payload);
    }

    fn last_slot(&self) -> Slot {
        if self.world.slots == 1 { Slot::FIRST } else { Slot::FIRST.next().unwrap_or(Slot::FIRST) }
    }

    pub(super) fn tick(&self, cluster: &Cluster) -> Option<Cluster> {
        let now = cluster.now.next().filter(|slot| *slot <= self.last_slot())?;
        Some(Cluster { now, ..*cluster })
    }
}
