//! The checkpoint header: what L1 hashes and attesters sign.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use crate::bytes::{ReadError, Reader};
use crate::field::{FIELD_BYTES, Fr};
use crate::hash::sha256_to_field;
use crate::units::Slot;

/// Bytes of a packed checkpoint header.
pub const CHECKPOINT_HEADER_BYTES: usize = 316;

/// Header of a checkpoint: L1's `ProposedHeader`.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/rollup/checkpoint_header.ts`; npm @aztec/l1-artifacts 4.1.2, `ProposedHeaderLib.hash`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointHeader {
    /// Archive root before the first block.
    pub last_archive_root: Fr,
    /// Root over the block hashes.
    pub block_headers_hash: Fr,
    /// Hash of the blobs' versioned hashes.
    pub blobs_hash: Fr,
    /// Root over the messages from L1.
    pub in_hash: Fr,
    /// Root over the out hashes of the epoch so far (`outHash` on L1).
    pub epoch_out_hash: Fr,
    /// The slot; a full word on the wire.
    pub slot: Slot,
    /// Start of the slot, seconds.
    pub timestamp: u64,
    /// L1 recipient of rewards.
    pub coinbase: Address,
    /// L2 recipient of fees.
    pub fee_recipient: Fr,
    /// Prices.
    pub gas_fees: GasFees,
    /// Sum over the blocks.
    pub total_mana_used: Fr,
}

/// Prices of gas, in fee asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GasFees {
    /// Per unit of data-availability gas; L1 demands zero.
    pub fee_per_da_gas: u128,
    /// Per mana; L1 demands its mana min fee.
    pub fee_per_l2_gas: u128,
}

impl CheckpointHeader {
    /// The packed form, whose truncated SHA-256 is the header's hash.
    pub fn to_bytes(&self) -> [u8; CHECKPOINT_HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(CHECKPOINT_HEADER_BYTES);
        for field in self.roots() {
            bytes.extend(field.to_be_bytes());
        }
        bytes.extend(Fr::from_u64(self.slot.get()).to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.coinbase.as_slice());
        bytes.extend(self.fee_recipient.to_be_bytes());
        self.gas_fees.write(&mut bytes);
        bytes.extend(self.total_mana_used.to_be_bytes());
        bytes.try_into().expect("the parts of a checkpoint header are 316 bytes")
    }

    /// Reads exactly 316 bytes.
    ///
    /// # Errors
    /// [`ReadError`] for another length, an element that is not canonical or a slot above 64 bits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(bytes);
        let header = Self {
            last_archive_root: reader.field()?,
            block_headers_hash: reader.field()?,
            blobs_hash: reader.field()?,
            in_hash: reader.field()?,
            epoch_out_hash: reader.field()?,
            slot: read_slot(&mut reader)?,
            timestamp: reader.u64()?,
            coinbase: reader.address()?,
            fee_recipient: reader.field()?,
            gas_fees: GasFees::read(&mut reader)?,
            total_mana_used: reader.field()?,
        };
        reader.finish()?;
        Ok(header)
    }

    /// The checkpoint hash: [`sha256_to_field`] of the packed form.
    pub fn hash(&self) -> Fr {
        sha256_to_field(&self.to_bytes())
    }

    const fn roots(&self) -> [Fr; 5] {
        [self.last_archive_root, self.block_headers_hash, self.blobs_hash, self.in_hash, self.epoch_out_hash]
    }
}

fn read_slot(reader: &mut Reader<'_>) -> Result<Slot, ReadError> {
    let word: [u8; FIELD_BYTES] = reader.array()?;
    let slot = Fr::from_be_bytes(&word)?.to_u64().ok_or(ReadError::SlotTooLarge)?;
    if slot > u64::from(u32::MAX) { Err(ReadError::SlotTooLarge) } else { Ok(Slot::new(slot)) }
}

impl GasFees {
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.fee_per_da_gas.to_be_bytes());
        bytes.extend(self.fee_per_l2_gas.to_be_bytes());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(Self { fee_per_da_gas: reader.u128()?, fee_per_l2_gas: reader.u128()? })
    }
}
