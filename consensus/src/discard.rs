//! Laying a store aside that must not be used again.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ollin_protocol::units::ReplicaId;

use crate::directory::{DirectoryError, DirectoryLock};
use crate::store::{Database, RocksDisk};

/// Why a store was not laid aside.
#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    /// There is none.
    #[error("there is no store in {path}")]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// A process uses it.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// It is another replica's.
    #[error("the store in {path} is replica {found}'s, not replica {confirmed}'s")]
    OtherReplica {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: ReplicaId,
        /// Whose it was said to be.
        confirmed: ReplicaId,
    },
    /// It cannot be renamed.
    #[error("cannot move {path} aside")]
    Move {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Renames the store's directory and returns its new name. `confirmed` must be the replica whose store it is; one that is so damaged
/// that it does not say whose it is goes by the word of its owner.
///
/// # Errors
/// [`DiscardError`]; nothing was changed.
pub fn discard_store(directory: &Path, confirmed: ReplicaId) -> Result<PathBuf, DiscardError> {
    let path = directory.to_owned();
    if !directory.is_dir() {
        return Err(DiscardError::Missing { path });
    }
    let lock = DirectoryLock::take(directory)?;
    let owner = RocksDisk::open(directory, lock).ok().and_then(|disk| Database::owner(Box::new(disk)));
    if let Some(found) = owner
        && found != confirmed
    {
        return Err(DiscardError::OtherReplica { path, found, confirmed });
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push(format!(".discarded-{now}"));
    let aside = directory.with_file_name(name);
    std::fs::rename(directory, &aside).map_err(|source| DiscardError::Move { path, source })?;
    Ok(aside)
}
