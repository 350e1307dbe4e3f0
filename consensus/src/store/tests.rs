//! openraft's own suite, and what it does not ask: the chain, damage, the vote of an earlier process.

mod year;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ollin_protocol::units::ReplicaId;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{RaftLogReader, RaftSnapshotBuilder};
use parking_lot::RwLock;
use tempfile::TempDir;

use super::*;
use crate::chain::ChainIndex;
use crate::directory::DirectoryLock;
use crate::entry::{Body, Entry};
use crate::halt::Halt;
use crate::raft::{CommandBytes, Raft, RaftEntryOf, Vote, log_id};
use crate::recovery::{Promise, Recovery};
use crate::rules::Supported;
use crate::simulation::MemoryDisk;
use crate::state::State;

const IDENTITY: Identity = Identity { cluster: [1; 16], name: ReplicaId::new(7), id: 7, token: None, enlisted: true };

struct Opened {
    log: LogStore,
    machine: StateMachine,
    database: Arc<Database>,
    state: SharedState,
    chain: Arc<RwLock<ChainIndex>>,
    halt: Halt,
}

fn open_as(directory: &Path, identity: Identity) -> Result<Opened, StoreError> {
    let lock = DirectoryLock::take(directory).unwrap();
    let disk = Box::new(RocksDisk::open(directory, lock)?);
    open_on(disk, identity)
}

fn open_on(disk: Box<dyn Disk>, identity: Identity) -> Result<Opened, StoreError> {
    let (database, index) = Database::open(disk)?;
    if database.identity(identity.cluster, identity.name)?.is_none() {
        database.adopt(&identity)?;
    }
    let (database, chain) = (Arc::new(database), Arc::new(RwLock::new(index)));
    let state = Arc::new(RwLock::new(State::default()));
    let recovery = Recovery::whole(Promise { vote: database.value("vote")?, last: chain.read().last_promised() });
    let durable = Durable::new(Arc::clone(&chain), recovery);
    let sync = SyncQueue::start(Arc::clone(&database), durable.clone(), |reason| panic!("{reason}")).unwrap();
    let log = LogStore::new(Arc::clone(&database), Arc::clone(&chain), Arc::clone(&state), sync.clone(), durable, identity.id)?;
    let halt = Halt::new();
    let machine = StateMachine::new(
        Arc::clone(&database),
        Arc::clone(&chain),
        Arc::clone(&state),
        sync,
        Progress::new(),
        halt.clone(),
        Supported::RELEASED,
    );
    Ok(Opened { log, machine, database, state, chain, halt })
}

fn open(directory: &Path) -> Result<Opened, StoreError> {
    open_as(directory, IDENTITY)
}

/// Closes the store and waits until the directory is free.
async fn close(opened: Opened) {
    let mut closed = opened.database.closed();
    drop(opened);
    assert!(closed.changed().await.is_err());
}

fn command(term: u64, index: u64) -> RaftEntryOf {
    let payload = openraft::EntryPayload::Normal(CommandBytes(Bytes::from(format!("command {index}"))));
    openraft::entry::RaftEntry::new(log_id(term, index), payload)
}

fn blank(term: u64, index: u64) -> RaftEntryOf {
    Entry { term, index, body: Body::Blank }.into_raft().unwrap()
}

async fn with_ten_commands(directory: &Path) {
    let mut opened = open(directory).unwrap();
    opened.log.blocking_append((0..10).map(|index| command(1, index))).await.unwrap();
    close(opened).await;
}

/// Changes the stored record of one entry behind the store's back.
async fn tamper(directory: &Path, index: u64, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
    let opened = open(directory).unwrap();
    {
        let disk = opened.database.disk();
        let key = index.to_be_bytes();
        let mut batch = Batch::default();
        match change(disk.get(Table::Log, &key).unwrap().unwrap().to_vec()) {
            Some(record) => batch.put(Table::Log, key, record),
            None => batch.delete(Table::Log, key),
        }
        disk.write(batch).unwrap();
        disk.sync().unwrap();
    }
    close(opened).await;
}

