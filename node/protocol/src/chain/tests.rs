use super::*;

fn inputs(state: &ChainState, checkpoint: u64) -> CheckpointInputs {
    CheckpointInputs {
        chain_id: 31337,
        rollup_version: 7,
        checkpoint: CheckpointNumber::new(checkpoint),
        block: state.next_block(),
        slot: Slot::new(40 + checkpoint),
        timestamp: 1000 + checkpoint * 72,
        coinbase: Address::repeat_byte(1),
        fee_recipient: Fr::from_u64(2),
        gas_fees: GasFees { fee_per_da_gas: 0, fee_per_l2_gas: 3 },
        messages: Vec::new(),
        previous_out_hashes: Vec::new(),
    }
}

#[test]
fn checkpoints_chain_by_their_archives() {
    let mut state = ChainState::genesis();
    for checkpoint in 1..=3 {
        let built = state.build_empty_checkpoint(&inputs(&state, checkpoint)).unwrap();
        assert_eq!(built.header.last_archive_root, state.archive().root);
        assert_eq!(u64::from(built.archive.next_available_leaf_index), checkpoint + 1);
        assert_eq!(u64::from(built.state.messages().next_available_leaf_index), checkpoint * 1024);
        state = built.state;
    }
}

#[test]
fn one_message_too_many_and_a_full_epoch_are_refused() {
    let state = ChainState::genesis();
    let crowded = CheckpointInputs { messages: vec![Fr::ZERO; 1025], ..inputs(&state, 1) };
    assert!(matches!(state.build_empty_checkpoint(&crowded), Err(ChainError::Tree(TreeError::Full { count: 1025, .. }))));
    let late = CheckpointInputs { previous_out_hashes: vec![Fr::ZERO; 32], ..inputs(&state, 1) };
    assert!(matches!(state.build_empty_checkpoint(&late), Err(ChainError::Leaves(_))));
}

#[test]
fn a_slot_without_a_wire_form_is_refused() {
    let state = ChainState::genesis();
    let far = CheckpointInputs { slot: Slot::new(1 << 32), ..inputs(&state, 1) };
    assert!(matches!(state.build_empty_checkpoint(&far), Err(ChainError::Header(_))));
}

#[test]
fn the_order_of_checkpoints_is_kept() {
    let state = ChainState::genesis();
    assert!(matches!(state.build_empty_checkpoint(&inputs(&state, 2)), Err(ChainError::Order { checkpoints: 0, .. })));
    let skipped = CheckpointInputs { block: BlockNumber::new(2), ..inputs(&state, 1) };
    assert!(matches!(state.build_empty_checkpoint(&skipped), Err(ChainError::Order { blocks: 0, .. })));
}
