//! A proposer for tests: builds, signs and publishes one checkpoint, right or wrong, with keys that everybody knows.

use std::time::Duration;

use alloy::consensus::{BlobTransactionSidecar, EnvKzgSettings};
use alloy::eips::Encodable2718;
use alloy::eips::eip4844::Blob as WireBlob;
use alloy::network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder, TransactionBuilder4844};
use alloy::primitives::{Address, keccak256};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use ollin_archiver::ArchiverHandle;
use ollin_dev_l1::{Account, DevL1};
use ollin_l1::{L1, L1Config, L1Head, Receipt};
use ollin_protocol::attestations::{CommitteeAttestations, CommitteeEntry, attestations_and_signers_message};
use ollin_protocol::blob::{self, BlobCommitment, TxEffect};
use ollin_protocol::chain::{CheckpointInputs, EmptyCheckpoint};
use ollin_protocol::field::Fr;
use ollin_protocol::header::GasFees;
use ollin_protocol::multicall::{BundledCall, encode_aggregate3};
use ollin_protocol::propose::{ProposeArgs, ProposeCall};
use ollin_protocol::signature::{RawSignature, Signature, eip191};
use ollin_protocol::units::{SigningRoot, Slot};

/// In what way a checkpoint is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As the protocol asks.
    Honest,
    /// Calling the rollup itself.
    Direct,
    /// With a transaction in its blobs.
    WithTransaction,
    /// With a hash of block headers that is not theirs. L1 cannot see that.
    WrongHeaders,
    /// With only the proposer's attestation. L1 takes that.
    OneAttestation,
    /// With a fee that L1 refuses.
    WrongFee,
}

/// A published checkpoint.
pub(crate) struct Published {
    pub(crate) built: EmptyCheckpoint,
    pub(crate) slot: Slot,
    pub(crate) receipt: Receipt,
}

/// Publishes checkpoints for every attester of a development L1.
pub(crate) struct Proposer<'a> {
    pub(crate) l1: &'a L1,
    pub(crate) dev: &'a DevL1,
    pub(crate) archiver: ArchiverHandle,
}

pub(crate) fn l1_config(dev: &DevL1) -> L1Config {
    let info = dev.info();
    L1Config {
        rpc_urls: vec![info.rpc_url.clone()],
        consensus_urls: Vec::new(),
        blob_file_store_urls: vec![info.blob_url.clone()],
        registry: info.registry,
        rollup_version: None,
        expected_chain_id: Some(info.chain_id),
        ethereum_slot_duration: info.ethereum_slot_duration,
        // anvil loads the trusted setup when the first blob arrives.
        request_timeout: Duration::from_secs(20),
    }
}

