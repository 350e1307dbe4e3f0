//! One clean slot of two replicas, line by line, and how to doctor it.
//!
//! Replica 1 signs block, checkpoint, attestation and bundle of slot 7, sends the bundle and dies. Replica 2 repeats the last two
//! signatures, sends the same transaction again and then a bump. The bump lands.

use alloy_primitives::{Address, B256, eip191_hash_message};
use ollin_chaos::{ChainFact, History, Judgement, ReadError, SignerKind, Wake, judge};
use ollin_protocol::units::{CheckpointNumber, L1BlockNumber, Slot};
use serde_json::{Value, json};

pub(crate) const CHAIN_ID: u64 = 31_337;
pub(crate) const SLOT: u64 = 7;
pub(crate) const ROLLUP: Address = Address::repeat_byte(0x77);
pub(crate) const ALICE: Address = Address::repeat_byte(0xa1);
pub(crate) const PAYLOAD_DIGEST: B256 = B256::repeat_byte(0xd1);
pub(crate) const BUNDLE_DIGEST: B256 = B256::repeat_byte(0xd2);
pub(crate) const FIRST_TRANSACTION: B256 = B256::repeat_byte(0xe0);
pub(crate) const BUMP: B256 = B256::repeat_byte(0xe1);

/// The files of a run, the chain's facts, and what is known of the signer and of pauses.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) files: Vec<(&'static str, Vec<Value>)>,
    pub(crate) facts: Vec<ChainFact>,
    pub(crate) wakes: Vec<Wake>,
    pub(crate) signer: SignerKind,
}

impl Run {
    pub(crate) fn clean() -> Self {
        let first = vec![
            signature(1, 100, "block_proposal", B256::repeat_byte(1)),
            signature(1, 110, "checkpoint_proposal", B256::repeat_byte(2)),
            signature(1, 120, "attestation", attestation_root()),
            signature(1, 130, "attestations_and_signers", bundle_root()),
            transaction(1, 140, 0, FIRST_TRANSACTION),
        ];
        let second = vec![
            signature(2, 210, "attestation", attestation_root()),
            signature(2, 220, "attestations_and_signers", bundle_root()),
            transaction(2, 230, 0, FIRST_TRANSACTION),
            transaction(2, 240, 1, BUMP),
        ];
        let files = vec![("replica-1.jsonl", first), ("replica-2.jsonl", second)];
        Self { files, facts: vec![fact()], wakes: vec![], signer: SignerKind::Deterministic }
    }

    /// Adds a line at the end of a replica's file.
    pub(crate) fn with(mut self, replica: usize, line: Value) -> Self {
        self.files[replica - 1].1.push(line);
        self
    }

    /// Changes one field of one line.
    pub(crate) fn edited(mut self, replica: usize, line: usize, field: &str, value: Value) -> Self {
        self.files[replica - 1].1[line - 1][field] = value;
        self
    }

    /// Takes away every line that `gone` picks.
    pub(crate) fn without(mut self, gone: impl Fn(&Value) -> bool) -> Self {
        self.files.iter_mut().for_each(|(_, lines)| lines.retain(|line| !gone(line)));
        self
    }

    pub(crate) fn with_fact(mut self, change: impl Fn(&mut ChainFact)) -> Self {
        change(&mut self.facts[0]);
        self
    }

    pub(crate) fn text_of(&self, file: usize) -> String {
        self.files[file].1.iter().map(|line| format!("{line}\n")).collect()
    }

    pub(crate) fn read(&self) -> Result<History, ReadError> {
        let mut history = History::default();
        for (position, (name, _)) in self.files.iter().enumerate() {
            history.add_record(name, self.text_of(position).as_bytes())?;
        }
        Ok(history)
    }

    pub(crate) fn judge(&self) -> Judgement {
        judge(&self.read().expect("every line is well formed"), &self.facts, &self.wakes, self.signer)
    }
}

pub(crate) fn attestation_root() -> B256 {
    eip191_hash_message(PAYLOAD_DIGEST)
}

pub(crate) fn bundle_root() -> B256 {
    eip191_hash_message(BUNDLE_DIGEST)
}

/// A signature that depends on the root alone, as that of a deterministic signer does.
pub(crate) fn signature(replica: u64, time_ms: u64, kind: &str, root: B256) -> Value {
    let bytes = format!("{root}{}1b", &root.to_string()[2..]);
    let index = (kind == "block_proposal").then_some(0);
    json!({"time_ms": time_ms, "replica": replica, "outlet": "keystore", "chain_id": CHAIN_ID, "rollup": ROLLUP, "attester": ALICE,
        "kind": kind, "index": index, "slot": SLOT, "root": root, "signature": bytes})
}

pub(crate) fn transaction(replica: u64, time_ms: u64, attempt: u32, hash: B256) -> Value {
    json!({"time_ms": time_ms, "replica": replica, "outlet": "l1", "chain_id": CHAIN_ID, "rollup": ROLLUP,
        "publisher": Address::repeat_byte(0xb0), "nonce": 3, "attempt": attempt, "slot": SLOT, "transaction": hash,
        "root": bundle_root()})
}

fn fact() -> ChainFact {
    ChainFact {
        chain_id: CHAIN_ID,
        rollup: ROLLUP,
        slot: Slot::new(SLOT),
        checkpoint: CheckpointNumber::new(1),
        archive: B256::repeat_byte(0xac),
        payload_digest: PAYLOAD_DIGEST,
        bundle_digest: BUNDLE_DIGEST,
        transaction: BUMP,
        l1_block: L1BlockNumber::new(50),
    }
}
