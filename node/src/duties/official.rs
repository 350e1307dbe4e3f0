//! The rows of the official HA signer as an interchange file.
//!
//! A row holds the *message hash*. What enters ECDSA for a proposal or an attestation is EIP-191 of it, for a vote it is the digest
//! itself. A row's duty is bound to that root only if the row's signature shows it: by recovering to the row's attester. Every other row
//! (still `signing`, or with something else in its fields) is covered by the stop line alone: at or below its slot nothing new is signed.
//!
//! Source: npm @aztec/validator-ha-signer 4.1.2, `src/db/schema.ts`; @aztec/validator-client 4.1.2, `src/key_store/ha_key_store.ts`.

use std::collections::BTreeMap;
use std::str::FromStr;

use alloy_primitives::{Address, B256};
use ollin_guard::interchange::{Interchange, InterchangeError};
use ollin_guard::{Duty, DutyKind};
use ollin_protocol::signature::{Signature, eip191, recover};
use ollin_protocol::units::{BlockIndex, SigningRoot, Slot};

/// One row of `validator_duties`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) validator_address: String,
    pub(super) slot: i64,
    pub(super) block_index: i32,
    pub(super) duty_type: String,
    pub(super) message_hash: String,
    pub(super) signature: Option<String>,
}

/// Everything of one rollup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) rollup: Address,
    /// The highest slot of each attester.
    pub(super) lines: Vec<(String, i64)>,
    /// The newest rows.
    pub(super) rows: Vec<Row>,
}

/// What no official signer writes: the table is not what it seems to be.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableFault {
    #[error("{column} is {found:?}, expected {expected}")]
    Field { column: &'static str, found: String, expected: &'static str },
    #[error("the table holds no duty of rollup {rollup}")]
    Empty { rollup: Address },
    #[error(transparent)]
    Contents(#[from] InterchangeError),
}

impl Table {
    /// The file, with the number of rows that the stop line alone covers.
    pub(super) fn interchange(&self, chain_id: u64) -> Result<(Interchange, usize), TableFault> {
        if self.lines.is_empty() {
            return Err(TableFault::Empty { rollup: self.rollup });
        }
        let mut lines = BTreeMap::new();
        for (attester, slot) in &self.lines {
            lines.insert(address(attester)?, self::slot(*slot)?);
        }
        let mut duties = BTreeMap::new();
        for row in &self.rows {
            let (duty, root) = row.duty()?;
            duties.extend(root.map(|root| (duty, root)));
        }
        let unproven = self.rows.len().saturating_sub(duties.len());
        Ok((Interchange::handed_over(chain_id, self.rollup, &lines, duties)?, unproven))
    }
}

impl Row {
    /// The duty, and its root if the row proves it.
    fn duty(&self) -> Result<(Duty, Option<SigningRoot>), TableFault> {
        let kind = match (self.duty_type.as_str(), self.block_index) {
            ("BLOCK_PROPOSAL", index) => {
                let expected = "a whole number, at least 0";
                let index = u64::try_from(index).map_err(|_| field("block_index_within_checkpoint", index, expected))?;
                DutyKind::BlockProposal { index: BlockIndex::new(index) }
            }
            ("CHECKPOINT_PROPOSAL", _) => DutyKind::CheckpointProposal,
            ("ATTESTATION", _) => DutyKind::Attestation,
            ("ATTESTATIONS_AND_SIGNERS", _) => DutyKind::AttestationsAndSigners,
            ("GOVERNANCE_VOTE", _) => DutyKind::GovernanceVote,
            ("SLASHING_VOTE", _) => DutyKind::SlashingVote,
            (other, _) => return Err(field("duty_type", other, "one of the six kinds of 4.1.2")),
        };
        let attester = address(&self.validator_address)?;
        let root = self.root(kind).filter(|root| self.signer(root) == Some(attester));
        Ok((Duty { slot: slot(self.slot)?, kind, attester }, root))
    }

    fn root(&self, kind: DutyKind) -> Option<SigningRoot> {
        let hash = B256::from_str(&self.message_hash).ok()?;
        Some(match kind {
            DutyKind::GovernanceVote | DutyKind::SlashingVote => SigningRoot::new(hash),
            DutyKind::BlockProposal { .. }
            | DutyKind::CheckpointProposal
            | DutyKind::Attestation
            | DutyKind::AttestationsAndSigners => eip191(hash),
        })
    }

