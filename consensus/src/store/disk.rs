//! What the store asks of a disk, and no more: ordered tables, batches, a sync.

use bytes::Bytes;
use futures::future::BoxFuture;

/// A table of a replica's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Entries of the log, by index as eight big-endian bytes.
    Log,
    /// Vote, committed position, purge position, identity.
    Meta,
    /// The snapshot.
    State,
}

/// One change of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key has this value from now on.
    Put {
        /// In this table.
        table: Table,
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
    },
    /// The key is gone.
    Delete {
        /// From this table.
        table: Table,
        /// The key.
        key: Bytes,
    },
}

/// Changes that are made together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// In the order in which they are made.
    pub changes: Vec<Change>,
}

/// Why a disk did not do what it was asked for. Always fatal for the replica.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// RocksDB refused.
    #[error(transparent)]
    RocksDb(#[from] rocksdb::Error),
    /// Another disk refused.
    #[error("{reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

/// A key and its value.
pub type Record = (Bytes, Bytes);

/// Where a replica's store lives. Writes are seen at once by every reader; after a crash a disk holds everything that was written
/// before the last completed sync, and of what was written after it the first batches or none, each of them whole.
pub trait Disk: Send + Sync + 'static {
    /// Names the disk in messages.
    fn place(&self) -> String;

    /// The value of a key.
    ///
    /// # Errors
    /// [`DiskError`].
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, DiskError>;

    /// The records from `first` on, in the order of their keys: one consistent view, whatever is written meanwhile.
    fn scan(&self, table: Table, first: &[u8]) -> Box<dyn Iterator<Item = Result<Record, DiskError>> + '_>;

    /// Makes a batch of changes.
    ///
    /// # Errors
    /// [`DiskError`].
    fn write(&self, batch: Batch) -> Result<(), DiskError>;

    /// Returns once everything written so far is durable. Blocks.
    ///
    /// # Errors
    /// [`DiskError`].
    fn sync(&self) -> Result<(), DiskError>;

    /// The same as a future, of a disk whose sync takes simulated time. `None`: a sync blocks, and gets a thread of its own.
    fn sync_in_task(&self) -> Option<BoxFuture<'_, Result<(), DiskError>>> {
        None
    }
}

impl Batch {
    pub(crate) fn put(&mut self, table: Table, key: impl AsRef<[u8]>, value: impl Into<Bytes>) {
        self.changes.push(Change::Put { table, key: Bytes::copy_from_slice(key.as_ref()), value: value.into() });
    }

    pub(crate) fn delete(&mut self, table: Table, key: impl AsRef<[u8]>) {
        self.changes.push(Change::Delete { table, key: Bytes::copy_from_slice(key.as_ref()) });
    }
}
