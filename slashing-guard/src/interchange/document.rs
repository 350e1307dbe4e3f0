//! The file itself: JSON, version 1, with a checksum over everything else.

use std::collections::BTreeMap;

use alloy_primitives::{Address, keccak256};
use ollin_protocol::units::{BlockIndex, SigningRoot, Slot};
use serde::{Deserialize, Serialize};

use super::{Interchange, InterchangeError, Standing};
use crate::{Duty, DutyKind};

/// What the field `format` says.
pub const FORMAT: &str = "ollin-interchange";

/// The only version that is written and read.
pub const VERSION: u64 = 1;

/// The most bytes of a file: a hundred thousand duties take a fifth of it.
pub const MAX_BYTES: usize = 64 << 20;

/// The two fields that every version has.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u64,
}

/// The order of the fields is that of the file, and part of the checksum.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    version: u64,
    chain_id: u64,
    rollup: Address,
    stop_line: Slot,
    attesters: Vec<AttesterLine>,
    duties: Vec<DutyLine>,
    /// `keccak256:` and the hash of the document as compact JSON in which this field is empty.
    checksum: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttesterLine {
    address: Address,
    stop_line: Slot,
    released: bool,
    frozen: Option<DutyLine>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DutyLine {
    attester: Address,
    slot: Slot,
    kind: KindWord,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    index: Option<BlockIndex>,
    root: SigningRoot,
}

/// Kinds as outlet records and status pages spell them.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindWord {
    BlockProposal,
    CheckpointProposal,
    Attestation,
    AttestationsAndSigners,
    GovernanceVote,
    SlashingVote,
}

impl Interchange {
    /// The file: indented JSON and a newline. Equal contents give equal files.
    pub fn to_json(&self) -> String {
        let attester = |(address, standing): (&Address, &Standing)| AttesterLine {
            address: *address,
            stop_line: standing.stop_line,
            released: standing.released,
            frozen: standing.frozen.map(|(duty, root)| DutyLine::of(&duty, &root)),
        };
        let mut document = Document {
            format: FORMAT.to_owned(),
            version: VERSION,
            chain_id: self.chain_id,
            rollup: self.rollup,
            stop_line: self.stop_line(),
            attesters: self.attesters.iter().map(attester).collect(),
            duties: self.duties.iter().map(|(duty, root)| DutyLine::of(duty, root)).collect(),
            checksum: String::new(),
        };
        document.checksum = document.computed();
        let text = serde_json::to_string_pretty(&document).expect("numbers, texts and lists are JSON");
        text + "\n"
    }

    /// Reads what [`Interchange::to_json`] wrote; white space may differ.
    ///
    /// # Errors
    /// [`InterchangeError`] for another format or version, a wrong checksum, or contents that no export writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, InterchangeError> {
        if bytes.len() > MAX_BYTES {
            return Err(InterchangeError::TooLarge { bytes: bytes.len() });
        }
        let Head { format, version } = serde_json::from_slice(bytes)?;
        if format != FORMAT {
            return Err(InterchangeError::Format { found: format });
        }
        if version != VERSION {
            return Err(InterchangeError::Version { found: version });
        }
        let mut document: Document = serde_json::from_slice(bytes)?;
        let found = std::mem::take(&mut document.checksum);
        let computed = document.computed();
        if found != computed {
            return Err(InterchangeError::Checksum { found, computed });
        }
        document.contents()
    }
}

impl Document {
    /// The checksum of everything else; the field itself must be empty.
    fn computed(&self) -> String {
        let bytes = serde_json::to_vec(self).expect("numbers, texts and lists are JSON");
        format!("keccak256:{}", keccak256(bytes))
    }

    fn contents(self) -> Result<Interchange, InterchangeError> {
        let mut attesters = BTreeMap::new();
        for AttesterLine { address, stop_line, released, frozen } in self.attesters {
            let frozen = frozen.map(DutyLine::record).transpose()?;
            if attesters.insert(address, Standing { stop_line, released, frozen }).is_some() {
                return Err(InterchangeError::RepeatedAttester { attester: address });
            }
        }
        let mut duties = BTreeMap::new();
        for line in self.duties {
            let (duty, root) = line.record()?;
            if duties.insert(duty, root).is_some() {
                return Err(InterchangeError::Repeated { duty });
            }
        }
        let interchange = Interchange { chain_id: self.chain_id, rollup: self.rollup, attesters, duties };
        interchange.check()?;
        let (found, computed) = (self.stop_line, interchange.stop_line());
        if found != computed {
            return Err(InterchangeError::StopLine { found, computed });
        }
        Ok(interchange)
    }
}

impl DutyLine {
    fn of(duty: &Duty, root: &SigningRoot) -> Self {
        let (kind, index) = match duty.kind {
            DutyKind::BlockProposal { index } => (KindWord::BlockProposal, Some(index)),
            DutyKind::CheckpointProposal => (KindWord::CheckpointProposal, None),
            DutyKind::Attestation => (KindWord::Attestation, None),
            DutyKind::AttestationsAndSigners => (KindWord::AttestationsAndSigners, None),
            DutyKind::GovernanceVote => (KindWord::GovernanceVote, None),
            DutyKind::SlashingVote => (KindWord::SlashingVote, None),
        };
        Self { attester: duty.attester, slot: duty.slot, kind, index, root: *root }
    }

    fn record(self) -> Result<(Duty, SigningRoot), InterchangeError> {
        let kind = match (self.kind, self.index) {
            (KindWord::BlockProposal, Some(index)) => DutyKind::BlockProposal { index },
            (KindWord::CheckpointProposal, None) => DutyKind::CheckpointProposal,
            (KindWord::Attestation, None) => DutyKind::Attestation,
            (KindWord::AttestationsAndSigners, None) => DutyKind::AttestationsAndSigners,
            (KindWord::GovernanceVote, None) => DutyKind::GovernanceVote,
            (KindWord::SlashingVote, None) => DutyKind::SlashingVote,
            (kind, index) => return Err(InterchangeError::Index { kind: kind.word(), indexed: index.is_some() }),
        };
        Ok((Duty { slot: self.slot, kind, attester: self.attester }, self.root))
    }
}

impl KindWord {
    const fn word(self) -> &'static str {
        match self {
            Self::BlockProposal => "block_proposal",
            Self::CheckpointProposal => "checkpoint_proposal",
            Self::Attestation => "attestation",
            Self::AttestationsAndSigners => "attestations_and_signers",
            Self::GovernanceVote => "governance_vote",
            Self::SlashingVote => "slashing_vote",
        }
    }
}
