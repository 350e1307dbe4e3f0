//! What a claim stores: enough for a successor to go on byte for byte, and the root that is signed over it.

mod checked;

use alloy_primitives::{Address, B256, keccak256};
use serde::{Deserialize, Serialize};

use crate::attestations::{CommitteeAttestations, attestations_and_signers_message};
use crate::bytes::wire_u32;
use crate::field::Fr;
use crate::header::{BlockHeader, CheckpointHeader, GasFees};
use crate::propose::{ProposeArgs, ProposeCall, modifier_word};
use crate::signature::{RawSignature, Signature, eip191};
use crate::units::{BlockIndex, CheckpointNumber, L1BlockNumber, SigningRoot, Slot};
use crate::vote::{GovernanceSignal, SlashingVote};

#[cfg(test)]
pub(crate) use checked::tests::samples;
pub use checked::{MAX_PAYLOAD_BYTES, MAX_SIGNERS, MAX_TX_HASHES, MAX_VOTE_BYTES, PAYLOAD_VERSION, PayloadError};

/// Domains of raw messages. Source: npm @aztec/stdlib 4.1.2, `src/p2p/signature_utils.ts`.
const BLOCK_PROPOSAL_DOMAIN: u32 = 0;
const CHECKPOINT_PROPOSAL_DOMAIN: u32 = 3;

/// The payload of a guarded message. A position is part of the stored form: append, never reorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "a few per slot, and shared behind an Arc")]
pub enum DutyPayload {
    /// A block proposal.
    Block(BlockPayload),
    /// A checkpoint proposal.
    Checkpoint(CheckpointPayload),
    /// An attestation to a checkpoint.
    Attestation(AttestationPayload),
    /// Attestations and signers, and with them the whole call of `propose` but for one signature.
    Bundle(BundlePayload),
    /// A signal in a governance round: its full typed data.
    GovernanceVote(GovernanceSignal),
    /// A vote in a slashing round: its full typed data.
    SlashingVote(SlashingVote),
}

/// Which kind of duty a payload belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PayloadKind {
    /// A block proposal.
    Block {
        /// Its place in the checkpoint.
        index: BlockIndex,
    },
    /// A checkpoint proposal.
    Checkpoint,
    /// An attestation.
    Attestation,
    /// Attestations and signers.
    Bundle,
    /// A governance vote.
    GovernanceVote,
    /// A slashing vote.
    SlashingVote,
}

/// A block of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockPayload {
    /// The block's header.
    pub header: BlockHeader,
    /// Its place in the checkpoint.
    pub index: BlockIndex,
    /// Root over the checkpoint's messages from L1.
    pub in_hash: Fr,
    /// Archive root after the block.
    pub archive: Fr,
    /// The transactions, in order.
    pub tx_hashes: Vec<Fr>,
    /// Whether the checkpoint ends with it.
    pub is_last: bool,
    /// The checkpoint's number.
    pub checkpoint: CheckpointNumber,
    /// What the checkpoint was begun on: there exactly for index 0.
    pub start: Option<CheckpointStart>,
}

/// What a checkpoint was begun on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointStart {
    /// Archive root of the parent.
    pub parent_archive: Fr,
    /// The L1 block at which inputs were read.
    pub l1_block: L1BlockNumber,
    /// Its hash.
    pub l1_block_hash: B256,
    /// L1 recipient of rewards.
    pub coinbase: Address,
    /// L2 recipient of fees.
    pub fee_recipient: Fr,
    /// Prices.
    pub gas_fees: GasFees,
    /// Start of the slot, seconds.
    pub timestamp: u64,
}

/// A checkpoint with its last block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointPayload {
    /// The checkpoint's header.
    pub header: CheckpointHeader,
    /// Archive root after it.
    pub archive: Fr,
    /// Change of the fee-asset price, basis points.
    pub fee_asset_price_modifier: i64,
    /// Number of blocks.
    pub block_count: u32,
    /// The last one. The signature does not cover it.
    pub last_block: BlockPayload,
    /// The checkpoint's number.
    pub checkpoint: CheckpointNumber,
}

/// An attestation, the same for all attesters of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestationPayload {
    /// The checkpoint's header.
    pub header: CheckpointHeader,
    /// Archive root after it.
    pub archive: Fr,
    /// Change of the fee-asset price, basis points.
    pub fee_asset_price_modifier: i64,
    /// The proposer's signature of the checkpoint proposal, which every attestation repeats.
    pub proposer_signature: Signature,
}

/// The bundle that goes to L1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundlePayload {
    /// The committee's attestations, packed.
    pub attestations: CommitteeAttestations,
    /// The members that signed, in committee order.
    pub signers: Vec<Address>,
    /// What is proposed.
    pub propose: ProposeArgs,
    /// Number of blobs and their commitments.
    pub blob_input: Vec<u8>,
    /// The checkpoint's number.
    pub checkpoint: CheckpointNumber,
}

