//! What a file is to a replica. The reader of the journal (`chaos/src/io/journal.rs`) includes this very file: a library that is loaded
//! before another program's has no other way to share it.

/// What a file is, by its name.
pub(crate) fn kind(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.ends_with(".log") {
        "wal"
    } else if name.ends_with(".sst") {
        "table"
    } else if name.starts_with("MANIFEST") {
        "manifest"
    } else if name == "CURRENT" || name.ends_with(".dbtmp") {
        "current"
    } else if name.starts_with("OPTIONS") {
        "options"
    } else if name.contains(".anchor") {
        "anchor"
    } else if name.starts_with("replica.marker") {
        "marker"
    } else if name == "replica.lock" || name == "LOCK" {
        "lock"
    } else if name.contains('.') || name == "IDENTITY" || name.starts_with("LOG") {
        "other"
    } else {
        "directory"
    }
}
