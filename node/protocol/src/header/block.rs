//! The block header: 440 bytes, 22 fields, and its hash.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use super::GasFees;
use crate::bytes::{ReadError, Reader, wire_u32};
use crate::field::Fr;
use crate::hash::{BLOCK_HEADER_HASH, poseidon2_hash_with_separator};
use crate::units::{BlockNumber, Slot};

/// Bytes of a serialised block header.
pub const BLOCK_HEADER_BYTES: usize = 440;

/// Fields that a block header hashes.
const BLOCK_HEADER_FIELDS: usize = 22;

/// Header of an L2 block. Its hash is the block's leaf in the archive.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/tx/block_header.ts`, `src/tx/global_variables.ts`, `src/tx/state_reference.ts`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockHeader {
    /// The archive before this block; its size is this block's number.
    pub last_archive: Snapshot,
    /// The state trees after this block.
    pub state: StateReference,
    /// Sponge over the checkpoint's blob fields up to and with this block's.
    pub sponge_blob_hash: Fr,
    /// What all blocks of the checkpoint share, and the block's number.
    pub global_variables: GlobalVariables,
    /// Sum of the transactions' fees.
    pub total_fees: Fr,
    /// Sum of the transactions' billed L2 gas.
    pub total_mana_used: Fr,
}

/// Root and size of an append-only tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Root over the whole height.
    pub root: Fr,
    /// Number of leaves, padding included.
    pub next_available_leaf_index: u32,
}

/// The three trees that transactions write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialState {
    /// Note hashes.
    pub note_hash: Snapshot,
    /// Nullifiers.
    pub nullifier: Snapshot,
    /// Public data.
    pub public_data: Snapshot,
}

/// The four state trees of a block header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateReference {
    /// Messages from L1.
    pub l1_to_l2_message: Snapshot,
    /// The trees that transactions write.
    pub partial: PartialState,
}

/// Constants of a block's execution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalVariables {
    /// L1 chain id.
    pub chain_id: Fr,
    /// The rollup's version.
    pub version: Fr,
    /// Height of the block; four bytes on the wire.
    pub block_number: BlockNumber,
    /// Slot of the checkpoint; four bytes on the wire.
    pub slot: Slot,
    /// Start of the slot, seconds.
    pub timestamp: u64,
    /// L1 recipient of rewards.
    pub coinbase: Address,
    /// L2 recipient of fees.
    pub fee_recipient: Fr,
    /// Prices of the checkpoint.
    pub gas_fees: GasFees,
}

/// Why bytes are no block header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The bytes cannot be read.
    #[error("block header: {0}")]
    Read(#[from] ReadError),
    /// A number has no four-byte form.
    #[error("{what} {number} of a block header exceeds 32 bits")]
    TooLarge {
        /// Which number.
        what: &'static str,
        /// Its value.
        number: u64,
    },
}

impl BlockHeader {
    /// The official serialisation.
    pub fn to_bytes(&self) -> [u8; BLOCK_HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(BLOCK_HEADER_BYTES);
        self.last_archive.write(&mut bytes);
        for snapshot in self.state.snapshots() {
            snapshot.write(&mut bytes);
        }
        bytes.extend(self.sponge_blob_hash.to_be_bytes());
        self.global_variables.write(&mut bytes);
        bytes.extend(self.total_fees.to_be_bytes());
        bytes.extend(self.total_mana_used.to_be_bytes());
        bytes.try_into().expect("the parts of a block header are 440 bytes")
    }

    /// Reads exactly 440 bytes.
    ///
    /// # Errors
    /// [`HeaderError::Read`] for another length or an element that is not canonical.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut reader = Reader::new(bytes);
        let header = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(header)
    }

    /// The 22 fields, in the order of the bytes.
    pub fn to_fields(&self) -> [Fr; BLOCK_HEADER_FIELDS] {
        let mut fields = Vec::with_capacity(BLOCK_HEADER_FIELDS);
        for snapshot in std::iter::once(&self.last_archive).chain(self.state.snapshots()) {
            fields.extend([snapshot.root, Fr::from_u64(u64::from(snapshot.next_available_leaf_index))]);
        }
        fields.push(self.sponge_blob_hash);
        fields.extend(self.global_variables.to_fields());
        fields.extend([self.total_fees, self.total_mana_used]);
        fields.try_into().expect("the parts of a block header are 22 fields")
    }

    /// The block hash.
    pub fn hash(&self) -> Fr {
        poseidon2_hash_with_separator(&self.to_fields(), BLOCK_HEADER_HASH)
    }

    /// Whether the header can be written without loss.
    ///
    /// # Errors
    /// [`HeaderError::TooLarge`] if block number or slot exceed four bytes.
    pub fn check(&self) -> Result<(), HeaderError> {
        let numbers = [("block number", self.global_variables.block_number.get()), ("slot", self.global_variables.slot.get())];
        match numbers.into_iter().find(|(_, number)| *number > u64::from(u32::MAX)) {
            Some((what, number)) => Err(HeaderError::TooLarge { what, number }),
            None => Ok(()),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            last_archive: Snapshot::read(reader)?,
            state: StateReference {
                l1_to_l2_message: Snapshot::read(reader)?,
                partial: PartialState {
                    note_hash: Snapshot::read(reader)?,
                    nullifier: Snapshot::read(reader)?,
                    public_data: Snapshot::read(reader)?,
                },
            },
            sponge_blob_hash: reader.field()?,
            global_variables: GlobalVariables::read(reader)?,
            total_fees: reader.field()?,
            total_mana_used: reader.field()?,
        })
    }
}

impl Snapshot {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.root.to_be_bytes());
        bytes.extend(self.next_available_leaf_index.to_be_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(Self { root: reader.field()?, next_available_leaf_index: reader.u32()? })
    }
}

impl StateReference {
    /// In the order of the wire.
    fn snapshots(&self) -> [&Snapshot; 4] {
        [&self.l1_to_l2_message, &self.partial.note_hash, &self.partial.nullifier, &self.partial.public_data]
    }
}

impl GlobalVariables {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.chain_id.to_be_bytes());
        bytes.extend(self.version.to_be_bytes());
        bytes.extend(wire_u32(self.block_number.get()));
        bytes.extend(wire_u32(self.slot.get()));
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.coinbase.as_slice());
        bytes.extend(self.fee_recipient.to_be_bytes());
        self.gas_fees.write(bytes);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            chain_id: reader.field()?,
            version: reader.field()?,
            block_number: BlockNumber::new(u64::from(reader.u32()?)),
            slot: Slot::new(u64::from(reader.u32()?)),
            timestamp: reader.u64()?,
            coinbase: reader.address()?,
            fee_recipient: reader.field()?,
            gas_fees: GasFees::read(reader)?,
        })
    }

    fn to_fields(self) -> [Fr; 9] {
        [
            self.chain_id,
            self.version,
            Fr::from_u64(self.block_number.get()),
            Fr::from_u64(self.slot.get()),
            Fr::from_u64(self.timestamp),
            Fr::from_address(self.coinbase),
            self.fee_recipient,
            Fr::from_u128(self.gas_fees.fee_per_da_gas),
            Fr::from_u128(self.gas_fees.fee_per_l2_gas),
        ]
    }
}
