//! The database itself: opening with verification, reading and writing of values.

use bytes::Bytes;
use futures::future::BoxFuture;
use ollin_guard::{Fault, planted};
use ollin_protocol::units::ReplicaId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::disk::{Batch, Disk, DiskError, Table};
use super::error::StoreError;
use crate::chain::{Base, Chain, ChainIndex, Position};
use crate::entry::{Body, Entry, StoredEntry, StoredMembership};
use crate::membership::EnlistToken;
use crate::raft::VoteRecord;
use crate::recovery::Promise;
use crate::retired::Retired;
use crate::sealed;
use crate::state::State;

pub(crate) const VOTE: &str = "vote";
pub(super) const COMMITTED: &str = "committed";
pub(crate) const BASE: &str = "base";
const IDENTITY: &str = "identity";
const RETIRED: &str = "retired";
const SNAPSHOT: &str = "snapshot";

/// The one database of a replica. Dropping the last handle closes its disk.
pub(crate) struct Database {
    disk: Box<dyn Disk>,
    /// Dropped last: whoever waits for the end of the database sees it closed.
    _closed: watch::Sender<()>,
}

/// Whose store it is. A store without one has never taken part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) cluster: [u8; 16],
    /// The replica's stable name.
    pub(crate) name: ReplicaId,
    /// Its Raft id.
    pub(crate) id: u64,
    /// By which the log knows the store that took the id; `None` for an id of the cluster's creation.
    pub(crate) token: Option<EnlistToken>,
    /// Whether the id is its own. Until the log has said so it may be another store's.
    pub(crate) enlisted: bool,
}

impl Database {
    /// Opens the store, or makes a new one, and verifies every entry of the log and the chain through them.
    pub(crate) fn open(disk: Box<dyn Disk>) -> Result<(Self, ChainIndex), StoreError> {
        let database = Self { disk, _closed: watch::Sender::new(()) };
        let index = database.verify()?;
        Ok((database, index))
    }

    /// Resolves once the database is closed: `changed` fails then.
    pub(crate) fn closed(&self) -> watch::Receiver<()> {
        self._closed.subscribe()
    }

    /// What the store holds, made durable first: what was written by the process before may not have been.
    pub(crate) async fn promise(&self, log: &ChainIndex) -> Result<Promise, StoreError> {
        match self.flush_in_task() {
            Some(flushed) => flushed.await?,
            None => self.flush()?,
        }
        Ok(Promise { vote: self.value(VOTE)?, last: log.last_promised() })
    }

    /// Whose store it is, if it has taken part; one of another replica or cluster is refused.
    pub(crate) fn identity(&self, cluster: [u8; 16], name: ReplicaId) -> Result<Option<Identity>, StoreError> {
        match self.value::<Identity>(IDENTITY)? {
            Some(found) if (found.cluster, found.name) != (cluster, name) => Err(StoreError::OtherReplica {
                found_replica: found.name.get(),
                found_cluster: hex::encode(found.cluster),
                replica: name.get(),
                cluster: hex::encode(cluster),
            }),
            found => Ok(found),
        }
    }

    /// Whose store it is, if it can be opened and says so.
    pub(crate) fn owner(disk: Box<dyn Disk>) -> Option<ReplicaId> {
        let (database, _) = Self::open(disk).ok()?;
        database.value::<Identity>(IDENTITY).ok()?.map(|identity| identity.name)
    }

