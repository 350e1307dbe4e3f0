//! The faults of a life: which there are at each point, and what a disk holds after them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::image::{Dirty, Disk, Image};
use super::journal::{Change, FileKind, Operation};
use super::judge;

const STORE: &str = "data/1";
const ANCHOR: &str = "memory/1";
const TOLD: &str = "data/told";

/// A fault that needs no other life than the recorded one: its process or its machine ends at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Crash {
    /// The process ends before the change.
    Kill,
    /// The process ends in the middle of the write.
    TornKill,
    /// The machine ends before the change; nothing dirty reaches the disk.
    PowerCut,
    /// The machine ends in the middle of the write; everything else that is dirty reaches the disk.
    TornPowerCut,
    /// The write alone does not reach the disk: the machine ends before the file's next sync, all else is kept.
    LostWrite,
    /// The sync does nothing: the machine ends before the file's next one.
    LyingSync,
    /// The same, but only the disk loses power: the anchor is kept.
    LyingSyncDisk,
}

/// What is left after a crash.
pub(super) struct Left {
    pub(super) image: Image,
    pub(super) disk: judge::Disk,
}

impl Crash {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::TornKill => "torn, kill",
            Self::PowerCut => "power cut",
            Self::TornPowerCut => "torn, power cut",
            Self::LostWrite => "lost, power cut",
            Self::LyingSync => "lying sync, power cut",
            Self::LyingSyncDisk => "lying sync, disk reset",
        }
    }

    /// Those that there are at a change.
    pub(super) fn at(change: &Change) -> Vec<Self> {
        let mut crashes = vec![Self::Kill, Self::PowerCut];
        let on_disk = change.path.starts_with(STORE);
        if change.operation == Operation::Write && change.bytes.len() > 1 {
            crashes.push(Self::TornKill);
            if on_disk {
                crashes.extend([Self::TornPowerCut, Self::LostWrite]);
            }
        }
        if change.operation == Operation::Sync && on_disk {
            crashes.extend([Self::LyingSync, Self::LyingSyncDisk]);
        }
        crashes
    }

    /// What is left. `before`: the disk before the change `at`.
    pub(super) fn left(self, before: &Disk, changes: &[Change], at: usize) -> Left {
        let mut disk = before.clone();
        let change = &changes[at];
        match self {
            Self::Kill | Self::PowerCut => {}
            Self::TornKill | Self::TornPowerCut => disk.tear(change),
            Self::LostWrite => {
                disk.lose(change);
                until_next_sync(&mut disk, changes, at);
            }
            Self::LyingSync | Self::LyingSyncDisk => until_next_sync(&mut disk, changes, at),
        }
        let seen = disk.seen();
        let (cut, keeps_memory) = match self {
            Self::Kill | Self::TornKill => (None, true),
            Self::PowerCut | Self::LyingSync => (Some(Dirty::Lost), false),
            Self::LyingSyncDisk => (Some(Dirty::Lost), true),
            Self::TornPowerCut | Self::LostWrite => (Some(Dirty::Kept), false),
        };
        let honest = !matches!(self, Self::LyingSync | Self::LyingSyncDisk);
        let image = match cut {
            None => seen,
            Some(dirty) => with_subject(seen, disk.after_power_cut(dirty), keeps_memory),
        };
        Left { image, disk: if honest { judge::Disk::Honest } else { judge::Disk::Dishonest } }
    }
}

/// Everything else stays up: the subject's disk alone is as after a power cut.
pub(super) fn with_subject(mut seen: Image, cut: Image, keeps_memory: bool) -> Image {
    let stays = |path: &str| !is_below(path, STORE) && (keeps_memory || !is_below(path, ANCHOR));
    seen.directories.retain(|path| stays(path));
    seen.files.retain(|path, _| stays(path));
    seen.directories.extend(cut.directories.into_iter().filter(|path| is_below(path, STORE)));
    seen.files.extend(cut.files.into_iter().filter(|(path, _)| is_below(path, STORE)));
    seen
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn until_next_sync(disk: &mut Disk, changes: &[Change], at: usize) {
    let path = &changes[at].path;
    for change in &changes[at + 1..] {
        if change.operation == Operation::Sync && change.path == *path {
            return;
        }
        disk.make(change);
    }
}

/// What was told up to an image's moment.
pub(super) fn told(image: &Image) -> &[u8] {
    image.files.get(TOLD).map_or(&[], Vec::as_slice)
}

/// What distinguishes an image for whoever opens it and judges.
pub(super) fn fingerprint(image: &Image) -> u64 {
    let mut hasher = DefaultHasher::new();
    let subject = image.files.iter().filter(|(path, _)| is_below(path, STORE) || is_below(path, ANCHOR) || *path == TOLD);
    subject.for_each(|file| file.hash(&mut hasher));
    image.directories.hash(&mut hasher);
    hasher.finish()
}

/// A call that fails while the life goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FailedCall {
    /// As the layer reads it.
    pub(super) spec: String,
    pub(super) name: String,
    /// What the replica's message must say, if it stops.
    pub(super) error: Option<&'static str>,
}

