//! The Raft ids: which were given, to whom, and which are gone. Part of the replicated state.

use std::collections::BTreeMap;

use ollin_guard::{Fault, planted};
use ollin_protocol::units::ReplicaId;
use serde::{Deserialize, Serialize};

use crate::entry::MembershipRecord;
use crate::rules::{RulesVersion, Supported};

/// Reservations that are kept. An older one can no longer be enlisted: its replica is added again.
const RESERVED_MAX: usize = 64;
/// Retired ids that are kept with their names. Frames from older ones are refused as from any stranger.
const RETIRED_MAX: usize = 256;

/// Names the one store that may take a reserved id. Made at random with that store, and kept in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnlistToken([u8; 16]);

impl EnlistToken {
    pub(crate) const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// The ids ever given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Roster {
    /// The greatest id that was ever reserved or a member's.
    highest: u64,
    reserved: BTreeMap<u64, Reservation>,
    retired: BTreeMap<u64, Retirement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reservation {
    name: ReplicaId,
    /// The store that took the id.
    taken_by: Option<EnlistToken>,
}

/// A Raft id that was a member's and is none any more, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retirement {
    /// Whose it was.
    pub replica: ReplicaId,
    /// SHA-256 of that replica's certificate.
    pub fingerprint: [u8; 32],
    /// The log index of the membership without it.
    pub index: u64,
}

/// Why a store may not act under an id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum EnlistRefusal {
    /// Another store has taken it: the one that asks is new, or a copy.
    #[error("Raft id {id} was taken by another store of replica {replica}, which this one is not")]
    Taken {
        /// The id.
        id: u64,
        /// Whose it is.
        replica: ReplicaId,
    },
    /// The program of the store does not support the rules in force.
    #[error("version {version} of the rules is in force, and the program supports {supported}")]
    Rules {
        /// The version.
        version: RulesVersion,
        /// What is supported.
        supported: Supported,
    },
    /// It was never reserved, or so long ago that the reservation is forgotten, or its member was removed.
    #[error("Raft id {id} is not reserved")]
    NotReserved {
        /// The id.
        id: u64,
    },
}

impl Roster {
    /// Gives out the next id: the log index of the reservation, or more if a greater one was used already. Never one twice, also
    /// across snapshots, since the greatest is kept.
    pub(crate) fn reserve(&mut self, name: ReplicaId, index: u64) -> u64 {
        let id = index.max(self.highest.saturating_add(u64::from(!planted(Fault::IdGivenTwice))));
        self.highest = id;
        self.reserved.insert(id, Reservation { name, taken_by: None });
        while self.reserved.len() > RESERVED_MAX {
            self.reserved.pop_first();
        }
        id
    }

    /// Lets one store take a reserved id; the same store may ask again.
    pub(crate) fn enlist(&mut self, id: u64, token: EnlistToken) -> Result<(), EnlistRefusal> {
        let Some(reservation) = self.reserved.get_mut(&id) else {
            return Err(EnlistRefusal::NotReserved { id });
        };
        match reservation.taken_by {
            Some(other) if other != token && !planted(Fault::IdTakenTwice) => {
                Err(EnlistRefusal::Taken { id, replica: reservation.name })
            }
            Some(_) => Ok(()),
            None => {
                reservation.taken_by = Some(token);
                Ok(())
            }
        }
    }

    /// Notes a committed membership: its ids are used, and those that are no longer in it are retired.
    pub(crate) fn note(&mut self, before: &MembershipRecord, after: &MembershipRecord, index: u64) {
        if let Some(greatest) = after.members.keys().max() {
            self.highest = self.highest.max(*greatest);
        }
        for (id, member) in before.members.iter().filter(|(id, _)| !after.members.contains_key(id)) {
            self.reserved.remove(id);
            self.retired.insert(*id, Retirement { replica: member.name, fingerprint: member.fingerprint, index });
        }
        while self.retired.len() > RETIRED_MAX {
            self.retired.pop_first();
        }
    }

    /// The greatest id that was ever given.
    pub(crate) const fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether `id` is reserved and no store has taken it yet.
    pub(crate) fn is_open(&self, id: u64) -> bool {
        self.reserved.get(&id).is_some_and(|reservation| reservation.taken_by.is_none())
    }

    /// What is known of an id that is gone.
    pub(crate) fn retirement(&self, id: u64) -> Option<&Retirement> {
        self.retired.get(&id)
    }

    /// The last id of every replica that has a retired one.
    pub(crate) fn retired_replicas(&self) -> BTreeMap<ReplicaId, u64> {
        self.retired.iter().map(|(id, retired)| (retired.replica, *id)).collect()
    }

