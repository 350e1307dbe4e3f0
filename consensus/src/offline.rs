//! The signing log of a replica that does not run, read from its data directory and not changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use alloy_primitives::Address;
use ollin_guard::interchange::{ExportRefusal, Interchange};
use ollin_protocol::units::{ReplicaId, Slot};

use crate::chain::Position;
use crate::directory::{DirectoryError, ReadLock};
use crate::state::{ApplyError, State};
use crate::store::{Database, RocksDisk, StoreError};

/// What a stopped replica holds.
#[derive(Debug)]
pub struct OfflineLog {
    cluster: [u8; 16],
    replica: ReplicaId,
    raft_id: u64,
    /// What is known there to be committed.
    state: State,
    /// The highest slot that anything is bound in, also by entries that may never have been committed.
    highest_slot: Option<Slot>,
    uncommitted: u64,
}

/// Why a directory cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// A replica uses it, or it cannot be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The store is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its log does not continue its snapshot, or is of another version.
    #[error("the log cannot be applied")]
    Apply(#[from] ApplyError),
    /// It has never taken part in a cluster.
    #[error("{path} holds the store of no replica: it has not taken part in a cluster yet")]
    Empty {
        /// The directory.
        path: PathBuf,
    },
}

impl OfflineLog {
    /// Reads the signing log in a replica's store (`DATA_DIRECTORY/consensus`). Nothing is written there, and the replica cannot start
    /// meanwhile. Every entry, the chain through them and the snapshot are verified.
    ///
    /// # Errors
    /// [`OfflineError`].
    pub fn read(directory: &Path) -> Result<Self, OfflineError> {
        let lock = ReadLock::take(directory)?;
        let (database, _) = Database::open(Box::new(RocksDisk::open_to_read(directory, lock)?))?;
        let identity = database.said_identity()?.ok_or_else(|| OfflineError::Empty { path: directory.to_owned() })?;
        let mut state = database.snapshot_state()?;
        let committed = database.committed()?.map_or(0, |(_, index)| index);
        // What comes after the committed entries may have been committed by others: it counts for what may have been signed.
        let mut tail: Option<State> = None;
        let mut uncommitted = 0;
        let first = state.applied().map_or(0, |applied| applied.index.saturating_add(1));
        for stored in database.entries(first) {
            let stored = stored?;
            let entry = stored.entry;
            let known = Position { term: entry.term, index: entry.index, chain: stored.chain };
            if entry.index <= committed {
                state.apply(&entry, Some(known))?;
            } else {
                uncommitted += 1;
                tail.get_or_insert_with(|| state.clone()).apply(&entry, Some(known))?;
            }
        }
        let of_tail = tail.and_then(|tail| tail.guard().highest_slot());
        let highest_slot = of_tail.max(state.guard().highest_slot());
        Ok(Self { cluster: identity.cluster, replica: identity.name, raft_id: identity.id, state, highest_slot, uncommitted })
    }

    /// The cluster's id, 32 hex digits.
    pub fn cluster_id(&self) -> String {
        hex::encode(self.cluster)
    }

    /// Whose store it is.
    pub const fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// Under which Raft id.
    pub const fn raft_id(&self) -> u64 {
        self.raft_id
    }

    /// What was known there to be committed.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// How many entries there may or may not be committed. What they bind is not shown and not exported.
    pub const fn uncommitted(&self) -> u64 {
        self.uncommitted
    }

    /// The interchange file of what is committed. The stop line of an attester that was not released lies at or above every slot that
    /// the log speaks of, committed or not; what other replicas did after this one stopped it cannot know.
    ///
    /// # Errors
    /// [`ExportRefusal`].
    pub fn export(&self, only: Option<&BTreeSet<Address>>) -> Result<Interchange, ExportRefusal> {
        let mut interchange = Interchange::of(self.state.guard(), only)?;
        if let Some(slot) = self.highest_slot {
            interchange.raise_stop_lines(slot);
        }
        Ok(interchange)
    }
}