struct Builder;

impl StoreBuilder<Raft, LogStore, StateMachine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), openraft::StorageError<Raft>> {
        let directory = tempfile::tempdir().unwrap();
        let opened = open(directory.path()).unwrap();
        Ok((directory, opened.log, opened.machine))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openrafts_storage_suite_passes_on_rocksdb() {
    Suite::test_all(Builder).await.unwrap();
}

struct InMemory;

impl StoreBuilder<Raft, LogStore, StateMachine, ()> for InMemory {
    async fn build(&self) -> Result<((), LogStore, StateMachine), openraft::StorageError<Raft>> {
        let opened = open_on(Box::new(MemoryDisk::new("memory")), IDENTITY).unwrap();
        Ok(((), opened.log, opened.machine))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openrafts_storage_suite_passes_on_the_simulated_disk() {
    Suite::test_all(InMemory).await.unwrap();
}

#[tokio::test]
async fn the_log_is_read_as_it_was_written_after_closing() {
    let directory = tempfile::tempdir().unwrap();
    with_ten_commands(directory.path()).await;
    let mut opened = open(directory.path()).unwrap();
    let entries = opened.log.try_get_log_entries(0..20).await.unwrap();
    assert_eq!(entries, (0..10).map(|index| command(1, index)).collect::<Vec<_>>());
    assert_eq!(opened.chain.read().last_position().map(|last| last.index), Some(9));
}

#[tokio::test]
async fn a_changed_byte_in_any_part_of_an_entry_stops_the_store_and_names_the_index() {
    let directory = tempfile::tempdir().unwrap();
    with_ten_commands(directory.path()).await;
    for position in [1, 40, 70] {
        tamper(directory.path(), 4, |mut record| {
            record[position] ^= 1;
            Some(record)
        })
        .await;
        let refused = open(directory.path()).err().unwrap();
        assert!(matches!(refused, StoreError::Entry { index: 4, .. }), "byte {position}: {refused}");
        let database = rocksdb_raw(directory.path());
        let family = database.cf_handle("log").unwrap();
        let mut record = database.get_cf(family, 4u64.to_be_bytes()).unwrap().unwrap();
        record[position] ^= 1;
        database.put_cf(family, 4u64.to_be_bytes(), record).unwrap();
    }
    open(directory.path()).unwrap();
}

fn rocksdb_raw(directory: &Path) -> rocksdb::DB {
    rocksdb::DB::open_cf(&rocksdb::Options::default(), directory.join("raft"), ["log", "meta", "state"]).unwrap()
}

#[tokio::test]
async fn an_entry_with_a_chain_of_its_own_does_not_fit_and_a_missing_one_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    with_ten_commands(directory.path()).await;
    // A forged entry whose own chain is right: only what comes before and after it can tell.
    tamper(directory.path(), 4, |record| {
        let stored = Entry::from_record(4, &record).unwrap();
        let forged = Entry { term: 1, index: 4, body: Body::Command(Bytes::from_static(b"forged")) };
        Some(forged.to_record(stored.before, forged.chain_after(stored.before)))
    })
    .await;
    assert!(matches!(open(directory.path()).err(), Some(StoreError::Broken { index: 5 })));

    let directory = tempfile::tempdir().unwrap();
    with_ten_commands(directory.path()).await;
    tamper(directory.path(), 6, |_| None).await;
    assert!(matches!(open(directory.path()).err(), Some(StoreError::Hole { expected: 6, found: 7 })));
}

#[tokio::test]
async fn entries_continue_the_log_and_the_chain_after_truncation_and_purge() {
    let directory = tempfile::tempdir().unwrap();
    with_ten_commands(directory.path()).await;
    let mut opened = open(directory.path()).unwrap();
    let before = opened.chain.read().at(6).unwrap();
    opened.log.truncate_after(Some(log_id(1, 6))).await.unwrap();
    assert!(opened.log.blocking_append([command(2, 9)]).await.is_err(), "a hole");
    assert!(opened.log.blocking_append([command(2, 6)]).await.is_err(), "an overwritten entry");
    opened.log.blocking_append([command(2, 7)]).await.unwrap();
    let last = opened.chain.read().last_position().unwrap();
    assert_eq!(last.chain, Entry::from(&command(2, 7)).chain_after(before.chain));
    assert!(opened.log.purge(log_id(2, 5)).await.is_err(), "another entry is held there");
    opened.log.purge(log_id(2, 7)).await.unwrap();
    assert_eq!(opened.chain.read().last_position(), Some(last), "the chain outlives the entries");
    close(opened).await;

    let mut opened = open(directory.path()).unwrap();
    let state = opened.log.get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(log_id(2, 7)), Some(log_id(2, 7))));
    opened.log.blocking_append([command(2, 8)]).await.unwrap();
    assert_eq!(opened.chain.read().at(8).unwrap().chain, Entry::from(&command(2, 8)).chain_after(last.chain));
}

