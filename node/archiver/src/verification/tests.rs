//! Verification of checkpoints that were changed in one place each.

use alloy_primitives::Address;
use ollin_protocol::blob::{blobs_from_fields, blobs_hash};
use ollin_protocol::header::GasFees;

use super::*;

fn inputs() -> VerificationInputs {
    let parent = ChainState::genesis();
    let checkpoint_inputs = CheckpointInputs {
        chain_id: 31337,
        rollup_version: 7,
        checkpoint: CheckpointNumber::new(1),
        block: BlockNumber::new(1),
        slot: Slot::new(9),
        timestamp: 1_000,
        coinbase: Address::repeat_byte(3),
        fee_recipient: Fr::from_u64(4),
        gas_fees: GasFees { fee_per_da_gas: 0, fee_per_l2_gas: 10_200_000 },
        messages: Vec::new(),
        previous_out_hashes: vec![Fr::ZERO],
    };
    let built = parent.build_empty_checkpoint(&checkpoint_inputs).unwrap();
    VerificationInputs {
        checkpoint: checkpoint_inputs.checkpoint,
        block: checkpoint_inputs.block,
        chain_id: checkpoint_inputs.chain_id,
        rollup_version: checkpoint_inputs.rollup_version,
        slot_start: checkpoint_inputs.timestamp,
        args: ProposeArgs { archive: built.archive.root, fee_asset_price_modifier: 0, header: built.header },
        versioned_blob_hashes: built.commitments.iter().map(|commitment| commitment.versioned_hash()).collect(),
        blobs: built.blobs,
        parent,
        messages: checkpoint_inputs.messages,
        previous_out_hashes: checkpoint_inputs.previous_out_hashes,
    }
}

fn mismatch(inputs: &VerificationInputs) -> &'static str {
    match verify_checkpoint(inputs) {
        Err(Fault::Mismatch { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_checkpoint_that_its_inputs_give_is_verified() {
    let inputs = inputs();
    let built = verify_checkpoint(&inputs).unwrap();
    assert_eq!(built.header, inputs.args.header);
    assert_eq!(built.archive.root, inputs.args.archive);
}

#[test]
fn every_changed_value_is_named() {
    let one = Fr::from_u64(1);
    let changed = |change: fn(&mut VerificationInputs)| {
        let mut inputs = inputs();
        change(&mut inputs);
        inputs
    };
    assert_eq!(mismatch(&changed(|inputs| inputs.args.archive = Fr::from_u64(1))), "the archive after it");
    assert_eq!(mismatch(&changed(|inputs| inputs.args.header.last_archive_root = Fr::ZERO)), "the archive before it");
    assert_eq!(mismatch(&changed(|inputs| inputs.args.header.block_headers_hash = Fr::ZERO)), "the hash of its block headers");
    assert_eq!(mismatch(&changed(|inputs| inputs.args.header.blobs_hash = Fr::ZERO)), "the hash of its blobs");
    assert_eq!(mismatch(&changed(|inputs| inputs.args.header.in_hash = Fr::ZERO)), "the hash of its messages");
    assert_eq!(mismatch(&changed(|inputs| inputs.args.header.epoch_out_hash = Fr::ZERO)), "the epoch's out hash");
    assert_eq!(mismatch(&changed(|inputs| inputs.args.header.timestamp = 1_001)), "its timestamp");
    assert_eq!(mismatch(&changed(|inputs| inputs.args.header.total_mana_used = Fr::from_u64(1))), "its mana");
    // These enter the block's header: the hashes that cover it differ.
    let covering = "the hash of its block headers";
    assert_eq!(mismatch(&changed(|inputs| inputs.args.header.coinbase = Address::ZERO)), covering);
    assert_eq!(mismatch(&changed(|inputs| inputs.args.header.fee_recipient = Fr::ZERO)), covering);
    assert_eq!(mismatch(&changed(|inputs| inputs.args.header.gas_fees.fee_per_l2_gas += 1)), covering);
    assert_eq!(mismatch(&changed(|inputs| inputs.chain_id = 1)), covering);
    // What the inbox has decides, not the header.
    assert_eq!(mismatch(&VerificationInputs { messages: vec![one], ..inputs() }), "the hash of its messages");
}

#[test]
fn blobs_of_another_block_are_a_mismatch_and_noise_does_not_decode() {
    let inputs = inputs();
    let other = inputs.parent.build_empty_checkpoint(&CheckpointInputs {
        chain_id: 31337,
        rollup_version: 7,
        checkpoint: CheckpointNumber::new(1),
        block: BlockNumber::new(1),
        slot: Slot::new(9),
        timestamp: 1_001,
        coinbase: Address::ZERO,
        fee_recipient: Fr::ZERO,
        gas_fees: GasFees::default(),
        messages: Vec::new(),
        previous_out_hashes: Vec::new(),
    });
    let hashes: Vec<B256> = other.unwrap().commitments.iter().map(|commitment| commitment.versioned_hash()).collect();
    let mut header = inputs.args.header;
    header.blobs_hash = blobs_hash(&hashes);
    let swapped =
        VerificationInputs { versioned_blob_hashes: hashes, args: ProposeArgs { header, ..inputs.args }, ..inputs.clone() };
    assert_eq!(mismatch(&swapped), "its blobs");
    let noise = blobs_from_fields(&[Fr::from_u64(7)]).unwrap();
    assert!(matches!(verify_checkpoint(&VerificationInputs { blobs: noise, ..inputs.clone() }), Err(Fault::Blobs { .. })));
    assert!(matches!(verify_checkpoint(&VerificationInputs { blobs: Vec::new(), ..inputs }), Err(Fault::Blobs { .. })));
}

#[test]
fn a_checkpoint_that_does_not_follow_our_state_cannot_be_executed() {
    let later = VerificationInputs { checkpoint: CheckpointNumber::new(2), ..inputs() };
    assert!(matches!(verify_checkpoint(&later), Err(Fault::Execution { .. })));
}
