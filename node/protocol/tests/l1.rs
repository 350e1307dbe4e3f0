//! Golden vectors of the L1 side, made with the official packages and contracts: see `fixtures/README.md`.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a driver of vectors: a panic is its verdict")]

#[allow(dead_code, unreachable_pub, missing_docs, reason = "shared by the vector tests, none of which needs all of it")]
mod fixture;

use alloy_primitives::{Address, FixedBytes, keccak256};
use fixture::*;
use ollin_protocol::attestations::{
    AttestationFault, CommitteeAttestations, CommitteeEntry, attestations_and_signers_message, required_signatures,
};
use ollin_protocol::blob::{self, BlobCommitment, blob_commitments_hash, blobs_hash, decode_blob_input, encode_blob_input};
use ollin_protocol::committee::{committee_commitment, proposer_index, sample_committee, seed};
use ollin_protocol::field::Fr;
use ollin_protocol::hash::sha256_pair;
use ollin_protocol::header::CheckpointHeader;
use ollin_protocol::message::{InboxMessage, OutboxMessage, rolling_hash};
use ollin_protocol::multicall::{BundledCall, MULTICALL3, decode_aggregate3, encode_aggregate3};
use ollin_protocol::payload::BundlePayload;
use ollin_protocol::propose::{ProposeArgs, ProposeCall, encode_bundle_calldata};
use ollin_protocol::schedule::Schedule;
use ollin_protocol::signature::{Signature, eip191, recover};
use ollin_protocol::tree::{block_out_hash, checkpoint_out_hash, epoch_out_hash, in_hash, tx_out_hash};
use ollin_protocol::units::{CheckpointNumber, Epoch, SigningRoot, Slot};
use ollin_protocol::vote::{GovernanceSignal, SlashLevel, SlashingVote, pack_votes, unpack_votes};
use serde_json::Value;

fn main() {
    let mut vectors = Fixture::open("l1.json");
    headers(&mut vectors);
    attestations(&mut vectors);
    committees(&mut vectors);
    blobs(&mut vectors);
    messages(&mut vectors);
    votes(&mut vectors);
    proposals(&mut vectors);
    time(&mut vectors);
    vectors.later("reverts", "used whole by the tests of ollin-l1");
    for section in ["epochAvailability", "prune", "fees"] {
        vectors.later(section, "answers of one deployment: a replica asks its own contracts");
    }
    vectors.later("invalidations", "bad checkpoints are skipped, not yet invalidated on L1");
    vectors.later("attesterView", "staking is not read yet");
    vectors.later("bn254Registration", "registration of validators");
    vectors.later("newEthPerFeeAsset", "L1 computes it; the proposed modifier is zero");
    vectors.finish(&["protocol", "comment", "how", "deployment"]);
}

fn headers(vectors: &mut Fixture) {
    vectors.each("headers", |entry| {
        let header = checkpoint_header(&entry["header"]);
        let packed = bytes(&entry["packed"]);
        assert_eq!(header.to_bytes().to_vec(), packed);
        assert_eq!(packed.len(), count(&entry["packedLength"]));
        assert_eq!(CheckpointHeader::from_bytes(&packed).unwrap(), header);
        assert_eq!(header.hash(), fr(&entry["hash"]));
        refuses_other_lengths(&packed, CheckpointHeader::from_bytes);
        let mut wild = packed;
        wild[0] = 0xff;
        assert!(CheckpointHeader::from_bytes(&wild).is_err(), "an element above the modulus was accepted");
    });
}

fn attestations(vectors: &mut Fixture) {
    let keys = vectors.at("testKeys");
    vectors.each("testKeys", |entry| assert_eq!(address_of(&entry["privateKey"]), address(&entry["address"])));
    let headers = vectors.at("headers");
    vectors.each("payloads", |entry| {
        let args = ProposeArgs {
            archive: fr(&entry["archive"]),
            fee_asset_price_modifier: signed(&entry["feeAssetPriceModifier"]),
            header: checkpoint_header(&headers[count(&entry["headerIndex"])]["header"]),
        };
        assert_eq!(args.header.hash(), fr(&entry["headerHash"]));
        assert_eq!(args.attestation_message().to_vec(), bytes(&entry["abiEncodedPayload"]));
        assert_eq!(args.payload_digest(), word(&entry["payloadDigest"]));
        assert_eq!(*args.attestation_root().get(), word(&entry["ethSignedDigest"]));
        for attestation in list(&entry["attestations"]) {
            let signature: Signature = text(&attestation["signature"]).parse().unwrap();
            assert_eq!((signature.r(), signature.s()), (word(&attestation["r"]), word(&attestation["s"])));
            assert_eq!(u64::from(signature.v()), number(&attestation["v"]));
            assert_eq!(recover(&args.attestation_root(), &signature).unwrap(), address(&attestation["recovered"]));
            let key = list(&keys).iter().find(|key| address(&key["address"]) == address(&attestation["address"])).unwrap();
            assert_eq!(sign(&key["privateKey"], &args.attestation_root()), signature, "RFC 6979 gives another signature");
        }
    });
    vectors.each("packedAttestations", packed_attestations);
}

