//! What a disk holds at any moment of a journal, with and without what was never synced.
//!
//! The strict reading of POSIX: bytes are durable once their file was synced after them, a name once its directory was. Bytes that
//! are dirty when a sync fails are never durable, whatever a later sync says: the kernel drops them.

use std::collections::{BTreeMap, BTreeSet};

use super::journal::{Change, Operation};

/// Directories and files, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Image {
    /// Directories.
    pub directories: BTreeSet<String>,
    /// Files and their contents.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// A file system that takes the changes of a journal one by one.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    files: Vec<File>,
    live: BTreeMap<String, Place>,
    durable: BTreeMap<String, Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Directory,
    File(usize),
}

#[derive(Clone, Debug, Default)]
struct File {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Not synced yet.
    dirty: Vec<Edit>,
}

#[derive(Clone, Debug)]
enum Edit {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

/// What becomes of dirty bytes and names at a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dirty {
    /// None of it reaches the disk.
    Lost,
    /// All of it does.
    Kept,
}

impl Disk {
    /// Makes a change.
    pub fn make(&mut self, change: &Change) {
        match (change.done, change.operation) {
            (true, _) | (false, Operation::Write) => {}
            (false, Operation::Sync) => return self.drop_dirty(&change.path),
            // A failed call has changed nothing.
            (false, _) => return,
        }
        match change.operation {
            Operation::Write => self.edit(&change.path, Edit::write(change, change.bytes.len())),
            Operation::Create => {
                self.files.push(File::default());
                self.live.insert(change.path.clone(), Place::File(self.files.len() - 1));
            }
            Operation::Truncate => self.edit(&change.path, Edit::Truncate { length: size(change.number) }),
            Operation::Allocate => {}
            Operation::Sync => self.sync(&change.path),
            Operation::Rename => {
                if let (Some(place), Some(target)) = (self.live.remove(&change.path), &change.target) {
                    self.live.insert(target.clone(), place);
                }
            }
            Operation::Unlink => drop(self.live.remove(&change.path)),
            Operation::Mkdir => drop(self.live.insert(change.path.clone(), Place::Directory)),
        }
    }

    /// Makes the first half of a write.
    pub fn tear(&mut self, change: &Change) {
        self.edit(&change.path, Edit::write(change, change.bytes.len() / 2));
    }

    /// Makes a write that is seen, and does not reach the disk with the file's next sync.
    pub fn lose(&mut self, change: &Change) {
        self.make(change);
        if let Some(Place::File(number)) = self.live.get(&change.path) {
            self.files[*number].dirty.pop();
        }
    }

    /// What a process sees that starts while the machine stays up.
    pub fn seen(&self) -> Image {
        self.view(&self.live, |file| file.live.clone())
    }

    /// What is left after a power cut.
    pub fn after_power_cut(&self, dirty: Dirty) -> Image {
        match dirty {
            Dirty::Lost => self.view(&self.durable, |file| file.durable.clone()),
            Dirty::Kept => self.view(&self.live, File::with_dirty),
        }
    }

    fn view(&self, places: &BTreeMap<String, Place>, contents: impl Fn(&File) -> Vec<u8>) -> Image {
        let mut image = Image::default();
        for (path, place) in places {
            match place {
                Place::Directory => drop(image.directories.insert(path.clone())),
                Place::File(number) => drop(image.files.insert(path.clone(), contents(&self.files[*number]))),
            }
        }
        // A name in a directory whose own name was lost is lost with it.
        let known = image.directories.clone();
        let reachable = |path: &str| parents(path).all(|parent| known.contains(parent));
        image.directories.retain(|path| reachable(path));
        image.files.retain(|path, _| reachable(path));
        image
    }

    fn file(&mut self, path: &str) -> Option<&mut File> {
        match self.live.get(path)? {
            Place::File(number) => self.files.get_mut(*number),
            Place::Directory => None,
        }
    }

    fn edit(&mut self, path: &str, edit: Edit) {
        if let Some(file) = self.file(path) {
            edit.make(&mut file.live);
            file.dirty.push(edit);
        }
    }

    fn drop_dirty(&mut self, path: &str) {
        if let Some(file) = self.file(path) {
            file.dirty.clear();
        }
    }

    fn sync(&mut self, path: &str) {
        if let Some(file) = self.file(path) {
            file.durable = file.with_dirty();
            file.dirty.clear();
            return;
        }
        let inside = |other: &str| other.rsplit_once('/').is_some_and(|(parent, _)| parent == path);
        self.durable.retain(|name, _| !inside(name));
        let now = self.live.iter().filter(|(name, _)| inside(name)).map(|(name, place)| (name.clone(), *place));
        self.durable.extend(now.collect::<Vec<_>>());
    }
}

