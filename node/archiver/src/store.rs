//! The archiver's RocksDB. Rebuildable from L1, so nothing is synced to disk on the way; batches are atomic.

use std::path::{Path, PathBuf};

use ollin_protocol::field::Fr;
use ollin_protocol::units::CheckpointNumber;
use rocksdb::{DB, IteratorMode, Options, ReadOptions, WriteBatch};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ArchiverError;
use crate::inbox::{MESSAGES_PER_TREE, tree_start};
use crate::record::{InvalidCheckpoint, StoreBinding, StoredCheckpoint, StoredMessage, SyncPoint};

/// Version of the records. Another one is refused: there is nothing to migrate that L1 does not hold.
const SCHEMA: u32 = 1;

/// First byte of a key: which table.
#[derive(Clone, Copy, Debug)]
struct Table(u8);

impl Table {
    const META: Self = Self(b'0');
    const CHECKPOINT: Self = Self(b'c');
    const INVALID: Self = Self(b'i');
    const MESSAGE: Self = Self(b'm');

    /// First key behind the table.
    fn end(self) -> Vec<u8> {
        vec![self.0.saturating_add(1)]
    }
}

const SCHEMA_KEY: &[u8] = b"schema";
const BINDING_KEY: &[u8] = b"binding";
const SYNC_POINT_KEY: &[u8] = b"checkpoints";

fn key(table: Table, rest: &[u8]) -> Vec<u8> {
    [&[table.0], rest].concat()
}

/// Checkpoints, messages, and how far L1 has been read.
#[derive(Debug)]
pub(crate) struct Store {
    db: DB,
    path: PathBuf,
}