#[tokio::test]
async fn an_own_committed_vote_of_an_earlier_process_is_not_committed_any_more() {
    let directory = tempfile::tempdir().unwrap();
    for (voted_for, committed_after) in [(IDENTITY.id, false), (IDENTITY.id + 1, true)] {
        let mut opened = open(directory.path()).unwrap();
        let vote = Vote::new_committed(10 + voted_for, voted_for);
        opened.log.save_vote(&vote).await.unwrap();
        assert_eq!(opened.log.read_vote().await.unwrap(), Some(vote), "this process knows what it saved");
        close(opened).await;
        let mut opened = open(directory.path()).unwrap();
        let read = opened.log.read_vote().await.unwrap().unwrap();
        assert_eq!((read.leader_id, read.committed), (vote.leader_id, committed_after));
        close(opened).await;
    }
}

#[tokio::test]
async fn a_store_of_another_replica_or_cluster_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    close(open(directory.path()).unwrap()).await;
    for other in [Identity { name: ReplicaId::new(8), ..IDENTITY }, Identity { cluster: [2; 16], ..IDENTITY }] {
        assert!(matches!(open_as(directory.path(), other).err(), Some(StoreError::OtherReplica { .. })));
    }
}

#[tokio::test]
async fn a_snapshot_survives_closing_and_one_of_another_history_halts() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path()).unwrap();
    opened.log.blocking_append([blank(1, 0), blank(1, 1)]).await.unwrap();
    let entries = [blank(1, 0), blank(1, 1)].map(|entry| Ok((entry, None)));
    opened.machine.apply(futures::stream::iter(entries)).await.unwrap();
    let snapshot = opened.machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    close(opened).await;

    let mut opened = open(directory.path()).unwrap();
    let stored = opened.machine.get_current_snapshot().await.unwrap().unwrap();
    assert_eq!((&stored.meta, &stored.snapshot), (&snapshot.meta, &snapshot.snapshot));

    let mut other = State::default();
    for (index, body) in [(0, Body::Command(Bytes::from_static(&[]))), (1, Body::Blank)] {
        // The empty command cannot be applied, so the other history starts with a term of its own.
        let term = if matches!(body, Body::Blank) { 1 } else { 0 };
        other.apply(&Entry { term, index, body: Body::Blank }, None).unwrap();
    }
    let meta = openraft::SnapshotMeta { last_log_id: Some(log_id(1, 1)), last_membership: Default::default() };
    assert!(opened.machine.install_snapshot(&meta, other.encode().into()).await.is_err());
    assert!(opened.halt.reason().unwrap().contains("different histories"));
}

#[tokio::test]
async fn an_entry_that_does_not_continue_what_was_applied_halts() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path()).unwrap();
    opened.log.blocking_append([blank(1, 0), blank(1, 1)]).await.unwrap();
    let skipped = futures::stream::iter([Ok((blank(1, 1), None))]);
    assert!(opened.machine.apply(skipped).await.is_err());
    assert!(opened.halt.is_halted());
}

/// A disk that writes and cannot sync.
struct Unsyncable(MemoryDisk);

