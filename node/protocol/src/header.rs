//! Block and checkpoint headers and the snapshots in them.

mod block;
mod checkpoint;

pub use block::{BLOCK_HEADER_BYTES, BlockHeader, GlobalVariables, HeaderError, PartialState, Snapshot, StateReference};
pub use checkpoint::{CHECKPOINT_HEADER_BYTES, CheckpointHeader, GasFees};

pub use crate::bytes::ReadError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes whose elements at `offsets` are below the modulus.
    fn canonical(noise: &[u8], offsets: &[usize]) -> Vec<u8> {
        let mut bytes = noise.to_vec();
        offsets.iter().for_each(|offset| bytes[*offset] &= 0x1f);
        bytes
    }

    proptest! {
        #[test]
        fn block_headers_read_back_from_any_canonical_bytes(noise in prop::collection::vec(any::<u8>(), BLOCK_HEADER_BYTES)) {
            let bytes = canonical(&noise, &[0, 36, 72, 108, 144, 180, 212, 244, 312, 376, 408]);
            let header = BlockHeader::from_bytes(&bytes).unwrap();
            prop_assert_eq!(header.to_bytes().to_vec(), bytes);
            prop_assert!(header.check().is_ok());
            let stored = postcard::to_allocvec(&header).unwrap();
            prop_assert_eq!(postcard::from_bytes::<BlockHeader>(&stored).unwrap(), header);
        }

        #[test]
        fn checkpoint_headers_read_back_from_any_canonical_bytes(noise in prop::collection::vec(any::<u8>(), CHECKPOINT_HEADER_BYTES)) {
            let mut bytes = canonical(&noise, &[0, 32, 64, 96, 128, 220, 284]);
            bytes[160..188].fill(0);
            let header = CheckpointHeader::from_bytes(&bytes).unwrap();
            prop_assert_eq!(header.to_bytes().to_vec(), bytes.clone());
            bytes[187] = 1;
            prop_assert_eq!(CheckpointHeader::from_bytes(&bytes), Err(ReadError::SlotTooLarge));
        }
    }

    #[test]
    fn a_slot_without_a_wire_form_is_noticed() {
        let mut header = BlockHeader::default();
        header.global_variables.slot = crate::units::Slot::new(1 << 32);
        assert_eq!(header.check(), Err(HeaderError::TooLarge { what: "slot", number: 1 << 32 }));
    }
}