/// Waits until `condition` gives something.
pub(crate) async fn until<T>(what: &str, limit: Duration, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited {limit:?} for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Proposer<'_> {
    /// The bundle for the next slot that has just begun, and what it holds.
    pub(crate) async fn bundle(&self, manner: Manner) -> (Vec<u8>, Vec<blob::Blob>, EmptyCheckpoint, Slot) {
        let (slot, head) = self.fresh_slot().await;
        let committee = self.l1.committee(slot).await.unwrap();
        let proposer = self.l1.proposer(slot).await.unwrap().expect("a committee");
        assert!(committee.contains(&proposer));
        let built = self.build(slot, &head, proposer).await;
        let (mut header, mut blobs, mut commitments) = (built.header, built.blobs.clone(), built.commitments.clone());
        match manner {
            Manner::WithTransaction => {
                (blobs, commitments) = blobs_with_transaction(&built);
                let hashes: Vec<_> = commitments.iter().map(BlobCommitment::versioned_hash).collect();
                header.blobs_hash = blob::blobs_hash(&hashes);
            }
            Manner::WrongHeaders => header.block_headers_hash = Fr::from_u64(7),
            Manner::WrongFee => header.gas_fees.fee_per_l2_gas += 1,
            Manner::Honest | Manner::Direct | Manner::OneAttestation => {}
        }
        let args = ProposeArgs { archive: built.archive.root, fee_asset_price_modifier: 0, header };
        let call = self.sign(manner, args, &committee, proposer, blob::encode_blob_input(&commitments).unwrap());
        let calldata = if manner == Manner::Direct {
            call.encode()
        } else {
            let target = self.l1.contracts().rollup;
            encode_aggregate3(&[BundledCall { target, allow_failure: true, calldata: call.encode() }])
        };
        (calldata, blobs, built, slot)
    }

    /// Publishes a checkpoint and waits until it is mined. Machines that run tests are slow at times: a missed slot is followed by
    /// the next one.
    pub(crate) async fn publish(&self, manner: Manner) -> Published {
        for _ in 0..3 {
            let (calldata, blobs, built, slot) = self.bundle(manner).await;
            let publisher = self.dev.info().publisher_keys.first().unwrap();
            if manner != Manner::Direct {
                let timestamp = self.l1.schedule().slot_start(slot);
                let simulated = self.l1.simulate_bundle(publisher.address, &calldata, timestamp).await.unwrap();
                assert!((200_000..1_000_000).contains(&simulated.gas), "{simulated:?}");
            }
            let contracts = self.l1.contracts();
            let to = if manner == Manner::Direct { contracts.rollup } else { contracts.multicall };
            let raw = self.transaction(publisher, to, calldata, &blobs).await;
            let hash = self.l1.send_raw(&raw).await.unwrap();
            let receipt = until("the receipt", Duration::from_secs(10), async || self.l1.receipt(hash).await.unwrap()).await;
            let mined = self.l1.block_at(receipt.block).await.unwrap().unwrap();
            if receipt.checkpoint_proposed {
                return Published { built, slot, receipt };
            }
            assert_ne!(self.l1.schedule().slot_at(mined.timestamp), Some(slot), "not taken in its slot: {receipt:?}");
        }
        panic!("three slots missed");
    }

    /// A slot that has begun less than two seconds ago and has no checkpoint yet.
    async fn fresh_slot(&self) -> (Slot, L1Head) {
        let schedule = self.l1.schedule();
        until("a fresh slot", Duration::from_secs(40), async || {
            let head = self.l1.head().await.unwrap();
            let slot = schedule.slot_at(head.timestamp)?;
            let view = self.archiver.view().borrow().clone();
            let is_free = view.tip.slot.is_none_or(|tip| tip < slot) && view.synced_at.is_some_and(|at| at.hash == head.hash);
            (is_free && head.timestamp < schedule.slot_start(slot) + 2).then_some((slot, head))
        })
        .await
    }

    async fn build(&self, slot: Slot, head: &L1Head, proposer: Address) -> EmptyCheckpoint {
        let schedule = self.l1.schedule();
        let view = self.archiver.view().borrow().clone();
        let checkpoint = view.tip.checkpoint.next().unwrap();
        let next = head.timestamp + 1;
        let proposable = self.l1.can_propose(next, view.tip.archive_root(), proposer).await.unwrap();
        assert_eq!((proposable.slot, proposable.checkpoint), (slot, checkpoint));
        let constants = self.l1.constants();
        let inputs = CheckpointInputs {
            chain_id: constants.chain_id,
            rollup_version: constants.rollup_version,
            checkpoint,
            block: view.tip.block.next().unwrap(),
            slot,
            timestamp: schedule.slot_start(slot),
            coinbase: proposer,
            fee_recipient: Fr::from_u64(5),
            gas_fees: GasFees { fee_per_da_gas: 0, fee_per_l2_gas: self.l1.mana_min_fee(next).await.unwrap() },
            messages: self.archiver.messages(checkpoint).unwrap().expect("a sealed tree"),
            previous_out_hashes: view.tip.previous_out_hashes(schedule.epoch_of(slot)),
        };
        view.tip.chain.build_empty_checkpoint(&inputs).unwrap()
    }

    fn sign(
        &self,
        manner: Manner,
        args: ProposeArgs,
        committee: &[Address],
        proposer: Address,
        blob_input: Vec<u8>,
    ) -> ProposeCall {
        let root = args.attestation_root();
        let entry = |member: &Address| {
            if manner == Manner::OneAttestation && *member != proposer {
                CommitteeEntry::Unsigned(*member)
            } else {
                CommitteeEntry::Signed(self.signature(*member, &root))
            }
        };
        let entries: Vec<_> = committee.iter().map(entry).collect();
        let signers: Vec<_> = committee
            .iter()
            .zip(&entries)
            .filter(|(_, entry)| matches!(entry, CommitteeEntry::Signed(_)))
            .map(|(member, _)| *member)
            .collect();
        let attestations = CommitteeAttestations::pack(&entries);
        let message = attestations_and_signers_message(&attestations, &signers);
        let signature = self.signature(proposer, &eip191(keccak256(message)));
        let signature = RawSignature::from_packed65(&signature.to_packed65());
        ProposeCall { args, attestations, signers, signature, blob_input }
    }

    fn signature(&self, attester: Address, root: &SigningRoot) -> Signature {
        let account = self.dev.info().validators.iter().find(|account| account.address == attester).expect("one of ours");
        let signature = signer(account).sign_hash_sync(root.get()).unwrap();
        Signature::new(signature.r().into(), signature.s().into(), if signature.v() { 28 } else { 27 }).unwrap()
    }

    async fn transaction(&self, publisher: &Account, to: Address, calldata: Vec<u8>, blobs: &[blob::Blob]) -> Vec<u8> {
        let wire = blobs.iter().map(|blob| WireBlob::from_slice(blob.as_bytes())).collect();
        let sidecar = BlobTransactionSidecar::try_from_blobs_with_settings(wire, EnvKzgSettings::Default.get()).unwrap();
        let market = self.l1.market_fees().await.unwrap();
        let mut request = TransactionRequest::default()
            .with_chain_id(self.l1.constants().chain_id)
            .with_nonce(self.l1.transaction_count(publisher.address).await.unwrap())
            .with_from(publisher.address)
            .with_to(to)
            .with_input(calldata)
            .with_gas_limit(2_000_000)
            .with_max_priority_fee_per_gas(market.priority_fee_wei)
            .with_max_fee_per_gas(market.base_fee_wei * 2 + market.priority_fee_wei);
        request.set_max_fee_per_blob_gas(market.blob_base_fee_wei * 2);
        request.set_blob_sidecar(sidecar.into());
        request.build(&EthereumWallet::from(signer(publisher))).await.unwrap().encoded_2718()
    }
}

fn signer(account: &Account) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&account.private_key).unwrap()
}

/// The blobs of a checkpoint with a transaction before the block's end.
fn blobs_with_transaction(built: &EmptyCheckpoint) -> (Vec<blob::Blob>, Vec<BlobCommitment>) {
    let decoded = blob::decode_checkpoint(&built.blob_fields).unwrap();
    let mut block = decoded.blocks.into_iter().next().unwrap();
    let effect = TxEffect { tx_hash: Fr::from_u64(1), nullifiers: vec![Fr::from_u64(2)], ..TxEffect::default() };
    block.transactions = vec![effect.to_fields().unwrap()];
    block.end.marker.num_txs = 1;
    let fields = blob::checkpoint_fields(block.to_fields().unwrap()).unwrap();
    let blobs = blob::blobs_from_fields(&fields).unwrap();
    let commitments = blobs.iter().map(|blob| blob.commitment().unwrap()).collect();
    (blobs, commitments)
}
