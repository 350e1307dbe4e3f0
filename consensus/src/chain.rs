//! The hash chain through the log (safety rule R2): Raft compares ids, this compares contents.

use std::collections::VecDeque;
use std::fmt;

use ollin_guard::{Fault, planted};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The hash of everything in the log up to and including one entry:
/// `SHA-256(chain before ‖ term ‖ index ‖ entry body)`, numbers as eight big-endian bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Chain([u8; 32]);

/// One entry's place and what led to it. Equal places with unequal chains are two histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) term: u64,
    pub(crate) index: u64,
    pub(crate) chain: Chain,
}

/// The chain of every entry in the log and of the entry before the first.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChainIndex {
    /// What was purged: its place, and its chain if that was known.
    base: Option<Base>,
    /// Consecutive entries; the first follows `base`, or starts the log.
    entries: VecDeque<Position>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Base {
    pub(crate) term: u64,
    pub(crate) index: u64,
    pub(crate) chain: Option<Chain>,
}

impl Chain {
    pub(crate) fn extend(self, term: u64, index: u64, body: &[u8]) -> Self {
        let hash = Sha256::new().chain_update(self.0).chain_update(term.to_be_bytes()).chain_update(index.to_be_bytes());
        Self(hash.chain_update(body).finalize().into())
    }

    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..8]))
    }
}

impl ChainIndex {
    pub(crate) fn new(base: Option<Base>) -> Self {
        Self { base, entries: VecDeque::new() }
    }

    pub(crate) fn base(&self) -> Option<Base> {
        self.base
    }

    pub(crate) fn first(&self) -> Option<&Position> {
        self.entries.front()
    }

    pub(crate) fn last(&self) -> Option<&Position> {
        self.entries.back()
    }

    /// The last entry, or else what was purged.
    pub(crate) fn last_position(&self) -> Option<Position> {
        let purged = || {
            let base = self.base?;
            Some(Position { term: base.term, index: base.index, chain: base.chain? })
        };
        self.last().copied().or_else(purged)
    }

    /// The place up to which the log was promised: the last entry or what was purged, with an empty chain where it is unknown.
    pub(crate) fn last_promised(&self) -> Option<Position> {
        let purged = |base: Base| Position { term: base.term, index: base.index, chain: base.chain.unwrap_or_default() };
        self.last_position().or_else(|| self.base.map(purged))
    }

    /// The entry at `index`, if its chain is known.
    pub(crate) fn at(&self, index: u64) -> Option<Position> {
        if let Some(base) = self.base
            && base.index == index
        {
            return Some(Position { term: base.term, index, chain: base.chain? });
        }
        let offset = index.checked_sub(self.first()?.index)?;
        self.entries.get(usize::try_from(offset).ok()?).copied()
    }

    /// The chain that the next entry extends, and that entry's index; `None` for the index while the log is empty and unpurged.
    pub(crate) fn tail(&self) -> (Option<Chain>, Option<u64>) {
        match (self.entries.back(), self.base) {
            (Some(last), _) => (Some(last.chain), last.index.checked_add(1)),
            (None, Some(base)) => (base.chain, base.index.checked_add(1)),
            (None, None) => (Some(Chain::default()), None),
        }
    }

    pub(crate) fn push(&mut self, position: Position) {
        self.entries.push_back(position);
    }

    /// Forgets everything from `index` on.
    pub(crate) fn truncate_from(&mut self, index: u64) {
        while self.entries.back().is_some_and(|last| last.index >= index) {
            self.entries.pop_back();
        }
    }

    /// Forgets everything up to `base`.
    pub(crate) fn purge(&mut self, base: Base) {
        while self.entries.front().is_some_and(|first| first.index <= base.index) {
            self.entries.pop_front();
        }
        self.base = Some(base);
    }

    /// Whether `other` is of another history: the same place, another chain. Places that are not known here say nothing.
    pub(crate) fn contradicts(&self, other: &Position) -> bool {
        self.at(other.index)
            .is_some_and(|own| own.term == other.term && own.chain != other.chain && !planted(Fault::ContentsNotCompared))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index_of(count: u64) -> ChainIndex {
        let mut index = ChainIndex::default();
        let mut chain = Chain::default();
        for number in 0..count {
            chain = chain.extend(1, number, &[7]);
            index.push(Position { term: 1, index: number, chain });
        }
        index
    }

    #[test]
    fn term_index_and_body_all_enter_the_chain() {
        let chain = Chain::default().extend(1, 2, b"body");
        for other in [(9, 2, &b"body"[..]), (1, 9, b"body"), (1, 2, b"Body")] {
            assert_ne!(chain, Chain::default().extend(other.0, other.1, other.2));
        }
        assert_ne!(chain, chain.extend(1, 2, b"body"), "so does what came before");
    }

    #[test]
    fn another_chain_at_a_common_place_is_a_contradiction() {
        let index = index_of(5);
        let same = index.at(3).unwrap();
        assert!(!index.contradicts(&same));
        assert!(index.contradicts(&Position { chain: Chain::from_bytes([1; 32]), ..same }));
        let unknown = Position { index: 9, ..same };
        assert!(!index.contradicts(&unknown));
        let other_term = Position { term: 2, chain: Chain::from_bytes([1; 32]), ..same };
        assert!(!index.contradicts(&other_term), "Raft resolves this one");
    }

    #[test]
    fn purging_keeps_the_chain_of_the_last_purged_entry() {
        let mut index = index_of(5);
        let third = index.at(3).unwrap();
        index.purge(Base { term: 1, index: 3, chain: Some(third.chain) });
        assert_eq!(index.at(3), Some(third));
        assert_eq!((index.at(2), index.at(4).map(|at| at.index)), (None, Some(4)));
        index.truncate_from(4);
        assert_eq!(index.last_position(), Some(third));
        assert_eq!(index.tail(), (Some(third.chain), Some(4)));
    }
}
