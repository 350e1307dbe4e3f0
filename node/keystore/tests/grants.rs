//! From a committed claim to bytes: a real signing log of one replica, real grants, the outlet record.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use alloy::consensus::BlobTransactionSidecar;
use alloy::eips::eip4844::{Blob, Bytes48};
use alloy_primitives::{Address, address};
use ollin_consensus::{
    AttemptContent, AttemptRequest, Binding, ClaimRequest, ConsensusConfig, Duty, DutyKind, Fees, Grant, SigningLog, certificates,
};
use ollin_keystore::{Keystore, OutletRecord, SignError, TransactionParts};
use ollin_protocol::attestations::CommitteeAttestations;
use ollin_protocol::blob::{BlobCommitment, encode_blob_input};
use ollin_protocol::field::Fr;
use ollin_protocol::header::CheckpointHeader;
use ollin_protocol::multicall::MULTICALL3;
use ollin_protocol::payload::{AttestationPayload, BundlePayload, DutyPayload};
use ollin_protocol::propose::ProposeArgs;
use ollin_protocol::signature::{Signature, recover};
use ollin_protocol::units::{CheckpointNumber, ReplicaId, Slot};
use ollin_protocol::vote::{GovernanceSignal, SlashingVote};
use serde_json::Value;
use tempfile::TempDir;

const KEY_0: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const KEY_1: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const ATTESTER: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
const PUBLISHER: Address = address!("70997970C51812dc3A010C7d01b50e0d17dc79C8");
const STRANGER: Address = Address::repeat_byte(0x77);
const ROLLUP: Address = Address::repeat_byte(0xcc);
const CHAIN: u64 = 31337;
const SLOT: Slot = Slot::new(10);

/// A cluster of one with a keystore and an outlet record.
struct World {
    directory: TempDir,
    log: SigningLog,
    keystore: Keystore,
}

impl World {
    async fn created() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = held.local_addr().unwrap();
        drop(held);
        let replica = ReplicaId::new(1);
        certificates::create(&path("certificates"), &[certificates::NewReplica::full(replica, listen.to_string())]).unwrap();
        let log =
            SigningLog::open(ConsensusConfig::new(path("store"), path("certificates/replica-1"), replica, listen)).await.unwrap();
        // The stranger is bound in the log, but its key is not in the file.
        let attesters = BTreeSet::from([ATTESTER, STRANGER]);
        log.create_cluster(Binding { chain_id: CHAIN, rollup: ROLLUP, attesters }, Slot::new(5)).await.unwrap();
        log.set_slot_horizon(Slot::new(100));
        let mut role = log.role();
        let active = role.wait_for(|role| role.active_term().is_some());
        tokio::time::timeout(Duration::from_secs(30), active).await.unwrap().unwrap();

