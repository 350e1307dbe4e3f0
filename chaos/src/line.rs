//! The format of an outlet record: one JSON object a line, told apart by `outlet`.

use alloy_primitives::{Address, B256, FixedBytes};
use ollin_guard::{Duty, DutyKind};
use ollin_protocol::units::{BlockIndex, ReplicaId, SigningRoot, Slot};
use serde::Deserialize;

use crate::{Attempt, DutyKey, Emitted, Signature, Transaction};

/// Why a line is no outlet record.
#[derive(Debug, thiserror::Error)]
pub enum LineFault {
    /// Not JSON, or not of the format.
    #[error("not an outlet line")]
    Json(#[from] serde_json::Error),
    /// A block proposal without a block index.
    #[error("a block proposal needs an index")]
    IndexMissing,
    /// Another kind of duty with a block index.
    #[error("only a block proposal has an index, found {index}")]
    IndexUnexpected {
        /// The index.
        index: u64,
    },
}

/// A parsed line: when, who, what.
pub(crate) struct Line {
    pub(crate) time_ms: u64,
    pub(crate) replica: ReplicaId,
    pub(crate) emitted: Emitted,
}

#[derive(Deserialize)]
#[serde(tag = "outlet", rename_all = "lowercase")]
enum WireLine {
    Keystore(WireSignature),
    L1(WireTransaction),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    time_ms: u64,
    replica: u64,
    chain_id: u64,
    rollup: Address,
    attester: Address,
    kind: WireKind,
    #[serde(deserialize_with = "Option::deserialize")]
    index: Option<u64>,
    slot: u64,
    root: B256,
    signature: FixedBytes<65>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireTransaction {
    time_ms: u64,
    replica: u64,
    chain_id: u64,
    rollup: Address,
    publisher: Address,
    nonce: u64,
    attempt: u32,
    slot: u64,
    transaction: B256,
    // With a function of its own, serde takes a missing field for an error and not for `None`.
    #[serde(deserialize_with = "Option::deserialize")]
    root: Option<B256>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireKind {
    BlockProposal,
    CheckpointProposal,
    Attestation,
    AttestationsAndSigners,
    GovernanceVote,
    SlashingVote,
}

impl Line {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, LineFault> {
        match serde_json::from_slice(bytes)? {
            WireLine::Keystore(wire) => wire.parse(),
            WireLine::L1(wire) => Ok(wire.parse()),
        }
    }
}

impl WireSignature {
    fn parse(self) -> Result<Line, LineFault> {
        let kind = self.kind.with_index(self.index)?;
        let duty = Duty { attester: self.attester, slot: Slot::new(self.slot), kind };
        let key = DutyKey { chain_id: self.chain_id, rollup: self.rollup, duty };
        let emitted = Emitted::Signature(Signature { key, root: SigningRoot::new(self.root), bytes: self.signature });
        Ok(Line { time_ms: self.time_ms, replica: ReplicaId::new(self.replica), emitted })
    }
}

impl WireTransaction {
    fn parse(self) -> Line {
        let Self { chain_id, publisher, nonce, attempt: number, .. } = self;
        let emitted = Emitted::Transaction(Transaction {
            attempt: Attempt { chain_id, publisher, nonce, number },
            rollup: self.rollup,
            slot: Slot::new(self.slot),
            hash: self.transaction,
            root: self.root.map(SigningRoot::new),
        });
        Line { time_ms: self.time_ms, replica: ReplicaId::new(self.replica), emitted }
    }
}

impl WireKind {
    fn with_index(self, index: Option<u64>) -> Result<DutyKind, LineFault> {
        let kind = match (self, index) {
            (Self::BlockProposal, None) => return Err(LineFault::IndexMissing),
            (Self::BlockProposal, Some(index)) => {
                return Ok(DutyKind::BlockProposal { index: BlockIndex::new(index) });
            }
            (_, Some(index)) => return Err(LineFault::IndexUnexpected { index }),
            (Self::CheckpointProposal, None) => DutyKind::CheckpointProposal,
            (Self::Attestation, None) => DutyKind::Attestation,
            (Self::AttestationsAndSigners, None) => DutyKind::AttestationsAndSigners,
            (Self::GovernanceVote, None) => DutyKind::GovernanceVote,
            (Self::SlashingVote, None) => DutyKind::SlashingVote,
        };
        Ok(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = r#"{"time_ms":5,"replica":2,"outlet":"keystore","chain_id":31337,
        "rollup":"0x7777777777777777777777777777777777777777","attester":"0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
        "kind":"block_proposal","index":0,"slot":7,
        "root":"0x0101010101010101010101010101010101010101010101010101010101010101","signature":"0xSIG"}"#;
    const TRANSACTION: &str = r#"{"time_ms":6,"replica":2,"outlet":"l1","chain_id":31337,
        "rollup":"0x7777777777777777777777777777777777777777","publisher":"0xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0",
        "nonce":3,"attempt":1,"slot":7,
        "transaction":"0x0202020202020202020202020202020202020202020202020202020202020202","root":null}"#;

    fn signature() -> String {
        SIGNATURE.replace("SIG", &"11".repeat(65))
    }

    fn parse(line: &str) -> Result<Line, LineFault> {
        Line::parse(line.as_bytes())
    }

    #[test]
    fn both_outlets_are_read() {
        let line = parse(&signature()).unwrap();
        let Emitted::Signature(signature) = line.emitted else { panic!("no signature") };
        assert_eq!((line.time_ms, line.replica, signature.key.duty.slot), (5, ReplicaId::new(2), Slot::new(7)));
        assert_eq!(signature.key.duty.kind, DutyKind::BlockProposal { index: BlockIndex::new(0) });
        let Emitted::Transaction(transaction) = parse(TRANSACTION).unwrap().emitted else { panic!("no transaction") };
        assert_eq!((transaction.attempt.nonce, transaction.attempt.number, transaction.root), (3, 1, None));
    }

    #[test]
    fn unknown_fields_outlets_and_kinds_are_refused() {
        for (from, to) in [(r#""slot":7"#, r#""slot":7,"extra":1"#), ("keystore", "gossip"), ("block_proposal", "proposal")] {
            assert!(matches!(parse(&signature().replace(from, to)), Err(LineFault::Json(_))), "{to}");
        }
        assert!(parse(&TRANSACTION.replace(r#""slot":7"#, r#""slot":7,"extra":1"#)).is_err());
    }

    #[test]
    fn a_missing_field_is_not_taken_for_null() {
        assert!(matches!(parse(&signature().replace(r#""index":0,"#, "")), Err(LineFault::Json(_))));
        assert!(matches!(parse(&TRANSACTION.replace(r#","root":null"#, "")), Err(LineFault::Json(_))));
    }

    #[test]
    fn an_index_belongs_to_block_proposals_alone() {
        assert!(matches!(parse(&signature().replace(r#""index":0"#, r#""index":null"#)), Err(LineFault::IndexMissing)));
        let attestation = signature().replace("block_proposal", "attestation");
        assert!(matches!(parse(&attestation), Err(LineFault::IndexUnexpected { index: 0 })));
    }

    #[test]
    fn a_short_signature_is_refused() {
        assert!(parse(&SIGNATURE.replace("SIG", &"11".repeat(64))).is_err());
    }
}
