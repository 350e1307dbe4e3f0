//! Copies the audit's records from the replicated state to files: `DATA_DIRECTORY/audit/`.
//!
//! A copy that falls behind or dies goes on where its last whole line ends. What the state no longer keeps by then is a gap, and
//! the next segment's header says so. Files that do not fit the log (damaged, or of another history) are set aside and kept: a
//! replica does not stand still for its audit.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ollin_consensus::SigningLog;
use ollin_consensus::audit::file::{self, Header};
use ollin_consensus::audit::{AuditHead, AuditPage};
use tokio_util::sync::CancellationToken;

/// A segment that is longer than this is followed by a new one.
const SEGMENT_BYTES: u64 = 8 << 20;
/// Segments that are kept; the oldest leave.
const SEGMENTS: usize = 8;

/// The copy of one replica.
pub(crate) struct AuditFiles {
    directory: PathBuf,
    cluster: String,
    replica: u64,
    segment_bytes: u64,
    open: Option<Segment>,
}

struct Segment {
    file: File,
    bytes: u64,
    head: AuditHead,
}

impl AuditFiles {
    /// Takes up the last segment where its last whole line ends.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub(crate) fn open(directory: PathBuf, cluster: String, replica: u64) -> anyhow::Result<Self> {
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        let last = segments(&directory)?.pop();
        let mut files = Self { directory, cluster, replica, segment_bytes: SEGMENT_BYTES, open: None };
        match last.map(|path| resume(&path, &files.cluster)).transpose() {
            Ok(open) => files.open = open,
            Err(fault) => files.set_aside(&format!("{fault:#}"))?,
        }
        Ok(files)
    }

    /// Keeps what is there under another name, and begins anew.
    fn set_aside(&mut self, reason: &str) -> anyhow::Result<()> {
        let aside = |number: u32| self.directory.with_extension(format!("aside-{number}"));
        let aside = (1..).map(aside).find(|path| !path.exists()).context("a name for the old audit")?;
        tracing::error!(reason, kept = %aside.display(), "the audit on disk does not fit the log: set aside, a new one is begun");
        fs::rename(&self.directory, &aside).with_context(|| format!("setting {} aside", self.directory.display()))?;
        fs::create_dir_all(&self.directory).with_context(|| format!("making {}", self.directory.display()))?;
        self.open = None;
        Ok(())
    }

    /// Copies until `shutdown`.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) async fn run(mut self, log: SigningLog, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut applied = log.applied();
        loop {
            applied.mark_unchanged();
            self.copy(&log.audit_page(self.next()), &log.audit_head())?;
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                changed = applied.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    /// Number of the next record to copy.
    fn next(&self) -> u64 {
        self.open.as_ref().map_or(0, |segment| segment.head.count)
    }

    fn copy(&mut self, page: &AuditPage, head: &AuditHead) -> anyhow::Result<()> {
        if let Some(segment) = &self.open
            && head.count < segment.head.count
        {
            // The state is behind the files: it is catching up after a restart.
            return Ok(());
        }
        if let Some(segment) = &self.open
            && page.base.count == segment.head.count
            && page.base != segment.head
        {
            self.set_aside("its last hash is not the log's")?;
        }
        let mut head = page.base;
        for record in &page.records {
            head = head.after(record);
            self.write(record, page.base, head)?;
        }
        Ok(())
    }

    fn write(&mut self, record: &ollin_consensus::audit::AuditRecord, base: AuditHead, head: AuditHead) -> anyhow::Result<()> {
        let limit = self.segment_bytes;
        let continues = |segment: &Segment| segment.head.count == record.number && segment.bytes < limit;
        if !self.open.as_ref().is_some_and(continues) {
            let base = self.open.as_ref().map(|segment| segment.head).filter(|end| end.count == record.number).unwrap_or(base);
            self.begin(base)?;
        }
        let segment = self.open.as_mut().context("a segment was just begun")?;
        let line = file::record_line(record, &head);
        segment.file.write_all(line.as_bytes()).context("the audit cannot be written")?;
        segment.bytes = segment.bytes.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        segment.head = head;
        Ok(())
    }

    fn begin(&mut self, base: AuditHead) -> anyhow::Result<()> {
        let path = self.directory.join(format!("{:020}.jsonl", base.count));
        let line = Header::new(self.cluster.clone(), self.replica, base).to_line();
        let write = || -> io::Result<File> {
            let mut file = OpenOptions::new().create_new(true).append(true).open(&path)?;
            file.write_all(line.as_bytes())?;
            Ok(file)
        };
        let file = write().with_context(|| format!("the audit's segment {}", path.display()))?;
        self.open = Some(Segment { file, bytes: u64::try_from(line.len()).unwrap_or(u64::MAX), head: base });
        let mut all = segments(&self.directory)?;
        while all.len() > SEGMENTS {
            fs::remove_file(all.remove(0)).context("an old segment of the audit")?;
        }
        Ok(())
    }
}

fn resume(path: &Path, cluster: &str) -> anyhow::Result<Segment> {
    let text = fs::read_to_string(path).with_context(|| format!("the audit's segment {}", path.display()))?;
    let damaged = || format!("the audit's segment {} is damaged", path.display());
    let header = Header::parse(text.lines().next().unwrap_or_default()).with_context(damaged)?;
    if header.cluster != cluster {
        bail!("the audit in {} is of cluster {}, this is {cluster}", path.display(), header.cluster);
    }
    let (head, whole) = file::end(&text).with_context(damaged)?;
    let bytes = u64::try_from(whole).unwrap_or(u64::MAX);
    let file = OpenOptions::new().append(true).open(path)?;
    // A line that was being written when the process died is written again.
    file.set_len(bytes)?;
    Ok(Segment { file, bytes, head })
}

/// The segments, oldest first.
///
/// # Errors
/// If the directory cannot be read.
pub(crate) fn segments(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("the audit in {}", directory.display()))? {
        let path = entry?.path();
        let named = path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.parse::<u64>().is_ok());
        if named && path.extension().is_some_and(|extension| extension == "jsonl") {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}
