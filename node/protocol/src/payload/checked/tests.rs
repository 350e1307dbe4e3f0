use alloy_primitives::{Address, B256};
use proptest::prelude::*;

use super::*;
use crate::attestations::CommitteeAttestations;
use crate::field::Fr;
use crate::header::{BlockHeader, CheckpointHeader};
use crate::payload::{AttestationPayload, CheckpointPayload};
use crate::propose::ProposeArgs;
use crate::signature::Signature;
use crate::units::{BlockIndex, BlockNumber, CheckpointNumber};
use crate::vote::{GovernanceSignal, SlashingVote};

fn block(tx_hashes: Vec<Fr>) -> BlockPayload {
    BlockPayload {
        header: BlockHeader::default(),
        index: BlockIndex::new(1),
        in_hash: Fr::from_u64(1),
        archive: Fr::from_u64(2),
        tx_hashes,
        is_last: false,
        checkpoint: CheckpointNumber::new(3),
        start: None,
    }
}

fn checkpoint(fee_asset_price_modifier: i64) -> DutyPayload {
    DutyPayload::Checkpoint(CheckpointPayload {
        header: CheckpointHeader::default(),
        archive: Fr::from_u64(2),
        fee_asset_price_modifier,
        block_count: 1,
        last_block: block(Vec::new()),
        checkpoint: CheckpointNumber::new(3),
    })
}

fn bundle() -> BundlePayload {
    BundlePayload {
        attestations: CommitteeAttestations { signature_indices: vec![0x80], signatures_or_addresses: vec![7; 65] },
        signers: vec![Address::repeat_byte(1)],
        propose: ProposeArgs::default(),
        blob_input: [vec![1], vec![9; 48]].concat(),
        checkpoint: CheckpointNumber::new(3),
    }
}

fn signal(slot: u64) -> GovernanceSignal {
    let (payload, instance) = (Address::repeat_byte(3), Address::repeat_byte(4));
    GovernanceSignal { chain_id: 1, verifying_contract: Address::repeat_byte(2), payload, slot: Slot::new(slot), instance }
}

fn vote(slot: u64, bytes: usize) -> SlashingVote {
    SlashingVote { chain_id: 1, verifying_contract: Address::repeat_byte(2), votes: vec![0b11; bytes], slot: Slot::new(slot) }
}

/// One payload of each kind.
pub(crate) fn samples() -> Vec<DutyPayload> {
    vec![
        DutyPayload::Block(block(vec![Fr::from_u64(5); 3])),
        checkpoint(-100),
        DutyPayload::Attestation(AttestationPayload {
            header: CheckpointHeader::default(),
            archive: Fr::from_u64(2),
            fee_asset_price_modifier: 100,
            proposer_signature: Signature::new(B256::repeat_byte(1), B256::repeat_byte(2), 27).unwrap(),
        }),
        DutyPayload::Bundle(bundle()),
        DutyPayload::GovernanceVote(signal(9)),
        DutyPayload::SlashingVote(vote(9, MAX_VOTE_BYTES)),
    ]
}

#[test]
fn every_payload_reads_back_and_no_cut_or_extended_one_does() {
    for payload in samples() {
        let stored = payload.encode();
        assert_eq!(DutyPayload::decode(&stored).unwrap(), payload);
        for cut in 0..stored.len() {
            assert!(DutyPayload::decode(&stored[..cut]).is_err());
        }
        assert!(matches!(DutyPayload::decode(&[stored, vec![0]].concat()), Err(PayloadError::NotCanonical)));
    }
}

#[test]
fn another_version_is_refused() {
    let mut stored = checkpoint(0).encode();
    stored[0] = 2;
    assert!(matches!(DutyPayload::decode(&stored), Err(PayloadError::Version { found: 2 })));
    assert!(matches!(DutyPayload::decode(&[]), Err(PayloadError::Empty)));
    assert!(matches!(DutyPayload::decode(&vec![1; MAX_PAYLOAD_BYTES + 1]), Err(PayloadError::TooLong { .. })));
}

#[test]
fn a_modifier_past_one_per_cent_is_refused() {
    for modifier in [-101, 101, i64::MIN, i64::MAX] {
        assert!(
            matches!(DutyPayload::decode(&checkpoint(modifier).encode()), Err(PayloadError::Modifier(found)) if found == modifier)
        );
    }
}

#[test]
fn a_longer_form_of_a_number_is_refused() {
    // The number of transaction hashes (0) and what follows it, at the end of a block without a start.
    let stored = DutyPayload::Block(block(Vec::new())).encode();
    let tail = stored.len() - 4;
    assert_eq!(stored[tail..], [0, 0, 3, 0], "count, is_last, checkpoint, no start");
    let longer = [&stored[..tail], &[0x80, 0x00, 0, 3, 0]].concat();
    assert!(matches!(DutyPayload::decode(&longer), Err(PayloadError::NotCanonical)));
}

#[test]
fn numbers_without_a_wire_form_are_refused() {
    let mut wide = block(Vec::new());
    wide.header.global_variables.block_number = BlockNumber::new(1 << 32);
    assert!(matches!(DutyPayload::Block(wide).check(), Err(PayloadError::Header(_))));
    let mut far = block(Vec::new());
    far.index = BlockIndex::new(1 << 32);
    assert!(matches!(DutyPayload::Block(far).check(), Err(PayloadError::TooLarge { what: "block index", .. })));
    let mut late = bundle();
    late.propose.header.slot = Slot::new(1 << 32);
    assert!(matches!(DutyPayload::Bundle(late).check(), Err(PayloadError::TooLarge { what: "slot", .. })));
}

#[test]
fn only_the_first_block_says_what_its_checkpoint_was_begun_on() {
    let mut first = block(Vec::new());
    first.index = BlockIndex::new(0);
    assert!(matches!(DutyPayload::Block(first).check(), Err(PayloadError::StartMissing)));
}

#[test]
fn a_bundle_with_a_cut_blob_input_or_too_many_signers_is_refused() {
    let mut cut = bundle();
    cut.blob_input.pop();
    assert!(matches!(DutyPayload::decode(&DutyPayload::Bundle(cut).encode()), Err(PayloadError::BlobInput(_))));
    let mut crowd = bundle();
    crowd.signers = vec![Address::ZERO; MAX_SIGNERS + 1];
    assert!(matches!(
        DutyPayload::decode(&DutyPayload::Bundle(crowd).encode()),
        Err(PayloadError::TooMany { what: "signers", .. })
    ));
}

#[test]
fn too_many_transactions_are_refused() {
    let full = DutyPayload::Block(block(vec![Fr::ZERO; MAX_TX_HASHES]));
    assert!(full.encode().len() < MAX_PAYLOAD_BYTES && full.check().is_ok());
    assert!(DutyPayload::Block(block(vec![Fr::ZERO; MAX_TX_HASHES + 1])).check().is_err());
}

proptest! {
    #[test]
    fn what_is_decoded_is_written_back_byte_for_byte(which in 0usize..4, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut stored = samples()[which].encode();
        let place = at.index(stored.len());
        stored[place] = byte;
        if let Ok(payload) = DutyPayload::decode(&stored) {
            prop_assert_eq!(payload.encode(), stored);
        }
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = DutyPayload::decode(&[vec![PAYLOAD_VERSION], noise].concat());
    }
}
