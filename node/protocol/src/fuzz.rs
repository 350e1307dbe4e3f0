//! Hostile bytes for every decoder of this crate. What is read back from an accepted input must be what was read, and where the
//! bytes are hashed, signed or compared, the very bytes.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use alloy_primitives::{B256, hex};
use ollin_fuzz::Fuzz;
use serde_json::Value;

use crate::attestations::CommitteeAttestations;
use crate::blob::{
    Blob, TxEffect, blobs_from_fields, checkpoint_fields, decode_blob_input, decode_checkpoint, decode_transaction,
    encode_blob_input, fields_from_blobs,
};
use crate::chain::ChainState;
use crate::field::{FIELD_BYTES, Fr};
use crate::header::{BlockHeader, CheckpointHeader};
use crate::multicall::{AGGREGATE3_SELECTOR, BundledCall, MULTICALL3, decode_aggregate3, encode_aggregate3};
use crate::payload::DutyPayload;
use crate::propose::{PROPOSE_SELECTOR, ProposeCall};
use crate::signature::{Signature, recover};
use crate::units::SigningRoot;
use crate::vote::{pack_votes, unpack_votes};

/// The golden vectors of one file.
fn vectors(file: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// The words of an array, one after the other.
fn words(value: &Value) -> Vec<u8> {
    value.as_array().unwrap().iter().flat_map(bytes).collect()
}

fn each(file: &str, section: &str, read: impl Fn(&Value) -> Vec<u8>) -> Vec<Vec<u8>> {
    let section = section.split('/').fold(&vectors(file), |value, key| &value[key]).clone();
    section.as_array().unwrap().iter().map(read).collect()
}

/// Fields from arbitrary bytes: what exceeds a field is cut, so that most inputs get past this.
fn fields(bytes: &[u8]) -> Vec<Fr> {
    let read = |word: &[u8; FIELD_BYTES]| {
        let mut word = *word;
        Fr::from_be_bytes(&word).unwrap_or_else(|_| {
            word[0] &= 0x1f;
            Fr::from_be_bytes(&word).unwrap()
        })
    };
    bytes.as_chunks::<FIELD_BYTES>().0.iter().map(read).collect()
}

#[test]
fn block_headers_are_read_as_they_are_hashed() {
    Fuzz::new("block-header").seeds(each("state.json", "blockHeaders", |vector| bytes(&vector["bytes"]))).run(|bytes| {
        let Ok(header) = BlockHeader::from_bytes(bytes) else { return };
        assert_eq!(header.to_bytes().as_slice(), bytes);
        header.check().unwrap();
    });
}

#[test]
fn checkpoint_headers_are_read_as_they_are_hashed() {
    Fuzz::new("checkpoint-header").seeds(each("state.json", "checkpointHeaders", |vector| bytes(&vector["bytes"]))).run(
        |bytes| {
            let Ok(header) = CheckpointHeader::from_bytes(bytes) else { return };
            assert_eq!(header.to_bytes().as_slice(), bytes);
            assert_eq!(CheckpointHeader::from_bytes(&header.to_bytes()).unwrap().hash(), header.hash());
        },
    );
}

#[test]
fn a_stored_payload_has_one_spelling_and_its_root_can_be_computed() {
    Fuzz::new("duty-payload").seeds(crate::payload::samples().iter().map(DutyPayload::encode)).run(|bytes| {
        let Ok(payload) = DutyPayload::decode(bytes) else { return };
        assert_eq!(payload.encode(), bytes);
        let (root, _) = (payload.signing_root(), (payload.kind(), payload.slot()));
        assert_eq!(DutyPayload::decode(bytes).unwrap().signing_root(), root);
    });
}

#[test]
fn calldata_of_propose_that_is_read_is_written_alike() {
    let l1 = vectors("l1.json");
    let seeds = ["propose1", "propose2"].map(|name| bytes(&l1[name]["proposeCalldata"]));
    // Four dynamic arguments, each of which may point at the same bytes.
    Fuzz::new("propose").seeds(seeds).run(|bytes| {
        let with_selector = [&PROPOSE_SELECTOR[..], bytes.get(4..).unwrap_or_default()].concat();
        for calldata in [bytes, &with_selector] {
            let Ok(call) = ProposeCall::decode(calldata) else { continue };
            assert_eq!(ProposeCall::decode(&call.encode()).unwrap(), call);
            let _ = (call.args.payload_digest(), call.attestations.attestations_hash(), decode_blob_input(&call.blob_input));
        }
    });
}

#[test]
fn calldata_of_aggregate3_that_is_read_is_written_alike() {
    let call = |bytes| BundledCall { target: MULTICALL3, allow_failure: true, calldata: vec![7; bytes] };
    let seeds = [vec![], vec![call(0)], vec![call(33), call(64), call(5)]].map(|calls| encode_aggregate3(&calls));
    Fuzz::new("aggregate3").seeds(seeds).run(|bytes| {
        let with_selector = [&AGGREGATE3_SELECTOR[..], bytes.get(4..).unwrap_or_default()].concat();
        for calldata in [bytes, &with_selector] {
            let Ok(calls) = decode_aggregate3(calldata) else { continue };
            assert_eq!(decode_aggregate3(&encode_aggregate3(&calls)).unwrap(), calls);
        }
    });
}

/// The first byte is the size of the committee, the second that of the bitmap.
#[test]
fn packed_attestations_are_unpacked_as_they_are_packed() {
    let seed = |vector: &Value| {
        let (bitmap, entries) = (bytes(&vector["signatureIndices"]), bytes(&vector["signaturesOrAddresses"]));
        let members = u8::try_from(vector["committee"].as_array().unwrap().len()).unwrap_or(u8::MAX);
        [vec![members, u8::try_from(bitmap.len()).unwrap()], bitmap, entries].concat()
    };
    Fuzz::new("attestations").seeds(each("l1.json", "packedAttestations", seed)).run(|bytes| {
        let [members, bitmap, rest @ ..] = bytes else { return };
        let Some((bitmap, entries)) = rest.split_at_checked(usize::from(*bitmap)) else { return };
        let packed = CommitteeAttestations { signature_indices: bitmap.to_vec(), signatures_or_addresses: entries.to_vec() };
        let members = usize::from(*members);
        let _ = packed.attestations_hash();
        let Ok(unpacked) = packed.unpack(members) else { return };
        assert_eq!(unpacked.len(), members);
        // Bits behind the last member are no member's: only they are lost.
        let again = CommitteeAttestations::pack(&unpacked);
        assert_eq!(again.signatures_or_addresses, packed.signatures_or_addresses);
        assert_eq!(again.unpack(members).unwrap(), unpacked);
    });
}

#[test]
fn a_checkpoint_that_is_read_from_blob_fields_has_those_fields() {
    let seeds = each("state.json", "blobDecoding/cases", |case| words(&case["fields"]));
    Fuzz::new("checkpoint-fields").seeds(seeds).run(|bytes| {
        let fields = fields(bytes);
        let Ok(checkpoint) = decode_checkpoint(&fields) else { return };
        let written = checkpoint.blocks.iter().flat_map(|block| block.to_fields().unwrap()).collect();
        assert_eq!(checkpoint_fields(written).unwrap(), fields[..usize::try_from(checkpoint.num_fields).unwrap()]);
        for transaction in checkpoint.blocks.into_iter().flat_map(|block| block.transactions) {
            judge(transaction);
        }
    });
}

#[test]
fn a_transaction_that_is_read_from_blob_fields_has_those_fields() {
    let seeds = each("state.json", "txEffects", |vector| words(&vector["blobFields"]));
    Fuzz::new("transaction-fields").seeds(seeds).longest(48 << 10).run(|bytes| {
        let fields = fields(bytes);
        let Ok(transaction) = decode_transaction(&fields) else { return };
        assert_eq!(transaction.to_fields(), fields);
        judge(transaction);
    });
}

/// What is an effect is written with the same contents.
fn judge(transaction: crate::blob::TxFields) {
    let Ok(effect) = TxEffect::try_from(transaction) else { return };
    let written = effect.to_fields().unwrap();
    assert_eq!(TxEffect::try_from(written).unwrap(), effect);
    assert_eq!(TxEffect::from_bytes(&effect.to_bytes()).unwrap(), effect);
}

#[test]
fn a_transaction_effect_is_read_as_it_is_written() {
    let seeds = each("state.json", "txEffects", |vector| bytes(&vector["bytes"]));
    Fuzz::new("transaction-effect").seeds(seeds).longest(200 << 10).run(|bytes| {
        let Ok(effect) = TxEffect::from_bytes(bytes) else { return };
        assert_eq!(effect.to_bytes(), bytes);
        effect.to_fields().unwrap();
    });
}

/// 16 bytes of input stand for the beginning of a blob: the rest is zero.
#[test]
fn blobs_give_the_fields_that_they_were_made_of() {
    let seeds = each("state.json", "blobDecoding/cases", |case| words(&case["fields"]));
    Fuzz::new("blob").seeds(seeds).bytes_per_byte(1024).longest(4096).run(|bytes| {
        assert!(Blob::from_bytes(bytes).is_err(), "{} bytes", bytes.len());
        let mut whole = vec![0; crate::blob::BLOB_BYTES];
        whole[..bytes.len()].copy_from_slice(bytes);
        let blob = Blob::from_bytes(&whole).unwrap();
        let Ok(fields) = fields_from_blobs(&[blob]) else { return };
        assert_eq!(blobs_from_fields(&fields).unwrap()[0].as_bytes().as_slice(), whole);
    });
}

#[test]
fn blob_commitments_of_propose_are_read_as_they_are_written() {
    let l1 = vectors("l1.json");
    let seeds = [bytes(&l1["realBlob"]["blobInput"]), [vec![2], vec![9; 96]].concat()];
    Fuzz::new("blob-input").seeds(seeds).run(|bytes| {
        let Ok(commitments) = decode_blob_input(bytes) else { return };
        assert_eq!(encode_blob_input(&commitments).unwrap(), bytes);
    });
}

#[test]
fn signatures_are_read_in_all_forms_as_they_are_written() {
    let signature = |vector: &Value| bytes(&vector["signature"]["hex65"]);
    let seeds = [each("p2p.json", "checkpointProposals", signature), each("p2p.json", "blockProposals", signature)].concat();
    let root = SigningRoot::new(B256::repeat_byte(7));
    Fuzz::new("signature").seeds(seeds).longest(256).run(|bytes| {
        if let Ok(signature) = Signature::from_rsv65(bytes) {
            assert_eq!(signature.to_rsv65().as_slice(), bytes);
            assert_eq!(signature.to_string().parse::<Signature>().unwrap(), signature);
            assert_eq!(Signature::from_wire68(&signature.to_wire68()).unwrap(), signature);
            assert_eq!(Signature::from_packed65(&signature.to_packed65()).unwrap(), signature);
            let _ = recover(&root, &signature);
        }
        if let Ok(signature) = Signature::from_wire68(bytes) {
            assert_eq!(signature.to_wire68().as_slice(), bytes);
        }
        if let Ok(signature) = Signature::from_packed65(bytes) {
            assert_eq!(signature.to_packed65().as_slice(), bytes);
        }
        if let Ok(signature) = String::from_utf8_lossy(bytes).parse::<Signature>() {
            assert_eq!(signature.to_string().parse::<Signature>().unwrap(), signature);
        }
    });
}

#[test]
fn fields_are_read_as_they_are_written() {
    Fuzz::new("field").seeds([vec![1; 32], b"0x0000000000000000000000000000000000000000000000000000000000000001".to_vec()]).run(
        |bytes| {
            if let Ok(field) = Fr::try_from_slice(bytes) {
                assert_eq!(field.to_be_bytes().as_slice(), bytes);
            }
            if let Ok(field) = String::from_utf8_lossy(bytes).parse::<Fr>() {
                assert_eq!(field.to_string().parse::<Fr>().unwrap(), field);
            }
        },
    );
}

#[test]
fn packed_votes_are_read_as_they_are_written() {
    let seeds = each("p2p.json", "slashingVotes", |vector| bytes(&vector["votes"]));
    Fuzz::new("votes").seeds(seeds).run(|bytes| assert_eq!(pack_votes(&unpack_votes(bytes)), bytes));
}

/// The trees of a stored checkpoint: whatever was stored, they can be rooted, or are refused.
#[test]
fn stored_trees_are_read_as_they_are_written() {
    Fuzz::new("chain-state").seeds([postcard::to_allocvec(&ChainState::genesis()).unwrap()]).longest(2048).run(|bytes| {
        let Ok(state) = postcard::from_bytes::<ChainState>(bytes) else { return };
        let written = postcard::to_allocvec(&state).unwrap();
        let again: ChainState = postcard::from_bytes(&written).unwrap();
        assert_eq!(again, state);
        let (size, _) = (state.archive().next_available_leaf_index, state.messages());
        assert_eq!(u64::from(size), state.next_block().get());
    });
}