const IO_ERROR: &str = "Input/output error";
const NO_SPACE: &str = "No space left on device";

/// Numbers the changes of the subject, and lists the failures at each: by index among the changes.
pub(super) fn points(changes: &[Change]) -> BTreeMap<usize, Vec<FailedCall>> {
    let mut seen: BTreeMap<(Operation, FileKind, &str), u64> = BTreeMap::new();
    let mut points = BTreeMap::new();
    for (at, change) in changes.iter().enumerate() {
        let Some(prefix) = [STORE, ANCHOR].into_iter().find(|prefix| is_below(&change.path, prefix)) else { continue };
        let (operation, kind) = (change.operation, FileKind::of(&change.path));
        let number = seen.entry((operation, kind, prefix)).or_default();
        let effects: &[(&str, &str, Option<&'static str>)] = match operation {
            Operation::Write => &[
                ("eio", "fails", Some(IO_ERROR)),
                ("torn", "torn, fails", Some(IO_ERROR)),
                ("full", "torn, disk full", Some(NO_SPACE)),
                ("short", "short", None),
            ],
            Operation::Sync | Operation::Truncate | Operation::Unlink => &[("eio", "fails", Some(IO_ERROR))],
            Operation::Create | Operation::Rename | Operation::Mkdir => {
                &[("eio", "fails", Some(IO_ERROR)), ("enospc", "disk full", Some(NO_SPACE))]
            }
            Operation::Allocate => &[("enospc", "disk full", Some(NO_SPACE))],
        };
        let failed = |(effect, name, error): &(&str, &str, Option<&'static str>)| FailedCall {
            spec: format!("{prefix}:{operation}:{kind}:{number}:{effect}"),
            name: format!("{operation} {name}"),
            error: *error,
        };
        points.insert(at, effects.iter().map(failed).collect());
        *number += 1;
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(operation: Operation, path: &str, bytes: &str) -> Change {
        Change { done: true, operation, path: path.to_owned(), number: 0, bytes: bytes.into(), target: None }
    }

    fn changes() -> Vec<Change> {
        vec![
            change(Operation::Mkdir, "data/1", ""),
            change(Operation::Sync, "data", ""),
            change(Operation::Create, "data/1/4.log", ""),
            change(Operation::Sync, "data/1", ""),
            change(Operation::Write, "data/1/4.log", "entry"),
            change(Operation::Sync, "data/1/4.log", ""),
            change(Operation::Mkdir, "memory/1", ""),
            change(Operation::Create, "memory/1/x.anchor.new", ""),
            change(Operation::Create, "data/told", ""),
            change(Operation::Write, "data/told", "granted"),
        ]
    }

    fn before(at: usize) -> Disk {
        let mut disk = Disk::default();
        changes()[..at].iter().for_each(|change| disk.make(change));
        disk
    }

    #[test]
    fn a_lying_sync_loses_what_was_told_after_it_and_only_a_whole_power_cut_takes_the_anchor() {
        let changes = changes();
        for (crash, anchors) in [(Crash::LyingSync, 0), (Crash::LyingSyncDisk, 1)] {
            let left = crash.left(&before(5), &changes, 5);
            assert_eq!(left.image.files["data/1/4.log"], b"");
            assert_eq!(told(&left.image), b"granted");
            assert_eq!(left.image.files.keys().filter(|path| path.starts_with("memory")).count(), anchors);
            assert_eq!(left.disk, judge::Disk::Dishonest);
        }
    }

    #[test]
    fn a_torn_write_leaves_its_half_and_a_lost_one_nothing() {
        let changes = changes();
        let log = |crash: Crash| crash.left(&before(4), &changes, 4).image.files["data/1/4.log"].clone();
        assert_eq!(log(Crash::Kill), b"");
        assert_eq!(log(Crash::TornKill), b"en");
        assert_eq!(log(Crash::TornPowerCut), b"en");
        assert_eq!(log(Crash::LostWrite), b"");
        assert_eq!(log(Crash::PowerCut), b"");
    }

    #[test]
    fn points_are_numbered_by_operation_and_kind_and_only_the_subjects_count() {
        let points = points(&changes());
        assert_eq!(points.len(), 7);
        let specs: Vec<&str> = points[&5].iter().map(|call| call.spec.as_str()).collect();
        assert_eq!(specs, ["data/1:sync:wal:0:eio"]);
        assert_eq!(points[&4].len(), 4);
    }
}
