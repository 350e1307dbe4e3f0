use alloy::consensus::transaction::SignerRecoverable;
use alloy::consensus::{TxEip4844Variant, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use ollin_consensus::{AttemptRequest, Duty, DutyKind, Fees};
use ollin_protocol::attestations::CommitteeAttestations;
use ollin_protocol::blob::{BlobCommitment, encode_blob_input};
use ollin_protocol::multicall::decode_aggregate3;
use ollin_protocol::propose::{ProposeArgs, ProposeCall};
use ollin_protocol::units::CheckpointNumber;

use super::*;
use crate::key::Key;

const CHAIN: u64 = 31337;
const SLOT: Slot = Slot::new(12);
const ROLLUP: Address = Address::repeat_byte(0x40);
const BOUND: Bound = Bound { chain_id: CHAIN, rollup: ROLLUP };

fn key(byte: u8) -> Key {
    Key::from_bytes(&[byte; 32]).unwrap()
}

fn attester() -> Key {
    key(1)
}

fn publisher() -> Key {
    key(2)
}

fn commitment() -> BlobCommitment {
    BlobCommitment::new([0x81; 48])
}

fn sidecar() -> BlobTransactionSidecar {
    let commitments = vec![Bytes48::from(*commitment().as_bytes())];
    BlobTransactionSidecar { blobs: vec![Blob::repeat_byte(1)], commitments, proofs: vec![Bytes48::repeat_byte(2)] }
}

fn bundle() -> Arc<BundlePayload> {
    let mut propose = ProposeArgs::default();
    propose.header.slot = SLOT;
    Arc::new(BundlePayload {
        attestations: CommitteeAttestations::default(),
        signers: vec![attester().address()],
        propose,
        blob_input: encode_blob_input(&[commitment()]).unwrap(),
        checkpoint: CheckpointNumber::new(3),
    })
}

fn root() -> SigningRoot {
    DutyPayload::Bundle(bundle().as_ref().clone()).signing_root()
}

fn parts() -> TransactionParts {
    TransactionParts {
        chain_id: CHAIN,
        multicall: MULTICALL3,
        rollup: ROLLUP,
        attestations_and_signers_signature: attester().sign(&root()).unwrap(),
        sidecar: sidecar(),
    }
}

fn attempt() -> RecordedAttempt {
    let duty = Duty { attester: attester().address(), slot: SLOT, kind: DutyKind::AttestationsAndSigners };
    let fees = Fees { max_priority_fee_per_gas: 3, max_fee_per_gas: 500, max_fee_per_blob_gas: 7 };
    let request = AttemptRequest {
        slot: SLOT,
        publisher: publisher().address(),
        nonce: 9,
        content: AttemptContent::Bundle { duty },
        gas_limit: 900_000,
        fees,
    };
    RecordedAttempt { number: 0, request, holds_blobs: true, root: Some(root()) }
}

fn cancellation(holds_blobs: bool) -> RecordedAttempt {
    let mut attempt = attempt();
    attempt.request.content = AttemptContent::Cancellation;
    attempt.request.gas_limit = 21_000;
    RecordedAttempt { root: None, holds_blobs, ..attempt }
}

fn sign(unsigned: Unsigned, attempt: &RecordedAttempt) -> SignedTransaction {
    let signature = publisher().sign(&unsigned.root()).unwrap();
    unsigned.signed(&signature, attempt)
}

/// The bytes as another reader of transactions sees them.
fn decode(signed: &SignedTransaction) -> TxEnvelope {
    let envelope = TxEnvelope::decode_2718_exact(&signed.raw).unwrap();
    assert_eq!(*envelope.tx_hash(), signed.hash);
    assert_eq!(envelope.recover_signer().unwrap(), publisher().address());
    envelope
}

fn decode_blob(signed: &SignedTransaction) -> (TxEip4844, usize) {
    let TxEnvelope::Eip4844(inner) = decode(signed) else { panic!("not a blob transaction") };
    match inner.tx() {
        TxEip4844Variant::TxEip4844WithSidecar(with) => (with.tx.clone(), with.sidecar.blobs().len()),
        TxEip4844Variant::TxEip4844(_) => panic!("no sidecar"),
    }
}

#[test]
fn a_bundle_is_aggregate3_of_propose_with_the_recorded_numbers() {
    let attempt = attempt();
    let (tx, blobs) = decode_blob(&sign(of_bundle(BOUND, &attempt, Some(&bundle()), parts()).unwrap(), &attempt));
    assert_eq!((tx.chain_id, tx.nonce, tx.gas_limit, tx.to, tx.value), (CHAIN, 9, 900_000, MULTICALL3, U256::ZERO));
    assert_eq!((tx.max_priority_fee_per_gas, tx.max_fee_per_gas, tx.max_fee_per_blob_gas), (3, 500, 7));
    assert_eq!((tx.blob_versioned_hashes, blobs), (vec![commitment().versioned_hash()], 1));

    let calls = decode_aggregate3(&tx.input).unwrap();
    assert_eq!((calls.len(), calls[0].target, calls[0].allow_failure), (1, ROLLUP, true));
    let call = ProposeCall::decode(&calls[0].calldata).unwrap();
    assert_eq!((call.args, call.blob_input), (bundle().propose, bundle().blob_input.clone()));
    assert_eq!(call.signature, parts().attestations_and_signers_signature.into());
}

#[test]
fn the_same_attempt_gives_the_same_bytes() {
    let attempt = attempt();
    let once = || sign(of_bundle(BOUND, &attempt, Some(&bundle()), parts()).unwrap(), &attempt);
    assert_eq!(once(), once());
    let bumped = RecordedAttempt { number: 1, request: AttemptRequest { gas_limit: 900_001, ..attempt.request }, ..attempt };
    assert_ne!(sign(of_bundle(BOUND, &bumped, Some(&bundle()), parts()).unwrap(), &bumped).hash, once().hash);
}

#[test]
fn parts_that_differ_from_the_log_are_refused() {
    let refused =
        |attempt: RecordedAttempt, parts: TransactionParts| of_bundle(BOUND, &attempt, Some(&bundle()), parts).unwrap_err();
    let stray = Address::repeat_byte(9);
    assert!(matches!(refused(attempt(), TransactionParts { chain_id: 1, ..parts() }), TransactionError::Chain { found: 1, .. }));
    for (parts, name) in [
        (TransactionParts { rollup: stray, ..parts() }, "rollup"),
        (TransactionParts { multicall: stray, ..parts() }, "multicall"),
    ] {
        assert!(matches!(refused(attempt(), parts), TransactionError::Target { contract, .. } if contract == name));
    }

    let foreign = key(3).sign(&root()).unwrap();
    let signed = TransactionParts { attestations_and_signers_signature: foreign, ..parts() };
    assert!(matches!(refused(attempt(), signed), TransactionError::Signer { expected, .. } if expected == attester().address()));

    let rebound = RecordedAttempt { root: Some(SigningRoot::new(B256::ZERO)), ..attempt() };
    assert!(matches!(refused(rebound, parts()), TransactionError::Root { .. }));
    let mut late = attempt();
    late.request.slot = Slot::new(13);
    assert!(matches!(refused(late, parts()), TransactionError::Slot { .. }));
}

#[test]
fn a_sidecar_that_is_not_the_bundles_is_refused() {
    let mut other = sidecar();
    other.commitments[0] = Bytes48::repeat_byte(0x82);
    let mut more = sidecar();
    more.blobs.push(Blob::ZERO);
    more.commitments.push(Bytes48::from(INFINITY));
    more.proofs.push(Bytes48::from(INFINITY));
    let mut unproven = sidecar();
    unproven.proofs.clear();
    for sidecar in [other, more, unproven, BlobTransactionSidecar::default()] {
        let refused = of_bundle(BOUND, &attempt(), Some(&bundle()), TransactionParts { sidecar, ..parts() });
        assert!(matches!(refused, Err(TransactionError::Sidecar { expected: 1, .. })));
    }
}

#[test]
fn a_cancellation_sends_nothing_to_oneself() {
    let attempt = cancellation(false);
    let TxEnvelope::Eip1559(inner) = decode(&sign(of_cancellation(BOUND, &attempt).unwrap(), &attempt)) else { panic!("type") };
    let tx = inner.tx();
    assert_eq!((tx.to, tx.value, tx.gas_limit, tx.nonce), (TxKind::Call(publisher().address()), U256::ZERO, 21_000, 9));
    assert!(tx.input.is_empty());
}

#[test]
fn a_cancellation_of_blobs_holds_a_blob_of_zeros_with_its_true_commitment() {
    let attempt = cancellation(true);
    let (tx, blobs) = decode_blob(&sign(of_cancellation(BOUND, &attempt).unwrap(), &attempt));
    assert_eq!((tx.to, tx.value, tx.gas_limit, blobs), (publisher().address(), U256::ZERO, 21_000, 1));
    // KZG itself says that the commitment to zeros is the point at infinity.
    let zeros = ollin_protocol::blob::Blob::from_bytes(&[0; BYTES_PER_BLOB]).unwrap();
    assert_eq!(zeros.commitment().unwrap().as_bytes(), &INFINITY);
    assert_eq!(tx.blob_versioned_hashes, [zeros.versioned_hash().unwrap()]);
}

#[test]
fn each_content_has_its_own_way() {
    assert!(matches!(of_cancellation(BOUND, &attempt()), Err(TransactionError::Content { .. })));
    assert!(matches!(of_bundle(BOUND, &cancellation(true), None, parts()), Err(TransactionError::Content { .. })));
    assert!(matches!(of_bundle(BOUND, &attempt(), None, parts()), Err(TransactionError::Content { .. })));
}
