//! The journal of the faulty layer, read back. `chaos/faulty-disk/src/journal.rs` has the format.

#[path = "../../faulty-disk/src/kind.rs"]
mod kind;

use std::fmt;

/// One change of the watched directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whether the call succeeded. A failed write may have written a part, which is in `bytes`.
    pub done: bool,
    /// What was called.
    pub operation: Operation,
    /// `NAME/below/it`.
    pub path: String,
    /// Offset of a write, or new length of a file, in bytes.
    pub number: u64,
    /// What was written.
    pub bytes: Vec<u8>,
    /// The new name of what is renamed.
    pub target: Option<String>,
}

/// What changes files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// A new file.
    Create,
    /// Bytes.
    Write,
    /// A shorter file.
    Truncate,
    /// Room for bytes to come.
    Allocate,
    /// `fsync` or `fdatasync`, of a file or of a directory.
    Sync,
    /// A new name.
    Rename,
    /// A name less.
    Unlink,
    /// A new directory.
    Mkdir,
}

/// What a file is to a replica, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileKind(&'static str);

/// The journal is not one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("change {number} of the journal cannot be read: {line:?}")]
pub struct JournalFault {
    number: usize,
    line: String,
}

impl Operation {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Create, "create"),
        (Self::Write, "write"),
        (Self::Truncate, "truncate"),
        (Self::Allocate, "allocate"),
        (Self::Sync, "sync"),
        (Self::Rename, "rename"),
        (Self::Unlink, "unlink"),
        (Self::Mkdir, "mkdir"),
    ];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(operation, _)| operation == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}

impl FileKind {
    /// Of a file with this path.
    pub fn of(path: &str) -> Self {
        Self(kind::kind(path))
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// Reads a whole journal; what its process was writing when it was killed is left out.
///
/// # Errors
/// [`JournalFault`].
pub fn parse(mut text: &[u8]) -> Result<Vec<Change>, JournalFault> {
    let mut changes = Vec::new();
    while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&text[..end]).into_owned();
        let bad = |line: String| JournalFault { number: changes.len(), line };
        let (mut change, length) = parse_line(&line).ok_or_else(|| bad(line.clone()))?;
        let rest = &text[end + 1..];
        let (Some(bytes), Some(ending)) = (rest.get(..length), rest.get(length)) else { break };
        if *ending != b'\n' {
            return Err(bad(line));
        }
        change.bytes = bytes.to_vec();
        changes.push(change);
        text = &rest[length + 1..];
    }
    Ok(changes)
}

fn parse_line(line: &str) -> Option<(Change, usize)> {
    let mut parts = line.split(' ');
    let done = match parts.next()? {
        "ok" => true,
        "failed" => false,
        _ => return None,
    };
    let name = parts.next()?;
    let operation = Operation::ALL.iter().find(|(_, known)| *known == name)?.0;
    let path = parts.next()?.to_owned();
    let number = parts.next()?.parse().ok()?;
    let length = parts.next()?.parse().ok()?;
    let target = parts.next().map(str::to_owned);
    let change = Change { done, operation, path, number, bytes: Vec::new(), target };
    parts.next().is_none().then_some((change, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_read_up_to_the_record_that_was_cut() {
        let text = b"ok write data/1/4.log 7 3\na\nc\nfailed rename a 0 0 b\n\nok write x 0 9\ncut";
        let changes = parse(text).unwrap();
        assert_eq!(changes.len(), 2);
        let write = &changes[0];
        assert_eq!((write.operation, write.number, write.bytes.as_slice()), (Operation::Write, 7, b"a\nc".as_slice()));
        assert_eq!((changes[1].done, changes[1].target.as_deref()), (false, Some("b")));
        for bad in ["ok", "maybe write a 0 0", "ok scribble a 0 0", "ok write a x 0", "ok write a 0 0 b c"] {
            assert!(parse(format!("{bad}\n\n").as_bytes()).is_err(), "{bad}");
        }
    }
}
