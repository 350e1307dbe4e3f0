//! Recomputes a chain of records from its files, and looks for what must not be in it.

use std::collections::BTreeMap;

use ollin_guard::Duty;
use ollin_protocol::units::SigningRoot;

use super::super::{AuditEvent, AuditHead, AuditPage, AuditRecord};
use super::{FORMAT, Header, Line, VERSION};

/// A check in progress: segments are added oldest first.
#[derive(Debug, Default)]
pub struct AuditCheck {
    cluster: Option<String>,
    /// Before the first record that was seen.
    base: AuditHead,
    head: AuditHead,
    records: u64,
    gaps: Vec<Gap>,
    bound: BTreeMap<Duty, SigningRoot>,
    /// The hash after each record, for comparison with another replica's.
    hashes: BTreeMap<u64, [u8; 32]>,
    torn: bool,
}

/// Records that a replica does not have in its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Number of the first missing record.
    pub first: u64,
    /// Number of the first one after it that is there.
    pub next: u64,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSummary {
    /// The cluster's id.
    pub cluster: String,
    /// The head before the first record.
    pub base: AuditHead,
    /// The head after the last record.
    pub head: AuditHead,
    /// Records that were checked.
    pub records: u64,
    /// Duties that they bind.
    pub duties: u64,
    /// What is missing between them.
    pub gaps: Vec<Gap>,
    /// Whether the last line was cut: the writer was killed, and writes it again at its next start.
    pub torn: bool,
}

