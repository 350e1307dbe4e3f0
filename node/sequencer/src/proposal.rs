//! The checkpoint of a slot: built from L1's inputs, or re-executed from a claimed payload.

use alloy_primitives::{Address, B256};
use ollin_consensus::{BoundDuty, Fault, planted};
use ollin_protocol::blob;
use ollin_protocol::chain::{ChainError, ChainState, CheckpointInputs, EmptyCheckpoint};
use ollin_protocol::field::Fr;
use ollin_protocol::header::GasFees;
use ollin_protocol::payload::{BlockPayload, CheckpointPayload, CheckpointStart, DutyPayload};
use ollin_protocol::units::{BlockIndex, BlockNumber, CheckpointNumber, L1BlockNumber, Slot};

/// What L1 dictates for the checkpoint of a slot, as read at one L1 block.
#[derive(Clone, Debug)]
pub struct L1Inputs {
    /// The L1 block at which everything here was read.
    pub l1_block: L1BlockNumber,
    /// Its hash.
    pub l1_block_hash: B256,
    /// L1 chain id.
    pub chain_id: u64,
    /// The rollup's version.
    pub rollup_version: u64,
    /// The state after the tip on L1.
    pub parent: ChainState,
    /// Number of the checkpoint to build: the tip's, plus one.
    pub checkpoint: CheckpointNumber,
    /// Number of the block to build.
    pub block: BlockNumber,
    /// The slot's start, seconds.
    pub timestamp: u64,
    /// The mana min fee at that time, in fee asset per mana.
    pub fee_per_l2_gas: u128,
    /// L1-to-L2 messages of this checkpoint, in order, unpadded.
    pub messages: Vec<Fr>,
    /// Out hashes of the earlier checkpoints of the epoch.
    pub previous_out_hashes: Vec<Fr>,
}

/// An executed checkpoint with its blob commitments in the form of L1's `propose` argument.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The checkpoint, with the slot's only, hence last, block in it. Both are claimed in one entry.
    pub checkpoint: CheckpointPayload,
    /// One byte with the number of blobs, then 48 bytes of commitment each.
    pub blob_input: Vec<u8>,
}

/// Why a claimed proposal is not sent (rule R16: a grant permits, it does not oblige).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AbandonReason {
    /// L1's tip is not the parent it was built on.
    #[error("the parent changed on L1: built on archive {claimed}, the tip's is {found}")]
    ParentChanged {
        /// Archive root in the claimed block.
        claimed: Fr,
        /// Archive root of the tip.
        found: Fr,
    },
    /// Another number of checkpoint is due.
    #[error("checkpoint {claimed} was claimed and L1 is due for {due}")]
    NumberChanged {
        /// The claimed one.
        claimed: CheckpointNumber,
        /// The one L1 would take.
        due: CheckpointNumber,
    },
    /// L1 asks for another fee than the claimed one.
    #[error("the mana min fee changed on L1: claimed {claimed}, now {found}")]
    FeeChanged {
        /// In the claimed header.
        claimed: u128,
        /// On L1 for the slot.
        found: u128,
    },
    /// The inbox gives other messages.
    #[error("the inbox changed on L1: claimed in-hash {claimed}, now {found}")]
    InboxChanged {
        /// In the claimed header.
        claimed: Fr,
        /// Of the messages on L1.
        found: Fr,
    },
    /// Re-execution gave another header, with equal inputs: never send it.
    #[error("re-execution gives header {found}, the claimed one is {claimed}")]
    HeaderDiffers {
        /// Hash of the claimed checkpoint header.
        claimed: Fr,
        /// Hash of the one computed here.
        found: Fr,
    },
    /// The claimed block holds transactions.
    #[error("the claimed block holds {count} transactions and this version executes none")]
    HasTransactions {
        /// How many.
        count: usize,
    },
    /// The state cannot be extended.
    #[error("the checkpoint cannot be executed: {0}")]
    Execution(String),
}

/// Why no proposal was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The state cannot be extended.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The blobs cannot be made.
    #[error(transparent)]
    Blob(#[from] blob::BlobError),
}

/// What a slot goes on with (rule R14).
#[derive(Debug, PartialEq)]
pub(crate) enum Origin {
    /// What the log binds, whoever claimed it; `None` if its payload was dropped: then the slot is over.
    Bound(Option<CheckpointPayload>),
    /// What this process asked for without hearing an answer: no other root may follow it.
    Draft(Proposal),
    /// Nothing was asked for yet.
    New,
}