fn packed_attestations(entry: &Value) {
    let committee: Vec<Address> = list(&entry["committee"]).iter().map(address).collect();
    let entries: Vec<CommitteeEntry> = list(&entry["attestations"])
        .iter()
        .map(|place| match place.get("signature") {
            Some(signature) => CommitteeEntry::Signed(text(signature).parse().unwrap()),
            None => CommitteeEntry::Unsigned(address(&place["address"])),
        })
        .collect();
    let packed = CommitteeAttestations::pack(&entries);
    assert_eq!(packed.signature_indices, bytes(&entry["signatureIndices"]));
    assert_eq!(packed.signatures_or_addresses, bytes(&entry["signaturesOrAddresses"]));
    assert_eq!(packed.unpack(committee.len()).unwrap(), entries);
    assert_eq!(packed.attestations_hash(), word(&entry["attestationsHash"]));
    assert_eq!(committee_commitment(&committee), word(&entry["committeeCommitment"]));
    refuses_other_lengths(&packed.signatures_or_addresses, |cut| {
        CommitteeAttestations { signatures_or_addresses: cut.to_vec(), ..packed.clone() }.unpack(committee.len())
    });
    refuses_other_lengths(&packed.signature_indices, |cut| {
        CommitteeAttestations { signature_indices: cut.to_vec(), ..packed.clone() }.unpack(committee.len())
    });

    let signers: Vec<Address> = list(&entry["signers"]).iter().map(address).collect();
    let digest = keccak256(attestations_and_signers_message(&packed, &signers));
    assert_eq!(digest, word(&entry["attestationsAndSignersDigest"]));
    assert_eq!(*eip191(digest).get(), word(&entry["attestationsAndSignersEthSignedDigest"]));
    if let Some(signature) = entry["attestationsAndSignersSignature"].as_str() {
        assert_eq!(recover(&eip191(digest), &signature.parse().unwrap()).unwrap(), address(&entry["proposerAddress"]));
    } else {
        assert!(signers.is_empty(), "only a bundle without signers goes unsigned");
    }

    let needed = required_signatures(committee.len());
    assert_eq!(needed, count(&entry["requiredFor23Plus1"]));
    let root = SigningRoot::new(word(&entry["payloadEthSignedDigest"]));
    let have = list(&entry["signedIndices"]).len();
    let verdict = packed.validate(&committee, &root);
    assert_eq!(verdict, if have < needed { Err(AttestationFault::Insufficient { have, needed }) } else { Ok(have) });
    if let Some(first) = list(&entry["signedIndices"]).first() {
        let wrong = packed.validate(&committee, &SigningRoot::new(digest));
        assert!(matches!(wrong, Err(AttestationFault::Invalid { index, .. }) if index == count(first)));
    }
}

fn committees(vectors: &mut Fixture) {
    vectors.each("committeeSampling", |entry| {
        let drawn =
            sample_committee(integer(&entry["seed"]), count(&entry["validatorCount"]), count(&entry["committeeSize"])).unwrap();
        assert_eq!(drawn, list(&entry["indices"]).iter().map(count).collect::<Vec<_>>());
    });
    vectors.each("proposerIndex", |entry| {
        let (epoch, slot) = (Epoch::new(number(&entry["epoch"])), Slot::new(number(&entry["slot"])));
        let index = proposer_index(epoch, slot, integer(&entry["seed"]), count(&entry["committeeSize"]));
        assert_eq!(index, Some(count(&entry["proposerIndex"])));
    });
    vectors.each("sampleSeed", |entry| {
        assert_eq!(
            seed(Epoch::new(number(&entry["epoch"])), integer(&entry["randaoTruncated224"])),
            integer(&entry["sampleSeed"])
        );
    });
    let live = vectors.at("liveSampling");
    vectors.entries("liveSampling", &[live], |live| {
        let set: Vec<Address> = list(&live["validatorsInSetOrder"]).iter().map(address).collect();
        let seed = integer(&live["sampleSeed"]);
        let drawn = sample_committee(seed, set.len(), count(&live["samplingSize"])).unwrap();
        let committee: Vec<Address> = drawn.iter().map(|index| set[*index]).collect();
        assert_eq!(committee, list(&live["committee"]).iter().map(address).collect::<Vec<_>>());
        assert_eq!(committee_commitment(&committee), word(&live["committeeCommitment"]));
        let epoch = Epoch::new(number(&live["epoch"]));
        for row in list(&live["proposers"]) {
            let index = proposer_index(epoch, Slot::new(number(&row["slot"])), seed, committee.len()).unwrap();
            assert_eq!((index, committee[index]), (count(&row["index"]), address(&row["proposer"])));
        }
    });
}