impl Store {
    /// Opens or creates the store of one rollup.
    pub(crate) fn open(path: &Path, binding: &StoreBinding) -> Result<Self, ArchiverError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_max_open_files(64);
        options.set_keep_log_file_num(2);
        options.set_write_buffer_size(4 << 20);
        let db = DB::open(&options, path).map_err(|source| ArchiverError::Store { path: path.to_owned(), source })?;
        let store = Self { db, path: path.to_owned() };
        store.bind(binding)?;
        Ok(store)
    }

    /// Writes what the store is for, or compares it.
    fn bind(&self, binding: &StoreBinding) -> Result<(), ArchiverError> {
        let Some(schema) = self.get::<u32>(&key(Table::META, SCHEMA_KEY), "schema")? else {
            let mut batch = WriteBatch::default();
            self.put(&mut batch, key(Table::META, BINDING_KEY), binding)?;
            self.put(&mut batch, key(Table::META, SCHEMA_KEY), &SCHEMA)?;
            return self.write(batch);
        };
        let differs = |what, found: String, expected: String| {
            if found == expected {
                Ok(())
            } else {
                Err(ArchiverError::OtherRollup { path: self.path.clone(), what, found, expected })
            }
        };
        differs("schema", schema.to_string(), SCHEMA.to_string())?;
        let found: StoreBinding = self.require(&key(Table::META, BINDING_KEY), "binding")?;
        differs("L1 chain id", found.chain_id.to_string(), binding.chain_id.to_string())?;
        differs("rollup", found.rollup.to_string(), binding.rollup.to_string())?;
        differs("rollup version", found.rollup_version.to_string(), binding.rollup_version.to_string())?;
        differs("genesis archive root", found.genesis_archive_root.to_string(), binding.genesis_archive_root.to_string())
    }

    pub(crate) fn checkpoint(&self, number: CheckpointNumber) -> Result<Option<StoredCheckpoint>, ArchiverError> {
        self.get(&key(Table::CHECKPOINT, &number.get().to_be_bytes()), "checkpoint")
    }

    pub(crate) fn last_checkpoint(&self) -> Result<Option<StoredCheckpoint>, ArchiverError> {
        self.last(Table::CHECKPOINT)
    }

    pub(crate) fn insert_checkpoint(&self, checkpoint: &StoredCheckpoint) -> Result<(), ArchiverError> {
        let mut batch = WriteBatch::default();
        self.put(&mut batch, key(Table::CHECKPOINT, &checkpoint.number.get().to_be_bytes()), checkpoint)?;
        self.write(batch)
    }

    /// Drops every checkpoint above `last`, and the point up to which L1 has been read: numbers may come again in read blocks.
    pub(crate) fn unwind_checkpoints(&self, last: CheckpointNumber) -> Result<(), ArchiverError> {
        let mut batch = WriteBatch::default();
        self.delete_from(&mut batch, Table::CHECKPOINT, last.get().checked_add(1));
        batch.delete(key(Table::META, SYNC_POINT_KEY));
        self.write(batch)
    }

    pub(crate) fn last_message(&self) -> Result<Option<StoredMessage>, ArchiverError> {
        self.last(Table::MESSAGE)
    }

    /// The newest message before `index`.
    pub(crate) fn message_before(&self, index: u64) -> Result<Option<StoredMessage>, ArchiverError> {
        self.last_below(Table::MESSAGE, &key(Table::MESSAGE, &index.to_be_bytes()))
    }

    pub(crate) fn insert_messages(&self, messages: &[StoredMessage]) -> Result<(), ArchiverError> {
        let mut batch = WriteBatch::default();
        for message in messages {
            self.put(&mut batch, key(Table::MESSAGE, &message.index.to_be_bytes()), message)?;
        }
        self.write(batch)
    }

    /// Drops every message at or above `index`.
    pub(crate) fn unwind_messages(&self, index: u64) -> Result<(), ArchiverError> {
        let mut batch = WriteBatch::default();
        self.delete_from(&mut batch, Table::MESSAGE, Some(index));
        self.write(batch)
    }

    /// The messages of a checkpoint, in order.
    pub(crate) fn messages_of(&self, checkpoint: CheckpointNumber) -> Result<Vec<Fr>, ArchiverError> {
        let Some(start) = tree_start(checkpoint) else {
            return Ok(Vec::new());
        };
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(key(Table::MESSAGE, &start.saturating_add(MESSAGES_PER_TREE).to_be_bytes()));
        let from = key(Table::MESSAGE, &start.to_be_bytes());
        let entries = self.db.iterator_opt(IteratorMode::From(&from, rocksdb::Direction::Forward), options);
        entries
            .map(|entry| {
                let (_, value) = entry.map_err(|source| self.failed(source))?;
                Ok(self.decode::<StoredMessage>(&value, "message")?.leaf)
            })
            .collect()
    }

    pub(crate) fn invalid_checkpoints(&self) -> Result<Vec<InvalidCheckpoint>, ArchiverError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(Table::INVALID.end());
        let from = key(Table::INVALID, &[]);
        let entries = self.db.iterator_opt(IteratorMode::From(&from, rocksdb::Direction::Forward), options);
        entries.map(|entry| self.decode(&entry.map_err(|source| self.failed(source))?.1, "invalid checkpoint")).collect()
    }

    pub(crate) fn insert_invalid(&self, invalid: &InvalidCheckpoint) -> Result<(), ArchiverError> {
        let mut batch = WriteBatch::default();
        self.put(&mut batch, invalid_key(invalid), invalid)?;
        self.write(batch)
    }

    pub(crate) fn remove_invalid(&self, invalid: &InvalidCheckpoint) -> Result<(), ArchiverError> {
        let mut batch = WriteBatch::default();
        batch.delete(invalid_key(invalid));
        self.write(batch)
    }

    pub(crate) fn sync_point(&self) -> Result<Option<SyncPoint>, ArchiverError> {
        self.get(&key(Table::META, SYNC_POINT_KEY), "sync point")
    }

    /// Sets or forgets the block up to which checkpoints have been read.
    pub(crate) fn set_sync_point(&self, point: Option<SyncPoint>) -> Result<(), ArchiverError> {
        let mut batch = WriteBatch::default();
        match point {
            Some(point) => self.put(&mut batch, key(Table::META, SYNC_POINT_KEY), &point)?,
            None => batch.delete(key(Table::META, SYNC_POINT_KEY)),
        }
        self.write(batch)
    }

    fn delete_from(&self, batch: &mut WriteBatch, table: Table, first: Option<u64>) {
        let Some(first) = first else { return };
        batch.delete_range(key(table, &first.to_be_bytes()), table.end());
    }

    fn last<T: DeserializeOwned>(&self, table: Table) -> Result<Option<T>, ArchiverError> {
        self.last_below(table, &table.end())
    }

    fn last_below<T: DeserializeOwned>(&self, table: Table, bound: &[u8]) -> Result<Option<T>, ArchiverError> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(key(table, &[]));
        options.set_iterate_upper_bound(bound.to_vec());
        match self.db.iterator_opt(IteratorMode::End, options).next() {
            Some(Ok((_, value))) => self.decode(&value, "last record").map(Some),
            Some(Err(source)) => Err(self.failed(source)),
            None => Ok(None),
        }
    }

    fn get<T: DeserializeOwned>(&self, key: &[u8], what: &str) -> Result<Option<T>, ArchiverError> {
        let value = self.db.get_pinned(key).map_err(|source| self.failed(source))?;
        value.map(|value| self.decode(&value, what)).transpose()
    }

    fn require<T: DeserializeOwned>(&self, key: &[u8], what: &str) -> Result<T, ArchiverError> {
        self.get(key, what)?.ok_or_else(|| self.corrupt(format!("no {what}")))
    }

    fn decode<T: DeserializeOwned>(&self, value: &[u8], what: &str) -> Result<T, ArchiverError> {
        match postcard::take_from_bytes(value) {
            Ok((record, [])) => Ok(record),
            Ok((_, rest)) => Err(self.corrupt(format!("{what} with {} bytes too many", rest.len()))),
            Err(error) => Err(self.corrupt(format!("{what}: {error}"))),
        }
    }

    fn put<T: Serialize>(&self, batch: &mut WriteBatch, key: Vec<u8>, record: &T) -> Result<(), ArchiverError> {
        let value = postcard::to_stdvec(record).map_err(|error| self.corrupt(format!("record not written: {error}")))?;
        batch.put(key, value);
        Ok(())
    }

    fn write(&self, batch: WriteBatch) -> Result<(), ArchiverError> {
        self.db.write(batch).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rocksdb::Error) -> ArchiverError {
        ArchiverError::Store { path: self.path.clone(), source }
    }

    fn corrupt(&self, what: String) -> ArchiverError {
        ArchiverError::Corrupt { path: self.path.clone(), what }
    }
}