    /// The latest retired id under a certificate.
    pub(crate) fn retired_certificate(&self, fingerprint: &[u8; 32]) -> Option<(u64, &Retirement)> {
        let mut of_certificate = self.retired.iter().filter(|(_, retired)| retired.fingerprint == *fingerprint);
        of_certificate.next_back().map(|(id, retired)| (*id, retired))
    }

    /// Whether some sequence of reservations and memberships leads here; asked of decoded ones.
    pub(crate) fn is_consistent(&self, members: &MembershipRecord) -> bool {
        let all = self.reserved.keys().chain(self.retired.keys()).chain(members.members.keys());
        all.max().is_none_or(|greatest| *greatest <= self.highest)
            && self.reserved.len() <= RESERVED_MAX
            && self.retired.len() <= RETIRED_MAX
            && self.retired.keys().all(|id| !members.members.contains_key(id) && !self.reserved.contains_key(id))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::membership::{Member, MemberKind};

    fn membership(ids: &[u64]) -> MembershipRecord {
        let member = |id: u64| Member {
            name: ReplicaId::new(id),
            address: format!("host:{id}"),
            fingerprint: [u8::try_from(id % 256).unwrap(); 32],
            kind: MemberKind::Full,
        };
        MembershipRecord {
            configurations: vec![ids.iter().copied().collect::<BTreeSet<_>>()],
            members: ids.iter().map(|id| (*id, member(*id))).collect(),
        }
    }

    #[test]
    fn an_id_is_the_index_of_its_reservation_unless_that_was_used() {
        let mut roster = Roster::default();
        roster.note(&MembershipRecord::default(), &membership(&[1, 2, 70]), 0);
        assert_eq!(roster.reserve(ReplicaId::new(4), 57), 71, "70 was a member's");
        assert_eq!(roster.reserve(ReplicaId::new(4), 90), 90);
        assert_eq!(roster.reserve(ReplicaId::new(4), 90), 91);
    }

    #[test]
    fn one_store_takes_an_id_and_no_other_does_after_it() {
        let (own, other) = (EnlistToken::new([1; 16]), EnlistToken::new([2; 16]));
        let mut roster = Roster::default();
        let id = roster.reserve(ReplicaId::new(4), 57);
        assert!(roster.is_open(id));
        assert_eq!(roster.enlist(id, own), Ok(()));
        assert_eq!(roster.enlist(id, own), Ok(()), "a crash between question and answer");
        assert_eq!(roster.enlist(id, other), Err(EnlistRefusal::Taken { id, replica: ReplicaId::new(4) }));
        assert!(!roster.is_open(id));
        assert_eq!(roster.enlist(58, own), Err(EnlistRefusal::NotReserved { id: 58 }));
    }

    #[test]
    fn who_left_is_retired_and_cannot_enlist_again() {
        let mut roster = Roster::default();
        let id = roster.reserve(ReplicaId::new(4), 57);
        roster.note(&membership(&[1]), &membership(&[1, id]), 58);
        roster.note(&membership(&[1, id]), &membership(&[1]), 60);
        assert_eq!(roster.retirement(id).map(|retired| retired.index), Some(60));
        assert_eq!(roster.retired_certificate(&[57; 32]).map(|(found, _)| found), Some(id));
        assert_eq!(roster.enlist(id, EnlistToken::new([1; 16])), Err(EnlistRefusal::NotReserved { id }));
        assert!(roster.is_consistent(&membership(&[1])) && !roster.is_consistent(&membership(&[1, id])));
    }

    proptest! {
        /// Whatever is reserved, added and removed, and however often the state is written and read again: no id twice.
        #[test]
        fn no_id_is_ever_given_twice(steps in prop::collection::vec((0u64..3, 0u64..40), 1..200)) {
            let mut roster = Roster::default();
            let mut members = vec![1, 2, 3];
            roster.note(&MembershipRecord::default(), &membership(&members), 0);
            let (mut index, mut given) = (0, BTreeSet::from([1, 2, 3]));
            for (what, number) in steps {
                index += 1;
                match what {
                    0 => {
                        let id = roster.reserve(ReplicaId::new(number), index);
                        prop_assert!(given.insert(id), "{id} was given before");
                        let before = membership(&members);
                        members.push(id);
                        roster.note(&before, &membership(&members), index);
                    }
                    1 if members.len() > 1 => {
                        let before = membership(&members);
                        members.remove(usize::try_from(number).unwrap() % members.len());
                        roster.note(&before, &membership(&members), index);
                    }
                    _ => roster = crate::sealed::open(&crate::sealed::seal(&roster)).unwrap(),
                }
                prop_assert!(roster.is_consistent(&membership(&members)));
            }
        }
    }
}
