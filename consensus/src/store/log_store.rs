//! The log: entries, vote, committed position.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use ollin_guard::{Fault, planted};
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};
use parking_lot::RwLock;

use super::database::{BASE, COMMITTED, Database, VOTE};
use super::disk::Batch;
use super::durable::Durable;
use super::error::StoreError;
use super::machine::SharedState;
use super::sync::SyncQueue;
use crate::chain::{Base, Chain, ChainIndex, Position};
use crate::entry::Entry;
use crate::raft::{LogId, Raft, RaftEntryOf, Vote, VoteRecord, from_log_id, log_id};

/// A read for replication stops after this many bytes of entries.
const READ_BYTES: usize = 4 << 20;

/// The log, and the reader of it: clones share everything.
#[derive(Clone)]
pub(crate) struct LogStore {
    database: Arc<Database>,
    /// Read by every frame, written under the same lock as the entries: never ahead of them and never behind.
    chain: Arc<RwLock<ChainIndex>>,
    /// As openraft sees it: the stored one, save that an own committed vote starts out uncommitted.
    vote: Arc<RwLock<Option<VoteRecord>>>,
    state: SharedState,
    sync: SyncQueue,
    durable: Durable,
}

/// An append or purge that the log must not take.
#[derive(Debug, thiserror::Error)]
enum LogError {
    #[error("entry {found} cannot follow, expected {expected}")]
    Hole { expected: u64, found: u64 },
    #[error("entry {index} cannot follow: the chain before it is unknown")]
    NoChain { index: u64 },
    #[error("entry {index} of term {term} is gone, the log holds term {held}")]
    OtherTerm { index: u64, term: u64, held: u64 },
}

impl LogStore {
    /// `replica` is this replica's id: a vote for itself is not believed to be committed any more (safety rule R1).
    pub(crate) fn new(
        database: Arc<Database>,
        chain: Arc<RwLock<ChainIndex>>,
        state: SharedState,
        sync: SyncQueue,
        durable: Durable,
        replica: u64,
    ) -> Result<Self, StoreError> {
        let mut vote: Option<VoteRecord> = database.value(VOTE)?;
        if let Some(vote) = &mut vote
            && vote.voted_for == replica
            && !planted(Fault::LeaderByMemory)
        {
            vote.committed = false;
        }
        Ok(Self { database, chain, vote: Arc::new(RwLock::new(vote)), state, sync, durable })
    }

    fn write(&self, batch: Batch) -> io::Result<()> {
        self.database.write(batch).map_err(io::Error::other)
    }

    fn read(&self, range: impl RangeBounds<u64>, limit_bytes: usize) -> io::Result<Vec<RaftEntryOf>> {
        let first = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let mut entries: Vec<RaftEntryOf> = Vec::new();
        let mut bytes = 0;
        for stored in self.database.entries(first) {
            let stored = stored.map_err(io::Error::other)?;
            let (term, index) = (stored.entry.term, stored.entry.index);
            if !range.contains(&index) || bytes >= limit_bytes {
                break;
            }
            if let Some(last) = entries.last()
                && index != last.log_id.index + 1
            {
                return Err(io::Error::other(LogError::Hole { expected: last.log_id.index + 1, found: index }));
            }
            // An entry of another term may have been replaced since the read began; one of the same term cannot.
            if self.chain.read().contradicts(&Position { term, index, chain: stored.chain }) {
                return Err(io::Error::other(StoreError::Broken { index }));
            }
            if let crate::entry::Body::Command(command) = &stored.entry.body {
                bytes += command.len();
            }
            entries.push(stored.entry.into_raft().map_err(io::Error::other)?);
        }
        Ok(entries)
    }

