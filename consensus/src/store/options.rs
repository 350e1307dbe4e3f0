//! RocksDB's settings, with the reasons.

use ollin_guard::{Fault, planted};
use rocksdb::{BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBRecoveryMode, Options};

use super::disk::Table;

const TABLES: [Table; 3] = [Table::Log, Table::Meta, Table::State];

const WRITE_BUFFER_BYTES: usize = 4 << 20;
const CACHE_BYTES: usize = 4 << 20;
const WAL_BYTES: u64 = 64 << 20;

pub(super) fn database() -> Result<Options, rocksdb::Error> {
    // The wrapper has no setter for this one: after a background error nothing resumes by itself.
    let mut options = Options::default().get_options_from_string("max_bgerror_resume_count=0")?;
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    // A record cut off at the very end was never acknowledged: a kill in the middle of a write leaves one. Damage anywhere else
    // refuses to open. Point-in-time recovery, the default, would drop everything after the damage without a word.
    let lenient = planted(Fault::PointInTimeWal);
    let recovery = if lenient { DBRecoveryMode::PointInTime } else { DBRecoveryMode::TolerateCorruptedTailRecords };
    options.set_wal_recovery_mode(recovery);
    // A missing or shortened write-ahead log is noticed.
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_recycle_log_file_num(0);
    // The sync thread decides when the log reaches the disk; until then entries need not reach the kernel either.
    options.set_manual_wal_flush(true);
    options.set_max_total_wal_size(WAL_BYTES);
    options.set_keep_log_file_num(4);
    options.set_max_open_files(64);
    Ok(options)
}

pub(super) fn families() -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let family = |table| {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&cache);
        let mut options = Options::default();
        options.set_block_based_table_factory(&blocks);
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_max_write_buffer_number(2);
        ColumnFamilyDescriptor::new(name(table), options)
    };
    TABLES.into_iter().map(family).collect()
}

/// The column family of a table.
pub(super) fn name(table: Table) -> &'static str {
    match table {
        Table::Log => "log",
        Table::Meta => "meta",
        Table::State => "state",
    }
}
