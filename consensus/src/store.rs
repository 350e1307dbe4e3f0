//! What a replica keeps on disk: one RocksDB with log, vote and snapshot, in three column families.
//!
//! Rules kept here (safety rule R5): a damaged write-ahead log is never cut short silently, write-ahead logs are tracked and not
//! recycled, nothing resumes by itself after a background error, a failed sync ends the process, every value carries its own
//! checksum, and the chain through the log is verified at every open.

mod database;
mod disk;
mod durable;
mod error;
mod framing;
#[cfg(test)]
mod fuzz;
mod log_store;
mod machine;
mod options;
mod rocks;
mod sync;
mod sync_clock;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "simulation"))]
pub(crate) use database::{BASE, VOTE};
pub(crate) use database::{Database, Identity};
pub use disk::{Batch, Change, Disk, DiskError, Record, Table};
pub(crate) use durable::Durable;
pub use error::StoreError;
pub(crate) use log_store::LogStore;
pub(crate) use machine::{Progress, SharedState, StateMachine};
pub(crate) use rocks::RocksDisk;
pub use sync::Fatal;
pub(crate) use sync::{SyncQueue, abort_process};
pub(crate) use sync_clock::SyncClock;
