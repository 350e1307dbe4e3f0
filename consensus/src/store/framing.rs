//! A look at RocksDB's log files before RocksDB opens them.
//!
//! Its reader of logs takes a record of a reused log in a log that was not reused for a bad one, does not step over it, and reads it
//! again for ever: one flipped bit (kind 1 becomes 5) makes the opening hang. Our logs are never reused, so such a record is damage.
//! Source: RocksDB 11.8, `db/log_format.h`, `db/log_reader.cc`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const BLOCK: usize = 32_768;
/// CRC (4), length (2), kind (1).
const HEADER: usize = 7;

/// A record that no log of ours holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) file: PathBuf,
    pub(super) offset: usize,
    pub(super) kind: u8,
}

/// The first such record in the logs and manifests of a directory, which need not exist.
pub(super) fn foreign_in(directory: &Path) -> io::Result<Option<Foreign>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("MANIFEST-") && !name.ends_with(".log") {
            continue;
        }
        if let Some((offset, kind)) = foreign(&fs::read(&file)?) {
            return Ok(Some(Foreign { file, offset, kind }));
        }
    }
    Ok(None)
}

/// Follows the records as far as they frame each other; whatever else is wrong with them RocksDB finds.
fn foreign(bytes: &[u8]) -> Option<(usize, u8)> {
    let mut at = 0;
    loop {
        let left = BLOCK - at % BLOCK;
        if left < HEADER {
            at += left;
            continue;
        }
        let header = bytes.get(at..at.checked_add(HEADER)?)?;
        let (length, kind) = (usize::from(u16::from_le_bytes([header[4], header[5]])), header[6]);
        match kind {
            5..=8 | 11 | 131 => return Some((at, kind)),
            0 => return None,
            _ if HEADER + length > left => return None,
            _ => at += HEADER + length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, length: u16) -> Vec<u8> {
        let mut bytes = vec![1, 2, 3, 4];
        bytes.extend(length.to_le_bytes());
        bytes.push(kind);
        bytes.resize(HEADER + usize::from(length), 0xab);
        bytes
    }

    #[test]
    fn a_record_of_a_reused_log_is_found_wherever_the_frames_lead() {
        for kind in [5, 6, 7, 8, 11, 131] {
            assert_eq!(foreign(&record(kind, 3)), Some((0, kind)));
            let behind = [record(1, 5), record(3, 8), record(kind, 0)].concat();
            assert_eq!(foreign(&behind), Some((2 * HEADER + 13, kind)));
        }
        assert_eq!(foreign(&[record(1, 5), record(4, 8)].concat()), None);
        assert_eq!(foreign(&[]), None);
        assert_eq!(foreign(&record(1, 5)[..6]), None, "torn");
    }

    #[test]
    fn the_rest_of_a_block_that_holds_no_header_is_passed_over() {
        let filled = u16::try_from(BLOCK - HEADER - 3).unwrap();
        let blocks = [record(1, filled), vec![0; 3], record(5, 1)].concat();
        assert_eq!(foreign(&blocks), Some((BLOCK, 5)));
    }

    #[test]
    fn zeros_and_lengths_beyond_the_block_are_left_to_rocksdb() {
        assert_eq!(foreign(&[record(1, 5), vec![0; 100], record(5, 1)].concat()), None);
        assert_eq!(foreign(&[record(1, u16::MAX), record(5, 1)].concat()), None);
    }
}
