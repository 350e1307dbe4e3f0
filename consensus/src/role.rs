//! Whether this replica acts for the attesters.

use ollin_guard::{Fault, planted};
use serde::{Deserialize, Serialize};

/// A Raft term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Term(u64);

/// A position in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogIndex(u64);

/// Whether this replica acts for the attesters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Another replica leads, or none, or this one leads without a quorum behind it.
    #[default]
    Standby,
    /// Elected, but earlier claims are still being applied: signing now could equivocate.
    CatchingUp {
        /// The term it was elected in.
        term: Term,
        /// The entry that must be applied first.
        barrier: LogIndex,
    },
    /// Leader, a quorum answered within the lease, and an entry of its own term is applied.
    Active {
        /// The term it leads in.
        term: Term,
    },
}

/// What the loop around [`Role::step`] observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// This replica leads `term` and a quorum answered within the lease; its log ends at `barrier`.
    Elected { term: Term, barrier: LogIndex },
    /// The entry at `index`, written in `term`, is applied.
    Applied { term: Term, index: LogIndex },
    /// It does not lead, or its quorum has not answered within the lease, or it is halted.
    Deposed,
}

/// What follows from a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Take up the attesters' duties.
    StartDuties(Term),
    /// Lay them down.
    StopDuties,
}

impl Role {
    /// Advances on one event. No clock and no IO: the caller feeds events and performs the action.
    pub(crate) fn step(&mut self, event: Event) -> Option<Action> {
        let was_active = matches!(self, Self::Active { .. });
        match (*self, event) {
            // A noop of the own term proves that everything committed before it is applied; the barrier covers what the leader
            // had in its log when it was elected.
            (Self::CatchingUp { term, barrier }, Event::Applied { term: applied, index })
                if index >= barrier && applied == term || planted(Fault::ActsBeforeBarrier) =>
            {
                *self = Self::Active { term };
                return Some(Action::StartDuties(term));
            }
            (_, Event::Applied { .. }) => return None,
            (Self::CatchingUp { term, .. } | Self::Active { term }, Event::Elected { term: same, .. }) if term == same => {
                return None;
            }
            (_, Event::Elected { term, barrier }) => *self = Self::CatchingUp { term, barrier },
            (_, Event::Deposed) => *self = Self::Standby,
        }
        was_active.then_some(Action::StopDuties)
    }

    /// The term it acts in, if it acts.
    pub fn active_term(&self) -> Option<Term> {
        match self {
            Self::Active { term } => Some(*term),
            Self::Standby | Self::CatchingUp { .. } => None,
        }
    }
}

macro_rules! number {
    ($name:ident) => {
        impl $name {
            /// Wraps a raw number.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The raw number.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(Term);
number!(LogIndex);

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Term = Term::new(3);
    const BARRIER: LogIndex = LogIndex::new(10);
    const ELECTED: Event = Event::Elected { term: TERM, barrier: BARRIER };

    fn applied(term: u64, index: u64) -> Event {
        Event::Applied { term: Term::new(term), index: LogIndex::new(index) }
    }

    #[test]
    fn a_leader_acts_only_after_an_entry_of_its_own_term_at_the_barrier() {
        let mut role = Role::default();
        assert_eq!(role.step(ELECTED), None);
        assert_eq!(role.step(applied(2, 10)), None, "an entry of an earlier term proves nothing");
        assert_eq!(role.step(applied(3, 9)), None, "the barrier is not reached");
        assert_eq!(role.step(applied(3, 10)), Some(Action::StartDuties(TERM)));
        assert_eq!(role, Role::Active { term: TERM });
    }

    #[test]
    fn repeated_elections_of_one_term_change_nothing() {
        let mut role = Role::Active { term: TERM };
        assert_eq!(role.step(Event::Elected { term: TERM, barrier: LogIndex::new(99) }), None);
        assert_eq!(role, Role::Active { term: TERM });
    }

    #[test]
    fn losing_leadership_or_lease_stops_duties_once() {
        let mut role = Role::Active { term: TERM };
        assert_eq!(role.step(Event::Deposed), Some(Action::StopDuties));
        assert_eq!(role.step(Event::Deposed), None);
        assert_eq!(role, Role::Standby);
    }

    #[test]
    fn an_election_in_a_later_term_starts_over() {
        let mut role = Role::Active { term: TERM };
        assert_eq!(role.step(Event::Elected { term: Term::new(4), barrier: LogIndex::new(12) }), Some(Action::StopDuties));
        assert_eq!(role, Role::CatchingUp { term: Term::new(4), barrier: LogIndex::new(12) });
    }
}