fn invalid_key(invalid: &InvalidCheckpoint) -> Vec<u8> {
    key(Table::INVALID, &[invalid.number.get().to_be_bytes().as_slice(), &invalid.archive.to_be_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256, FixedBytes};
    use ollin_protocol::units::L1BlockNumber;

    use super::*;

    fn binding() -> StoreBinding {
        StoreBinding { chain_id: 31337, rollup: Address::repeat_byte(1), rollup_version: 7, genesis_archive_root: Fr::ZERO }
    }

    fn message(index: u64) -> StoredMessage {
        StoredMessage {
            index,
            count: index,
            leaf: Fr::from_u64(index),
            rolling_hash: FixedBytes::ZERO,
            l1_block: L1BlockNumber::new(1),
            l1_block_hash: B256::ZERO,
        }
    }

    #[test]
    fn a_store_of_another_rollup_chain_or_version_is_refused_with_a_remedy() {
        let directory = tempfile::tempdir().unwrap();
        drop(Store::open(directory.path(), &binding()).unwrap());
        drop(Store::open(directory.path(), &binding()).unwrap());
        let others = [
            (StoreBinding { chain_id: 1, ..binding() }, "L1 chain id"),
            (StoreBinding { rollup: Address::ZERO, ..binding() }, "rollup"),
            (StoreBinding { rollup_version: 8, ..binding() }, "rollup version"),
            (StoreBinding { genesis_archive_root: Fr::from_u64(1), ..binding() }, "genesis archive root"),
        ];
        for (other, expected) in others {
            let refusal = Store::open(directory.path(), &other).unwrap_err();
            assert!(matches!(&refusal, ArchiverError::OtherRollup { what, .. } if *what == expected), "{refusal}");
            assert!(refusal.to_string().contains("DATA_DIRECTORY"));
        }
    }

    #[test]
    fn a_directory_in_use_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let _open = Store::open(directory.path(), &binding()).unwrap();
        assert!(matches!(Store::open(directory.path(), &binding()), Err(ArchiverError::Store { .. })));
    }

    #[test]
    fn messages_are_found_by_checkpoint_and_unwound_by_place() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), &binding()).unwrap();
        assert_eq!(store.last_message().unwrap(), None);
        store.insert_messages(&[1024, 1025, 2047, 2048, 2049].map(message)).unwrap();
        let leaves = |checkpoint| store.messages_of(CheckpointNumber::new(checkpoint)).unwrap();
        assert_eq!(leaves(2), [1024, 1025, 2047].map(Fr::from_u64));
        assert_eq!(leaves(3), [2048, 2049].map(Fr::from_u64));
        assert_eq!((leaves(0), leaves(1), leaves(4)), (vec![], vec![], vec![]));
        assert_eq!(store.message_before(2048).unwrap(), Some(message(2047)));
        assert_eq!(store.message_before(1024).unwrap(), None);
        store.unwind_messages(2047).unwrap();
        assert_eq!(store.last_message().unwrap(), Some(message(1025)));
        assert_eq!(store.checkpoint(CheckpointNumber::new(1)).unwrap(), None, "another table");
    }

    #[test]
    fn a_damaged_record_is_reported_with_a_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), &binding()).unwrap();
        let good = postcard::to_stdvec(&message(1024)).unwrap();
        let long = [good.as_slice(), &[0]].concat();
        for damaged in [&good[..good.len() - 1], &[], &long] {
            store.db.put(key(Table::MESSAGE, &1024_u64.to_be_bytes()), damaged).unwrap();
            let refusal = store.last_message().unwrap_err();
            assert!(matches!(refusal, ArchiverError::Corrupt { .. }) && refusal.to_string().contains("rebuilt from L1"));
        }
    }
}
