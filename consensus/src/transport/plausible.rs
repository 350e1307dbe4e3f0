//! What Raft takes for granted of a frame. openraft asserts it, also in a release, and counts on from whatever number it is given:
//! a replica must not end because another one is wrong.

use ollin_guard::{Fault, planted};

use super::frame::{Appended, Frame, Place, Request, Response};
use crate::chain::Position;
use crate::entry::Entry;
use crate::raft::VoteRecord;
use crate::recovery::Promise;

/// No cluster comes as far as this term or index; from here on they could be counted up to the end of their 64 bits.
const MOST: u64 = 1 << 62;

/// Why a frame makes no sense whatever the state of its receiver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Nonsense {
    #[error("a term or index of {number}, expected less than {MOST}")]
    TooFar { number: u64 },
    #[error("entry {found} where entry {expected} follows")]
    Hole { found: u64, expected: u64 },
    #[error("an entry of term {found} behind one of term {before}")]
    Term { found: u64, before: u64 },
    #[error("entries of term {entry} under a vote of term {vote}")]
    Vote { entry: u64, vote: u64 },
}

/// Checks what a replica is asked.
pub(super) fn request(frame: &Frame<Request>) -> Result<(), Nonsense> {
    head(frame)?;
    if let Request::Append { vote, prev, entries, commit, .. } = &frame.body {
        near([vote.term].into_iter().chain(place(*commit)))?;
        append(vote, *prev, entries)?;
    }
    if let Request::Vote(asked) | Request::PreVote(asked) = &frame.body {
        near([asked.vote.term].into_iter().chain(place(asked.last)))?;
    }
    if let Request::Snapshot { vote, .. } = &frame.body {
        near([vote.term])?;
    }
    if let Request::TransferLeader { vote, last, .. } = &frame.body {
        near([vote.term].into_iter().chain(place(*last)))?;
    }
    Ok(())
}

/// Checks what a replica is answered.
pub(super) fn response(frame: &Frame<Response>) -> Result<(), Nonsense> {
    head(frame)?;
    if let Response::Append(Appended::PartialSuccess(last)) = &frame.body {
        near(place(*last))?;
    }
    if let Response::Append(Appended::HigherVote(vote)) | Response::Snapshot { vote } = &frame.body {
        near([vote.term])?;
    }
    if let Response::Vote { vote, last, .. } = &frame.body {
        near([vote.term].into_iter().chain(place(*last)))?;
    }
    if let Response::RollCall(seen) = &frame.body {
        let heard = seen.heard_of_you.iter().flat_map(promise);
        near(promise(&seen.promise).into_iter().chain(heard).chain(place(seen.membership.set_by)))?;
    }
    Ok(())
}

fn head<B>(frame: &Frame<B>) -> Result<(), Nonsense> {
    near(frame.last.iter().flat_map(position).chain(promise(&frame.promise)))
}

/// Entries follow `prev` and each other, their terms never fall, and none is newer than the leader that sends them.
fn append(vote: &VoteRecord, prev: Option<Place>, entries: &[Entry]) -> Result<(), Nonsense> {
    near(place(prev))?;
    let (mut term, mut expected) = prev.map_or((0, 0), |(term, index)| (term, index.saturating_add(1)));
    for entry in entries {
        near([entry.term, entry.index])?;
        if entry.index != expected && !planted(Fault::HoleServed) {
            return Err(Nonsense::Hole { found: entry.index, expected });
        }
        if entry.term < term {
            return Err(Nonsense::Term { found: entry.term, before: term });
        }
        (term, expected) = (entry.term, entry.index.saturating_add(1));
    }
    if term > vote.term { Err(Nonsense::Vote { entry: term, vote: vote.term }) } else { Ok(()) }
}

fn near(numbers: impl IntoIterator<Item = u64>) -> Result<(), Nonsense> {
    numbers.into_iter().find(|number| *number >= MOST).map_or(Ok(()), |number| Err(Nonsense::TooFar { number }))
}

fn place(place: Option<Place>) -> impl Iterator<Item = u64> {
    place.into_iter().flat_map(|(term, index)| [term, index])
}

fn position(position: &Position) -> [u64; 2] {
    [position.term, position.index]
}

fn promise(promise: &Promise) -> Vec<u64> {
    let vote = promise.vote.iter().map(|vote| vote.term);
    vote.chain(promise.last.iter().flat_map(position)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Body;

    const VOTE: VoteRecord = VoteRecord { term: 5, voted_for: 1, committed: true };

    fn entries(places: &[Place]) -> Vec<Entry> {
        places.iter().map(|(term, index)| Entry { term: *term, index: *index, body: Body::Blank }).collect()
    }

    #[test]
    fn entries_that_follow_each_other_pass_and_all_others_are_named() {
        let check = |prev, places: &[Place]| append(&VOTE, prev, &entries(places));
        assert_eq!(check(None, &[]), Ok(()));
        assert_eq!(check(None, &[(1, 0), (1, 1), (5, 2)]), Ok(()));
        assert_eq!(check(Some((4, 9)), &[(4, 10), (5, 11)]), Ok(()));
        assert_eq!(check(None, &[(1, 1)]), Err(Nonsense::Hole { found: 1, expected: 0 }));
        assert_eq!(check(Some((4, 9)), &[(4, 10), (4, 12)]), Err(Nonsense::Hole { found: 12, expected: 11 }));
        assert_eq!(check(Some((4, 9)), &[(4, 10), (4, 10)]), Err(Nonsense::Hole { found: 10, expected: 11 }));
        assert_eq!(check(Some((4, 9)), &[(3, 10)]), Err(Nonsense::Term { found: 3, before: 4 }));
        assert_eq!(check(Some((4, 9)), &[(6, 10)]), Err(Nonsense::Vote { entry: 6, vote: 5 }));
        assert_eq!(check(Some((6, 9)), &[]), Err(Nonsense::Vote { entry: 6, vote: 5 }));
        assert_eq!(check(Some((4, u64::MAX)), &[]), Err(Nonsense::TooFar { number: u64::MAX }));
    }
}
