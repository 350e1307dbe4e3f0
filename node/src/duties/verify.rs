//! `ollin duties verify`: audits and interchange files, checked with nothing but themselves.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ollin_consensus::audit::file::{AuditCheck, AuditFault, AuditSummary, FORMAT};
use ollin_guard::interchange::{Interchange, InterchangeError};
use serde::Serialize;
use serde_json::json;

use super::audit_file::segments;

/// What was found at one path.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    path: PathBuf,
    #[serde(flatten)]
    finding: Finding,
}

#[derive(Debug, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum Finding {
    Audit {
        cluster: String,
        records: u64,
        duties: u64,
        first_record: u64,
        head_records: u64,
        head: String,
        gaps: Vec<(u64, u64)>,
        torn: bool,
    },
    Interchange {
        chain_id: u64,
        rollup: alloy_primitives::Address,
        attesters: usize,
        unreleased: usize,
        frozen: usize,
        duties: usize,
        stop_line: u64,
    },
    Fault {
        fault: String,
    },
}

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(super) struct Verified {
    /// Whether nothing is wrong.
    pub(super) valid: bool,
    reports: Vec<Report>,
    /// What is wrong between several audits, or with the head that was asked for.
    faults: Vec<String>,
}

/// Checks every path, and audits against each other and against `head`.
///
/// # Errors
/// If something cannot be read, or is neither an audit nor an interchange file.
pub(super) fn verify(paths: &[PathBuf], head: Option<&[u8; 32]>) -> anyhow::Result<Verified> {
    let (mut reports, mut audits, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for path in paths {
        let finding = match read(path)? {
            Read::Audit(texts) => match check(&texts) {
                Ok(check) => {
                    let finding = Finding::of(&check.summary());
                    audits.push((path.clone(), check));
                    finding
                }
                Err(fault) => Finding::Fault { fault: chain(&fault) },
            },
            Read::Interchange(bytes) => Interchange::parse(&bytes)
                .map_or_else(|fault| Finding::Fault { fault: of_file(&fault) }, |file| Finding::of_file(&file)),
        };
        reports.push(Report { path: path.clone(), finding });
    }
    for ((one_path, one), (other_path, other)) in audits.iter().zip(audits.iter().skip(1)) {
        if let Err(fault) = one.agree(other) {
            faults.push(format!("{} and {} disagree: {fault}", one_path.display(), other_path.display()));
        }
    }
    if let Some(head) = head {
        let without = audits.iter().filter(|(_, audit)| !audit.contains(head));
        faults.extend(without.map(|(path, _)| format!("{} does not pass through {}", path.display(), hex::encode(head))));
        if audits.is_empty() {
            faults.push("a head was given and no audit".to_owned());
        }
    }
    let valid = faults.is_empty() && !reports.iter().any(|report| matches!(report.finding, Finding::Fault { .. }));
    Ok(Verified { valid, reports, faults })
}

enum Read {
    Audit(Vec<String>),
    Interchange(Vec<u8>),
}

/// A directory is that of an audit, or a data directory with one in it; a file says itself what it is.
fn read(path: &Path) -> anyhow::Result<Read> {
    let within = path.join("audit");
    let directory = if within.is_dir() { &within } else { path };
    if directory.is_dir() {
        let segments = segments(directory)?;
        if segments.is_empty() {
            bail!("{} holds no audit: it has no segment such as {:020}.jsonl", directory.display(), 0);
        }
        let texts = segments.iter().map(|path| text(path)).collect::<anyhow::Result<_>>()?;
        return Ok(Read::Audit(texts));
    }
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let format = serde_json::from_slice::<serde_json::Value>(first).ok();
    if format.is_some_and(|header| header["format"] == json!(FORMAT)) {
        return Ok(Read::Audit(vec![text(path)?]));
    }
    Ok(Read::Interchange(bytes))
}

/// The audit in a directory; `None` if there is no segment.
///
/// # Errors
/// If it cannot be read. Within: if it is not valid.
pub(crate) fn audit_of(directory: &Path) -> anyhow::Result<Result<Option<AuditCheck>, AuditFault>> {
    let segments = if directory.is_dir() { segments(directory)? } else { Vec::new() };
    if segments.is_empty() {
        return Ok(Ok(None));
    }
    let texts = segments.iter().map(|path| text(path)).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(check(&texts).map(Some))
}

/// Bytes that are not text cannot be a part of an audit; the check says where.
fn text(path: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn check(texts: &[String]) -> Result<AuditCheck, AuditFault> {
    let mut check = AuditCheck::default();
    for text in texts {
        check.segment(text)?;
    }
    Ok(check)
}

impl Finding {
    fn of(summary: &AuditSummary) -> Self {
        Self::Audit {
            cluster: summary.cluster.clone(),
            records: summary.records,
            duties: summary.duties,
            first_record: summary.base.count,
            head_records: summary.head.count,
            head: hex::encode(summary.head.hash),
            gaps: summary.gaps.iter().map(|gap| (gap.first, gap.next)).collect(),
            torn: summary.torn,
        }
    }

    fn of_file(file: &Interchange) -> Self {
        let standings = || file.attesters().values();
        Self::Interchange {
            chain_id: file.chain_id(),
            rollup: file.rollup(),
            attesters: file.attesters().len(),
            unreleased: standings().filter(|standing| !standing.released).count(),
            frozen: standings().filter(|standing| standing.frozen.is_some()).count(),
            duties: file.duties().len(),
            stop_line: file.stop_line().get(),
        }
    }

    fn lines(&self) -> Vec<String> {
        match self {
            Self::Fault { fault } => vec![format!("NOT VALID: {fault}")],
            Self::Audit { cluster, records, duties, first_record, head_records, head, gaps, torn } => {
                let mut lines = vec![
                    format!("audit of cluster {cluster}: {records} records hold, {duties} duties, each with one root"),
                    format!("from record {first_record} to {head_records}, head {head}"),
                ];
                lines.extend(gaps.iter().map(|(first, next)| {
                    format!("records {first} to {} are not here: this replica got a snapshot instead", next.saturating_sub(1))
                }));
                lines.extend(torn.then(|| "the last line was cut: the replica writes it again at its next start".to_owned()));
                lines
            }
            Self::Interchange { chain_id, rollup, attesters, unreleased, frozen, duties, stop_line } => {
                let mut lines = vec![
                    format!("interchange file for rollup {rollup} on chain {chain_id}: the checksum holds"),
                    format!("{attesters} attesters, {duties} duties, stop line {stop_line}"),
                ];
                if *unreleased > 0 {
                    lines.push(format!("{unreleased} attesters were not released: the cluster that wrote it may sign on"));
                }
                if *frozen > 0 {
                    lines.push(format!("{frozen} attesters are frozen: their keys have signed elsewhere"));
                }
                lines
            }
        }
    }
}

impl Verified {
    /// The findings for a person.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for Report { path, finding } in &self.reports {
            text += &format!("{}\n", path.display());
            for line in finding.lines() {
                text += &format!("  {line}\n");
            }
        }
        for fault in &self.faults {
            text += &format!("NOT VALID: {fault}\n");
        }
        text
    }
}

fn of_file(fault: &InterchangeError) -> String {
    chain(fault)
}

fn chain(error: &dyn std::error::Error) -> String {
    let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}
