//! The audit on disk: segments of JSON lines, and the check of them that needs nothing else.
//!
//! A segment is a file. Its first line is a [`Header`] with the head before its first record; every other line is a record and the
//! hash of the chain after it. Segments follow each other; old ones leave as whole files, and then the next header's head stands
//! for what is gone. A segment whose base lies beyond the end of the one before marks a gap: that replica got a snapshot instead of
//! the entries.

mod check;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::{AuditHead, AuditRecord};

pub use check::{AuditCheck, AuditFault, AuditSummary, Gap};

/// What the field `format` says.
pub const FORMAT: &str = "ollin-audit";
/// The only version that is written and read.
pub const VERSION: u64 = 1;

/// First line of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    format: String,
    version: u64,
    /// The cluster's id.
    pub cluster: String,
    /// The replica that wrote it.
    pub replica: u64,
    /// The head before the first record of this segment.
    pub base: AuditHead,
}

/// Any other line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    record: AuditRecord,
    hash: String,
}

impl Header {
    /// A header of this version.
    pub fn new(cluster: String, replica: u64, base: AuditHead) -> Self {
        Self { format: FORMAT.to_owned(), version: VERSION, cluster, replica, base }
    }

    /// The line, with its end.
    pub fn to_line(&self) -> String {
        line(self)
    }

    /// Reads a first line.
    ///
    /// # Errors
    /// [`AuditFault`] without a place: not a header, or one of another format or version.
    pub fn parse(text: &str) -> Result<Self, AuditFault> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u64,
        }
        let shape = |source| AuditFault::Header { source };
        let head: Head = serde_json::from_str(text).map_err(shape)?;
        if head.format != FORMAT {
            return Err(AuditFault::Format { found: head.format });
        }
        if head.version != VERSION {
            return Err(AuditFault::Version { found: head.version });
        }
        serde_json::from_str(text).map_err(shape)
    }
}

/// The line of the record that leads to `head`, with its end.
pub fn record_line(record: &AuditRecord, head: &AuditHead) -> String {
    line(&Line { record: record.clone(), hash: hex::encode(head.hash) })
}

/// Where a segment ends: its head after the last whole line, and how many bytes lead there. A writer that was killed leaves a last
/// line without its end; that line counts for nothing.
///
/// # Errors
/// [`AuditFault`], as for the whole check.
pub fn end(text: &str) -> Result<(AuditHead, usize), AuditFault> {
    let mut check = AuditCheck::default();
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    check.segment(&text[..whole])?;
    Ok((check.summary().head, whole))
}

fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("numbers, texts and lists are JSON") + "\n"
}
