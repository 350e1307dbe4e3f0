//! The state machine: the state in memory, its snapshots on disk.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use ollin_guard::{Fault, planted};
use ollin_protocol::units::Slot;
use openraft::storage::{EntryResponder, RaftStateMachine, Snapshot};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::database::Database;
use super::disk::Batch;
use super::sync::SyncQueue;
use crate::chain::{ChainIndex, Position};
use crate::entry::{Body, Entry};
use crate::failpoint;
use crate::halt::Halt;
use crate::raft::{ApplyReply, LogId, Raft, RaftMembership, SnapshotMeta, log_id};
use crate::rules::Supported;
use crate::state::State;

/// The applied state. A lock and not a channel to an owner: claims, status and outlets read it from many tasks, each read is
/// short and never across an await, and there is one writer.
pub(crate) type SharedState = Arc<RwLock<State>>;

type RaftSnapshot = openraft::type_config::alias::SnapshotOf<Raft, Bytes>;

/// How far the state has come, for those who wait for it.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// The last applied index; 0 before the first.
    pub(crate) applied: Arc<watch::Sender<u64>>,
    /// How many snapshots were installed in place of entries.
    pub(crate) installed: Arc<watch::Sender<u64>>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { applied: Arc::new(watch::Sender::new(0)), installed: Arc::new(watch::Sender::new(0)) }
    }
}

/// Applies entries and keeps snapshots.
pub(crate) struct StateMachine {
    database: Arc<Database>,
    chain: Arc<RwLock<ChainIndex>>,
    state: SharedState,
    sync: SyncQueue,
    progress: Progress,
    halt: Halt,
    rules: Supported,
}

/// A view of the state at one entry, on its way to the disk.
pub(crate) struct SnapshotBuilder {
    database: Arc<Database>,
    sync: SyncQueue,
    state: State,
}

/// A snapshot that must not be installed.
#[derive(Debug, thiserror::Error)]
enum SnapshotRefused {
    #[error("the snapshot is of {found:?}, announced as {announced:?}")]
    Misplaced { found: Option<LogId>, announced: Option<LogId> },
    #[error("the snapshot and the own log hold different histories at entry {index} of term {term}")]
    Diverged { term: u64, index: u64 },
}

impl StateMachine {
    pub(crate) fn new(
        database: Arc<Database>,
        chain: Arc<RwLock<ChainIndex>>,
        state: SharedState,
        sync: SyncQueue,
        progress: Progress,
        halt: Halt,
        rules: Supported,
    ) -> Self {
        Self { database, chain, state, sync, progress, halt, rules }
    }

    /// An entry that cannot be applied stops the replica: what comes after it would be decided on another state.
    fn stop(&self, error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        self.halt.halt(format!("{error}{cause}"));
        io::Error::other(error)
    }
}

fn meta(state: &State) -> io::Result<SnapshotMeta> {
    let last_log_id = state.applied().map(|applied| log_id(applied.term, applied.index));
    let last_membership = membership(state)?;
    Ok(SnapshotMeta { last_log_id, last_membership })
}

fn membership(state: &State) -> io::Result<RaftMembership> {
    let stored = state.membership();
    if stored.set_by.is_none() {
        return Ok(RaftMembership::default());
    }
    stored.clone().into_raft().map_err(io::Error::other)
}

async fn store(database: &Database, sync: &SyncQueue, bytes: &Bytes) -> io::Result<()> {
    let mut batch = Batch::default();
    database.put_snapshot(&mut batch, bytes);
    database.write(batch).map_err(io::Error::other)?;
    sync.barrier().await.map_err(io::Error::other)
}

impl RaftStateMachine<Raft> for StateMachine {
    type SnapshotData = Bytes;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, RaftMembership)> {
        let state = self.state.read();
        let applied = state.applied().map(|applied| log_id(applied.term, applied.index));
        Ok((applied, membership(&state)?))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<Raft>>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let entry = Entry::from(&entry);
            let known = self.chain.read().at(entry.index).filter(|held| held.term == entry.term);
            let applied = self.state.write().apply_as(self.rules, &entry, known);
            let answer = applied.map_err(|error| self.stop(error))?;
            self.progress.applied.send_replace(entry.index);
            if let Some(responder) = responder {
                if matches!(&entry.body, Body::Membership(membership) if membership.configurations.len() > 1) {
                    failpoint::reach("joint-applied", Slot::new(0)).await;
                }
                responder.send(ApplyReply(answer.map(Arc::new)));
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder { database: Arc::clone(&self.database), sync: self.sync.clone(), state: self.state.read().clone() }
    }

    async fn install_snapshot(&mut self, announced: &SnapshotMeta, snapshot: Bytes) -> io::Result<()> {
        let state = State::decode(&snapshot).map_err(io::Error::other)?;
        let found = meta(&state)?;
        if found != *announced {
            let (found, announced) = (found.last_log_id, announced.last_log_id);
            return Err(io::Error::other(SnapshotRefused::Misplaced { found, announced }));
        }
        if let Some(position @ Position { term, index, .. }) = state.applied()
            && self.chain.read().contradicts(&position)
            && !planted(Fault::SnapshotOfOtherHistory)
        {
            return Err(self.stop(SnapshotRefused::Diverged { term, index }));
        }
        store(&self.database, &self.sync, &snapshot).await?;
        let applied = state.applied().map_or(0, |applied| applied.index);
        *self.state.write() = state;
        self.progress.installed.send_modify(|count| *count += 1);
        self.progress.applied.send_replace(applied);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<RaftSnapshot>> {
        let Some(bytes) = self.database.snapshot().map_err(io::Error::other)? else {
            return Ok(None);
        };
        let state = State::decode(&bytes).map_err(io::Error::other)?;
        Ok(Some(Snapshot { meta: meta(&state)?, snapshot: bytes }))
    }
}

impl RaftSnapshotBuilder<Raft> for SnapshotBuilder {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> io::Result<RaftSnapshot> {
        let bytes = Bytes::from(self.state.encode());
        store(&self.database, &self.sync, &bytes).await?;
        Ok(Snapshot { meta: meta(&self.state)?, snapshot: bytes })
    }
}
