//! Marker fields: integers of packed counts that separate transactions, blocks and checkpoints in a blob.

use alloy_primitives::U256;

use super::BlobError;
use crate::field::Fr;
use crate::units::BlockNumber;

const TX_START_PREFIX: u64 = 2_624_615_704;
const BLOCK_END_PREFIX: u64 = 3_951_939_007;
const CHECKPOINT_END_PREFIX: u64 = 2_355_328_067;

/// Counts of one transaction, before its fields.
///
/// Source: npm @aztec/blob-lib 4.1.2, `src/encoding/tx_start_marker.ts`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxStartMarker {
    /// Fields of the transaction, this marker included. Not checked against the rest by the official decoder.
    pub num_blob_fields: u32,
    /// How much of the transaction was reverted.
    pub revert_code: u8,
    /// Number of note hashes.
    pub num_note_hashes: u16,
    /// Number of nullifiers.
    pub num_nullifiers: u16,
    /// Number of messages to L1.
    pub num_l2_to_l1_messages: u16,
    /// Number of public data writes.
    pub num_public_data_writes: u16,
    /// Number of private logs.
    pub num_private_logs: u16,
    /// Fields of all private logs, without their lengths. Not checked by the official decoder.
    pub private_logs_length: u16,
    /// Fields of all public logs, with their headers.
    pub public_logs_length: u32,
    /// Fields of the contract class log, without its address; zero means none.
    pub contract_class_log_length: u16,
}

/// The first field of a block's end.
///
/// Source: npm @aztec/blob-lib 4.1.2, `src/encoding/block_end_marker.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockEndMarker {
    /// Transactions of the block.
    pub num_txs: u16,
    /// The block's number; 32 bits in the marker.
    pub block_number: BlockNumber,
    /// Start of the slot, seconds.
    pub timestamp: u64,
}

/// The second field of a block's end: sizes of the trees after it.
///
/// Source: npm @aztec/blob-lib 4.1.2, `src/encoding/block_end_state_field.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockEndState {
    /// Leaves of the message tree, 36 bits.
    pub l1_to_l2_message_size: u64,
    /// Leaves of the note hash tree, 42 bits.
    pub note_hash_size: u64,
    /// Leaves of the nullifier tree, 42 bits.
    pub nullifier_size: u64,
    /// Leaves of the public data tree, 40 bits.
    pub public_data_size: u64,
    /// Mana of the block, 48 bits.
    pub total_mana_used: u64,
}

/// Packs numbers into one integer, the first in the highest bits.
struct Packer(U256);

impl Packer {
    const fn new(prefix: u64) -> Self {
        Self(U256::from_limbs([prefix, 0, 0, 0]))
    }

    /// Appends a number that fits `bits`.
    fn push(self, number: u64, bits: usize) -> Self {
        Self((self.0 << bits) | U256::from(number))
    }

    fn field(self) -> Fr {
        Fr::from_u256(self.0).expect("markers have at most 216 bits, block end states 208")
    }
}

/// Takes numbers out of an integer, the lowest bits first.
struct Unpacker(U256);

impl Unpacker {
    fn pull(&mut self, bits: usize) -> u64 {
        let number = self.0 & ((U256::from(1) << bits) - U256::from(1));
        self.0 >>= bits;
        number.saturating_to()
    }

    fn pull_u16(&mut self) -> u16 {
        u16::try_from(self.pull(16)).expect("16 bits were taken")
    }

    fn pull_u32(&mut self) -> u32 {
        u32::try_from(self.pull(32)).expect("32 bits were taken")
    }

    fn ends_with(&self, prefix: u64) -> bool {
        self.0 == U256::from(prefix)
    }
}

impl TxStartMarker {
    /// The marker as a field.
    pub fn to_field(&self) -> Fr {
        Packer::new(TX_START_PREFIX)
            .push(self.num_note_hashes.into(), 16)
            .push(self.num_nullifiers.into(), 16)
            .push(self.num_l2_to_l1_messages.into(), 16)
            .push(self.num_public_data_writes.into(), 16)
            .push(self.num_private_logs.into(), 16)
            .push(self.private_logs_length.into(), 16)
            .push(self.public_logs_length.into(), 32)
            .push(self.contract_class_log_length.into(), 16)
            .push(self.revert_code.into(), 8)
            .push(self.num_blob_fields.into(), 32)
            .field()
    }

    /// Reads a marker; `None` for a field that is none.
    pub fn from_field(field: Fr) -> Option<Self> {
        let mut rest = Unpacker(field.to_u256());
        let marker = Self {
            num_blob_fields: rest.pull_u32(),
            revert_code: u8::try_from(rest.pull(8)).expect("8 bits were taken"),
            contract_class_log_length: rest.pull_u16(),
            public_logs_length: rest.pull_u32(),
            private_logs_length: rest.pull_u16(),
            num_private_logs: rest.pull_u16(),
            num_public_data_writes: rest.pull_u16(),
            num_l2_to_l1_messages: rest.pull_u16(),
            num_nullifiers: rest.pull_u16(),
            num_note_hashes: rest.pull_u16(),
        };
        rest.ends_with(TX_START_PREFIX).then_some(marker)
    }
}

