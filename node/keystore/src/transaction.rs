//! The L1 transactions that a recorded attempt stands for, built from the log and nothing else (safety R20, R27).

use std::sync::Arc;

use alloy::consensus::{BlobTransactionSidecar, SignableTransaction, Signed, TxEip1559, TxEip4844, TxEip4844WithSidecar};
use alloy::eips::eip4844::{BYTES_PER_BLOB, Blob, Bytes48};
use alloy_primitives::{Address, B256, Bytes, Signature as AlloySignature, TxKind, U256};
use ollin_consensus::{AttemptContent, Fault, RecordedAttempt, planted};
use ollin_protocol::blob::{BlobError, decode_blob_input};
use ollin_protocol::multicall::MULTICALL3;
use ollin_protocol::payload::{BundlePayload, DutyPayload};
use ollin_protocol::propose::encode_bundle_calldata;
use ollin_protocol::signature::{Signature, SignatureError, recover};
use ollin_protocol::units::{SigningRoot, Slot};

/// Commitment to, and proof of, a blob of zeros: the point at infinity, compressed.
const INFINITY: [u8; 48] = {
    let mut point = [0; 48];
    point[0] = 0xc0;
    point
};

/// What the publisher adds to a recorded bundle. Everything in it is checked against the log.
#[derive(Clone, Debug)]
pub struct TransactionParts {
    /// Chain id of L1.
    pub chain_id: u64,
    /// The Multicall3 contract.
    pub multicall: Address,
    /// The rollup contract.
    pub rollup: Address,
    /// The proposer's signature over attestations and signers, as [`crate::Keystore::sign`] made it under its own grant.
    pub attestations_and_signers_signature: Signature,
    /// The checkpoint's blobs with commitments and proofs.
    pub sidecar: BlobTransactionSidecar,
}

/// A transaction that may be sent. The same attempt always gives the same bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedTransaction {
    /// For `eth_sendRawTransaction`: with the sidecar, if there is one.
    pub raw: Vec<u8>,
    /// The transaction's hash.
    pub hash: B256,
    /// Who signed and pays.
    pub publisher: Address,
    /// Its nonce.
    pub nonce: u64,
}

impl std::fmt::Debug for SignedTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { raw, hash, publisher, nonce } = self;
        write!(f, "SignedTransaction({hash} of {publisher} at nonce {nonce}, {} bytes)", raw.len())
    }
}

/// Why an attempt and the parts given for it are no transaction.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// A bundle's attempt was given to the function for cancellations, or the other way round.
    #[error("the attempt carries {found}, expected {expected}")]
    Content {
        /// What it carries.
        found: &'static str,
        /// What this function is for.
        expected: &'static str,
    },
    /// The parts name another chain than the one this keystore is bound to.
    #[error("chain id {found}, expected {expected}")]
    Chain {
        /// In the parts.
        found: u64,
        /// Bound.
        expected: u64,
    },
    /// The parts name another contract.
    #[error("{contract} is {found}, expected {expected}")]
    Target {
        /// Which one.
        contract: &'static str,
        /// In the parts.
        found: Address,
        /// Bound.
        expected: Address,
    },
    /// The bundle is of another slot than the attempt.
    #[error("the bundle is of slot {bundle}, the attempt of slot {attempt}")]
    Slot {
        /// The bundle's.
        bundle: Slot,
        /// The attempt's.
        attempt: Slot,
    },
    /// The bundle's root is not the one that was recorded.
    #[error("the bundle's root is {computed}, recorded is {recorded:?}")]
    Root {
        /// Computed from the bundle.
        computed: SigningRoot,
        /// In the log.
        recorded: Option<SigningRoot>,
    },
    /// The signature over attestations and signers is not the proposer's.
    #[error("the signature over attestations and signers is by {found}, expected {expected}")]
    Signer {
        /// Recovered.
        found: Address,
        /// The duty's attester.
        expected: Address,
    },
    /// That signature has no signer at all.
    #[error("the signature over attestations and signers")]
    Signature(#[from] SignatureError),
    /// The bundle's blob input cannot be read.
    #[error("the bundle's blob input")]
    BlobInput(#[from] BlobError),
    /// The sidecar is not that of the bundle's blobs.
    #[error("the sidecar holds {found} blob(s), expected the {expected} that the bundle commits to")]
    Sidecar {
        /// Blobs in the sidecar.
        found: usize,
        /// Commitments in the bundle.
        expected: usize,
    },
}

/// A transaction that waits for its signature.
#[derive(Debug)]
pub(crate) enum Unsigned {
    Blob(TxEip4844WithSidecar<BlobTransactionSidecar>),
    Plain(TxEip1559),
}

impl Unsigned {
    /// The hash that is signed.
    pub(crate) fn root(&self) -> SigningRoot {
        SigningRoot::new(match self {
            Self::Blob(transaction) => transaction.signature_hash(),
            Self::Plain(transaction) => transaction.signature_hash(),
        })
    }

    /// The transaction with its signature.
    pub(crate) fn signed(self, signature: &Signature, attempt: &RecordedAttempt) -> SignedTransaction {
        let [r, s] = [signature.r(), signature.s()].map(|half| U256::from_be_bytes(half.0));
        let signature = AlloySignature::new(r, s, signature.v() == 28);
        let (raw, hash) = match self {
            Self::Blob(transaction) => encode(transaction.into_signed(signature)),
            Self::Plain(transaction) => encode(transaction.into_signed(signature)),
        };
        SignedTransaction { raw, hash, publisher: attempt.request.publisher, nonce: attempt.request.nonce }
    }
}

fn encode<T: alloy::consensus::transaction::RlpEcdsaEncodableTx>(signed: Signed<T>) -> (Vec<u8>, B256) {
    let mut raw = Vec::with_capacity(signed.eip2718_encoded_length());
    signed.eip2718_encode(&mut raw);
    (raw, *signed.hash())
}

/// The chain and rollup that transactions are for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) chain_id: u64,
    pub(crate) rollup: Address,
}

