//! Signing roots of every guarded message, with signatures of the official packages: see `fixtures/README.md`.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a driver of vectors: a panic is its verdict")]

#[allow(dead_code, unreachable_pub, missing_docs, reason = "shared by the vector tests, none of which needs all of it")]
mod fixture;

use alloy_primitives::{Address, B256, keccak256};
use fixture::*;
use ollin_protocol::attestations::{CommitteeAttestations, CommitteeEntry};
use ollin_protocol::header::{BlockHeader, CheckpointHeader, GasFees};
use ollin_protocol::payload::{
    AttestationPayload, BlockPayload, BundlePayload, CheckpointPayload, CheckpointStart, DutyPayload, PayloadKind,
};
use ollin_protocol::propose::ProposeArgs;
use ollin_protocol::signature::{Signature, SignatureError, recover};
use ollin_protocol::units::{BlockIndex, CheckpointNumber, L1BlockNumber, SigningRoot, Slot};
use ollin_protocol::vote::{GovernanceSignal, SlashingVote};
use serde_json::Value;

fn main() {
    let mut vectors = Fixture::open("p2p.json");
    vectors.each("keys", |entry| {
        let secret = secp256k1::SecretKey::from_slice(&bytes(&entry["privateKey"])).unwrap();
        let key = secret.public_key(secp256k1::SECP256K1).serialize_uncompressed();
        assert_eq!(Address::from_raw_public_key(&key[1..]), address(&entry["address"]));
    });
    vectors.each("signatureRules", signature_rule);
    vectors.each("blockProposals", |entry| {
        let payload = DutyPayload::Block(block(entry, fr(&entry["inHash"]), fr(&entry["archiveRoot"])));
        let context = &entry["signingContexts"][0];
        assert_eq!(payload.message_hash(), word(&context["payload"]));
        assert_eq!(payload.slot().get(), number(&context["context"]["slot"]));
        assert_eq!(
            payload.kind(),
            PayloadKind::Block { index: BlockIndex::new(number(&context["context"]["blockIndexWithinCheckpoint"])) }
        );
        signed(entry, &payload);
    });
    let mut checkpoints = Vec::new();
    vectors.each("checkpointProposals", |entry| checkpoints.push(checkpoint_proposal(entry)));
    vectors.each("checkpointAttestations", |entry| attestation(entry, &checkpoints));
    vectors.each("attestationsAndSigners", attestations_and_signers);
    vectors.each("governanceVotes", |entry| {
        let signal = GovernanceSignal {
            chain_id: number(&entry["chainId"]),
            verifying_contract: address(&entry["verifyingContract"]),
            payload: address(&entry["payload"]),
            slot: Slot::new(number(&entry["slot"])),
            instance: address(&entry["instance"]),
        };
        voted(entry, PayloadKind::GovernanceVote, &DutyPayload::GovernanceVote(signal));
    });
    vectors.each("slashingVotes", |entry| {
        let vote = SlashingVote {
            chain_id: number(&entry["chainId"]),
            verifying_contract: address(&entry["verifyingContract"]),
            votes: bytes(&entry["votes"]),
            slot: Slot::new(number(&entry["slot"])),
        };
        voted(entry, PayloadKind::SlashingVote, &DutyPayload::SlashingVote(vote));
    });
    vectors.finish(&[]);
}

fn signature(value: &Value) -> Signature {
    let wire = bytes(&value["wire68"]);
    let signature = Signature::from_wire68(&wire).unwrap();
    assert_eq!(signature.to_wire68().to_vec(), wire);
    assert_eq!(
        (signature.r(), signature.s(), u64::from(signature.v())),
        (word(&value["r"]), word(&value["s"]), number(&value["v"]))
    );
    assert_eq!(signature.to_string(), text(&value["hex65"]));
    refuses_other_lengths(&wire, Signature::from_wire68);
    signature
}

fn signature_rule(entry: &Value) {
    let parsed = Signature::from_wire68(&bytes(&entry["signature"]["wire68"]));
    let root = SigningRoot::new(word(&entry["digest"]));
    match text(&entry["case"]) {
        "canonical" => assert_eq!(recover(&root, &parsed.unwrap()).unwrap(), address(&entry["recovered"])),
        "high-s (malleated)" => assert_eq!(parsed, Err(SignatureError::HighS)),
        "v as 0/1" => assert_eq!(parsed, Err(SignatureError::RecoveryByte(1))),
        "empty" => assert_eq!(parsed, Err(SignatureError::RecoveryByte(0))),
        other => panic!("no rule for {other}"),
    }
}

/// Message, message hash, signing root and signer of a payload; and its stored form, whole, cut and extended.
fn signed(entry: &Value, payload: &DutyPayload) {
    assert_eq!(payload.message(), bytes(&entry["payloadToSign"]));
    assert_eq!(payload.message_hash(), word(&entry["payloadHash"]));
    assert_eq!(*payload.signing_root().get(), word(&entry["ethDigest"]));
    let signer = recover(&payload.signing_root(), &signature(&entry["signature"])).unwrap();
    let recovered = entry.get("recovered").unwrap_or(&entry["recoveredAttester"]);
    assert_eq!(signer, address(recovered));
    let stored = payload.encode();
    assert_eq!(DutyPayload::decode(&stored).unwrap(), *payload);
    refuses_other_lengths(&stored, DutyPayload::decode);
}