/// What the log binds comes before what this process has drafted, and that before anything new.
pub(crate) fn origin(slot: Slot, bound: Option<BoundDuty>, draft: Option<&(Slot, Proposal)>) -> Origin {
    if let Some(bound) = bound
        && !planted(Fault::ConflictWithoutAdoption)
    {
        return Origin::Bound(match bound.payload {
            Some(DutyPayload::Checkpoint(claimed)) => Some(claimed),
            Some(_) | None => None,
        });
    }
    match draft {
        Some((drafted, proposal)) if *drafted == slot && !planted(Fault::DraftForgotten) => Origin::Draft(proposal.clone()),
        Some(_) | None => Origin::New,
    }
}

/// Builds the empty checkpoint of `slot` for a proposer.
///
/// # Errors
/// [`BuildError`] if the state cannot take it (a full tree, too many messages) or no blob can carry it.
pub fn build(slot: Slot, coinbase: Address, fee_recipient: Fr, inputs: &L1Inputs) -> Result<Proposal, BuildError> {
    let gas_fees = GasFees { fee_per_da_gas: 0, fee_per_l2_gas: inputs.fee_per_l2_gas };
    let built = execute(slot, coinbase, fee_recipient, gas_fees, inputs)?;
    let start = CheckpointStart {
        parent_archive: inputs.parent.archive().root,
        l1_block: inputs.l1_block,
        l1_block_hash: inputs.l1_block_hash,
        coinbase,
        fee_recipient,
        gas_fees,
        timestamp: inputs.timestamp,
    };
    let block = BlockPayload {
        header: built.block_header,
        index: BlockIndex::new(0),
        in_hash: built.header.in_hash,
        archive: built.archive.root,
        tx_hashes: Vec::new(),
        is_last: true,
        checkpoint: inputs.checkpoint,
        start: Some(start),
    };
    let checkpoint = CheckpointPayload {
        header: built.header,
        archive: built.archive.root,
        fee_asset_price_modifier: 0,
        block_count: 1,
        last_block: block,
        checkpoint: inputs.checkpoint,
    };
    Ok(Proposal { checkpoint, blob_input: blob::encode_blob_input(&built.commitments)? })
}

/// Executes a claimed checkpoint again on what L1 says now; `Ok` means that every byte is as claimed.
///
/// Coinbase and fee recipient are the claimed ones: they are the proposer's choice and not L1's.
///
/// # Errors
/// [`AbandonReason`], in the order in which L1 would refuse.
pub fn reexecute(claimed: CheckpointPayload, inputs: &L1Inputs) -> Result<Proposal, AbandonReason> {
    if planted(Fault::ResumeWithoutReexecution) {
        return Ok(Proposal { checkpoint: claimed, blob_input: Vec::new() });
    }
    let header = claimed.header;
    let transactions = claimed.last_block.tx_hashes.len();
    if transactions > 0 || claimed.block_count != 1 {
        return Err(AbandonReason::HasTransactions { count: transactions });
    }
    let parent = inputs.parent.archive().root;
    if header.last_archive_root != parent {
        return Err(AbandonReason::ParentChanged { claimed: header.last_archive_root, found: parent });
    }
    if claimed.checkpoint != inputs.checkpoint {
        return Err(AbandonReason::NumberChanged { claimed: claimed.checkpoint, due: inputs.checkpoint });
    }
    if header.gas_fees.fee_per_l2_gas != inputs.fee_per_l2_gas {
        return Err(AbandonReason::FeeChanged { claimed: header.gas_fees.fee_per_l2_gas, found: inputs.fee_per_l2_gas });
    }
    let built = execute(header.slot, header.coinbase, header.fee_recipient, header.gas_fees, inputs)
        .map_err(|error| AbandonReason::Execution(error.to_string()))?;
    if built.header.in_hash != header.in_hash {
        return Err(AbandonReason::InboxChanged { claimed: header.in_hash, found: built.header.in_hash });
    }
    let same_block = built.block_header == claimed.last_block.header && built.archive.root == claimed.last_block.archive;
    if built.header != claimed.header || built.archive.root != claimed.archive || !same_block {
        return Err(AbandonReason::HeaderDiffers { claimed: header.hash(), found: built.header.hash() });
    }
    let blob_input = blob::encode_blob_input(&built.commitments).map_err(|error| AbandonReason::Execution(error.to_string()))?;
    Ok(Proposal { checkpoint: claimed, blob_input })
}

