//! The disk of a replica: one RocksDB in its data directory.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rocksdb::{ColumnFamily, DB, Direction, IteratorMode, ReadOptions, WriteBatch};

use super::disk::{Batch, Change, Disk, DiskError, Record, Table};
use super::error::StoreError;
use super::{framing, options};
use crate::directory::{DirectoryLock, ReadLock, sync_names};

/// One RocksDB. Dropping it closes it and then releases the directory.
pub(crate) struct RocksDisk {
    db: DB,
    path: PathBuf,
    _lock: Lock,
}

/// What keeps other processes out.
enum Lock {
    Own { _lock: DirectoryLock },
    Read { _lock: ReadLock },
}

impl RocksDisk {
    /// Opens the database, or makes a new one.
    pub(crate) fn open(directory: &Path, lock: DirectoryLock) -> Result<Self, StoreError> {
        let path = directory.join("raft");
        let failed = |source: rocksdb::Error| StoreError::Disk {
            action: "open",
            place: path.display().to_string(),
            source: source.into(),
        };
        let options = options::database().map_err(failed)?;
        require_own_records(&path)?;
        let db = DB::open_cf_descriptors(&options, &path, options::families()).map_err(failed)?;
        // RocksDB syncs what is in its directory, and not that directory's own name: a power cut could take the whole store.
        let unsynced = |error: std::io::Error| StoreError::Disk {
            action: "sync the directory of",
            place: path.display().to_string(),
            source: DiskError::Failed { reason: error.to_string() },
        };
        sync_names(directory).map_err(unsynced)?;
        Ok(Self { db, path, _lock: Lock::Own { _lock: lock } })
    }

    /// Opens a database that is there, and writes nothing to it: every write is refused.
    pub(crate) fn open_to_read(directory: &Path, lock: ReadLock) -> Result<Self, StoreError> {
        let path = directory.join("raft");
        let failed = |source: rocksdb::Error| StoreError::Disk {
            action: "read",
            place: path.display().to_string(),
            source: source.into(),
        };
        let options = options::database().map_err(failed)?;
        require_own_records(&path)?;
        let db = DB::open_cf_descriptors_read_only(&options, &path, options::families(), false).map_err(failed)?;
        Ok(Self { db, path, _lock: Lock::Read { _lock: lock } })
    }

    fn family(&self, table: Table) -> &ColumnFamily {
        self.db.cf_handle(options::name(table)).expect("every family is created at open")
    }
}

/// Refuses what RocksDB would hang on: see [`framing`].
fn require_own_records(path: &Path) -> Result<(), StoreError> {
    let failed = |place: &Path, reason: String| StoreError::Disk {
        action: "open",
        place: place.display().to_string(),
        source: DiskError::Failed { reason },
    };
    let found = framing::foreign_in(path).map_err(|error| failed(path, error.to_string()))?;
    found.map_or(Ok(()), |framing::Foreign { file, offset, kind }| {
        let name = file.file_name().unwrap_or_default().display();
        Err(failed(
            path,
            format!("Corruption: {name} is damaged: the record at byte {offset} is of kind {kind}, which is never written"),
        ))
    })
}

impl Disk for RocksDisk {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, DiskError> {
        Ok(self.db.get_cf(self.family(table), key)?.map(Bytes::from))
    }

    fn scan(&self, table: Table, first: &[u8]) -> Box<dyn Iterator<Item = Result<Record, DiskError>> + '_> {
        let mut read = ReadOptions::default();
        read.set_verify_checksums(true);
        let records = self.db.iterator_cf_opt(self.family(table), read, IteratorMode::From(first, Direction::Forward));
        Box::new(records.map(|record| {
            let (key, value) = record?;
            Ok((Bytes::from(key), Bytes::from(value)))
        }))
    }

    fn write(&self, batch: Batch) -> Result<(), DiskError> {
        let mut changes = WriteBatch::default();
        for change in batch.changes {
            match change {
                Change::Put { table, key, value } => changes.put_cf(self.family(table), key, value),
                Change::Delete { table, key } => changes.delete_cf(self.family(table), key),
            }
        }
        Ok(self.db.write(changes)?)
    }

    fn sync(&self) -> Result<(), DiskError> {
        Ok(self.db.flush_wal(true)?)
    }
}
