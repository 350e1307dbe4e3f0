//! Payloads of one slot: valid to the guard, and different each time one is built.

use alloy_primitives::{Address, B256};
use ollin_guard::{Duty, DutyKind};
use ollin_protocol::attestations::CommitteeAttestations;
use ollin_protocol::blob::{BlobCommitment, encode_blob_input};
use ollin_protocol::field::Fr;
use ollin_protocol::header::{BlockHeader, CheckpointHeader, GasFees, GlobalVariables};
use ollin_protocol::payload::{AttestationPayload, BlockPayload, BundlePayload, CheckpointPayload, CheckpointStart, DutyPayload};
use ollin_protocol::propose::ProposeArgs;
use ollin_protocol::signature::Signature;
use ollin_protocol::units::{BlockIndex, CheckpointNumber, L1BlockNumber, Slot};

/// The one attester of a simulated cluster.
pub(crate) const ATTESTER: Address = Address::repeat_byte(0xa1);

/// The duties of a proposer's slot, in the order in which they are claimed.
pub(crate) const KINDS: [DutyKind; 4] = [
    DutyKind::BlockProposal { index: BlockIndex::new(0) },
    DutyKind::CheckpointProposal,
    DutyKind::Attestation,
    DutyKind::AttestationsAndSigners,
];

pub(crate) fn duty(kind: DutyKind, slot: Slot) -> Duty {
    Duty { attester: ATTESTER, slot, kind }
}

/// A payload for a duty; each `variant` has a root of its own.
pub(crate) fn build(kind: DutyKind, slot: Slot, variant: u64) -> Option<DutyPayload> {
    let header = CheckpointHeader { slot, timestamp: slot.get(), ..CheckpointHeader::default() };
    let archive = Fr::from_u64(variant);
    let checkpoint = CheckpointNumber::new(slot.get());
    Some(match kind {
        DutyKind::BlockProposal { .. } => DutyPayload::Block(block(slot, variant)),
        DutyKind::CheckpointProposal => DutyPayload::Checkpoint(CheckpointPayload {
            header,
            archive,
            fee_asset_price_modifier: 0,
            block_count: 1,
            last_block: block(slot, variant),
            checkpoint,
        }),
        DutyKind::Attestation => DutyPayload::Attestation(AttestationPayload {
            header,
            archive,
            fee_asset_price_modifier: 0,
            proposer_signature: Signature::new(B256::with_last_byte(1), B256::with_last_byte(2), 27).ok()?,
        }),
        DutyKind::AttestationsAndSigners => DutyPayload::Bundle(BundlePayload {
            attestations: CommitteeAttestations {
                signature_indices: vec![0],
                signatures_or_addresses: Address::left_padding_from(&variant.to_be_bytes()).to_vec(),
            },
            signers: vec![ATTESTER],
            propose: ProposeArgs { archive, fee_asset_price_modifier: 0, header },
            blob_input: encode_blob_input(&[BlobCommitment::new([0xc0; 48])]).ok()?,
            checkpoint,
        }),
        DutyKind::GovernanceVote | DutyKind::SlashingVote => return None,
    })
}

fn block(slot: Slot, variant: u64) -> BlockPayload {
    let start = CheckpointStart {
        parent_archive: Fr::from_u64(1),
        l1_block: L1BlockNumber::new(1),
        l1_block_hash: B256::ZERO,
        coinbase: Address::ZERO,
        fee_recipient: Fr::from_u64(0),
        gas_fees: GasFees::default(),
        timestamp: slot.get(),
    };
    let global_variables = GlobalVariables { slot, ..GlobalVariables::default() };
    BlockPayload {
        header: BlockHeader { global_variables, ..BlockHeader::default() },
        index: BlockIndex::new(0),
        in_hash: Fr::from_u64(0),
        archive: Fr::from_u64(variant),
        tx_hashes: Vec::new(),
        is_last: true,
        checkpoint: CheckpointNumber::new(slot.get()),
        start: Some(start),
    }
}
