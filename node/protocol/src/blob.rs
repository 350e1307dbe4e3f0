//! A checkpoint's blobs: fields packed 4096 to a blob, their KZG commitments, and the block data in the fields.

mod checkpoint;
mod kzg;
mod marker;
mod tx_effect;
mod tx_fields;

pub use checkpoint::{
    BlockEnd, DecodedBlock, DecodedCheckpoint, block_end_fields, checkpoint_fields, decode_checkpoint, decode_transaction,
};
pub use kzg::{BlobCommitment, kzg_settings, warm_up};
pub use marker::{BlockEndMarker, BlockEndState, TxStartMarker, checkpoint_end_marker, parse_checkpoint_end_marker};
pub use tx_effect::{ContractClassLog, EffectError, PublicDataWrite, PublicLog, TxEffect};
pub use tx_fields::TxFields;

use alloy_primitives::B256;

use crate::field::{FIELD_BYTES, FieldError, Fr};
use crate::hash::{SpongeFull, sha256_to_field};

/// Bytes of a blob.
pub const BLOB_BYTES: usize = 131_072;

/// Field elements of a blob.
pub const FIELDS_PER_BLOB: usize = 4096;

/// The most blobs of a checkpoint. Source: npm @aztec/constants 4.1.2, `BLOBS_PER_CHECKPOINT`.
pub const MAX_BLOBS: usize = 6;

/// Bytes of a commitment.
const COMMITMENT_BYTES: usize = 48;

/// One EIP-4844 blob. Every field takes a whole 32-byte element, big-endian.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob(Box<[u8; BLOB_BYTES]>);

/// Why fields make no blobs, or blobs hold no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// Not the length of a blob.
    #[error("a blob has {BLOB_BYTES} bytes, got {0}")]
    Length(usize),
    /// No field, so no blob and no checkpoint.
    #[error("no blob fields")]
    Empty,
    /// More blobs than allowed.
    #[error("{count} blobs exceed {limit}")]
    TooManyBlobs {
        /// Blobs given or needed.
        count: usize,
        /// Most allowed.
        limit: usize,
    },
    /// An element is not below the field's modulus.
    #[error("element {index} of the blobs: {source}")]
    Element {
        /// Its position over all blobs.
        index: usize,
        /// What is wrong.
        source: FieldError,
    },
    /// The number of blobs before the commitments disagrees with their length.
    #[error("blob input of {found} bytes announces {count} blobs")]
    Input {
        /// Announced blobs.
        count: usize,
        /// Bytes given.
        found: usize,
    },
    /// The fields end within an item.
    #[error("{wanted} fields wanted for {what}, {left} left")]
    Truncated {
        /// Which item.
        what: &'static str,
        /// Fields it needs.
        wanted: usize,
        /// Fields left.
        left: usize,
    },
    /// A field that should be a marker is none.
    #[error("field {index} is no {what}")]
    Marker {
        /// Which marker.
        what: &'static str,
        /// Position of the field.
        index: usize,
    },
    /// A count in a marker disagrees with what was read.
    #[error("marker says {expected} {what}, {found} were read")]
    Count {
        /// Which items.
        what: &'static str,
        /// By the marker.
        expected: usize,
        /// As read.
        found: usize,
    },
    /// Something behind the end of the checkpoint.
    #[error("field {index} behind the checkpoint's end is not zero")]
    Padding {
        /// Position of the field.
        index: usize,
    },
    /// A number has no room in its marker.
    #[error("{what} {number} does not fit its marker")]
    TooLarge {
        /// Which number.
        what: &'static str,
        /// Its value.
        number: u64,
    },
    /// More fields than a checkpoint may have.
    #[error(transparent)]
    Sponge(#[from] SpongeFull),
    /// The KZG library refuses the blob: an element is not below its scalar modulus.
    #[error("no commitment can be made: an element of the blob is not below the scalar modulus of BLS12-381")]
    Kzg,
}

