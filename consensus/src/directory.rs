//! The lock that keeps a second process out of a data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use ollin_guard::{Fault, planted};

const LOCK_FILE: &str = "replica.lock";

/// Held as long as the process uses the directory; the kernel releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another process uses it.
    #[error("data directory {path} is in use by {}", pid.as_ref().map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}")))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// That process, if it said who it is.
        pid: Option<u32>,
    },
    /// It cannot be made, read or written.
    #[error("cannot use data directory {path}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl DirectoryLock {
    /// Makes the directory if need be, and takes it.
    pub(crate) fn take(path: &Path) -> Result<Self, DirectoryError> {
        let io = |source| DirectoryError::Io { path: path.to_owned(), source };
        make_durably(path).map_err(io)?;
        let mut options = OpenOptions::new();
        let mut file = options.create(true).truncate(false).read(true).write(true).open(path.join(LOCK_FILE)).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if planted(Fault::DirectoryShared) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let pid = file.read_to_string(&mut holder).ok().and_then(|_| holder.trim().parse().ok());
                return Err(DirectoryError::InUse { path: path.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(io)?;
        Ok(Self { _file: file })
    }
}

/// Keeps a replica from starting while its directory is read. Nothing is written.
#[derive(Debug)]
pub(crate) struct ReadLock {
    _file: File,
}

impl ReadLock {
    /// Takes a directory that a replica has used; one that is in use is refused.
    pub(crate) fn take(path: &Path) -> Result<Self, DirectoryError> {
        let io = |source| DirectoryError::Io { path: path.to_owned(), source };
        let mut file = File::open(path.join(LOCK_FILE)).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let pid = file.read_to_string(&mut holder).ok().and_then(|_| holder.trim().parse().ok());
                Err(DirectoryError::InUse { path: path.to_owned(), pid })
            }
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }
}

/// Makes a directory whose own name survives a power cut: names are durable with the directory that they are in.
fn make_durably(path: &Path) -> std::io::Result<()> {
    let path = std::path::absolute(path)?;
    let missing = path.ancestors().skip(1).take_while(|parent| !parent.exists()).count();
    std::fs::create_dir_all(&path)?;
    // The lowest one that was there before, too: it has a new name in it. An earlier process may have made it and not come this far.
    for parent in path.ancestors().skip(1).take(missing + 1) {
        sync_names(parent)?;
    }
    Ok(())
}

/// Makes the names in a directory durable. One that may not be read was not made by this user, nor was what is in it; and some file
/// systems know no such sync.
pub(crate) fn sync_names(directory: &Path) -> std::io::Result<()> {
    match File::open(directory).and_then(|opened| opened.sync_all()) {
        Err(error) if !matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::InvalidInput) => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_with_all_that_are_above_it_and_one_that_is_there_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a").join("b").join("c");
        for _ in 0..2 {
            make_durably(&path).unwrap();
            assert!(path.is_dir());
        }
        std::fs::write(directory.path().join("file"), "").unwrap();
        assert!(make_durably(&directory.path().join("file").join("below")).is_err());
    }

    #[test]
    fn a_directory_is_taken_once_and_the_refusal_names_the_holder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new");
        let held = DirectoryLock::take(&path).unwrap();
        let refused = DirectoryLock::take(&path).unwrap_err();
        assert!(matches!(refused, DirectoryError::InUse { pid: Some(pid), .. } if pid == std::process::id()));
        assert!(refused.to_string().contains(&format!("process {}", std::process::id())));
        assert!(matches!(ReadLock::take(&path), Err(DirectoryError::InUse { pid: Some(_), .. })));
        drop(held);
        let read = ReadLock::take(&path).unwrap();
        assert!(matches!(DirectoryLock::take(&path), Err(DirectoryError::InUse { .. })), "no replica starts while it is read");
        drop(read);
        DirectoryLock::take(&path).unwrap();
        assert!(matches!(ReadLock::take(&directory.path().join("other")), Err(DirectoryError::Io { .. })));
        assert!(!directory.path().join("other").exists(), "reading makes nothing");
    }
}
