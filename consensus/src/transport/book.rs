//! Whose certificates are admitted: the members, as far as this replica knows them.
//!
//! Its own log says so. But a replica that catches up holds an old membership for a while, and the one that leads may have joined
//! later: if the log alone counted, it would refuse its leader for as long as that one leads. So the word of a member that has applied
//! a later membership goes before the own log until that has come as far. Such a membership is committed; nothing else is taken from
//! that word, Raft's own membership least of all.

use std::collections::BTreeMap;

use crate::membership::Member;

/// Term and index of the entry that set a membership; `None` for that of the cluster file.
pub(crate) type SetBy = Option<(u64, u64)>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Page {
    set_by: SetBy,
    members: BTreeMap<u64, Member>,
}

/// The members by Raft id.
#[derive(Clone, Debug)]
pub(super) struct Book {
    log: Page,
    told: Page,
    /// A certificate of the cluster's authority was not found here since the last asking.
    has_stranger: bool,
}

impl Book {
    pub(super) fn new(members: BTreeMap<u64, Member>) -> Self {
        Self { log: Page { set_by: None, members }, told: Page::default(), has_stranger: false }
    }

    /// Those that count.
    pub(super) fn members(&self) -> &BTreeMap<u64, Member> {
        if self.told.set_by > self.log.set_by { &self.told.members } else { &self.log.members }
    }

    /// The own log's membership: an entry may be taken back, so that it need not be later than the one before.
    pub(super) fn write(&mut self, set_by: SetBy, members: BTreeMap<u64, Member>) {
        if !members.is_empty() {
            self.log = Page { set_by, members };
        }
    }

    /// What a member has applied.
    pub(super) fn hear(&mut self, set_by: SetBy, members: BTreeMap<u64, Member>) {
        if !members.is_empty() && set_by > self.told.set_by {
            self.told = Page { set_by, members };
        }
    }

    pub(super) fn note_stranger(&mut self) {
        self.has_stranger = true;
    }

    /// Whether the members are to be asked who they are; once for all strangers until now.
    pub(super) fn take_stranger(&mut self) -> bool {
        std::mem::take(&mut self.has_stranger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(ids: &[u64]) -> BTreeMap<u64, Member> {
        ids.iter().map(|id| (*id, Member::default())).collect()
    }

    #[test]
    fn a_replica_that_catches_up_knows_those_who_joined_later() {
        let mut book = Book::new(members(&[1, 2, 3]));
        book.hear(Some((4, 90)), members(&[1, 2, 57, 80]));
        // Its log begins with the cluster's first membership.
        book.write(Some((1, 1)), members(&[1, 2, 3]));
        assert_eq!(book.members(), &members(&[1, 2, 57, 80]));
        book.write(Some((4, 90)), members(&[1, 2, 57, 80]));
        book.write(Some((4, 95)), members(&[1, 57, 80]));
        assert_eq!(book.members(), &members(&[1, 57, 80]), "the own log has come further");
        book.hear(Some((3, 99)), members(&[9]));
        assert_eq!(book.members(), &members(&[1, 57, 80]), "an older word");
    }

    #[test]
    fn an_entry_that_was_taken_back_counts_no_more_and_nothing_is_forgotten_for_nothing() {
        let mut book = Book::new(members(&[1, 2, 3]));
        book.write(Some((1, 1)), members(&[1, 2, 3]));
        book.write(Some((1, 40)), members(&[1, 2, 3, 39]));
        book.write(Some((1, 1)), members(&[1, 2, 3]));
        assert_eq!(book.members(), &members(&[1, 2, 3]));
        book.write(None, BTreeMap::new());
        book.hear(Some((9, 9)), BTreeMap::new());
        assert_eq!(book.members(), &members(&[1, 2, 3]));
    }

    #[test]
    fn strangers_are_asked_about_once() {
        let mut book = Book::new(members(&[1]));
        assert!(!book.take_stranger());
        book.note_stranger();
        book.note_stranger();
        assert!(book.take_stranger() && !book.take_stranger());
    }
}