        let record = OutletRecord::open(&path("outlets.jsonl")).unwrap();
        let keystore = Keystore::load(&keystore_file(&directory)).unwrap().bind(replica, CHAIN, ROLLUP, Some(record));
        Self { directory, log, keystore }
    }

    async fn claim(&self, attester: Address, payload: &DutyPayload, kind: DutyKind) -> Grant {
        let duties = vec![Duty { attester, slot: SLOT, kind }];
        let request = ClaimRequest { duties, payload: payload.clone() };
        let answers = self.log.claim(vec![request], Instant::now() + Duration::from_secs(10)).await.unwrap();
        answers.into_iter().next().unwrap().unwrap()
    }

    fn outlets(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.directory.path().join("outlets.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn keystore_file(directory: &TempDir) -> PathBuf {
    let recipient = format!("0x{:064x}", 7);
    let validators = serde_json::json!([{"attester": [KEY_0], "publisher": [KEY_1], "feeRecipient": recipient}]);
    let path = directory.path().join("keystore.json");
    fs::write(&path, serde_json::json!({"schemaVersion": 1, "validators": validators}).to_string()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn header() -> CheckpointHeader {
    CheckpointHeader { slot: SLOT, ..CheckpointHeader::default() }
}

fn attestation() -> DutyPayload {
    let proposer_signature = Signature::new([1; 32].into(), [2; 32].into(), 27).unwrap();
    DutyPayload::Attestation(AttestationPayload {
        header: header(),
        archive: Fr::from_u64(3),
        fee_asset_price_modifier: 0,
        proposer_signature,
    })
}

fn commitment() -> BlobCommitment {
    BlobCommitment::new([0x81; 48])
}

fn bundle() -> DutyPayload {
    DutyPayload::Bundle(BundlePayload {
        attestations: CommitteeAttestations { signature_indices: vec![0], signatures_or_addresses: ATTESTER.to_vec() },
        signers: vec![],
        propose: ProposeArgs { archive: Fr::from_u64(3), fee_asset_price_modifier: 0, header: header() },
        blob_input: encode_blob_input(&[commitment()]).unwrap(),
        checkpoint: CheckpointNumber::new(1),
    })
}

fn parts(signature: Signature) -> TransactionParts {
    let sidecar = BlobTransactionSidecar {
        blobs: vec![Blob::repeat_byte(1)],
        commitments: vec![Bytes48::from(*commitment().as_bytes())],
        proofs: vec![Bytes48::repeat_byte(2)],
    };
    let attestations_and_signers_signature = signature;
    TransactionParts { chain_id: CHAIN, multicall: MULTICALL3, rollup: ROLLUP, attestations_and_signers_signature, sidecar }
}

fn attempt(content: AttemptContent, wei: u128) -> AttemptRequest {
    let fees = Fees { max_priority_fee_per_gas: wei, max_fee_per_gas: wei, max_fee_per_blob_gas: wei };
    AttemptRequest { slot: SLOT, publisher: PUBLISHER, nonce: 4, content, gas_limit: 1_000_000, fees }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_becomes_one_signature_however_often_it_is_given() {
    let world = World::created().await;
    let payload = attestation();
    let first = world.keystore.sign(world.claim(ATTESTER, &payload, DutyKind::Attestation).await).unwrap();
    let again = world.keystore.sign(world.claim(ATTESTER, &payload, DutyKind::Attestation).await).unwrap();
    assert_eq!(first, again);
    assert_eq!(first.root, payload.signing_root());
    assert_eq!(recover(&first.root, &first.signature).unwrap(), ATTESTER);

    let lines = world.outlets();
    assert_eq!(lines.len(), 2);
    for line in &lines {
        let mut line = line.clone();
        assert!(line["time_ms"].as_u64().unwrap() > 1_600_000_000_000);
        line.as_object_mut().unwrap().remove("time_ms");
        let expected = serde_json::json!({
            "replica": 1, "outlet": "keystore", "chain_id": CHAIN, "rollup": format!("{ROLLUP:#x}"),
            "attester": format!("{ATTESTER:#x}"), "kind": "attestation", "index": null, "slot": 10,
            "root": payload.signing_root().to_string(), "signature": first.signature.to_string(),
        });
        assert_eq!(line, expected);
    }
    world.log.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_gives_each_grant_the_signature_that_it_has_alone_in_its_place() {
    let world = World::created().await;
    let duty = |slot, attester| Duty { attester, slot: Slot::new(slot), kind: DutyKind::Attestation };
    // More than one thread's share, and a key that is missing here and there.
    let duties: Vec<Duty> = (10..60).map(|slot| duty(slot, if slot % 7 == 0 { STRANGER } else { ATTESTER })).collect();
    let claim = async |duty: &Duty| {
        let DutyPayload::Attestation(mut payload) = attestation() else { unreachable!("an attestation") };
        payload.header.slot = duty.slot;
        let request = ClaimRequest { duties: vec![*duty], payload: DutyPayload::Attestation(payload) };
        let answers = world.log.claim(vec![request], Instant::now() + Duration::from_secs(10)).await.unwrap();
        answers.into_iter().next().unwrap().unwrap()
    };
    let (mut batch, mut alone) = (Vec::new(), Vec::new());
    for duty in &duties {
        batch.push(claim(duty).await);
        alone.push(claim(duty).await);
    }
    let answers = world.keystore.sign_all(batch);
    assert_eq!(answers.len(), duties.len());
    for ((answer, grant), duty) in answers.into_iter().zip(alone).zip(duties) {
        match answer {
            Ok(signed) => assert_eq!((signed.duty, signed), (duty, world.keystore.sign(grant).unwrap())),
            Err(error) => assert!(duty.attester == STRANGER && matches!(error, SignError::NoKey { .. }), "{duty}: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_attempt_becomes_the_same_bytes_when_it_is_given_again() {
    let world = World::created().await;
    let signed = world.keystore.sign(world.claim(ATTESTER, &bundle(), DutyKind::AttestationsAndSigners).await).unwrap();
    let content = AttemptContent::Bundle { duty: signed.duty };
    let deadline = Instant::now() + Duration::from_secs(20);
    let grant = world.log.record_attempt(attempt(content, 100), deadline).await.unwrap();
    let first = world.keystore.sign_attempt(grant, parts(signed.signature)).unwrap();
    let grant = world.log.reissue_attempt(PUBLISHER, 4, 0).await.unwrap();
    assert_eq!(world.keystore.sign_attempt(grant, parts(signed.signature)).unwrap(), first);

    let grant = world.log.record_attempt(attempt(AttemptContent::Cancellation, 200), deadline).await.unwrap();
    let cancelled = world.keystore.sign_cancellation(grant).unwrap();
    assert!(cancelled.raw.len() > 131_072, "a nonce that held blobs holds blobs");

    let lines = world.outlets();
    let kinds: Vec<_> = lines.iter().map(|line| (line["outlet"].as_str().unwrap(), line["attempt"].as_u64())).collect();
    assert_eq!(kinds, [("keystore", None), ("l1", Some(0)), ("l1", Some(0)), ("l1", Some(1))]);
    assert_eq!(lines[1]["transaction"], first.hash.to_string());
    assert_eq!(lines[1]["root"], signed.root.to_string());
    assert_eq!((&lines[3]["root"], &lines[3]["nonce"]), (&Value::Null, &Value::from(4)));
    assert_eq!(lines[1]["publisher"], format!("{PUBLISHER:#x}"));
    world.log.shutdown().await;
}

fn signal(chain_id: u64, instance: Address) -> DutyPayload {
    let (verifying_contract, payload) = (Address::repeat_byte(2), Address::repeat_byte(3));
    DutyPayload::GovernanceVote(GovernanceSignal { chain_id, verifying_contract, payload, slot: SLOT, instance })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_of_each_round_is_signed_over_its_typed_data() {
    let world = World::created().await;
    let vote = SlashingVote { chain_id: CHAIN, verifying_contract: Address::repeat_byte(2), votes: vec![1], slot: SLOT };
    let votes = [(signal(CHAIN, ROLLUP), DutyKind::GovernanceVote), (DutyPayload::SlashingVote(vote), DutyKind::SlashingVote)];
    for (payload, kind) in votes {
        let signed = world.keystore.sign(world.claim(ATTESTER, &payload, kind).await).unwrap();
        assert_eq!((signed.duty.kind, signed.root), (kind, payload.signing_root()));
        assert_eq!(*signed.root.get(), payload.message_hash(), "no EIP-191 prefix");
        assert_eq!(recover(&signed.root, &signed.signature).unwrap(), ATTESTER);
    }
    let kinds: Vec<_> = world.outlets().iter().map(|line| line["kind"].clone()).collect();
    assert_eq!(kinds, ["governance_vote", "slashing_vote"]);
    world.log.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_of_another_chain_or_rollup_is_not_signed() {
    for payload in [signal(CHAIN + 1, ROLLUP), signal(CHAIN, STRANGER)] {
        let world = World::created().await;
        let refused = world.keystore.sign(world.claim(ATTESTER, &payload, DutyKind::GovernanceVote).await);
        assert!(matches!(refused, Err(SignError::OtherChain { .. })), "{refused:?}");
        assert_eq!(world.outlets().len(), 0);
        world.log.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_signed_or_recorded_does_not_leave() {
    let world = World::created().await;
    let refused = world.keystore.sign(world.claim(STRANGER, &attestation(), DutyKind::Attestation).await);
    assert!(matches!(refused, Err(SignError::NoKey { address: STRANGER })));
    assert_eq!(world.outlets().len(), 0);

    // A device that is always full.
    let full = OutletRecord::open(std::path::Path::new("/dev/full")).unwrap();
    let keystore = Keystore::load(&keystore_file(&world.directory)).unwrap().bind(ReplicaId::new(1), CHAIN, ROLLUP, Some(full));
    let refused = keystore.sign(world.claim(ATTESTER, &attestation(), DutyKind::Attestation).await);
    assert!(matches!(refused, Err(SignError::Outlet(_))), "{refused:?}");
    world.log.shutdown().await;
}