    /// Makes it this replica's store, durably.
    pub(crate) fn adopt(&self, identity: &Identity) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        self.put_value(&mut batch, IDENTITY, identity);
        self.write(batch)?;
        self.flush()
    }

    /// The end of the cluster that this store is of, if it was heard of.
    pub(crate) fn retired(&self) -> Result<Option<Retired>, StoreError> {
        self.value(RETIRED)
    }

    /// Notes it, durably.
    pub(crate) fn retire(&self, retired: &Retired) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        self.put_value(&mut batch, RETIRED, retired);
        self.write(batch)?;
        self.flush()
    }

    /// Makes it the store of a new cluster's only member: `entries`, which continue the log, are its last ones and committed. All of
    /// it or nothing, durably.
    pub(crate) fn begin_anew(
        &self,
        identity: &Identity,
        vote: &VoteRecord,
        entries: &[(Entry, Chain, Chain)],
    ) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        self.put_value(&mut batch, IDENTITY, identity);
        self.put_value(&mut batch, VOTE, vote);
        for (entry, before, chain) in entries {
            self.put_entry(&mut batch, entry, *before, *chain);
        }
        let committed = entries.last().map(|(entry, ..)| (entry.term, entry.index));
        self.put_value(&mut batch, COMMITTED, &committed);
        self.write(batch)?;
        self.flush()
    }

    /// The latest membership that it holds, in the log or the snapshot.
    pub(crate) fn membership(&self) -> Result<Option<StoredMembership>, StoreError> {
        let mut latest = None;
        for stored in self.entries(0) {
            let Entry { term, index, body } = stored?.entry;
            if let Body::Membership(membership) = body {
                latest = Some(StoredMembership { set_by: Some((term, index)), membership });
            }
        }
        if latest.is_some() {
            return Ok(latest);
        }
        let Some(snapshot) = self.snapshot()? else { return Ok(None) };
        let state = State::decode(&snapshot).map_err(|source| StoreError::Snapshot { source: Box::new(source) })?;
        Ok(Some(state.membership().clone()))
    }

    /// Whose store it is, as it says itself.
    pub(crate) fn said_identity(&self) -> Result<Option<Identity>, StoreError> {
        self.value(IDENTITY)
    }

    /// The state of the stored snapshot; an empty one if there is none.
    pub(crate) fn snapshot_state(&self) -> Result<State, StoreError> {
        let Some(snapshot) = self.snapshot()? else { return Ok(State::default()) };
        State::decode(&snapshot).map_err(|source| StoreError::Snapshot { source: Box::new(source) })
    }

    /// The last entry that is known here to be committed: term and index.
    pub(crate) fn committed(&self) -> Result<Option<(u64, u64)>, StoreError> {
        Ok(self.value::<Option<(u64, u64)>>(COMMITTED)?.flatten())
    }

    fn verify(&self) -> Result<ChainIndex, StoreError> {
        let mut index = ChainIndex::new(self.value::<Base>(BASE)?);
        for stored in self.entries(0) {
            let StoredEntry { before, chain, entry } = stored?;
            let (expected_chain, expected_index) = index.tail();
            let expected = expected_index.unwrap_or(0);
            if entry.index != expected {
                return Err(StoreError::Hole { expected, found: entry.index });
            }
            if expected_chain.is_some_and(|expected| expected != before) && !planted(Fault::ChainBreakUnnoticed) {
                return Err(StoreError::Broken { index: entry.index });
            }
            index.push(Position { term: entry.term, index: entry.index, chain });
        }
        Ok(index)
    }

    /// The entries from `first` on, each with its own chain verified. One consistent view, whatever is written meanwhile.
    pub(crate) fn entries(&self, first: u64) -> impl Iterator<Item = Result<StoredEntry, StoreError>> {
        self.disk.scan(Table::Log, &first.to_be_bytes()).map(|record| {
            let (key, record) = record.map_err(|source| self.failed("read", source))?;
            let key = <[u8; 8]>::try_from(key.as_ref()).map_err(|_| StoreError::Key { bytes: key.len() })?;
            let index = u64::from_be_bytes(key);
            Entry::from_record(index, &record).map_err(|source| StoreError::Entry { index, source })
        })
    }

    /// The vote as it was last written.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn vote(&self) -> Result<Option<VoteRecord>, StoreError> {
        self.value(VOTE)
    }

    pub(super) fn put_entry(&self, batch: &mut Batch, entry: &Entry, before: Chain, chain: Chain) {
        batch.put(Table::Log, entry.index.to_be_bytes(), entry.to_record(before, chain));
    }

    pub(super) fn delete_entry(&self, batch: &mut Batch, index: u64) {
        batch.delete(Table::Log, index.to_be_bytes());
    }

    pub(super) fn value<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>, StoreError> {
        let bytes = self.disk.get(Table::Meta, name.as_bytes()).map_err(|source| self.failed("read", source))?;
        bytes.map(|bytes| sealed::open(&bytes).map_err(|source| StoreError::Value { name, source })).transpose()
    }

    pub(super) fn put_value(&self, batch: &mut Batch, name: &'static str, value: &impl Serialize) {
        batch.put(Table::Meta, name, sealed::seal(value));
    }

    /// The stored snapshot: an encoded [`crate::state::State`], which carries its own checksum, place and members.
    pub(crate) fn snapshot(&self) -> Result<Option<Bytes>, StoreError> {
        self.disk.get(Table::State, SNAPSHOT.as_bytes()).map_err(|source| self.failed("read", source))
    }

    pub(super) fn put_snapshot(&self, batch: &mut Batch, bytes: &Bytes) {
        batch.put(Table::State, SNAPSHOT, bytes.clone());
    }

    /// Writes a batch: readable at once, durable after the next [`Database::flush`].
    pub(super) fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.disk.write(batch).map_err(|source| self.failed("write to", source))
    }

    /// Makes everything written so far durable.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.disk.sync().map_err(|source| self.failed("sync", source))
    }

    /// The same on a disk whose sync takes simulated time.
    pub(crate) fn flush_in_task(&self) -> Option<BoxFuture<'_, Result<(), StoreError>>> {
        let sync = self.disk.sync_in_task()?;
        Some(Box::pin(async move { sync.await.map_err(|source| self.failed("sync", source)) }))
    }

    fn failed(&self, action: &'static str, source: DiskError) -> StoreError {
        StoreError::Disk { action, place: self.disk.place(), source }
    }

    /// For tests that damage the store.
    #[cfg(test)]
    pub(super) fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }
}