fn block(entry: &Value, in_hash: ollin_protocol::field::Fr, archive: ollin_protocol::field::Fr) -> BlockPayload {
    let header = block_header(&entry["blockHeader"]);
    let index = number(&entry["indexWithinCheckpoint"]);
    let globals = &header.global_variables;
    let start = CheckpointStart {
        parent_archive: header.last_archive.root,
        l1_block: L1BlockNumber::new(7),
        l1_block_hash: B256::repeat_byte(7),
        coinbase: globals.coinbase,
        fee_recipient: globals.fee_recipient,
        gas_fees: GasFees { ..globals.gas_fees },
        timestamp: globals.timestamp,
    };
    BlockPayload {
        header,
        index: BlockIndex::new(index),
        in_hash,
        archive,
        tx_hashes: frs(&entry["txHashes"]),
        is_last: true,
        checkpoint: CheckpointNumber::new(1),
        start: (index == 0).then_some(start),
    }
}

fn checkpoint_proposal(entry: &Value) -> CheckpointPayload {
    let header = checkpoint_header(&entry["checkpointHeader"]);
    assert_eq!(header.hash(), fr(&entry["checkpointHeader"]["hash"]));
    let archive = fr(&entry["archive"]);
    let last = &entry["lastBlock"];
    let last_block = if last.is_null() {
        // The official proposer may omit it; the signature does not cover it.
        BlockPayload {
            header: BlockHeader::default(),
            index: BlockIndex::new(1),
            in_hash: header.in_hash,
            archive,
            tx_hashes: Vec::new(),
            is_last: true,
            checkpoint: CheckpointNumber::new(1),
            start: None,
        }
    } else {
        block(last, header.in_hash, archive)
    };
    if !last.is_null() {
        let payload = DutyPayload::Block(last_block.clone());
        let extracted = &last["extractedBlockProposal"];
        assert_eq!(payload.message(), bytes(&extracted["payloadToSign"]));
        assert_eq!(*payload.signing_root().get(), word(&extracted["ethDigest"]));
        let signer = recover(&payload.signing_root(), &signature(&last["signature"])).unwrap();
        assert_eq!(signer, address(&entry["recovered"]), "block and checkpoint are signed by one key");
    }
    let checkpoint = CheckpointPayload {
        header,
        archive,
        fee_asset_price_modifier: fixture::signed(&entry["feeAssetPriceModifier"]),
        block_count: 1,
        last_block,
        checkpoint: CheckpointNumber::new(1),
    };
    let payload = DutyPayload::Checkpoint(checkpoint.clone());
    assert_eq!((payload.kind(), payload.slot()), (PayloadKind::Checkpoint, header.slot));
    signed(entry, &payload);
    checkpoint
}

fn attestation(entry: &Value, checkpoints: &[CheckpointPayload]) {
    let checkpoint = &checkpoints[count(&entry["checkpointProposalIndex"])];
    let wire = bytes(&entry["bytes"]);
    assert_eq!(CheckpointHeader::from_bytes(&wire[..316]).unwrap(), checkpoint.header);
    let proposer_signature = signature(&entry["proposerSignature"]);
    let proposal = DutyPayload::Checkpoint(checkpoint.clone());
    assert_eq!(recover(&proposal.signing_root(), &proposer_signature).unwrap(), address(&entry["recoveredProposer"]));
    let payload = DutyPayload::Attestation(AttestationPayload {
        header: checkpoint.header,
        archive: fr(&entry["archive"]),
        fee_asset_price_modifier: fixture::signed(&entry["feeAssetPriceModifier"]),
        proposer_signature,
    });
    assert_eq!(checkpoint.header.hash(), fr(&entry["headerHash"]));
    assert_eq!(payload.signing_root(), checkpoint.propose_args().attestation_root());
    assert_eq!(payload.kind(), PayloadKind::Attestation);
    signed(entry, &payload);
}

fn attestations_and_signers(entry: &Value) {
    let place = |member: &Value| match &member["signature"] {
        Value::Null => CommitteeEntry::Unsigned(address(&member["address"])),
        signed => CommitteeEntry::Signed(text(signed).parse().unwrap()),
    };
    let entries: Vec<CommitteeEntry> = list(&entry["committee"]).iter().map(place).collect();
    let attestations = CommitteeAttestations::pack(&entries);
    assert_eq!(attestations.signature_indices, bytes(&entry["packed"]["signatureIndices"]));
    assert_eq!(attestations.signatures_or_addresses, bytes(&entry["packed"]["signaturesOrAddresses"]));
    assert_eq!(attestations.unpack(entries.len()).unwrap(), entries);
    let payload = DutyPayload::Bundle(BundlePayload {
        attestations,
        signers: list(&entry["signers"]).iter().map(address).collect(),
        propose: ProposeArgs::default(),
        blob_input: [vec![1], keccak256([]).to_vec(), vec![0; 16]].concat(),
        checkpoint: CheckpointNumber::new(1),
    });
    assert_eq!(payload.kind(), PayloadKind::Bundle);
    signed(entry, &payload);
}

/// Digest, message and signer of a vote; and its stored form, whole, cut and extended.
fn voted(entry: &Value, kind: PayloadKind, payload: &DutyPayload) {
    let root = payload.signing_root();
    assert_eq!((payload.kind(), payload.slot().get()), (kind, number(&entry["slot"])));
    assert_eq!(*root.get(), word(&entry["digest"]));
    assert_eq!(payload.message_hash(), word(&entry["haMessageHash"]));
    let parts = [word(&entry["domainSeparator"]), word(&entry["structHash"])];
    assert_eq!(payload.message(), [&[0x19, 0x01][..], parts[0].as_slice(), parts[1].as_slice()].concat());
    assert_eq!(recover(&root, &signature(&entry["signature"])).unwrap(), address(&entry["recovered"]));
    let stored = payload.encode();
    assert_eq!(DutyPayload::decode(&stored).unwrap(), *payload);
    refuses_other_lengths(&stored, DutyPayload::decode);
}
