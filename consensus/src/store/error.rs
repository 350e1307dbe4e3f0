//! Why a replica's store was not opened.

use super::disk::DiskError;
use crate::entry::EntryError;
use crate::sealed::SealError;
use crate::state::StateBytesError;

/// Why a replica's store was not opened. Never worked around: a doubtful store does not vote.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk refused.
    #[error("cannot {action} the store in {place}")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The directory.
        place: String,
        /// Why.
        #[source]
        source: DiskError,
    },
    /// A stored value is damaged.
    #[error("stored {name} is damaged")]
    Value {
        /// Which.
        name: &'static str,
        /// How.
        #[source]
        source: SealError,
    },
    /// An entry of the log is damaged.
    #[error("entry {index} of the log is damaged")]
    Entry {
        /// Which.
        index: u64,
        /// How.
        #[source]
        source: EntryError,
    },
    /// An entry does not continue the one before it.
    #[error("entry {index} of the log does not continue the entry before it")]
    Broken {
        /// Which.
        index: u64,
    },
    /// An entry is missing.
    #[error("the log goes on with entry {found}, expected {expected}")]
    Hole {
        /// The missing entry.
        expected: u64,
        /// What comes instead.
        found: u64,
    },
    /// A key of the log is no index.
    #[error("a key of the log has {bytes} bytes, expected 8")]
    Key {
        /// Its length.
        bytes: usize,
    },
    /// The snapshot is damaged.
    #[error("the stored snapshot is damaged")]
    Snapshot {
        /// How.
        #[source]
        source: Box<StateBytesError>,
    },
    /// The store is closed already.
    #[error("the store is closed")]
    Closed,
    /// The directory belongs to another replica or cluster.
    #[error(
        "the store belongs to replica {found_replica} of cluster {found_cluster}, this is replica {replica} of cluster {cluster}"
    )]
    OtherReplica {
        /// Whose store it is.
        found_replica: u64,
        /// Of which cluster.
        found_cluster: String,
        /// Who asks.
        replica: u64,
        /// Of which cluster.
        cluster: String,
    },
}
