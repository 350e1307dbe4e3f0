//! The chain of records in the replicated state: its head, and the latest records.

use std::collections::VecDeque;
use std::fmt;

use ollin_guard::{Guard, GuardCommand, GuardReply};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::event::{self, AuditEvent, AuditRecord, Lines};
use crate::sealed;

/// Records that the state keeps: some hours of a busy cluster.
pub const MAX_RECORDS: usize = 1_024;
/// Duties in them, so that batches of hundreds of attesters stay small in a snapshot.
pub const MAX_DUTIES: u64 = 16_384;

/// How long the chain is, and the hash of its last record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Records so far; the number of the next one.
    pub count: u64,
    /// Hash of the last record; zeros before the first.
    #[serde(with = "hex_or_bytes")]
    pub hash: [u8; 32],
}

/// The chain, as far as the state keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditTrail {
    base: AuditHead,
    records: VecDeque<AuditRecord>,
    /// Duties in them.
    duties: u64,
    head: AuditHead,
}

/// A part of the chain: consecutive records, and the head before the first of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPage {
    /// The head before the first record.
    pub base: AuditHead,
    /// The records.
    pub records: Vec<AuditRecord>,
}

impl AuditHead {
    /// The head after `record`, which must be the next one.
    pub fn after(&self, record: &AuditRecord) -> Self {
        let hash = Sha256::new().chain_update(self.hash).chain_update(sealed::to_bytes(record)).finalize().into();
        Self { count: self.count.saturating_add(1), hash }
    }
}

impl fmt::Display for AuditHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records, {}", self.count, hex::encode(self.hash))
    }
}

impl AuditTrail {
    /// Applies a command to the guard and takes down what it changed.
    pub(crate) fn apply(&mut self, guard: &mut Guard, command: &GuardCommand, log_index: u64) -> GuardReply {
        let before = Lines::of(guard);
        let reply = guard.apply(command);
        for event in event::events(command, &reply, &before, guard) {
            self.push(event, log_index);
        }
        reply
    }

    fn push(&mut self, event: AuditEvent, log_index: u64) {
        let record = AuditRecord { number: self.head.count, log_index, event };
        self.head = self.head.after(&record);
        self.duties += record.duties();
        self.records.push_back(record);
        while self.records.len() > MAX_RECORDS || self.duties > MAX_DUTIES {
            let Some(oldest) = self.records.pop_front() else { return };
            self.duties -= oldest.duties();
            self.base = self.base.after(&oldest);
        }
    }

    /// The head: equal on all replicas that have applied as much.
    pub fn head(&self) -> AuditHead {
        self.head
    }

    /// What is kept of the records from `number` on; it begins later if they are gone.
    pub fn page(&self, number: u64) -> AuditPage {
        let mut base = self.base;
        let mut records = Vec::new();
        for record in &self.records {
            if record.number < number {
                base = base.after(record);
            } else {
                records.push(record.clone());
            }
        }
        AuditPage { base, records }
    }

    /// Whether some sequence of commands can have led here; asked of a decoded state.
    pub(crate) fn is_consistent(&self) -> bool {
        let mut head = self.base;
        for record in &self.records {
            if record.number != head.count {
                return false;
            }
            head = head.after(record);
        }
        head == self.head
            && self.records.len() <= MAX_RECORDS
            && self.records.iter().map(AuditRecord::duties).sum::<u64>() == self.duties
            && self.duties <= MAX_DUTIES
    }
}

impl AuditRecord {
    fn duties(&self) -> u64 {
        match &self.event {
            AuditEvent::Duties { attesters, .. } | AuditEvent::Bound { attesters, .. } => {
                u64::try_from(attesters.len()).unwrap_or(u64::MAX)
            }
            AuditEvent::Imported { .. }
            | AuditEvent::Opened { .. }
            | AuditEvent::Floor { .. }
            | AuditEvent::Watermark { .. }
            | AuditEvent::Closed { .. }
            | AuditEvent::Added { .. }
            | AuditEvent::Released { .. }
            | AuditEvent::Frozen { .. }
            | AuditEvent::Unfrozen { .. } => 0,
        }
    }
}

/// Hashes are hexadecimal in JSON and bytes in the state.
mod hex_or_bytes {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(hash: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { hex::encode(hash).serialize(serializer) } else { hash.serialize(serializer) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 32]>::deserialize(deserializer);
        }
        let text = String::deserialize(deserializer)?;
        let mut hash = [0; 32];
        hex::decode_to_slice(&text, &mut hash).map_err(|error| D::Error::custom(format!("hash {text:?}: {error}")))?;
        Ok(hash)
    }
}
