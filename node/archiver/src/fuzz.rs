//! Hostile calldata and records. The store can be rebuilt, so its records bear no checksum: what is read must hold by itself.

use std::fmt::Debug;

use alloy_primitives::{Address, B256, Bytes, FixedBytes};
use ollin_fuzz::Fuzz;
use ollin_l1::{CheckpointProposed, L1Transaction, MessageSent};
use ollin_protocol::attestations::CommitteeAttestations;
use ollin_protocol::chain::ChainState;
use ollin_protocol::field::Fr;
use ollin_protocol::header::{BlockHeader, CheckpointHeader};
use ollin_protocol::multicall::MULTICALL3;
use ollin_protocol::units::{CheckpointNumber, L1BlockNumber, Slot};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::calldata::recover_propose;
use crate::inbox::follow;
use crate::record::{InvalidCheckpoint, StoreBinding, StoredCheckpoint, StoredMessage, SyncPoint};

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/proposals.json")).unwrap()
}

fn of<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// Real transactions of a proposer: whatever is changed in one, only the call that L1 logged is taken.
#[test]
fn calldata_is_taken_only_for_the_call_that_was_logged() {
    let fixture = fixture();
    let rollup: Address = of(&fixture["rollup"]);
    let proposals = fixture["proposals"].as_array().unwrap();
    let seeds = proposals.iter().map(|proposal| of::<Bytes>(&proposal["input"]).to_vec());
    let event = |proposal: &Value| CheckpointProposed {
        checkpoint: CheckpointNumber::new(of(&proposal["checkpoint"])),
        archive: of(&proposal["archive"]),
        versioned_blob_hashes: of(&proposal["versioned_blob_hashes"]),
        payload_digest: of(&proposal["payload_digest"]),
        attestations_hash: of(&proposal["attestations_hash"]),
        l1_block: L1BlockNumber::new(1),
        l1_block_hash: B256::ZERO,
        transaction: of(&proposal["transaction"]),
    };
    Fuzz::new("calldata").seeds(seeds).free_bytes(64 << 10).run(|bytes| {
        for proposal in proposals {
            let event = event(proposal);
            for to in [rollup, MULTICALL3] {
                let transaction = L1Transaction { to: Some(to), input: Bytes::copy_from_slice(bytes) };
                if let Ok(call) = recover_propose(&transaction, rollup, &event) {
                    assert_eq!(call.args.payload_digest(), event.payload_digest);
                    assert_eq!(call.attestations.attestations_hash(), event.attestations_hash);
                }
            }
        }
    });
}

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let Ok((record, [])) = postcard::take_from_bytes::<T>(bytes) else { return None };
    assert_eq!(postcard::from_bytes::<T>(&postcard::to_stdvec(&record).unwrap()).as_ref(), Ok(&record));
    Some(record)
}

#[test]
fn records_that_are_accepted_are_read_as_they_are_written_and_their_trees_have_roots() {
    let checkpoint = StoredCheckpoint {
        number: CheckpointNumber::new(1),
        header: CheckpointHeader::default(),
        archive: ChainState::genesis().archive(),
        block_header: BlockHeader::default(),
        block_hash: Fr::from_u64(2),
        out_hash: Fr::from_u64(3),
        fee_asset_price_modifier: -1,
        attestations: CommitteeAttestations { signature_indices: vec![0x80], signatures_or_addresses: vec![7; 65] },
        signers: vec![Address::repeat_byte(1)],
        l1_block: L1BlockNumber::new(5),
        l1_block_hash: B256::repeat_byte(6),
        l1_timestamp: 7,
        transaction: B256::repeat_byte(8),
        state: ChainState::genesis(),
    };
    let message = StoredMessage {
        index: 1024,
        count: 3,
        leaf: Fr::from_u64(1),
        rolling_hash: FixedBytes::repeat_byte(2),
        l1_block: L1BlockNumber::new(5),
        l1_block_hash: B256::repeat_byte(6),
    };
    let invalid = InvalidCheckpoint {
        number: CheckpointNumber::new(2),
        archive: Fr::from_u64(1),
        slot: Some(Slot::new(3)),
        reason: "no quorum".to_owned(),
        l1_block: L1BlockNumber::new(5),
        transaction: B256::ZERO,
    };
    let binding = StoreBinding { chain_id: 1, rollup: Address::ZERO, rollup_version: 2, genesis_archive_root: Fr::from_u64(1) };
    let seeds = [
        postcard::to_stdvec(&checkpoint).unwrap(),
        postcard::to_stdvec(&message).unwrap(),
        postcard::to_stdvec(&invalid).unwrap(),
        postcard::to_stdvec(&SyncPoint { block: L1BlockNumber::new(1), hash: B256::ZERO }).unwrap(),
        postcard::to_stdvec(&binding).unwrap(),
    ];
    Fuzz::new("record").seeds(seeds).longest(8192).run(|bytes| {
        if let Some(checkpoint) = check::<StoredCheckpoint>(bytes) {
            let _ = (checkpoint.block(), checkpoint.slot(), checkpoint.state.archive(), checkpoint.state.messages());
        }
        if let Some(message) = check::<StoredMessage>(bytes) {
            let next = MessageSent {
                checkpoint: CheckpointNumber::new(message.index / 1024 + 1),
                index: message.index.wrapping_add(1),
                leaf: message.leaf,
                rolling_hash: message.rolling_hash,
                l1_block: message.l1_block,
                l1_block_hash: message.l1_block_hash,
            };
            let _ = follow(Some(&message), &next);
        }
        check::<InvalidCheckpoint>(bytes);
        check::<SyncPoint>(bytes);
        check::<StoreBinding>(bytes);
    });
}
