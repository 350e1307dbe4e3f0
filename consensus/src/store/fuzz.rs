//! Hostile contents of the store as a whole: keys, records and values as a disk may give them back.

use bytes::Bytes;
use ollin_fuzz::Fuzz;
use ollin_protocol::units::ReplicaId;
use serde::{Deserialize, Serialize};

use super::database::{BASE, COMMITTED, VOTE};
use super::{Batch, Database, Disk, Identity, Table};
use crate::chain::{Base, Chain};
use crate::entry::Entry;
use crate::fuzz::{log, state_after};
use crate::raft::VoteRecord;
use crate::sealed;
use crate::simulation::MemoryDisk;

/// One record of a table, and what is to be made right of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Record {
    /// As it is.
    Raw { table: u8, key: Bytes, value: Bytes },
    /// An entry that follows the one before, with the right key and chain.
    Chained(Entry),
    /// A value under a right checksum.
    Sealed { name: u8, body: Bytes },
}

const NAMES: [&str; 4] = [VOTE, COMMITTED, BASE, "identity"];

fn table(number: u8) -> Table {
    match number % 3 {
        0 => Table::Log,
        1 => Table::Meta,
        _ => Table::State,
    }
}

/// A disk with these records.
fn disk_of(records: &[Record]) -> MemoryDisk {
    let disk = MemoryDisk::new("fuzz");
    let (mut batch, mut before) = (Batch::default(), Chain::default());
    for record in records {
        match record {
            Record::Raw { table: number, key, value } => batch.put(table(*number), key, value.clone()),
            Record::Chained(entry) => {
                let chain = entry.chain_after(before);
                batch.put(Table::Log, entry.index.to_be_bytes(), entry.to_record(before, chain));
                before = chain;
            }
            Record::Sealed { name, body } => {
                // `seal` of bytes that are no value of their own: the checksum alone is wanted.
                batch.put(Table::Meta, NAMES[usize::from(*name) % NAMES.len()], crate::fuzz::with_checksum(body));
            }
        }
    }
    disk.write(batch).unwrap();
    disk.sync().unwrap();
    disk
}

fn records() -> Vec<Record> {
    let log = log();
    let sealed = |name, body: Vec<u8>| Record::Sealed { name, body: Bytes::from(body) };
    let identity = Identity { cluster: [1; 16], name: ReplicaId::new(1), id: 1, token: None, enlisted: true };
    let mut records: Vec<Record> = log.iter().cloned().map(Record::Chained).collect();
    records.extend([
        sealed(0, sealed::to_bytes(&VoteRecord { term: 1, voted_for: 1, committed: true })),
        sealed(1, sealed::to_bytes(&Some((1u64, 3u64)))),
        sealed(3, sealed::to_bytes(&identity)),
        Record::Raw { table: 2, key: Bytes::from_static(b"snapshot"), value: state_after(&log).encode().into() },
    ]);
    records
}

/// A log whose beginning was purged.
fn purged() -> Vec<Record> {
    let base = Base { term: 1, index: 4, chain: None };
    let mut records: Vec<Record> = log()[5..].iter().cloned().map(Record::Chained).collect();
    records.push(Record::Sealed { name: 2, body: sealed::to_bytes(&base).into() });
    records
}

/// Whatever the tables hold: a typed error, or a log without a hole in which every entry continues the one before.
#[test]
fn a_store_that_opens_holds_an_unbroken_log() {
    let whole = records();
    let parts = (1..whole.len()).map(|count| whole[..count].to_vec());
    let seeds = parts.chain([whole.clone(), purged()]).map(|records| sealed::to_bytes(&records));
    Fuzz::new("store").seeds(seeds).run(|bytes| {
        let Ok(records) = sealed::from_bytes::<Vec<Record>>(bytes) else { return };
        let Ok((database, index)) = Database::open(Box::new(disk_of(&records))) else { return };
        let mut entries = database.entries(0);
        let mut at = index.first().map(|first| first.index);
        while let Some(expected) = at.take_if(|at| index.at(*at).is_some()) {
            let stored = entries.next().unwrap().unwrap();
            assert_eq!((stored.entry.index, Some(stored.chain)), (expected, index.at(expected).map(|held| held.chain)));
            at = expected.checked_add(1);
        }
        assert!(entries.next().is_none());
        drop(entries);
        if let Some(base) = index.base() {
            assert!(index.first().is_none_or(|first| Some(first.index) == base.index.checked_add(1)));
        }
        let _ = database.identity([1; 16], ReplicaId::new(1));
        let _ = (database.value::<VoteRecord>(VOTE), database.value::<Option<(u64, u64)>>(COMMITTED));
        if let Ok(Some(membership)) = database.membership() {
            let _ = membership.into_raft();
        }
    });
}