    /// What the purged entry's chain was: from the log, from the state if it was just installed, or from the entry after it.
    fn chain_of_purged(&self, term: u64, index: u64) -> io::Result<Option<Chain>> {
        if let Some(held) = self.chain.read().at(index) {
            if held.term != term {
                return Err(io::Error::other(LogError::OtherTerm { index, term, held: held.term }));
            }
            return Ok(Some(held.chain));
        }
        if let Some(applied) = self.state.read().applied()
            && (applied.term, applied.index) == (term, index)
        {
            return Ok(Some(applied.chain));
        }
        let follows = self.chain.read().first().is_some_and(|first| first.index == index + 1);
        match self.database.entries(index + 1).next() {
            Some(first) if follows => Ok(Some(first.map_err(io::Error::other)?.before)),
            Some(_) | None => Ok(None),
        }
    }
}

impl RaftLogReader<Raft> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<RaftEntryOf>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.read(range, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<RaftEntryOf>> {
        self.read(start..end, READ_BYTES)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.vote.read().map(VoteRecord::into_raft))
    }
}

impl RaftLogStorage<Raft> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Raft>> {
        let chain = self.chain.read();
        let last_purged_log_id = chain.base().map(|base| log_id(base.term, base.index));
        let last_log_id = chain.last().map(|last| log_id(last.term, last.index)).or(last_purged_log_id);
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let record = VoteRecord::from(vote);
        let mut batch = Batch::default();
        self.database.put_value(&mut batch, VOTE, &record);
        self.write(batch)?;
        self.durable.vote_written(record);
        if !planted(Fault::VoteNotSynced) {
            self.sync.barrier().await.map_err(io::Error::other)?;
        }
        *self.vote.write() = Some(record);
        Ok(())
    }

    /// Not synced: what it says is repeated by the cluster, and the write-ahead log keeps it behind the entries it names.
    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let mut batch = Batch::default();
        self.database.put_value(&mut batch, COMMITTED, &committed.as_ref().map(from_log_id));
        self.write(batch)
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        let committed: Option<Option<(u64, u64)>> = self.database.value(COMMITTED).map_err(io::Error::other)?;
        Ok(committed.flatten().map(|(term, index)| log_id(term, index)))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Raft>) -> io::Result<()>
    where
        I: IntoIterator<Item = RaftEntryOf> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        {
            let mut index = self.chain.write();
            let mut batch = Batch::default();
            let mut added = Vec::new();
            let (mut before, mut next) = index.tail();
            for entry in entries {
                let entry = Entry::from(&entry);
                let expected = next.unwrap_or(entry.index);
                if entry.index != expected {
                    return Err(io::Error::other(LogError::Hole { expected, found: entry.index }));
                }
                let known = before.ok_or(io::Error::other(LogError::NoChain { index: entry.index }))?;
                let chain = entry.chain_after(known);
                self.database.put_entry(&mut batch, &entry, known, chain);
                added.push(Position { term: entry.term, index: entry.index, chain });
                (before, next) = (Some(chain), entry.index.checked_add(1));
            }
            self.write(batch)?;
            for position in added {
                index.push(position);
            }
        }
        self.sync.append(callback).await.map_err(io::Error::other)
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let first = last_log_id.map_or(0, |id| id.index + 1);
        {
            let mut index = self.chain.write();
            let Some(last) = index.last().copied() else { return Ok(()) };
            let mut batch = Batch::default();
            let held = index.first().map_or(first, |held| held.index.max(first));
            for gone in held..=last.index {
                self.database.delete_entry(&mut batch, gone);
            }
            self.durable.cut(&index, first)?;
            self.write(batch)?;
            index.truncate_from(first);
        }
        self.sync.barrier().await.map_err(io::Error::other)
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        let (term, index) = from_log_id(&upto);
        let base = Base { term, index, chain: self.chain_of_purged(term, index)? };
        let mut chain = self.chain.write();
        let mut batch = Batch::default();
        self.database.put_value(&mut batch, BASE, &base);
        if let (Some(first), Some(last)) = (chain.first(), chain.last()) {
            for gone in first.index..=last.index.min(index) {
                self.database.delete_entry(&mut batch, gone);
            }
        }
        self.write(batch)?;
        chain.purge(base);
        Ok(())
    }
}