fn commitment(value: &Value) -> BlobCommitment {
    BlobCommitment::new(bytes(value).try_into().unwrap())
}

fn blobs(vectors: &mut Fixture) {
    vectors.each("blobsHash", |entry| {
        let commitments: Vec<_> = list(&entry["commitments"]).iter().map(commitment).collect();
        let hashes: Vec<_> = commitments.iter().map(BlobCommitment::versioned_hash).collect();
        assert_eq!(hashes, list(&entry["versionedHashes"]).iter().map(word).collect::<Vec<_>>());
        assert_eq!(blobs_hash(&hashes), fr(&entry["blobsHash"]));
        let input = bytes(&entry["blobInput"]);
        assert_eq!(encode_blob_input(&commitments).unwrap(), input);
        assert_eq!(decode_blob_input(&input).unwrap(), commitments);
        refuses_other_lengths(&input, decode_blob_input);
        assert_eq!(blob_commitments_hash(None, &commitments), Some(fr(&entry["blobCommitmentsHashAsFirstOfEpoch"])));
        let previous = fr(&entry["previousBlobCommitmentsHash"]);
        assert_eq!(blob_commitments_hash(Some(previous), &commitments), Some(fr(&entry["blobCommitmentsHashContinuing"])));
    });
    let real = vectors.at("realBlob");
    vectors.entries("realBlob", &[real], |entry| {
        let fields = frs(&entry["fields"]);
        let made = blob::blobs_from_fields(&fields).unwrap();
        let commitments: Vec<_> = made.iter().map(|blob| blob.commitment().unwrap()).collect();
        assert_eq!(commitments, [commitment(&entry["commitment"])]);
        assert_eq!(commitments[0].versioned_hash(), word(&entry["versionedHash"]));
        assert_eq!(blobs_hash(&[commitments[0].versioned_hash()]), fr(&entry["blobsHash"]));
        assert_eq!(encode_blob_input(&commitments).unwrap(), bytes(&entry["blobInput"]));
        let read = blob::fields_from_blobs(&made).unwrap();
        assert_eq!(read[..fields.len()], fields);
        assert!(read[fields.len()..].iter().all(Fr::is_zero));
    });
}