impl DutyPayload {
    /// The bytes whose keccak-256 is the official message hash.
    pub fn message(&self) -> Vec<u8> {
        match self {
            Self::Block(block) => block.message(),
            Self::Checkpoint(checkpoint) => checkpoint.message(),
            Self::Attestation(attestation) => attestation.propose_args().attestation_message().to_vec(),
            Self::Bundle(bundle) => attestations_and_signers_message(&bundle.attestations, &bundle.signers),
            Self::GovernanceVote(signal) => signal.message().to_vec(),
            Self::SlashingVote(vote) => vote.message().to_vec(),
        }
    }

    /// The official message hash: what the official HA log stores.
    pub fn message_hash(&self) -> B256 {
        keccak256(self.message())
    }

    /// The 32 bytes that enter ECDSA: EIP-191 of the message hash, or for votes the EIP-712 digest, which is the message hash itself.
    ///
    /// Source for votes: npm @aztec/validator-client 4.1.2, `src/key_store/ha_key_store.ts` (`signTypedDataWithAddress`).
    pub fn signing_root(&self) -> SigningRoot {
        match self {
            Self::Block(_) | Self::Checkpoint(_) | Self::Attestation(_) | Self::Bundle(_) => eip191(self.message_hash()),
            Self::GovernanceVote(signal) => signal.signing_root(),
            Self::SlashingVote(vote) => vote.signing_root(),
        }
    }

    /// The kind of duty.
    pub const fn kind(&self) -> PayloadKind {
        match self {
            Self::Block(block) => PayloadKind::Block { index: block.index },
            Self::Checkpoint(_) => PayloadKind::Checkpoint,
            Self::Attestation(_) => PayloadKind::Attestation,
            Self::Bundle(_) => PayloadKind::Bundle,
            Self::GovernanceVote(_) => PayloadKind::GovernanceVote,
            Self::SlashingVote(_) => PayloadKind::SlashingVote,
        }
    }

    /// The slot of the duty.
    pub const fn slot(&self) -> Slot {
        match self {
            Self::Block(block) => block.header.global_variables.slot,
            Self::Checkpoint(checkpoint) => checkpoint.header.slot,
            Self::Attestation(attestation) => attestation.header.slot,
            Self::Bundle(bundle) => bundle.propose.header.slot,
            Self::GovernanceVote(signal) => signal.slot,
            Self::SlashingVote(vote) => vote.slot,
        }
    }
}

impl BlockPayload {
    /// `u32 0 ‖ header ‖ index ‖ in-hash ‖ archive ‖ count ‖ transaction hashes`.
    ///
    /// Source: npm @aztec/stdlib 4.1.2, `src/p2p/block_proposal.ts`.
    fn message(&self) -> Vec<u8> {
        let mut message = BLOCK_PROPOSAL_DOMAIN.to_be_bytes().to_vec();
        message.extend(self.header.to_bytes());
        message.extend(wire_u32(self.index.get()));
        message.extend(self.in_hash.to_be_bytes());
        message.extend(self.archive.to_be_bytes());
        message.extend(wire_u32(u64::try_from(self.tx_hashes.len()).unwrap_or(u64::MAX)));
        message.extend(self.tx_hashes.iter().flat_map(Fr::to_be_bytes));
        message
    }
}

impl CheckpointPayload {
    /// What L1's `propose` takes of it.
    pub const fn propose_args(&self) -> ProposeArgs {
        ProposeArgs { archive: self.archive, fee_asset_price_modifier: self.fee_asset_price_modifier, header: self.header }
    }

    /// `u32 3 ‖ header ‖ archive ‖ int256 modifier`.
    ///
    /// Source: npm @aztec/stdlib 4.1.2, `src/p2p/checkpoint_proposal.ts`.
    fn message(&self) -> Vec<u8> {
        let mut message = CHECKPOINT_PROPOSAL_DOMAIN.to_be_bytes().to_vec();
        message.extend(self.header.to_bytes());
        message.extend(self.archive.to_be_bytes());
        message.extend(modifier_word(self.fee_asset_price_modifier));
        message
    }
}

impl BundlePayload {
    /// The whole call of `propose`, with the proposer's signature over this bundle.
    pub fn propose_call(&self, signature: &Signature) -> ProposeCall {
        ProposeCall {
            args: self.propose,
            attestations: self.attestations.clone(),
            signers: self.signers.clone(),
            signature: RawSignature::from(*signature),
            blob_input: self.blob_input.clone(),
        }
    }
}

impl AttestationPayload {
    /// What L1's `propose` takes of it.
    pub const fn propose_args(&self) -> ProposeArgs {
        ProposeArgs { archive: self.archive, fee_asset_price_modifier: self.fee_asset_price_modifier, header: self.header }
    }
}
