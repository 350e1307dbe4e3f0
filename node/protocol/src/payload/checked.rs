//! Storing payloads: a version byte, then postcard; reading refuses everything that writing does not make.

use super::{BlockPayload, BundlePayload, DutyPayload};
use crate::blob::{BlobError, decode_blob_input};
use crate::header::HeaderError;
use crate::propose::MAX_FEE_ASSET_PRICE_MODIFIER;
use crate::units::Slot;

/// The version that is written.
pub const PAYLOAD_VERSION: u8 = 1;

/// The most bytes of a stored payload: 65536 transaction hashes and the rest.
pub const MAX_PAYLOAD_BYTES: usize = 4 << 20;

/// The most transactions of a block proposal. Source: npm @aztec/stdlib 4.1.2, `src/p2p/block_proposal.ts`.
pub const MAX_TX_HASHES: usize = 65_536;

/// The most signers of a bundle.
pub const MAX_SIGNERS: usize = 4096;

/// The most bytes of packed votes: two bits for each of 512 members.
///
/// Source: npm @aztec/l1-artifacts 4.1.2, `TallySlashingProposer` (`VoteSizeTooBig`).
pub const MAX_VOTE_BYTES: usize = 128;

/// Why bytes or values are no payload.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Nothing there.
    #[error("empty payload")]
    Empty,
    /// Longer than any payload.
    #[error("payload of {found} bytes exceeds {MAX_PAYLOAD_BYTES}")]
    TooLong {
        /// Bytes given.
        found: usize,
    },
    /// Written by another version.
    #[error("payload version {found}, this binary reads {PAYLOAD_VERSION}")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// Not the encoding.
    #[error("payload cannot be decoded: {0}")]
    Encoding(#[from] postcard::Error),
    /// Bytes behind the payload, or a longer form of the same numbers.
    #[error("payload is not in its canonical form")]
    NotCanonical,
    /// The modifier is outside of what L1 takes.
    #[error("fee asset price modifier {0} is outside -100..=100")]
    Modifier(i64),
    /// More items than the protocol has room for.
    #[error("{count} {what} exceed {limit}")]
    TooMany {
        /// Which items.
        what: &'static str,
        /// How many.
        count: usize,
        /// Most allowed.
        limit: usize,
    },
    /// A number that the wire has four bytes for.
    #[error("{what} {number} exceeds 32 bits")]
    TooLarge {
        /// Which number.
        what: &'static str,
        /// Its value.
        number: u64,
    },
    /// The first block must say what its checkpoint was begun on.
    #[error("block index 0 lacks its checkpoint start")]
    StartMissing,
    /// Only the first block says what its checkpoint was begun on.
    #[error("block index {index} carries a checkpoint start")]
    StartUnexpected {
        /// The block's place.
        index: u64,
    },
    /// The block header cannot be written.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The blob commitments cannot be read.
    #[error("blob input: {0}")]
    BlobInput(#[from] BlobError),
}

impl DutyPayload {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![PAYLOAD_VERSION]).expect("a payload has no unsized or unserialisable part")
    }

    /// Reads a stored payload.
    ///
    /// # Errors
    /// [`PayloadError`]: another version, not exactly one payload in canonical form, or what [`Self::check`] refuses.
    pub fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        if bytes.len() > MAX_PAYLOAD_BYTES {
            return Err(PayloadError::TooLong { found: bytes.len() });
        }
        let (version, body) = bytes.split_first().ok_or(PayloadError::Empty)?;
        if *version != PAYLOAD_VERSION {
            return Err(PayloadError::Version { found: *version });
        }
        let (payload, _) = postcard::take_from_bytes::<Self>(body)?;
        payload.check()?;
        // One payload has one stored form, so that equal payloads are equal bytes.
        if payload.encode() == bytes { Ok(payload) } else { Err(PayloadError::NotCanonical) }
    }

    /// Whether the values are within what the protocol can carry. A payload made by hand must pass before it is claimed.
    ///
    /// # Errors
    /// [`PayloadError`], the first limit that is exceeded.
    pub fn check(&self) -> Result<(), PayloadError> {
        match self {
            Self::Block(block) => check_block(block),
            Self::Checkpoint(checkpoint) => {
                check_slot(checkpoint.header.slot)?;
                check_modifier(checkpoint.fee_asset_price_modifier)?;
                check_block(&checkpoint.last_block)
            }
            Self::Attestation(attestation) => {
                check_slot(attestation.header.slot)?;
                check_modifier(attestation.fee_asset_price_modifier)
            }
            Self::Bundle(bundle) => check_bundle(bundle),
            Self::GovernanceVote(signal) => check_slot(signal.slot),
            Self::SlashingVote(vote) => {
                check_slot(vote.slot)?;
                check_count("bytes of votes", vote.votes.len(), MAX_VOTE_BYTES)
            }
        }
    }
}

fn check_block(block: &BlockPayload) -> Result<(), PayloadError> {
    block.header.check()?;
    check_four_bytes("block index", block.index.get())?;
    check_count("transaction hashes", block.tx_hashes.len(), MAX_TX_HASHES)?;
    match (block.index.get(), block.start) {
        (0, None) => Err(PayloadError::StartMissing),
        (index @ 1.., Some(_)) => Err(PayloadError::StartUnexpected { index }),
        (0, Some(_)) | (1.., None) => Ok(()),
    }
}

fn check_bundle(bundle: &BundlePayload) -> Result<(), PayloadError> {
    check_slot(bundle.propose.header.slot)?;
    check_modifier(bundle.propose.fee_asset_price_modifier)?;
    check_count("signers", bundle.signers.len(), MAX_SIGNERS)?;
    check_count("bytes of attestation bitmap", bundle.attestations.signature_indices.len(), MAX_SIGNERS / 8)?;
    check_count("bytes of attestations", bundle.attestations.signatures_or_addresses.len(), MAX_SIGNERS * 65)?;
    decode_blob_input(&bundle.blob_input)?;
    Ok(())
}

fn check_slot(slot: Slot) -> Result<(), PayloadError> {
    check_four_bytes("slot", slot.get())
}

fn check_four_bytes(what: &'static str, number: u64) -> Result<(), PayloadError> {
    if number > u64::from(u32::MAX) { Err(PayloadError::TooLarge { what, number }) } else { Ok(()) }
}

const fn check_modifier(modifier: i64) -> Result<(), PayloadError> {
    if modifier.unsigned_abs() > MAX_FEE_ASSET_PRICE_MODIFIER.unsigned_abs() {
        Err(PayloadError::Modifier(modifier))
    } else {
        Ok(())
    }
}

const fn check_count(what: &'static str, count: usize, limit: usize) -> Result<(), PayloadError> {
    if count > limit { Err(PayloadError::TooMany { what, count, limit }) } else { Ok(()) }
}

#[cfg(test)]
pub(super) mod tests;