fn messages(vectors: &mut Fixture) {
    vectors.each("inboxLeaves", |entry| {
        let message = &entry["message"];
        let inbox = InboxMessage {
            sender: address(&message["sender"]["actor"]),
            chain_id: number(&message["sender"]["chainId"]),
            recipient: fr(&message["recipient"]["actor"]),
            version: number(&message["recipient"]["version"]),
            content: fr(&message["content"]),
            secret_hash: fr(&message["secretHash"]),
            index: number(&message["index"]),
        };
        assert_eq!(inbox.leaf(), fr(&entry["leaf"]));
    });
    vectors.each("l2ToL1Messages", |entry| {
        let message = &entry["message"];
        let outbox = OutboxMessage {
            sender: fr(&message["sender"]["actor"]),
            version: number(&message["sender"]["version"]),
            recipient: address(&message["recipient"]["actor"]),
            chain_id: number(&message["recipient"]["chainId"]),
            content: fr(&message["content"]),
        };
        assert_eq!(outbox.hash(), fr(&entry["hash"]));
    });
    let live = vectors.at("inboxLive");
    let mut rolling = FixedBytes::<16>::ZERO;
    vectors.entries("inboxLive", list(&live["messages"]), |message| {
        let inbox = InboxMessage {
            sender: address(&message["sender"]),
            chain_id: number(&message["chainId"]),
            recipient: fr(&message["recipient"]["actor"]),
            version: number(&message["recipient"]["version"]),
            content: fr(&message["content"]),
            secret_hash: fr(&message["secretHash"]),
            index: number(&message["event"]["index"]),
        };
        assert_eq!(inbox.leaf(), fr(&message["event"]["hash"]));
        rolling = rolling_hash(rolling, inbox.leaf());
        assert_eq!(rolling.to_string(), text(&message["event"]["rollingHash"]));
    });
    assert_eq!(rolling.to_string(), text(&live["state"]["rollingHash"]));
    vectors.each("inHash", |entry| assert_eq!(in_hash(&frs(&entry["leaves"])).unwrap(), fr(&entry["inHash"])));
    let mut zero = Fr::ZERO;
    vectors.each("inHashZeroSubtrees", |entry| {
        assert_eq!(zero, fr(entry));
        zero = sha256_pair(zero, zero);
    });
    let per_tx = |txs: &Value| block_out_hash(&list(txs).iter().map(|messages| tx_out_hash(&frs(messages))).collect::<Vec<_>>());
    vectors.each("outHash.txOutHash", |entry| assert_eq!(tx_out_hash(&frs(&entry["messages"])), fr(&entry["out"])));
    vectors.each("outHash.blockOutHash", |entry| assert_eq!(per_tx(&entry["messagesPerTx"]), fr(&entry["out"])));
    vectors.each("outHash.checkpointOutHash", |entry| {
        let blocks: Vec<Fr> = list(&entry["messagesPerTxPerBlock"]).iter().map(per_tx).collect();
        assert_eq!(checkpoint_out_hash(&blocks), fr(&entry["out"]));
    });
    vectors.each("outHash.epochOutHash", |entry| {
        assert_eq!(epoch_out_hash(&frs(&entry["checkpointOutHashes"])).unwrap(), fr(&entry["out"]));
    });
}

fn votes(vectors: &mut Fixture) {
    let signed_by = |entry: &Value, root: SigningRoot| {
        assert_eq!(*root.get(), word(&entry["digest"]));
        let signature: Signature = text(&entry["signature"]).parse().unwrap();
        assert_eq!(recover(&root, &signature).unwrap(), address(&entry["signer"]));
    };
    vectors.each("governanceSignal", |entry| {
        let signal = GovernanceSignal {
            chain_id: number(&entry["chainId"]),
            verifying_contract: address(&entry["verifyingContract"]),
            payload: address(&entry["payload"]),
            slot: Slot::new(number(&entry["slot"])),
            instance: address(&entry["instance"]),
        };
        signed_by(entry, signal.signing_root());
    });
    vectors.each("slashVotes", |entry| {
        let level = |units: &Value| [SlashLevel::None, SlashLevel::Small, SlashLevel::Medium, SlashLevel::Large][count(units)];
        let levels: Vec<SlashLevel> = list(&entry["unitsPerValidator"]).iter().map(level).collect();
        let votes = bytes(&entry["votes"]);
        assert_eq!(pack_votes(&levels), votes);
        assert_eq!(unpack_votes(&votes), levels);
        let vote = SlashingVote {
            chain_id: number(&entry["chainId"]),
            verifying_contract: address(&entry["verifyingContract"]),
            votes,
            slot: Slot::new(number(&entry["slot"])),
        };
        signed_by(entry, vote.signing_root());
    });
}

fn proposals(vectors: &mut Fixture) {
    let rollup = address(&vectors.at("deployment.addresses.rollupAddress"));
    for section in ["propose1", "propose2"] {
        let entry = vectors.at(section);
        vectors.entries(section, &[entry], |entry| proposal(entry, rollup));
    }
}

