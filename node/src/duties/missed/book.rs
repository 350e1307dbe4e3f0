//! The record on disk: one line for each judged slot, in two files of bounded size.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use ollin_protocol::units::{ReplicaId, Slot};
use ollin_rpc::view::{MissedDuties, MissedDuty};
use serde::{Deserialize, Serialize};

/// The file is followed by a new one when it is longer; the one before it stays.
const FILE_BYTES: u64 = 4 << 20;
/// Missed duties that are shown.
const SHOWN: usize = 1_000;

#[derive(Serialize, Deserialize)]
struct Line {
    slot: Slot,
    missed: Vec<MissedDuty>,
}

/// What the files hold.
#[derive(Default)]
struct Read {
    since: Option<Slot>,
    until: Option<Slot>,
    missed: VecDeque<MissedDuty>,
}

/// The record of one replica.
pub(super) struct Book {
    path: PathBuf,
    file: File,
    bytes: u64,
    file_bytes: u64,
    since: Option<Slot>,
    until: Option<Slot>,
    /// The newest, oldest first.
    missed: VecDeque<MissedDuty>,
}

impl Book {
    /// Reads what is there, and goes on with it.
    pub(super) fn open(data_directory: &Path) -> anyhow::Result<Self> {
        let path = data_directory.join("missed.jsonl");
        fs::create_dir_all(data_directory).with_context(|| format!("making {}", data_directory.display()))?;
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let mut file = file.with_context(|| format!("the record of missed duties {}", path.display()))?;
        let bytes = file.metadata()?.len();
        let Read { since, until, missed } = read(&path)?;
        // Whatever was cut ends here.
        file.write_all(b"\n")?;
        let mut book = Self { path, file, bytes: bytes.saturating_add(1), file_bytes: FILE_BYTES, since, until, missed };
        book.trim();
        Ok(book)
    }

    /// The last judged slot.
    pub(super) fn until(&self) -> Option<Slot> {
        self.until
    }

    pub(super) fn record(&mut self, slot: Slot, missed: Vec<MissedDuty>) -> anyhow::Result<()> {
        if self.bytes > self.file_bytes {
            fs::rename(&self.path, former(&self.path)).context("the record of missed duties")?;
            self.file = OpenOptions::new().create(true).append(true).open(&self.path).context("the record of missed duties")?;
            self.bytes = 0;
        }
        let line = Line { slot, missed };
        let text = serde_json::to_string(&line).context("a missed duty as JSON")? + "\n";
        self.file.write_all(text.as_bytes()).context("the record of missed duties")?;
        self.bytes = self.bytes.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        self.since.get_or_insert(slot);
        self.until = self.until.max(Some(slot));
        self.missed.extend(line.missed);
        self.trim();
        Ok(())
    }

    /// What an operator is shown, newest first.
    pub(super) fn view(&self, replica: ReplicaId) -> MissedDuties {
        MissedDuties { replica, since: self.since, until: self.until, missed: self.missed.iter().rev().cloned().collect() }
    }

    fn trim(&mut self) {
        while self.missed.len() > SHOWN {
            self.missed.pop_front();
        }
    }
}

/// What an operator is shown of a record, newest first. Nothing is written.
///
/// # Errors
/// If it cannot be read; a replica that has not judged a slot yet has none, and that is no error.
pub(crate) fn read_missed(data_directory: &Path, replica: ReplicaId) -> anyhow::Result<MissedDuties> {
    let Read { since, until, missed } = read(&data_directory.join("missed.jsonl"))?;
    Ok(MissedDuties { replica, since, until, missed: missed.into_iter().rev().take(SHOWN).collect() })
}

/// The lines of both files; one that is none (a process died while writing it) is passed over.
fn read(path: &Path) -> anyhow::Result<Read> {
    let mut read = Read::default();
    for path in [former(path), path.to_owned()] {
        let text = if path.exists() { fs::read(&path).with_context(|| path.display().to_string())? } else { Vec::new() };
        for line in String::from_utf8_lossy(&text).lines().filter(|line| !line.is_empty()) {
            match serde_json::from_str::<Line>(line) {
                Ok(line) => {
                    read.since.get_or_insert(line.slot);
                    read.until = read.until.max(Some(line.slot));
                    read.missed.extend(line.missed);
                }
                Err(error) => tracing::warn!(%error, path = %path.display(), "a line of the missed duties is passed over"),
            }
        }
    }
    Ok(read)
}

fn former(path: &Path) -> PathBuf {
    path.with_extension("1.jsonl")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops where it fails")]
mod tests {
    use ollin_rpc::view::{DutyWord, MissReason};

    use super::*;

    fn missed(slot: u64) -> MissedDuty {
        MissedDuty {
            slot: Slot::new(slot),
            kind: DutyWord::CheckpointProposal,
            attesters: vec![alloy_primitives::Address::ZERO],
            reason: MissReason::NoQuorum,
            detail: "no leader".to_owned(),
        }
    }

    #[test]
    fn a_restart_finds_what_was_recorded_and_a_cut_line_is_passed_over() {
        let place = tempfile::tempdir().unwrap();
        let mut book = Book::open(place.path()).unwrap();
        book.record(Slot::new(7), vec![]).unwrap();
        book.record(Slot::new(8), vec![missed(8)]).unwrap();
        let path = place.path().join("missed.jsonl");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"slot\":9,\"mis").unwrap();
        let mut book = Book::open(place.path()).unwrap();
        assert_eq!(book.until(), Some(Slot::new(8)));
        book.record(Slot::new(9), vec![missed(9)]).unwrap();
        let view = Book::open(place.path()).unwrap().view(ReplicaId::new(1));
        assert_eq!((view.since, view.until), (Some(Slot::new(7)), Some(Slot::new(9))));
        assert_eq!(view.missed, [missed(9), missed(8)]);
        let before = fs::read(&path).unwrap();
        assert_eq!(read_missed(place.path(), ReplicaId::new(1)).unwrap(), view);
        assert_eq!(fs::read(&path).unwrap(), before, "reading changes nothing");
        assert_eq!(read_missed(&place.path().join("none"), ReplicaId::new(1)).unwrap().until, None);
        assert!(!place.path().join("none").exists());
    }

    #[test]
    fn a_year_of_slots_takes_two_bounded_files() {
        let place = tempfile::tempdir().unwrap();
        let mut book = Book::open(place.path()).unwrap();
        book.file_bytes = 20_000;
        for slot in 0..3_000 {
            book.record(Slot::new(slot), vec![missed(slot)]).unwrap();
        }
        let sizes: Vec<u64> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
        assert!(sizes.len() == 2 && sizes.iter().all(|size| *size < 20_500), "{sizes:?}");
        assert_eq!(book.view(ReplicaId::new(1)).missed.len(), SHOWN);
        assert_eq!(Book::open(place.path()).unwrap().until(), Some(Slot::new(2_999)));
    }
}
