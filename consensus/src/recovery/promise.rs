//! What a replica has made durable, as far as others may rely on it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::chain::Position;
use crate::raft::VoteRecord;

/// What a replica has promised: no older vote, and the log up to `last`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    pub(crate) vote: Option<VoteRecord>,
    pub(crate) last: Option<Position>,
}

impl Promise {
    /// Neither a vote nor an entry: as good as a store that was never used.
    pub(crate) fn is_empty(&self) -> bool {
        self.vote.is_none() && self.last.is_none()
    }

    pub(crate) fn term(&self) -> u64 {
        self.vote.map_or(0, |vote| vote.term)
    }

    /// Term and index of the last entry.
    pub(crate) fn place(&self) -> Option<(u64, u64)> {
        self.last.map(|last| (last.term, last.index))
    }

    /// Whether a store that holds `self` has forgotten `earlier`, which the same replica had promised.
    ///
    /// Errs to "no": a log may rightly be shorter after a later term has cut it, so lengths count only within one term.
    pub(crate) fn forgets(&self, earlier: &Self) -> bool {
        if self.term() != earlier.term() {
            return self.term() < earlier.term();
        }
        if let (Some(own), Some(before)) = (self.vote, earlier.vote)
            && own.voted_for != before.voted_for
            // A vote gives way to the leader that was elected in its term.
            && (before.committed || !own.committed)
        {
            return true;
        }
        earlier.place().is_some_and(|place| place.0 == earlier.term() && self.place() < Some(place))
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "term {}, ", self.term())?;
        match self.place() {
            Some((term, index)) => write!(f, "entry {index} of term {term}"),
            None => f.write_str("no entry"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::chain::Chain;

    pub(crate) fn promise(term: u64, voted_for: u64, last: Option<(u64, u64)>) -> Promise {
        let last = last.map(|(term, index)| Position { term, index, chain: Chain::default() });
        Promise { vote: Some(VoteRecord { term, voted_for, committed: false }), last }
    }

    #[test]
    fn an_older_term_another_vote_or_a_shorter_log_of_the_same_term_is_forgetting() {
        let promised = promise(3, 1, Some((3, 10)));
        for (store, forgets) in [
            (promised, false),
            (promise(4, 2, Some((3, 8))), false),
            (promise(3, 1, Some((3, 11))), false),
            (promise(2, 1, Some((3, 10))), true),
            (promise(3, 2, Some((3, 10))), true),
            (promise(3, 1, Some((3, 9))), true),
            (promise(3, 1, Some((2, 99))), true),
            (promise(3, 1, None), true),
            (Promise::default(), true),
        ] {
            assert_eq!(store.forgets(&promised), forgets, "{store:?}");
        }
        let before_its_first_entry = promise(3, 1, Some((2, 10)));
        assert!(!promise(3, 1, Some((2, 5))).forgets(&before_its_first_entry), "the leader of term 3 may have cut it");
    }

    #[test]
    fn a_vote_gives_way_to_the_elected_leader_of_its_term_and_not_back() {
        let (voted, mut elected) = (promise(3, 1, None), promise(3, 2, None));
        elected.vote.as_mut().unwrap().committed = true;
        assert!(!elected.forgets(&voted));
        assert!(voted.forgets(&elected));
    }
}
