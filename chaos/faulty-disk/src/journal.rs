//! What is written down of each change: a line, the bytes of a write, and a line end.
//!
//! `OUTCOME OPERATION PATH NUMBER LENGTH [PATH]`, where `OUTCOME` is `ok` or `failed`, paths are `NAME/below/it`, `NUMBER` is the
//! offset of a write or the new length of a file, and `LENGTH` counts the bytes that follow. The last path is a rename's target.

/// One change.
pub(crate) struct Record<'a> {
    pub(crate) done: bool,
    pub(crate) operation: &'static str,
    pub(crate) path: &'a str,
    /// Offset or length, in bytes.
    pub(crate) number: u64,
    pub(crate) bytes: &'a [u8],
    pub(crate) target: Option<&'a str>,
}

impl Record<'_> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { done, operation, path, number, bytes, target } = self;
        let outcome = if *done { "ok" } else { "failed" };
        let mut line = format!("{outcome} {operation} {path} {number} {}", bytes.len());
        if let Some(target) = target {
            line.push(' ');
            line.push_str(target);
        }
        line.push('\n');
        let mut encoded = line.into_bytes();
        encoded.extend_from_slice(bytes);
        encoded.push(b'\n');
        encoded
    }
}