fn execute(
    slot: Slot,
    coinbase: Address,
    fee_recipient: Fr,
    gas_fees: GasFees,
    inputs: &L1Inputs,
) -> Result<EmptyCheckpoint, ChainError> {
    inputs.parent.build_empty_checkpoint(&CheckpointInputs {
        chain_id: inputs.chain_id,
        rollup_version: inputs.rollup_version,
        checkpoint: inputs.checkpoint,
        block: inputs.block,
        slot,
        timestamp: inputs.timestamp,
        coinbase,
        fee_recipient,
        gas_fees,
        messages: inputs.messages.clone(),
        previous_out_hashes: inputs.previous_out_hashes.clone(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn inputs() -> L1Inputs {
        L1Inputs {
            l1_block: L1BlockNumber::new(100),
            l1_block_hash: B256::repeat_byte(7),
            chain_id: 31337,
            rollup_version: 1,
            parent: ChainState::genesis(),
            checkpoint: CheckpointNumber::new(1),
            block: BlockNumber::new(1),
            timestamp: 1_795_343_695,
            fee_per_l2_gas: 10_200_000,
            messages: Vec::new(),
            previous_out_hashes: Vec::new(),
        }
    }

    pub(crate) fn claimed() -> CheckpointPayload {
        build(Slot::new(9), Address::repeat_byte(1), Fr::from_u64(5), &inputs()).unwrap().checkpoint
    }

    #[test]
    fn what_was_built_is_re_executed_to_the_same_bytes() {
        assert_eq!(reexecute(claimed(), &inputs()).map(|again| again.checkpoint), Ok(claimed()));
    }

    #[test]
    fn what_is_bound_is_adopted_and_what_may_be_bound_is_asked_for_again() {
        let (slot, other) = (Slot::new(9), Slot::new(8));
        let draft = build(slot, Address::repeat_byte(2), Fr::from_u64(6), &inputs()).unwrap();
        assert_ne!(draft.checkpoint, claimed(), "two proposals, each with a root of its own");
        let root = DutyPayload::Checkpoint(claimed()).signing_root();
        let bound = BoundDuty { root, payload: Some(DutyPayload::Checkpoint(claimed())) };
        let drafted = (slot, draft.clone());
        let adopted = origin(slot, Some(bound), Some(&drafted));
        assert_eq!(adopted, Origin::Bound(Some(claimed())), "the log binds another's payload: it is adopted");
        let dropped = BoundDuty { root, payload: None };
        assert_eq!(origin(slot, Some(dropped), Some(&drafted)), Origin::Bound(None), "and never replaced");
        let again = origin(slot, None, Some(&drafted));
        assert_eq!(again, Origin::Draft(draft.clone()), "its claim may have committed: the same root again");
        assert_eq!(origin(slot, None, Some(&(other, draft))), Origin::New, "another slot's draft is none");
        assert_eq!(origin(slot, None, None), Origin::New);
    }

    #[test]
    fn a_changed_fee_gives_the_slot_up() {
        let changed = L1Inputs { fee_per_l2_gas: 11, ..inputs() };
        assert_eq!(reexecute(claimed(), &changed), Err(AbandonReason::FeeChanged { claimed: 10_200_000, found: 11 }));
    }

    #[test]
    fn a_changed_inbox_gives_the_slot_up() {
        let changed = L1Inputs { messages: vec![Fr::from_u64(3)], ..inputs() };
        assert!(matches!(reexecute(claimed(), &changed), Err(AbandonReason::InboxChanged { .. })));
    }

    #[test]
    fn a_changed_parent_gives_the_slot_up() {
        let parent = ChainState::genesis()
            .build_empty_checkpoint(&CheckpointInputs {
                chain_id: 31337,
                rollup_version: 1,
                checkpoint: CheckpointNumber::new(1),
                block: BlockNumber::new(1),
                slot: Slot::new(8),
                timestamp: 1,
                coinbase: Address::ZERO,
                fee_recipient: Fr::ZERO,
                gas_fees: GasFees { fee_per_da_gas: 0, fee_per_l2_gas: 1 },
                messages: Vec::new(),
                previous_out_hashes: Vec::new(),
            })
            .unwrap()
            .state;
        let changed = L1Inputs { parent, ..inputs() };
        assert!(matches!(reexecute(claimed(), &changed), Err(AbandonReason::ParentChanged { .. })));
    }

    #[test]
    fn a_claimed_header_that_execution_does_not_give_is_never_sent() {
        let mut forged = claimed();
        forged.header.total_mana_used = Fr::from_u64(1);
        assert!(matches!(reexecute(forged, &inputs()), Err(AbandonReason::HeaderDiffers { .. })));
    }
}
