//! A log entry in our own form: what is hashed, stored and sent. No type of openraft takes part in it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ollin_guard::{Fault, planted};
use serde::{Deserialize, Serialize};

use crate::chain::Chain;
use crate::membership::Member;
use crate::sealed::{self, SealError};

/// Version of [`Body`]'s encoding and of a stored record.
const VERSION: u8 = 1;
/// `version ‖ chain before ‖ chain`, in front of every stored entry.
const HEADER_BYTES: usize = 65;

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) term: u64,
    pub(crate) index: u64,
    pub(crate) body: Body,
}

/// What an entry holds. The position of a variant is part of the format: append, never reorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Body {
    /// A new leader's first entry.
    Blank,
    /// An encoded [`crate::command::Envelope`]: kept as bytes, so that it is stored and hashed as the proposer wrote it and
    /// decoded only where it is applied.
    Command(Bytes),
    /// A change of members.
    Membership(MembershipRecord),
}

/// Who the members are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MembershipRecord {
    /// Voters; two sets while one configuration gives way to another.
    pub(crate) configurations: Vec<BTreeSet<u64>>,
    /// Everyone, voter or not.
    pub(crate) members: BTreeMap<u64, Member>,
}

/// A membership and the entry that set it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredMembership {
    /// Term and index of the entry.
    pub(crate) set_by: Option<(u64, u64)>,
    pub(crate) membership: MembershipRecord,
}

/// An entry as it was read from the store: its own chain is verified, what is before it is the caller's to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredEntry {
    pub(crate) before: Chain,
    pub(crate) chain: Chain,
    pub(crate) entry: Entry,
}

/// Why a stored entry was not believed.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Too short, of another version, or not an entry.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The contents are not those that the chain was made of.
    #[error("the contents do not match the hash chain")]
    Chain,
    /// Another spelling of the entry than the one that we write.
    #[error("the entry is not in canonical form")]
    NotCanonical,
    /// The entry says it is another one.
    #[error("the entry names itself {term}.{index}")]
    Misplaced {
        /// The term it names.
        term: u64,
        /// The index it names.
        index: u64,
    },
}

impl Entry {
    /// The chain up to this entry.
    pub(crate) fn chain_after(&self, before: Chain) -> Chain {
        before.extend(self.term, self.index, &sealed::to_bytes(&self.body))
    }

    /// The stored form: `version ‖ chain before ‖ chain ‖ postcard`.
    pub(crate) fn to_record(&self, before: Chain, chain: Chain) -> Vec<u8> {
        let body = sealed::to_bytes(self);
        let mut record = Vec::with_capacity(HEADER_BYTES + body.len());
        record.push(VERSION);
        record.extend_from_slice(before.as_bytes());
        record.extend_from_slice(chain.as_bytes());
        record.extend_from_slice(&body);
        record
    }

    /// Reads a stored entry and verifies its own chain.
    pub(crate) fn from_record(index: u64, record: &[u8]) -> Result<StoredEntry, EntryError> {
        let truncated = SealError::Truncated { bytes: record.len() };
        let Some((&version, rest)) = record.split_first() else {
            return Err(truncated.into());
        };
        if version != VERSION {
            return Err(SealError::Version { found: version }.into());
        }
        let (Some((before, rest)), true) = (rest.split_first_chunk::<32>(), record.len() >= HEADER_BYTES) else {
            return Err(truncated.into());
        };
        let Some((chain, body)) = rest.split_first_chunk::<32>() else {
            return Err(truncated.into());
        };
        let (before, chain) = (Chain::from_bytes(*before), Chain::from_bytes(*chain));
        let entry: Entry = sealed::from_bytes(body)?;
        if entry.index != index {
            return Err(EntryError::Misplaced { term: entry.term, index: entry.index });
        }
        // The chain is made of the one spelling that we write: another one of the same entry would pass it.
        if sealed::to_bytes(&entry) != body {
            return Err(EntryError::NotCanonical);
        }
        if entry.chain_after(before) != chain && !planted(Fault::EntryUnverified) {
            return Err(EntryError::Chain);
        }
        Ok(StoredEntry { before, chain, entry })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let member = Member { address: "127.0.0.1:1".to_owned(), fingerprint: [3; 32], ..Member::default() };
        let membership =
            MembershipRecord { configurations: vec![BTreeSet::from([1, 2])], members: BTreeMap::from([(1, member)]) };
        let bodies = [Body::Blank, Body::Command(Bytes::from_static(b"command")), Body::Membership(membership)];
        bodies.into_iter().map(|body| Entry { term: 4, index: 9, body }).collect()
    }

    #[test]
    fn every_kind_of_entry_is_read_as_it_was_written() {
        for entry in entries() {
            let before = Chain::from_bytes([5; 32]);
            let chain = entry.chain_after(before);
            let read = Entry::from_record(9, &entry.to_record(before, chain)).unwrap();
            assert_eq!(read, StoredEntry { before, chain, entry });
        }
    }

    #[test]
    fn any_changed_bit_or_cut_of_a_record_is_refused() {
        for entry in entries() {
            let record = entry.to_record(Chain::default(), entry.chain_after(Chain::default()));
            for position in 0..record.len() {
                assert!(Entry::from_record(9, &record[..position]).is_err(), "cut at {position}");
                let mut changed = record.clone();
                changed[position] ^= 0x10;
                assert!(Entry::from_record(9, &changed).is_err(), "changed at {position}");
            }
            assert!(matches!(Entry::from_record(8, &record), Err(EntryError::Misplaced { term: 4, index: 9 })));
        }
    }
}