/// `aggregate3([propose])` with the checkpoint's blobs.
pub(crate) fn of_bundle(
    bound: Bound,
    attempt: &RecordedAttempt,
    bundle: Option<&Arc<BundlePayload>>,
    parts: TransactionParts,
) -> Result<Unsigned, TransactionError> {
    let (AttemptContent::Bundle { duty }, Some(bundle)) = (attempt.request.content, bundle) else {
        return Err(TransactionError::Content { found: "a cancellation", expected: "a bundle" });
    };
    check_targets(bound, &parts)?;
    let slot = bundle.propose.header.slot;
    if slot != attempt.request.slot || slot != duty.slot {
        return Err(TransactionError::Slot { bundle: slot, attempt: attempt.request.slot });
    }
    let computed = DutyPayload::Bundle(bundle.as_ref().clone()).signing_root();
    if attempt.root != Some(computed) && !planted(Fault::OtherBundleSent) {
        return Err(TransactionError::Root { computed, recorded: attempt.root });
    }
    let signature = parts.attestations_and_signers_signature;
    let found = recover(&computed, &signature)?;
    if found != duty.attester {
        return Err(TransactionError::Signer { found, expected: duty.attester });
    }
    check_sidecar(&bundle.blob_input, &parts.sidecar)?;
    let input = encode_bundle_calldata(parts.rollup, bundle, &signature);
    Ok(blob_transaction(bound.chain_id, attempt, parts.multicall, input.into(), parts.sidecar))
}

/// Nothing sent to oneself; with a blob of zeros where the nonce held blobs, since pools replace a blob transaction only by one.
pub(crate) fn of_cancellation(bound: Bound, attempt: &RecordedAttempt) -> Result<Unsigned, TransactionError> {
    if !matches!(attempt.request.content, AttemptContent::Cancellation) {
        return Err(TransactionError::Content { found: "a bundle", expected: "a cancellation" });
    }
    let (request, fees) = (&attempt.request, &attempt.request.fees);
    if attempt.holds_blobs && !planted(Fault::CancellationWithoutBlob) {
        return Ok(blob_transaction(bound.chain_id, attempt, request.publisher, Bytes::new(), zero_sidecar()));
    }
    Ok(Unsigned::Plain(TxEip1559 {
        chain_id: bound.chain_id,
        nonce: request.nonce,
        gas_limit: request.gas_limit,
        max_fee_per_gas: fees.max_fee_per_gas,
        max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
        to: TxKind::Call(request.publisher),
        value: U256::ZERO,
        access_list: Default::default(),
        input: Bytes::new(),
    }))
}

fn blob_transaction(
    chain_id: u64,
    attempt: &RecordedAttempt,
    to: Address,
    input: Bytes,
    sidecar: BlobTransactionSidecar,
) -> Unsigned {
    let (request, fees) = (&attempt.request, &attempt.request.fees);
    let tx = TxEip4844 {
        chain_id,
        nonce: request.nonce,
        gas_limit: request.gas_limit,
        max_fee_per_gas: fees.max_fee_per_gas,
        max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
        to,
        value: U256::ZERO,
        access_list: Default::default(),
        blob_versioned_hashes: sidecar.versioned_hashes().collect(),
        max_fee_per_blob_gas: fees.max_fee_per_blob_gas,
        input,
    };
    Unsigned::Blob(TxEip4844WithSidecar { tx, sidecar })
}

fn check_targets(bound: Bound, parts: &TransactionParts) -> Result<(), TransactionError> {
    if parts.chain_id != bound.chain_id {
        return Err(TransactionError::Chain { found: parts.chain_id, expected: bound.chain_id });
    }
    for (contract, found, expected) in [("rollup", parts.rollup, bound.rollup), ("multicall", parts.multicall, MULTICALL3)] {
        if found != expected && !planted(Fault::AnyTarget) {
            return Err(TransactionError::Target { contract, found, expected });
        }
    }
    Ok(())
}

/// The sidecar's commitments are exactly those of the bundle, in order. Whether each blob is what its commitment says is
/// checked by the pool that takes the transaction.
fn check_sidecar(blob_input: &[u8], sidecar: &BlobTransactionSidecar) -> Result<(), TransactionError> {
    let expected = decode_blob_input(blob_input)?;
    let is_whole = sidecar.blobs.len() == expected.len() && sidecar.proofs.len() == expected.len();
    let given = sidecar.commitments.iter().map(|commitment| commitment.as_slice());
    if is_whole && given.eq(expected.iter().map(|commitment| commitment.as_bytes().as_slice())) {
        return Ok(());
    }
    Err(TransactionError::Sidecar { found: sidecar.blobs.len(), expected: expected.len() })
}

/// One blob of zeros. Its commitment and proof are the point at infinity, so no trusted setup is needed.
fn zero_sidecar() -> BlobTransactionSidecar {
    const { assert!(BYTES_PER_BLOB == 131_072) };
    let point = Bytes48::from(INFINITY);
    BlobTransactionSidecar { blobs: vec![Blob::ZERO], commitments: vec![point], proofs: vec![point] }
}

#[cfg(test)]
mod tests;