fn proposal(entry: &Value, rollup: Address) {
    let calldata = bytes(&entry["proposeCalldata"]);
    let call = ProposeCall::decode(&calldata).unwrap();
    let args = &entry["args"][0];
    assert_eq!(call.args.archive, fr(&args["archive"]));
    assert_eq!(call.args.fee_asset_price_modifier, signed(&args["oracleInput"]["feeAssetPriceModifier"]));
    assert_eq!(call.args.header, checkpoint_header(&args["header"]));
    assert_eq!(call.args.header.hash(), fr(&entry["headerHash"]));
    assert_eq!(call.args.header.to_bytes().to_vec(), bytes(&entry["headerPacked"]));
    assert_eq!(call.args.payload_digest(), word(&entry["payloadDigest"]));
    assert_eq!(*call.args.attestation_root().get(), word(&entry["payloadEthSignedDigest"]));
    assert_eq!(call.encode(), calldata, "the same call has other calldata");

    let committee: Vec<Address> = list(&entry["committee"]).iter().map(address).collect();
    assert_eq!(call.attestations.validate(&committee, &call.args.attestation_root()), Ok(call.signers.len()));
    let digest = keccak256(attestations_and_signers_message(&call.attestations, &call.signers));
    assert_eq!(digest, word(&entry["attestationsAndSignersDigest"]));
    assert_eq!(recover(&eip191(digest), &call.signature.parse().unwrap()).unwrap(), address(&entry["proposer"]));
    let logged = &entry["after"]["checkpoint"];
    assert_eq!(call.attestations.attestations_hash(), word(&logged["attestationsHash"]));
    assert_eq!(call.args.payload_digest(), word(&logged["payloadDigest"]));

    let made = blob::blobs_from_fields(&frs(&entry["blobFields"])).unwrap();
    let commitments: Vec<_> = made.iter().map(|blob| blob.commitment().unwrap()).collect();
    assert_eq!(commitments[0].versioned_hash(), word(&entry["blobVersionedHash"]));
    assert_eq!(decode_blob_input(&call.blob_input).unwrap(), commitments);

    let input = bytes(&entry["tx"]["input"]);
    if address(&entry["tx"]["to"]) == MULTICALL3 {
        let bundled = BundledCall { target: rollup, allow_failure: true, calldata: calldata.clone() };
        assert_eq!(encode_aggregate3(std::slice::from_ref(&bundled)), input);
        assert_eq!(decode_aggregate3(&input).unwrap(), [bundled]);
        let bundle = BundlePayload {
            attestations: call.attestations.clone(),
            signers: call.signers.clone(),
            propose: call.args,
            blob_input: call.blob_input.clone(),
            checkpoint: CheckpointNumber::new(1),
        };
        assert_eq!(encode_bundle_calldata(rollup, &bundle, &call.signature.parse().unwrap()), input);
        for cut in 0..input.len() - 31 {
            assert!(decode_aggregate3(&input[..cut]).is_err());
        }
    } else {
        assert_eq!(input, calldata);
    }
    // The last word of a call may be cut by its padding; nothing else may.
    for cut in 0..calldata.len() - 31 {
        assert!(ProposeCall::decode(&calldata[..cut]).is_err(), "{cut} bytes were accepted");
    }
    // L1 ignores bytes behind the arguments, so a reader of L1 must too.
    assert_eq!(ProposeCall::decode(&[calldata.clone(), vec![0xff; 64]].concat()).unwrap(), call);
    let mut wild = calldata;
    wild[4] = 0xff;
    assert!(ProposeCall::decode(&wild).is_err(), "an archive above the modulus was accepted");
}

fn time(vectors: &mut Fixture) {
    let context = vectors.at("time");
    let schedule = Schedule {
        genesis_time: number(&context["genesisTime"]),
        slot_duration: number(&context["slotDuration"]),
        epoch_duration: number(&context["epochDuration"]),
        ethereum_slot_duration: 12,
    };
    vectors.each("time.rows", |row| {
        let slot = schedule.slot_at(number(&row["timestamp"])).unwrap();
        assert_eq!(slot.get(), number(&row["slot"]));
        assert_eq!(schedule.epoch_of(slot).get(), number(&row["epoch"]));
        assert!(schedule.slot_start(slot) <= number(&row["timestamp"]) && number(&row["timestamp"]) < schedule.slot_end(slot));
    });
}

fn address_of(key: &Value) -> Address {
    let secret = secp256k1::SecretKey::from_slice(&bytes(key)).unwrap();
    Address::from_raw_public_key(&secret.public_key(secp256k1::SECP256K1).serialize_uncompressed()[1..])
}

fn sign(key: &Value, root: &SigningRoot) -> Signature {
    let secret = secp256k1::SecretKey::from_slice(&bytes(key)).unwrap();
    let message = secp256k1::Message::from_digest(root.get().0);
    let (identifier, compact) = secp256k1::SECP256K1.sign_ecdsa_recoverable(&message, &secret).serialize_compact();
    let v = 27 + u8::try_from(i32::from(identifier)).unwrap();
    Signature::from_rsv65(&[compact.as_slice(), &[v]].concat()).unwrap()
}
