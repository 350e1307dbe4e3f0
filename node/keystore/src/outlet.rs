//! The outlet record: one line for everything that leaves under the cluster's name, written before it leaves.
//!
//! Oracles read it next to the chain, never the signing log; so it says what the keystore did, not what it was allowed to do.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use alloy_primitives::{Address, B256};
use ollin_consensus::{Duty, DutyKind};
use ollin_protocol::signature::Signature;
use ollin_protocol::units::{ReplicaId, SigningRoot, Slot};
use serde::Serialize;

/// An append-only file of JSON lines. Several processes may share one.
#[derive(Debug)]
pub struct OutletRecord {
    path: PathBuf,
    file: File,
}

/// Why nothing may leave: its line could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the outlet record {} cannot be written", path.display())]
pub struct OutletError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl OutletRecord {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// [`OutletError`] if the system refuses.
    pub fn open(path: &Path) -> Result<Self, OutletError> {
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let file = opened.map_err(|source| OutletError { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// One line in one write: lines of several threads or processes never mix.
    fn append<L: Serialize>(&self, line: &L) -> Result<(), OutletError> {
        let failed = |source| OutletError { path: self.path.clone(), source };
        let mut bytes = serde_json::to_vec(line).map_err(|error| failed(error.into()))?;
        bytes.push(b'\n');
        match (&self.file).write(&bytes) {
            Ok(written) if written == bytes.len() => Ok(()),
            Ok(_) => Err(failed(io::ErrorKind::WriteZero.into())),
            Err(source) => Err(failed(source)),
        }
    }
}

/// Whose outlets they are: the same in every line of a process.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct OutletContext {
    pub(crate) replica: ReplicaId,
    pub(crate) chain_id: u64,
    pub(crate) rollup: Address,
}

/// The outlets of a process: a record if one is configured.
#[derive(Debug)]
pub(crate) struct Outlets {
    pub(crate) context: OutletContext,
    pub(crate) record: Option<OutletRecord>,
}

/// A signature that leaves the keystore.
#[derive(Serialize)]
struct SignatureLine<'a> {
    time_ms: u64,
    outlet: &'static str,
    #[serde(flatten)]
    context: OutletContext,
    attester: Address,
    kind: &'static str,
    index: Option<u64>,
    slot: Slot,
    root: &'a SigningRoot,
    signature: String,
}

/// A transaction that is about to be sent.
#[derive(Serialize)]
struct TransactionLine<'a> {
    time_ms: u64,
    outlet: &'static str,
    #[serde(flatten)]
    context: OutletContext,
    publisher: Address,
    nonce: u64,
    attempt: u32,
    slot: Slot,
    transaction: B256,
    root: Option<&'a SigningRoot>,
}

/// The place of a transaction in the log.
pub(crate) struct TransactionPlace<'a> {
    pub(crate) publisher: Address,
    pub(crate) nonce: u64,
    pub(crate) attempt: u32,
    pub(crate) slot: Slot,
    pub(crate) root: Option<&'a SigningRoot>,
}

impl Outlets {
    /// Writes the line of a signature.
    pub(crate) fn signature(&self, duty: &Duty, root: &SigningRoot, signature: &Signature) -> Result<(), OutletError> {
        let Some(record) = &self.record else { return Ok(()) };
        let (kind, index) = words(&duty.kind);
        record.append(&SignatureLine {
            time_ms: now_ms(),
            outlet: "keystore",
            context: self.context,
            attester: duty.attester,
            kind,
            index,
            slot: duty.slot,
            root,
            signature: signature.to_string(),
        })
    }

    /// Writes the line of a transaction.
    pub(crate) fn transaction(&self, place: &TransactionPlace<'_>, transaction: B256) -> Result<(), OutletError> {
        let Some(record) = &self.record else { return Ok(()) };
        record.append(&TransactionLine {
            time_ms: now_ms(),
            outlet: "l1",
            context: self.context,
            publisher: place.publisher,
            nonce: place.nonce,
            attempt: place.attempt,
            slot: place.slot,
            transaction,
            root: place.root,
        })
    }
}

fn words(kind: &DutyKind) -> (&'static str, Option<u64>) {
    match kind {
        DutyKind::BlockProposal { index } => ("block_proposal", Some(index.get())),
        DutyKind::CheckpointProposal => ("checkpoint_proposal", None),
        DutyKind::Attestation => ("attestation", None),
        DutyKind::AttestationsAndSigners => ("attestations_and_signers", None),
        DutyKind::GovernanceVote => ("governance_vote", None),
        DutyKind::SlashingVote => ("slashing_vote", None),
    }
}

/// Wall clock in the record only: no decision is made by it.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