impl Disk for Unsyncable {
    fn place(&self) -> String {
        self.0.place()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, DiskError> {
        self.0.get(table, key)
    }

    fn scan(&self, table: Table, first: &[u8]) -> Box<dyn Iterator<Item = Result<Record, DiskError>> + '_> {
        self.0.scan(table, first)
    }

    fn write(&self, batch: Batch) -> Result<(), DiskError> {
        self.0.write(batch)
    }

    fn sync(&self) -> Result<(), DiskError> {
        match self.0.unsynced() {
            0 => Ok(()),
            _ => Err(DiskError::Failed { reason: "input/output error".to_owned() }),
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_crash_and_so_does_a_vote() {
    let disk = MemoryDisk::new("memory");
    let mut opened = open_on(Box::new(disk.clone()), IDENTITY).unwrap();
    let vote = Vote::new(3, 9);
    opened.log.save_vote(&vote).await.unwrap();
    assert_eq!(disk.unsynced(), 0, "a vote that a crash forgets is given twice");
    opened.log.blocking_append((0..10).map(|index| command(1, index))).await.unwrap();
    assert_eq!(disk.unsynced(), 0, "an entry that a crash forgets was never on a quorum");
    close(opened).await;
    disk.crash(0);
    let mut opened = open_on(Box::new(disk), IDENTITY).unwrap();
    assert_eq!(opened.log.read_vote().await.unwrap(), Some(vote));
    assert_eq!(opened.chain.read().last_position().map(|last| last.index), Some(9));
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged() {
    let disk = MemoryDisk::new("memory");
    close(open_on(Box::new(disk.clone()), IDENTITY).unwrap()).await;
    let mut opened = open_on(Box::new(Unsyncable(disk)), IDENTITY).unwrap();
    for _ in 0..2 {
        let saved = opened.log.save_vote(&Vote::new(3, 9)).await;
        assert!(saved.is_err(), "the kernel may have dropped the pages: no later sync is believed");
    }
}

#[tokio::test]
async fn a_write_ahead_log_that_is_damaged_before_its_end_is_not_opened_up_to_the_damage() {
    let directory = tempfile::tempdir().unwrap();
    with_ten_commands(directory.path()).await;
    let files = std::fs::read_dir(directory.path().join("raft")).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let log = logs.max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let refused = open(directory.path()).map(|opened| opened.chain.read().last_position());
    assert!(matches!(refused, Err(StoreError::Disk { action: "open", .. })), "opened with a log that ends at {refused:?}");
}

/// RocksDB would read that record again for ever.
#[tokio::test]
async fn a_record_whose_kind_has_flipped_into_one_of_a_reused_log_is_refused_and_does_not_hang_the_opening() {
    let directory = tempfile::tempdir().unwrap();
    with_ten_commands(directory.path()).await;
    let files = std::fs::read_dir(directory.path().join("raft")).unwrap().map(|entry| entry.unwrap().path());
    let is_framed = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("MANIFEST-") || name.ends_with(".log")
    };
    for file in files.filter(is_framed) {
        let whole = std::fs::read(&file).unwrap();
        let Some(length) = whole.get(4..6).map(|bytes| usize::from(u16::from_le_bytes([bytes[0], bytes[1]]))) else { continue };
        let second = 7 + length;
        if whole.len() < second + 7 {
            continue;
        }
        let mut bytes = whole.clone();
        bytes[second + 6] ^= 4;
        std::fs::write(&file, bytes).unwrap();
        let path = directory.path().to_owned();
        let opened = std::thread::spawn(move || open(&path).map(|opened| opened.chain.read().last_position()));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !opened.is_finished() {
            assert!(std::time::Instant::now() < deadline, "the opening hangs on {}", file.display());
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let refused = opened.join().unwrap();
        assert!(matches!(refused, Err(StoreError::Disk { action: "open", .. })), "{}: {refused:?}", file.display());
        std::fs::write(&file, whole).unwrap();
    }
    assert!(open(directory.path()).is_ok(), "as it was");
}