/// What must not be in an audit.
#[derive(Debug, thiserror::Error)]
pub enum AuditFault {
    /// The first line is no header.
    #[error("the first line is no header of an audit")]
    Header {
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// JSON of something else.
    #[error("format is {found:?}, expected {FORMAT:?}")]
    Format {
        /// What the file says it is.
        found: String,
    },
    /// Written by another version.
    #[error("audit version {found}, this binary reads {VERSION}")]
    Version {
        /// The version in the file.
        found: u64,
    },
    /// A line is no record.
    #[error("line {line} is no record of an audit")]
    Line {
        /// Its number in its file, from 1.
        line: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A record out of its place: one was taken out or put in.
    #[error("line {line} holds record {found}, expected record {expected}")]
    Number {
        /// Its number in its file, from 1.
        line: u64,
        /// The record's number.
        found: u64,
        /// What should be there.
        expected: u64,
    },
    /// A record or its hash was changed.
    #[error("record {number} has hash {found}, computed {computed}: it or one before it was changed")]
    Hash {
        /// The record's number.
        number: u64,
        /// The hash in the file.
        found: String,
        /// The hash computed from the record and the hash before it.
        computed: String,
    },
    /// A segment that does not continue the one before.
    #[error("a segment begins at {found}, the one before ends at {expected}")]
    Segment {
        /// The base in its header.
        found: AuditHead,
        /// The head before it.
        expected: AuditHead,
    },
    /// Segments of different clusters.
    #[error("a segment is of cluster {found}, the others of {expected}")]
    OtherCluster {
        /// Its cluster.
        found: String,
        /// The others'.
        expected: String,
    },
    /// One duty with two roots: what the signing log exists to prevent.
    #[error("record {number} binds {duty} to {second}, it was bound to {first} before")]
    TwoRoots {
        /// The later record.
        number: u64,
        /// The duty.
        duty: Duty,
        /// Its first root.
        first: SigningRoot,
        /// Its second root.
        second: SigningRoot,
    },
    /// Two replicas hold different histories.
    #[error("record {number} has hash {one} in one audit and {other} in another")]
    Diverged {
        /// The record's number.
        number: u64,
        /// One hash.
        one: String,
        /// The other.
        other: String,
    },
    /// The log does not hold what was copied from it.
    #[error("the audit ends at {found}, the log that it was copied from at {log}")]
    Ahead {
        /// The audit's end.
        found: AuditHead,
        /// The log's.
        log: AuditHead,
    },
    /// Nothing was checked.
    #[error("there is no segment of an audit")]
    Empty,
}

impl AuditCheck {
    /// Adds the next segment. A last line without its end counts for nothing.
    ///
    /// # Errors
    /// [`AuditFault`], the first that is found.
    pub fn segment(&mut self, text: &str) -> Result<(), AuditFault> {
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut lines = (1..).zip(text[..whole].lines());
        let header = Header::parse(lines.next().map_or("", |(_, line)| line))?;
        self.begin(&header)?;
        for (line, text) in lines {
            let Line { record, hash } = serde_json::from_str(text).map_err(|source| AuditFault::Line { line, source })?;
            self.record(line, &record, hash)?;
        }
        self.torn = whole < text.len();
        Ok(())
    }

    fn begin(&mut self, header: &Header) -> Result<(), AuditFault> {
        match &self.cluster {
            None => (self.base, self.head, self.cluster) = (header.base, header.base, Some(header.cluster.clone())),
            Some(cluster) if *cluster != header.cluster => {
                return Err(AuditFault::OtherCluster { found: header.cluster.clone(), expected: cluster.clone() });
            }
            Some(_) if header.base == self.head => {}
            Some(_) if header.base.count > self.head.count => {
                self.gaps.push(Gap { first: self.head.count, next: header.base.count });
                self.head = header.base;
            }
            Some(_) => return Err(AuditFault::Segment { found: header.base, expected: self.head }),
        }
        Ok(())
    }

    fn record(&mut self, line: u64, record: &AuditRecord, found: String) -> Result<(), AuditFault> {
        let number = record.number;
        if number != self.head.count {
            return Err(AuditFault::Number { line, found: number, expected: self.head.count });
        }
        self.head = self.head.after(record);
        let computed = hex::encode(self.head.hash);
        if found != computed {
            return Err(AuditFault::Hash { number, found, computed });
        }
        self.records += 1;
        self.hashes.insert(number, self.head.hash);
        if let AuditEvent::Duties { slot, kind, attesters, root } = &record.event {
            for attester in attesters {
                let duty = Duty { slot: *slot, kind: *kind, attester: *attester };
                let first = *self.bound.entry(duty).or_insert(*root);
                if first != *root {
                    return Err(AuditFault::TwoRoots { number, duty, first, second: *root });
                }
            }
        }
        Ok(())
    }

    /// Compares with another replica's audit where both have records.
    ///
    /// # Errors
    /// [`AuditFault::OtherCluster`], [`AuditFault::Diverged`].
    pub fn agree(&self, other: &Self) -> Result<(), AuditFault> {
        if let (Some(found), Some(expected)) = (&other.cluster, &self.cluster)
            && found != expected
        {
            return Err(AuditFault::OtherCluster { found: found.clone(), expected: expected.clone() });
        }
        let differing = self.hashes.iter().find_map(|(number, one)| {
            let other = other.hashes.get(number).filter(|other| *other != one)?;
            Some(AuditFault::Diverged { number: *number, one: hex::encode(one), other: hex::encode(other) })
        });
        differing.map_or(Ok(()), Err)
    }

    /// Whether a log that holds the records of `page`, its last ones, is the one that these files were copied from.
    ///
    /// # Errors
    /// [`AuditFault::Diverged`]; [`AuditFault::Ahead`] if it has forgotten what was copied.
    pub fn leads_to(&self, page: &AuditPage) -> Result<(), AuditFault> {
        let mut log = page.base;
        for record in &page.records {
            log = log.after(record);
            if let Some(copied) = self.hashes.get(&record.number)
                && *copied != log.hash
            {
                let (one, other) = (hex::encode(copied), hex::encode(log.hash));
                return Err(AuditFault::Diverged { number: record.number, one, other });
            }
        }
        if self.head.count > log.count { Err(AuditFault::Ahead { found: self.head, log }) } else { Ok(()) }
    }

    /// Whether the chain passes through `hash`.
    pub fn contains(&self, hash: &[u8; 32]) -> bool {
        self.base.hash == *hash || self.head.hash == *hash || self.hashes.values().any(|held| held == hash)
    }

    /// What was found so far.
    pub fn summary(&self) -> AuditSummary {
        AuditSummary {
            cluster: self.cluster.clone().unwrap_or_default(),
            base: self.base,
            head: self.head,
            records: self.records,
            duties: u64::try_from(self.bound.len()).unwrap_or(u64::MAX),
            gaps: self.gaps.clone(),
            torn: self.torn,
        }
    }
}
