//! One bit of one file is changed, in every region of every file.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::image::Image;
use super::journal::FileKind;

/// The block of a write-ahead log, and the header of a record in it: checksum (4), length (2), type (1).
const BLOCK: usize = 32_768;
const HEADER: usize = 7;
/// Offset and size of the length.
const LENGTH: std::ops::Range<usize> = 4..6;

/// A bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flip {
    pub(super) path: String,
    pub(super) byte: usize,
    pub(super) bit: u8,
    /// Whether the anchor stays where it is.
    pub(super) anchored: bool,
}

impl Flip {
    pub(super) fn name(&self) -> String {
        let kind = FileKind::of(&self.path);
        if self.anchored { format!("flip {kind}") } else { format!("flip {kind}, no anchor") }
    }

    pub(super) fn make(&self, image: &mut Image) {
        if let Some(byte) = image.files.get_mut(&self.path).and_then(|bytes| bytes.get_mut(self.byte)) {
            *byte ^= 1 << self.bit;
        }
        if !self.anchored {
            image.files.retain(|path, _| !path.starts_with("memory/1/"));
        }
    }

    /// Whether the damage looks like a write that was cut off: a record longer than what is left of the file.
    pub(super) fn looks_torn(&self, image: &Image) -> bool {
        let Some(bytes) = image.files.get(&self.path).filter(|_| FileKind::of(&self.path).name() == "wal") else { return false };
        lengths(bytes).any(|at| LENGTH.contains(&(self.byte.wrapping_sub(at))))
    }
}

/// Where the records of a log begin.
fn lengths(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if BLOCK - at % BLOCK < HEADER {
            at = at.next_multiple_of(BLOCK);
        }
        let header = bytes.get(at..at + HEADER)?;
        let start = at;
        at += HEADER + usize::from(u16::from_le_bytes([header[LENGTH.start], header[LENGTH.start + 1]]));
        Some(start)
    })
}

/// At most `most` bits of each file that a replica reads: all bytes of a small one, else spread evenly, and one bit of each byte.
pub(super) fn flips(image: &Image, most: usize, seed: u64) -> Vec<Flip> {
    let mut flips = Vec::new();
    for (path, bytes) in &image.files {
        let is_subject = path.starts_with("data/1/") || path.starts_with("memory/1/");
        let is_text = path.rsplit('/').next().is_some_and(|name| name.starts_with("LOG") || name == "LOCK");
        if !is_subject || is_text || bytes.is_empty() {
            continue;
        }
        let step = bytes.len().div_ceil(most.max(1));
        let mut hasher = DefaultHasher::new();
        (seed, FileKind::of(path)).hash(&mut hasher);
        let first = usize::try_from(hasher.finish()).unwrap_or(0) % step;
        let mut places: Vec<usize> = (first..bytes.len()).step_by(step).collect();
        if FileKind::of(path).name() == "wal" {
            // The headers decide where a log ends.
            let headers: Vec<usize> = lengths(bytes).flat_map(|at| at..(at + HEADER).min(bytes.len())).collect();
            places.extend(headers.iter().step_by(headers.len().div_ceil(most.max(1)).max(1)));
        }
        for byte in places {
            let mut hasher = DefaultHasher::new();
            (seed, byte).hash(&mut hasher);
            let bit = u8::try_from(hasher.finish() % 8).unwrap_or(0);
            for anchored in [true, false] {
                if anchored || path.starts_with("data/") {
                    flips.push(Flip { path: path.clone(), byte, bit, anchored });
                }
            }
        }
    }
    flips
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        let mut image = Image::default();
        // Two records: of 3 and of 2 bytes.
        let log = [[1, 1, 1, 1, 3, 0, 1].as_slice(), b"abc", &[2, 2, 2, 2, 2, 0, 1], b"de"].concat();
        image.files.insert("data/1/raft/000004.log".to_owned(), log);
        image.files.insert("memory/1/x.anchor".to_owned(), vec![0; 4]);
        image.files.insert("data/2/raft/000004.log".to_owned(), vec![0; 4]);
        image
    }

    #[test]
    fn small_files_are_changed_in_every_byte_and_others_replicas_in_none() {
        let flips = flips(&image(), 1_000, 1);
        let of = |path: &str, anchored| {
            let bytes = flips.iter().filter(|flip| flip.path == path && flip.anchored == anchored).map(|flip| flip.byte);
            bytes.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!(of("data/1/raft/000004.log", true), 19);
        assert_eq!(of("data/1/raft/000004.log", false), 19);
        assert_eq!((of("memory/1/x.anchor", true), of("memory/1/x.anchor", false)), (4, 0));
        assert_eq!(of("data/2/raft/000004.log", true), 0);
    }

    #[test]
    fn only_a_records_length_can_look_like_a_torn_end() {
        let image = image();
        let torn = |byte| {
            let flip = Flip { path: "data/1/raft/000004.log".to_owned(), byte, bit: 0, anchored: true };
            flip.looks_torn(&image)
        };
        let all: Vec<usize> = (0..19).filter(|byte| torn(*byte)).collect();
        assert_eq!(all, [4, 5, 14, 15]);
    }

    #[test]
    fn a_flip_changes_one_bit_and_may_take_the_anchor_away() {
        let mut changed = image();
        Flip { path: "data/1/raft/000004.log".to_owned(), byte: 7, bit: 1, anchored: false }.make(&mut changed);
        assert_eq!(changed.files["data/1/raft/000004.log"][7], b'a' ^ 2);
        assert!(!changed.files.contains_key("memory/1/x.anchor"));
    }
}