impl Blob {
    /// Takes exactly 131072 bytes; elements are not checked before they are read.
    ///
    /// # Errors
    /// [`BlobError::Length`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlobError> {
        let boxed: Box<[u8]> = bytes.into();
        boxed.try_into().map(Self).map_err(|_| BlobError::Length(bytes.len()))
    }

    /// The bytes, as L1 carries them.
    pub fn as_bytes(&self) -> &[u8; BLOB_BYTES] {
        &self.0
    }

    /// A blob that begins with `fields` (at most 4096, the rest of the bytes zero).
    fn from_fields(fields: &[Fr]) -> Self {
        let mut bytes = vec![0; BLOB_BYTES];
        for (place, field) in bytes.chunks_exact_mut(FIELD_BYTES).zip(fields) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        Self(bytes.try_into().expect("BLOB_BYTES were allocated"))
    }
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob(sha256 {})", sha256_to_field(self.0.as_slice()))
    }
}

/// Packs a checkpoint's fields into blobs, the last one padded with zeros.
///
/// # Errors
/// [`BlobError::Empty`] without fields, [`BlobError::TooManyBlobs`] above 6 blobs.
///
/// Source: npm @aztec/blob-lib 4.1.2, `src/blob_utils.ts`.
pub fn blobs_from_fields(fields: &[Fr]) -> Result<Vec<Blob>, BlobError> {
    let count = fields.len().div_ceil(FIELDS_PER_BLOB);
    match count {
        0 => Err(BlobError::Empty),
        1..=MAX_BLOBS => Ok(fields.chunks(FIELDS_PER_BLOB).map(Blob::from_fields).collect()),
        _ => Err(BlobError::TooManyBlobs { count, limit: MAX_BLOBS }),
    }
}

/// All elements of the blobs, padding included.
///
/// # Errors
/// [`BlobError::Element`] for an element that is not canonical, also in the padding; [`BlobError::Empty`],
/// [`BlobError::TooManyBlobs`].
pub fn fields_from_blobs(blobs: &[Blob]) -> Result<Vec<Fr>, BlobError> {
    match blobs.len() {
        0 => return Err(BlobError::Empty),
        1..=MAX_BLOBS => {}
        count => return Err(BlobError::TooManyBlobs { count, limit: MAX_BLOBS }),
    }
    let elements = blobs.iter().flat_map(|blob| blob.0.chunks_exact(FIELD_BYTES));
    elements
        .enumerate()
        .map(|(index, bytes)| Fr::try_from_slice(bytes).map_err(|source| BlobError::Element { index, source }))
        .collect()
}

/// The header's `blobsHash`: [`sha256_to_field`] over the versioned hashes.
///
/// Source: npm @aztec/blob-lib 4.1.2, `src/hash.ts`.
pub fn blobs_hash(versioned_hashes: &[B256]) -> Fr {
    sha256_to_field(&versioned_hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>())
}

/// L1's running hash over the commitments of an epoch: `previous` is `None` for the epoch's first checkpoint.
///
/// Source: npm @aztec/l1-artifacts 4.1.2, `BlobLib.calculateBlobCommitmentsHash`.
pub fn blob_commitments_hash(previous: Option<Fr>, commitments: &[BlobCommitment]) -> Option<Fr> {
    commitments.iter().fold(previous, |hash, commitment| {
        let head = hash.map(|hash| hash.to_be_bytes().to_vec()).unwrap_or_default();
        Some(sha256_to_field(&[head.as_slice(), commitment.as_bytes()].concat()))
    })
}

/// The `blobInput` argument of `propose`: the number of blobs, then their commitments.
///
/// # Errors
/// [`BlobError::Empty`] without commitments, [`BlobError::TooManyBlobs`] above 255.
pub fn encode_blob_input(commitments: &[BlobCommitment]) -> Result<Vec<u8>, BlobError> {
    let count = u8::try_from(commitments.len())
        .map_err(|_| BlobError::TooManyBlobs { count: commitments.len(), limit: usize::from(u8::MAX) })?;
    if count == 0 {
        return Err(BlobError::Empty);
    }
    Ok(std::iter::once(count).chain(commitments.iter().flat_map(|commitment| *commitment.as_bytes())).collect())
}

