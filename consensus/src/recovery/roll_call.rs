//! What a started process may conclude from what the other voters have seen. No clock and no IO.

use std::collections::{BTreeMap, BTreeSet};

use ollin_guard::{Fault, planted};
use ollin_protocol::units::ReplicaId;
use serde::{Deserialize, Serialize};

use super::{Memory, Promise, StartRefusal};
use crate::entry::StoredMembership;

/// What one replica answers to another's roll call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// How far its own memory can be relied on.
    pub(crate) memory: Memory,
    /// Its own promise, as its disk holds it.
    pub(crate) promise: Promise,
    /// The last promise that it has heard of the caller, in the life of its process.
    pub(crate) heard_of_you: Option<Promise>,
    /// The membership that it has applied.
    pub(crate) membership: StoredMembership,
}

/// Everything that the conclusion rests on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RollCall<'a> {
    /// The caller's Raft id.
    pub(crate) own: u64,
    /// What its store holds.
    pub(crate) promise: &'a Promise,
    /// The membership that its store holds; the cluster file's members where there is none.
    pub(crate) membership: &'a StoredMembership,
    /// Whoever has answered since the process started, with the last answer.
    pub(crate) answers: &'a BTreeMap<u64, Seen>,
    /// Whom an operator has declared to be down.
    pub(crate) excused: &'a BTreeSet<u64>,
}

/// The conclusion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not enough have answered; these have not.
    Waiting { missing: BTreeSet<u64> },
    /// The replica must not take part.
    Refused(StartRefusal),
    /// It may take part, under these terms.
    Ready(Terms),
}

/// Under which terms a replica takes part again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// It votes for nobody in this term, nor in an earlier one.
    pub(crate) term: u64,
    /// It neither campaigns nor votes for a shorter log until its own log has come this far.
    pub(crate) target: Option<(u64, u64)>,
    /// A closing is demanded.
    pub(crate) doubtful: bool,
    /// Voters that have not answered. A vote or an acknowledgement of the process before may still be on its way to them.
    pub(crate) unheard: BTreeSet<u64>,
}

impl RollCall<'_> {
    /// Concludes from what was heard so far.
    pub(crate) fn conclude(&self) -> Standing {
        if let Some(refusal) = self.refusal() {
            return Standing::Refused(refusal);
        }
        let configurations = self.configurations();
        if self.promise.is_empty() && self.membership.set_by.is_none() && self.is_newcomer() {
            return Standing::Ready(Terms { term: 0, target: None, doubtful: false, unheard: BTreeSet::new() });
        }
        let voters: BTreeSet<u64> = configurations.iter().flatten().copied().filter(|id| *id != self.own).collect();
        let enough = configurations.iter().all(|configuration| self.is_enough(configuration));
        let unheard: BTreeSet<u64> = voters.iter().copied().filter(|id| !self.answers.contains_key(id)).collect();
        if !enough {
            return Standing::Waiting { missing: unheard.difference(self.excused).copied().collect() };
        }
        let heard = || voters.iter().filter_map(|id| self.answers.get(id));
        // A store that was never used, among others that never were: the cluster is yet to be created.
        let unused = unheard.is_empty() && self.promise.is_empty() && heard().all(|answer| answer.promise.is_empty());
        let excused = planted(Fault::ExcusedWithoutDoubt) && unheard.is_subset(self.excused);
        // The only voter of a cluster has nobody who could vouch for its memory; so has a survivor (safety rule R12).
        let alone = voters.is_empty() && !planted(Fault::RecoveredWithoutClosing);
        let sure = !alone && (unheard.is_empty() || excused) && heard().all(|answer| answer.memory == Memory::Whole);
        let promises = || self.answers.values().map(|answer| &answer.promise).chain([self.promise]);
        Standing::Ready(Terms {
            term: promises().map(Promise::term).max().unwrap_or(0),
            target: promises().filter_map(Promise::place).max().filter(|_| !planted(Fault::EntryNotAwaited)),
            doubtful: !sure && !unused && !planted(Fault::NoDoubt),
            unheard,
        })
    }

    /// Another replica has seen a promise that the store does not hold.
    fn refusal(&self) -> Option<StartRefusal> {
        let rolled_back = |(from, answer): (&u64, &Seen)| {
            let promised =
                answer.heard_of_you.filter(|promised| self.promise.forgets(promised) && !planted(Fault::HeardPromiseIgnored))?;
            Some(StartRefusal::of(ReplicaId::new(self.own), format!("replica {from}"), &promised, self.promise))
        };
        self.answers.iter().find_map(rolled_back)
    }

    /// The voters of every configuration in force, as whoever knows the latest membership knows them.
    fn configurations(&self) -> &[BTreeSet<u64>] {
        let known = self.answers.values().map(|answer| &answer.membership).chain([self.membership]);
        let latest = known.max_by_key(|membership| membership.set_by).unwrap_or(self.membership);
        &latest.membership.configurations
    }

    /// A store that was never used, under an id that somebody who knows the cluster does not know as a voter.
    fn is_newcomer(&self) -> bool {
        let formed = self.answers.values().any(|answer| answer.membership.set_by.is_some());
        formed && !self.configurations().iter().any(|configuration| configuration.contains(&self.own))
    }

    /// Of the *other* voters, so many that every quorum that this replica may have belonged to has one of them.
    fn is_enough(&self, configuration: &BTreeSet<u64>) -> bool {
        let quorum = configuration.len() / 2 + 1;
        let others = configuration.iter().filter(|id| **id != self.own);
        let needed = (configuration.len() + 1).saturating_sub(quorum).min(others.clone().count());
        let needed = if planted(Fault::RollCallOfQuorum) { quorum - 1 } else { needed };
        others.filter(|id| self.answers.contains_key(id) || self.excused.contains(id)).count() >= needed
    }
}

#[cfg(test)]
mod tests;