    fn signer(&self, root: &SigningRoot) -> Option<Address> {
        let bytes = hex::decode(self.signature.as_ref()?.trim_start_matches("0x")).ok()?;
        recover(root, &Signature::from_rsv65(&bytes).ok()?).ok()
    }
}

fn field(column: &'static str, found: impl ToString, expected: &'static str) -> TableFault {
    TableFault::Field { column, found: found.to_string(), expected }
}

fn address(text: &str) -> Result<Address, TableFault> {
    Address::from_str(text).map_err(|_| field("validator_address", text, "an address"))
}

fn slot(number: i64) -> Result<Slot, TableFault> {
    u64::try_from(number).map(Slot::new).map_err(|_| field("slot", number, "a whole number, at least 0"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops where it fails")]
mod tests {
    use k256::ecdsa::SigningKey;

    use super::*;

    const ROLLUP: Address = Address::repeat_byte(0xcc);

    fn signed(duty_type: &str, slot: i64, hash: B256, root: SigningRoot) -> Row {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let (signature, recovery) = key.sign_prehash_recoverable(root.get().as_slice()).unwrap();
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(27 + recovery.to_byte());
        let attester = Address::from_private_key(&key);
        Row {
            validator_address: attester.to_string().to_lowercase(),
            slot,
            block_index: -1,
            duty_type: duty_type.to_owned(),
            message_hash: hash.to_string(),
            signature: Some(format!("0x{}", hex::encode(bytes))),
        }
    }

    fn table(rows: Vec<Row>) -> Table {
        let line = rows.iter().map(|row| row.slot).max().unwrap();
        Table { rollup: ROLLUP, lines: vec![(rows[0].validator_address.clone(), line)], rows }
    }

    #[test]
    fn a_message_is_bound_by_its_eip_191_root_and_a_vote_by_its_digest() {
        let hash = B256::repeat_byte(3);
        let rows = vec![
            signed("ATTESTATION", 9, hash, eip191(hash)),
            Row { block_index: 2, ..signed("BLOCK_PROPOSAL", 9, hash, eip191(hash)) },
            signed("SLASHING_VOTE", 8, hash, SigningRoot::new(hash)),
        ];
        let (file, unproven) = table(rows).interchange(31337).unwrap();
        assert_eq!((file.duties().len(), unproven, file.stop_line()), (3, 0, Slot::new(9)));
        let kinds: Vec<DutyKind> = file.duties().keys().map(|duty| duty.kind).collect();
        assert!(kinds.contains(&DutyKind::BlockProposal { index: BlockIndex::new(2) }));
        let standing = file.attesters().values().next().unwrap();
        assert!(standing.released && standing.stop_line == Slot::new(9), "its writers have no rights any more");
        assert_eq!(Interchange::parse(file.to_json().as_bytes()).unwrap(), file);
    }

    #[test]
    fn what_no_signature_proves_is_left_to_the_stop_line() {
        let (hash, other) = (B256::repeat_byte(3), B256::repeat_byte(4));
        let good = signed("ATTESTATION", 9, hash, eip191(hash));
        let unproven = [
            Row { signature: None, slot: 12, ..good.clone() },
            Row { message_hash: other.to_string(), slot: 11, ..good.clone() },
            // A message's hash signed bare, as only a vote's is.
            signed("CHECKPOINT_PROPOSAL", 10, hash, SigningRoot::new(hash)),
            Row { message_hash: "0x12".to_owned(), slot: 8, ..good.clone() },
        ];
        let (file, count) = table([vec![good], unproven.to_vec()].concat()).interchange(31337).unwrap();
        assert_eq!((file.duties().len(), count, file.stop_line()), (1, 4, Slot::new(12)));
    }

    #[test]
    fn what_no_official_signer_writes_is_refused_whole() {
        let good = signed("ATTESTATION", 9, B256::ZERO, eip191(B256::ZERO));
        let bad = [
            Row { slot: -1, ..good.clone() },
            Row { duty_type: "TXS".to_owned(), ..good.clone() },
            Row { duty_type: "BLOCK_PROPOSAL".to_owned(), ..good.clone() },
            Row { validator_address: "0x1".to_owned(), ..good.clone() },
        ];
        for row in bad {
            let refused = Table { rows: vec![row.clone()], ..table(vec![good.clone()]) }.interchange(1);
            assert!(matches!(refused, Err(TableFault::Field { .. })), "{row:?}: {refused:?}");
        }
        let empty = Table { rollup: ROLLUP, lines: Vec::new(), rows: Vec::new() }.interchange(1);
        assert!(matches!(empty, Err(TableFault::Empty { .. })));
    }
}
