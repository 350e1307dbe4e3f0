//! The marker that tells a data directory from a copy of it (safety rule R8).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statvfs::statvfs;
use ollin_guard::{Fault, planted};
use serde::{Deserialize, Serialize};

use crate::sealed;

const FILE: &str = "replica.marker";

/// Where a directory was when it was first used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    /// `/etc/machine-id`; empty where there is none, as in most containers.
    machine: String,
    file_system: u64,
    inode: u64,
}

impl Marker {
    /// Compares the directory with its marker, or marks it if it has none. `Ok(Some(..))` says what is not as it was.
    pub(crate) fn check(directory: &Path) -> io::Result<Option<String>> {
        let path = directory.join(FILE);
        let here = Self::of(directory)?;
        match fs::read(&path) {
            Ok(bytes) => {
                let marked = sealed::open::<Self>(&bytes);
                let marked = marked.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{FILE}: {error}")))?;
                Ok(marked.difference(&here))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let scratch = directory.join("replica.marker.new");
                let file = fs::File::create(&scratch)?;
                io::Write::write_all(&mut &file, &sealed::seal(&here))?;
                file.sync_all()?;
                fs::rename(&scratch, &path)?;
                fs::File::open(directory)?.sync_all()?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn of(directory: &Path) -> io::Result<Self> {
        let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default().trim().to_owned();
        Ok(Self { machine, file_system: statvfs(directory)?.filesystem_id(), inode: fs::metadata(directory)?.ino() })
    }

    fn difference(&self, here: &Self) -> Option<String> {
        if self.machine != here.machine && !self.machine.is_empty() && !here.machine.is_empty() {
            return Some(format!("it was first used on machine {}, this is machine {}", self.machine, here.machine));
        }
        if self.file_system != here.file_system {
            return Some("it was first used in another file system".to_owned());
        }
        (self.inode != here.inode && !planted(Fault::CopyUnnoticed))
            .then(|| format!("it was first used as inode {}, this is inode {}", self.inode, here.inode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_marked_once_and_a_copy_of_it_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
        fs::create_dir(&original).unwrap();
        assert_eq!(Marker::check(&original).unwrap(), None);
        assert_eq!(Marker::check(&original).unwrap(), None);
        fs::create_dir(&copy).unwrap();
        fs::copy(original.join(FILE), copy.join(FILE)).unwrap();
        let difference = Marker::check(&copy).unwrap().unwrap();
        assert!(difference.contains("inode"), "{difference}");
    }

    #[test]
    fn another_machine_and_another_file_system_are_named() {
        let marked = Marker { machine: "a".to_owned(), file_system: 1, inode: 2 };
        let elsewhere = Marker { machine: "b".to_owned(), ..marked.clone() };
        assert!(marked.difference(&elsewhere).unwrap().contains("machine b"));
        let nowhere = Marker { machine: String::new(), ..marked.clone() };
        assert_eq!(marked.difference(&nowhere), None);
        assert!(marked.difference(&Marker { file_system: 9, ..marked.clone() }).unwrap().contains("file system"));
    }
}