impl File {
    fn with_dirty(&self) -> Vec<u8> {
        let mut contents = self.durable.clone();
        for edit in &self.dirty {
            edit.make(&mut contents);
        }
        contents
    }
}

impl Edit {
    fn write(change: &Change, length: usize) -> Self {
        Self::Write { offset: size(change.number), bytes: change.bytes[..length].to_vec() }
    }

    fn make(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if contents.len() < end {
                    contents.resize(end, 0);
                }
                contents[*offset..end].copy_from_slice(bytes);
            }
            Self::Truncate { length } => contents.resize(*length, 0),
        }
    }
}

/// The directories above a path, outermost first, save the root, which is always there.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').skip(1).map(|(end, _)| &path[..end])
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(operation: Operation, path: &str) -> Change {
        Change { done: true, operation, path: path.to_owned(), number: 0, bytes: Vec::new(), target: None }
    }

    fn write(path: &str, number: u64, bytes: &str) -> Change {
        Change { number, bytes: bytes.into(), ..change(Operation::Write, path) }
    }

    fn disk(changes: &[Change]) -> Disk {
        let mut disk = Disk::default();
        changes.iter().for_each(|change| disk.make(change));
        disk
    }

    /// A directory and a file in it, both durable.
    fn begun() -> Vec<Change> {
        let [directory, file] = ["data/1", "data/1/a"];
        vec![
            change(Operation::Mkdir, directory),
            change(Operation::Sync, "data"),
            change(Operation::Create, file),
            write(file, 0, "abcd"),
            change(Operation::Sync, file),
            change(Operation::Sync, directory),
        ]
    }

    fn content(image: &Image, path: &str) -> Option<String> {
        image.files.get(path).map(|bytes| String::from_utf8(bytes.clone()).unwrap())
    }

    #[test]
    fn bytes_are_durable_with_their_file_and_names_with_their_directory() {
        let mut changes = begun();
        let lost = |changes: &[Change]| content(&disk(changes).after_power_cut(Dirty::Lost), "data/1/a");
        for known in 0..changes.len() {
            assert_eq!(lost(&changes[..known]), None, "after {known}");
        }
        assert_eq!(lost(&changes).as_deref(), Some("abcd"));
        changes.push(write("data/1/a", 3, "XY"));
        assert_eq!(lost(&changes).as_deref(), Some("abcd"));
        assert_eq!(content(&disk(&changes).seen(), "data/1/a").as_deref(), Some("abcXY"));
        changes.push(Change { target: Some("data/1/b".to_owned()), ..change(Operation::Rename, "data/1/a") });
        assert_eq!(lost(&changes).as_deref(), Some("abcd"), "the old name");
        changes.push(change(Operation::Sync, "data/1/b"));
        assert_eq!(lost(&changes).as_deref(), Some("abcXY"), "one file, by whatever name");
        changes.push(change(Operation::Sync, "data/1"));
        assert_eq!(lost(&changes), None);
    }

    #[test]
    fn what_was_dirty_when_a_sync_failed_is_never_durable() {
        let mut changes = begun();
        changes.push(write("data/1/a", 0, "Z"));
        changes.push(Change { done: false, ..change(Operation::Sync, "data/1/a") });
        changes.push(write("data/1/a", 3, "!"));
        changes.push(change(Operation::Sync, "data/1/a"));
        let disk = disk(&changes);
        assert_eq!(content(&disk.seen(), "data/1/a").as_deref(), Some("Zbc!"));
        assert_eq!(content(&disk.after_power_cut(Dirty::Lost), "data/1/a").as_deref(), Some("abc!"));
    }

    #[test]
    fn a_lost_write_leaves_the_others_and_a_torn_one_its_first_half() {
        let mut disk = disk(&begun());
        disk.lose(&write("data/1/a", 0, "ZZ"));
        disk.make(&write("data/1/a", 4, "e"));
        disk.tear(&write("data/1/a", 5, "fg"));
        assert_eq!(content(&disk.after_power_cut(Dirty::Kept), "data/1/a").as_deref(), Some("abcdef"));
        assert_eq!(content(&disk.seen(), "data/1/a").as_deref(), Some("ZZcdef"));
    }

    #[test]
    fn a_failed_write_leaves_what_it_wrote_and_a_failed_rename_nothing() {
        let mut changes = begun();
        changes.push(Change { done: false, ..write("data/1/a", 4, "e") });
        let target = Some("data/1/b".to_owned());
        changes.push(Change { done: false, target, ..change(Operation::Rename, "data/1/a") });
        assert_eq!(content(&disk(&changes).seen(), "data/1/a").as_deref(), Some("abcde"));
    }
}