/// Reads the `blobInput` argument of `propose`.
///
/// # Errors
/// [`BlobError::Empty`] for no bytes or no blobs, [`BlobError::Input`] unless the length is that of the announced commitments.
pub fn decode_blob_input(bytes: &[u8]) -> Result<Vec<BlobCommitment>, BlobError> {
    let (count, rest) = bytes.split_first().ok_or(BlobError::Empty)?;
    let count = usize::from(*count);
    if count == 0 {
        return Err(BlobError::Empty);
    }
    let (chunks, tail) = rest.as_chunks::<COMMITMENT_BYTES>();
    if chunks.len() != count || !tail.is_empty() {
        return Err(BlobError::Input { count, found: bytes.len() });
    }
    Ok(chunks.iter().map(|chunk| BlobCommitment::new(*chunk)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_blob_with_an_element_above_the_curve_s_modulus_has_no_commitment() {
        assert_eq!(Blob::from_bytes(&[0xff; BLOB_BYTES]).unwrap().commitment(), Err(BlobError::Kzg));
    }

    #[test]
    fn noise_is_no_checkpoint_and_a_changed_one_reads_as_it_stands() {
        let end = BlockEnd {
            marker: BlockEndMarker { num_txs: 0, block_number: crate::units::BlockNumber::new(3), timestamp: 9 },
            state: BlockEndState {
                l1_to_l2_message_size: 1024,
                note_hash_size: 0,
                nullifier_size: 128,
                public_data_size: 128,
                total_mana_used: 0,
            },
            last_archive_root: Fr::from_u64(1),
            note_hash_root: Fr::from_u64(2),
            nullifier_root: Fr::from_u64(3),
            public_data_root: Fr::from_u64(4),
            l1_to_l2_message_root: Some(Fr::from_u64(5)),
        };
        let fields = checkpoint_fields(block_end_fields(&end).unwrap()).unwrap();
        let decoded = decode_checkpoint(&fields).unwrap();
        assert_eq!((decoded.blocks.len(), decoded.num_fields, decoded.blocks[0].end), (1, 8, end));
        for place in 0..fields.len() {
            let mut changed = fields.clone();
            changed[place] = Fr::from_u64(77);
            // Roots may be anything; every marker is load-bearing. A small state field is a valid one.
            assert_eq!(decode_checkpoint(&changed).is_ok(), (1..7).contains(&place), "field {place}");
        }
    }

    #[test]
    fn an_element_that_is_not_canonical_is_refused_also_in_the_padding() {
        let mut bytes = vec![0; BLOB_BYTES];
        bytes[BLOB_BYTES - FIELD_BYTES] = 0xff;
        let blob = Blob::from_bytes(&bytes).unwrap();
        assert!(matches!(fields_from_blobs(&[blob]), Err(BlobError::Element { index: 4095, .. })));
    }

    #[test]
    fn blobs_of_another_length_and_seven_blobs_are_refused() {
        assert_eq!(Blob::from_bytes(&[0; BLOB_BYTES - 1]), Err(BlobError::Length(BLOB_BYTES - 1)));
        assert_eq!(Blob::from_bytes(&[0; BLOB_BYTES + 1]), Err(BlobError::Length(BLOB_BYTES + 1)));
        assert_eq!(blobs_from_fields(&[]), Err(BlobError::Empty));
        assert_eq!(blobs_from_fields(&vec![Fr::ZERO; 24_576]).unwrap().len(), 6);
        assert_eq!(blobs_from_fields(&vec![Fr::ZERO; 24_577]), Err(BlobError::TooManyBlobs { count: 7, limit: 6 }));
        let blob = Blob::from_fields(&[]);
        assert!(fields_from_blobs(&vec![blob; 7]).is_err());
        assert_eq!(fields_from_blobs(&[]), Err(BlobError::Empty));
    }

    proptest! {
        #[test]
        fn blob_input_reads_back_and_no_other_length_does(commitments in prop::collection::vec(prop::collection::vec(any::<u8>(), 48), 1..8), extra in 1usize..60) {
            let commitments: Vec<_> = commitments.into_iter().map(|bytes| BlobCommitment::new(bytes.try_into().unwrap())).collect();
            let encoded = encode_blob_input(&commitments).unwrap();
            prop_assert_eq!(decode_blob_input(&encoded).unwrap(), commitments);
            for cut in 0..encoded.len() {
                prop_assert!(decode_blob_input(&encoded[..cut]).is_err());
            }
            prop_assert!(decode_blob_input(&[encoded, vec![0; extra]].concat()).is_err());
        }
    }
}