impl BlockEndMarker {
    /// The marker as a field.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] for a block number above 32 bits.
    pub fn to_field(&self) -> Result<Fr, BlobError> {
        let number = fit("block number", self.block_number.get(), 32)?;
        Ok(Packer::new(BLOCK_END_PREFIX).push(self.timestamp, 64).push(number, 32).push(self.num_txs.into(), 16).field())
    }

    /// Reads a marker; `None` for a field that is none.
    pub fn from_field(field: Fr) -> Option<Self> {
        let mut rest = Unpacker(field.to_u256());
        let num_txs = rest.pull_u16();
        let block_number = BlockNumber::new(rest.pull(32));
        let timestamp = rest.pull(64);
        rest.ends_with(BLOCK_END_PREFIX).then_some(Self { num_txs, block_number, timestamp })
    }
}

impl BlockEndState {
    /// The state as a field.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] for a number above its bits.
    pub fn to_field(&self) -> Result<Fr, BlobError> {
        Ok(Packer::new(fit("message tree size", self.l1_to_l2_message_size, 36)?)
            .push(fit("note hash tree size", self.note_hash_size, 42)?, 42)
            .push(fit("nullifier tree size", self.nullifier_size, 42)?, 42)
            .push(fit("public data tree size", self.public_data_size, 40)?, 40)
            .push(fit("mana", self.total_mana_used, 48)?, 48)
            .field())
    }

    /// Reads a state; `None` if the message tree size exceeds 36 bits.
    pub fn from_field(field: Fr) -> Option<Self> {
        let mut rest = Unpacker(field.to_u256());
        let total_mana_used = rest.pull(48);
        let public_data_size = rest.pull(40);
        let nullifier_size = rest.pull(42);
        let note_hash_size = rest.pull(42);
        let l1_to_l2_message_size = rest.pull(36);
        rest.ends_with(0).then_some(Self {
            l1_to_l2_message_size,
            note_hash_size,
            nullifier_size,
            public_data_size,
            total_mana_used,
        })
    }
}

/// The last field of a checkpoint: the number of its fields, this one included.
///
/// Source: npm @aztec/blob-lib 4.1.2, `src/encoding/checkpoint_end_marker.ts`.
pub fn checkpoint_end_marker(num_blob_fields: u32) -> Fr {
    Packer::new(CHECKPOINT_END_PREFIX).push(num_blob_fields.into(), 32).field()
}

/// The number of fields in a checkpoint end marker; `None` for a field that is none.
pub fn parse_checkpoint_end_marker(field: Fr) -> Option<u32> {
    let mut rest = Unpacker(field.to_u256());
    let num_blob_fields = rest.pull_u32();
    rest.ends_with(CHECKPOINT_END_PREFIX).then_some(num_blob_fields)
}

const fn fit(what: &'static str, number: u64, bits: u32) -> Result<u64, BlobError> {
    if number >> bits == 0 { Ok(number) } else { Err(BlobError::TooLarge { what, number }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn markers_read_back_and_are_never_taken_for_one_another(
            counts in any::<(u32, u8, u16, u16, u16, u16, u16, u16, u32, u16)>(), number in any::<u32>(), timestamp in any::<u64>(),
        ) {
            let tx = TxStartMarker {
                num_blob_fields: counts.0,
                revert_code: counts.1,
                num_note_hashes: counts.2,
                num_nullifiers: counts.3,
                num_l2_to_l1_messages: counts.4,
                num_public_data_writes: counts.5,
                num_private_logs: counts.6,
                private_logs_length: counts.7,
                public_logs_length: counts.8,
                contract_class_log_length: counts.9,
            };
            let block = BlockEndMarker { num_txs: counts.2, block_number: BlockNumber::new(number.into()), timestamp };
            let fields = [tx.to_field(), block.to_field().unwrap(), checkpoint_end_marker(number)];
            prop_assert_eq!(fields.map(TxStartMarker::from_field), [Some(tx), None, None]);
            prop_assert_eq!(fields.map(BlockEndMarker::from_field), [None, Some(block), None]);
            prop_assert_eq!(fields.map(parse_checkpoint_end_marker), [None, None, Some(number)]);
        }

        #[test]
        fn states_read_back(sizes in (0u64..1 << 36, 0u64..1 << 42, 0u64..1 << 42, 0u64..1 << 40, 0u64..1 << 48)) {
            let state = BlockEndState {
                l1_to_l2_message_size: sizes.0,
                note_hash_size: sizes.1,
                nullifier_size: sizes.2,
                public_data_size: sizes.3,
                total_mana_used: sizes.4,
            };
            prop_assert_eq!(BlockEndState::from_field(state.to_field().unwrap()), Some(state));
        }
    }

    #[test]
    fn numbers_without_room_are_refused() {
        let marker = BlockEndMarker { num_txs: 0, block_number: BlockNumber::new(1 << 32), timestamp: 0 };
        assert_eq!(marker.to_field(), Err(BlobError::TooLarge { what: "block number", number: 1 << 32 }));
        assert_eq!(BlockEndState::from_field(Fr::from_u256(U256::from(1) << 208).unwrap()), None);
    }
}
