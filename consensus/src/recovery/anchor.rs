//! The local anchor: the last promise, in memory that a process's end leaves alone and a machine's end does not.
//!
//! Written after each sync and before anything is acknowledged. A store that holds what the anchor says is the one that the last
//! process left; a store that holds less was rolled back; without an anchor of this boot of the machine nothing is known.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use ollin_guard::{Fault, planted};
use serde::{Deserialize, Serialize};

use super::Promise;
use crate::chain::ChainIndex;
use crate::sealed;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Where a promise is kept while the machine lives.
pub trait Anchor: std::fmt::Debug + Send + Sync {
    /// The last promise of this Raft id that was written since the machine started; `None` if there is none that can be believed.
    fn read(&self, replica: u64) -> Option<Promise>;

    /// Replaces it, at once and as a whole.
    ///
    /// # Errors
    /// The old one may still be there.
    fn write(&self, replica: u64, promise: &Promise) -> io::Result<()>;

    /// Removes it: until one is written again nothing proves continuity.
    ///
    /// # Errors
    /// It may still be there.
    fn remove(&self) -> io::Result<()>;
}

/// Where the anchor of one store lies.
#[derive(Debug)]
pub(crate) struct AnchorFile {
    path: PathBuf,
    scratch: PathBuf,
    machine_boot: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    machine_boot: String,
    replica: u64,
    promise: Promise,
}

/// What the anchor says of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Continuity {
    /// The store is the one that the last process left.
    Proven,
    /// The store is older than the anchor, or another one.
    Broken(Promise),
    /// There is no anchor of this boot of the machine.
    Unknown,
}

/// Where anchors are kept if no other place is set: below `/dev/shm`, a directory for each user. `None`, with a warning, where that
/// is not memory-backed.
pub fn default_anchor_directory() -> Option<PathBuf> {
    const MEMORY: &str = "/dev/shm";
    if !memory_backed(Path::new(MEMORY)).unwrap_or(false) {
        tracing::warn!(
            "{MEMORY} is not memory-backed: without OLLIN_ANCHOR_DIRECTORY all other replicas must answer after a start"
        );
        return None;
    }
    Some(Path::new(MEMORY).join(format!("ollin-{}", nix::unistd::geteuid())))
}

/// Whether `directory` is in a file system that forgets when the machine stops.
pub(crate) fn memory_backed(directory: &Path) -> io::Result<bool> {
    Ok(statfs(directory)?.filesystem_type() == TMPFS_MAGIC)
}

impl AnchorFile {
    /// The anchor `name` in a memory-backed directory.
    pub(crate) fn new(directory: &Path, name: &str) -> io::Result<Self> {
        let machine_boot = fs::read_to_string(BOOT_ID)?.trim().to_owned();
        let at = |ending: &str| directory.join(format!("{name}.{ending}"));
        Ok(Self { path: at("anchor"), scratch: at("anchor.new"), machine_boot })
    }
}

impl Anchor for AnchorFile {
    /// A damaged one, or one of an earlier boot of the machine, says nothing.
    fn read(&self, replica: u64) -> Option<Promise> {
        let record: Record = sealed::open(&fs::read(&self.path).ok()?).ok()?;
        ((record.machine_boot == self.machine_boot || planted(Fault::AnchorOfEarlierBoot)) && record.replica == replica)
            .then_some(record.promise)
    }

    fn write(&self, replica: u64, promise: &Promise) -> io::Result<()> {
        let record = Record { machine_boot: self.machine_boot.clone(), replica, promise: *promise };
        fs::write(&self.scratch, sealed::seal(&record))?;
        fs::rename(&self.scratch, &self.path)
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Compares a store with the anchor.
pub(crate) fn continuity(anchor: Option<&Promise>, store: &Promise, log: &ChainIndex) -> Continuity {
    match anchor {
        Some(promise) if continues(store, log, promise) || planted(Fault::RollbackBelieved) => Continuity::Proven,
        Some(promise) => Continuity::Broken(*promise),
        None => Continuity::Unknown,
    }
}

/// The log may be longer than at the anchor, which is written after the sync, and purged beyond it; the entry itself must be there.
fn continues(store: &Promise, log: &ChainIndex, anchor: &Promise) -> bool {
    let Some(last) = anchor.last else {
        return !store.forgets(anchor);
    };
    let purged = log.base().is_some_and(|base| base.index > last.index);
    !store.forgets(anchor) && (purged || log.at(last.index) == Some(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{Chain, Position};
    use crate::recovery::promise::tests::promise;

    fn log(count: u64) -> ChainIndex {
        let mut index = ChainIndex::default();
        let mut chain = Chain::default();
        for number in 0..count {
            chain = chain.extend(1, number, b"body");
            index.push(Position { term: 1, index: number, chain });
        }
        index
    }

    fn compare(anchor: &AnchorFile, store: &Promise, log: &ChainIndex) -> Continuity {
        continuity(anchor.read(1).as_ref(), store, log)
    }

    fn held(log: &ChainIndex) -> Promise {
        Promise { last: log.last_position(), ..promise(1, 1, None) }
    }

    #[test]
    fn the_store_that_the_last_process_left_is_told_from_an_older_and_from_another_one() {
        let directory = tempfile::tempdir().unwrap();
        let anchor = AnchorFile::new(directory.path(), "1").unwrap();
        assert_eq!(compare(&anchor, &held(&log(3)), &log(3)), Continuity::Unknown);
        anchor.write(1, &held(&log(3))).unwrap();
        assert_eq!(compare(&anchor, &held(&log(3)), &log(3)), Continuity::Proven);
        assert_eq!(compare(&anchor, &held(&log(4)), &log(4)), Continuity::Proven, "synced, and died before the anchor");
        let broken = Continuity::Broken(held(&log(3)));
        assert_eq!(compare(&anchor, &held(&log(2)), &log(2)), broken);
        assert_eq!(compare(&anchor, &Promise::default(), &ChainIndex::default()), broken);
        let mut other = log(2);
        other.push(Position { term: 1, index: 2, chain: Chain::from_bytes([1; 32]) });
        assert_eq!(compare(&anchor, &held(&other), &other), broken, "as long, with another content");
        let older_vote = Promise { vote: None, ..held(&log(3)) };
        assert_eq!(compare(&anchor, &older_vote, &log(3)), broken);
        assert_eq!(anchor.read(2), None, "another Raft id's");
        anchor.remove().unwrap();
        anchor.remove().unwrap();
        assert_eq!(compare(&anchor, &held(&log(3)), &log(3)), Continuity::Unknown);
    }

    #[test]
    fn an_anchor_of_an_earlier_boot_of_the_machine_or_a_damaged_one_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut anchor = AnchorFile::new(directory.path(), "1").unwrap();
        anchor.write(1, &held(&log(3))).unwrap();
        let mut bytes = fs::read(&anchor.path).unwrap();
        bytes[9] ^= 1;
        fs::write(&anchor.path, bytes).unwrap();
        assert_eq!(compare(&anchor, &held(&log(3)), &log(3)), Continuity::Unknown);
        anchor.write(1, &held(&log(3))).unwrap();
        anchor.machine_boot = "another".to_owned();
        assert_eq!(compare(&anchor, &held(&log(3)), &log(3)), Continuity::Unknown);
    }

    #[test]
    fn a_purged_log_still_continues_its_anchor() {
        let mut purged = log(5);
        let anchor = held(&log(3));
        purged.purge(crate::chain::Base { term: 1, index: 3, chain: purged.at(3).map(|at| at.chain) });
        assert!(continues(&held(&purged), &purged, &anchor));
    }
}
