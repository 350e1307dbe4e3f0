//! A checkpoint's block data in its blob fields.

use super::{BlobError, BlockEndMarker, BlockEndState, TxFields, checkpoint_end_marker, parse_checkpoint_end_marker};
use crate::field::Fr;
use crate::units::BlockNumber;

/// What stands behind a block's transactions: the state after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockEnd {
    /// Number of transactions, block number, timestamp.
    pub marker: BlockEndMarker,
    /// Sizes of the trees, mana.
    pub state: BlockEndState,
    /// Archive root before the block.
    pub last_archive_root: Fr,
    /// Root of the note hash tree.
    pub note_hash_root: Fr,
    /// Root of the nullifier tree.
    pub nullifier_root: Fr,
    /// Root of the public data tree.
    pub public_data_root: Fr,
    /// Root of the message tree: in the first block of a checkpoint only.
    pub l1_to_l2_message_root: Option<Fr>,
}

/// A block as its fields say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedBlock {
    /// The transactions, not yet judged.
    pub transactions: Vec<TxFields>,
    /// The state after them.
    pub end: BlockEnd,
}

/// A checkpoint as its fields say it: at least one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedCheckpoint {
    /// The blocks, in order.
    pub blocks: Vec<DecodedBlock>,
    /// Number of fields, the end marker included and padding not.
    pub num_fields: u32,
}

impl DecodedBlock {
    /// Height of the block.
    pub const fn number(&self) -> BlockNumber {
        self.end.marker.block_number
    }

    /// The block's fields, as they stand in the blobs.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] if a number was changed to one that has no room.
    pub fn to_fields(&self) -> Result<Vec<Fr>, BlobError> {
        let mut fields: Vec<Fr> = self.transactions.iter().flat_map(TxFields::to_fields).collect();
        fields.extend(block_end_fields(&self.end)?);
        Ok(fields)
    }
}

/// The fields of a block's end: seven with the message root, else six.
///
/// # Errors
/// [`BlobError::TooLarge`] for a number that has no room.
///
/// Source: npm @aztec/blob-lib 4.1.2, `src/encoding/block_blob_data.ts`.
pub fn block_end_fields(end: &BlockEnd) -> Result<Vec<Fr>, BlobError> {
    let mut fields = vec![
        end.marker.to_field()?,
        end.state.to_field()?,
        end.last_archive_root,
        end.note_hash_root,
        end.nullifier_root,
        end.public_data_root,
    ];
    fields.extend(end.l1_to_l2_message_root);
    Ok(fields)
}

/// A checkpoint's fields from those of its blocks: the end marker behind them.
///
/// # Errors
/// [`BlobError::TooLarge`] for a count above 32 bits.
pub fn checkpoint_fields(block_fields: Vec<Fr>) -> Result<Vec<Fr>, BlobError> {
    let count = block_fields.len() + 1;
    let marker = u32::try_from(count)
        .map(checkpoint_end_marker)
        .map_err(|_| BlobError::TooLarge { what: "number of fields", number: u64::try_from(count).unwrap_or(u64::MAX) })?;
    let mut fields = block_fields;
    fields.push(marker);
    Ok(fields)
}

/// Reads the fields of all blobs of a checkpoint, padding included.
///
/// # Errors
/// [`BlobError`], wherever the official decoder fails.
///
/// Source: npm @aztec/blob-lib 4.1.2, `src/encoding/checkpoint_blob_data.ts`.
pub fn decode_checkpoint(fields: &[Fr]) -> Result<DecodedCheckpoint, BlobError> {
    if fields.is_empty() {
        return Err(BlobError::Empty);
    }
    let position = |rest: &[Fr]| fields.len() - rest.len();
    let mut blocks = Vec::new();
    let mut rest = fields;
    loop {
        let (block, behind) = read_block(rest, blocks.is_empty(), position(rest))?;
        blocks.push(block);
        let (next, tail) =
            behind.split_first().ok_or(BlobError::Truncated { what: "checkpoint end marker", wanted: 1, left: 0 })?;
        rest = behind;
        if let Some(num_fields) = parse_checkpoint_end_marker(*next) {
            let found = position(tail);
            let expected = usize::try_from(num_fields).unwrap_or(usize::MAX);
            if found != expected {
                return Err(BlobError::Count { what: "fields", expected, found });
            }
            return match tail.iter().position(|field| !field.is_zero()) {
                Some(offset) => Err(BlobError::Padding { index: found + offset }),
                None => Ok(DecodedCheckpoint { blocks, num_fields }),
            };
        }
    }
}

/// Reads one transaction's fields, and nothing else.
///
/// # Errors
/// [`BlobError`], also for fields behind it.
pub fn decode_transaction(fields: &[Fr]) -> Result<TxFields, BlobError> {
    let (transaction, rest) = TxFields::read(fields, 0)?;
    if rest.is_empty() {
        Ok(transaction)
    } else {
        Err(BlobError::Count { what: "fields", expected: fields.len() - rest.len(), found: fields.len() })
    }
}

fn read_block(fields: &[Fr], first: bool, position: usize) -> Result<(DecodedBlock, &[Fr]), BlobError> {
    let mut transactions = Vec::new();
    let mut rest = fields;
    loop {
        let next = rest.first().ok_or(BlobError::Truncated { what: "block end marker", wanted: 1, left: 0 })?;
        let index = position + (fields.len() - rest.len());
        if let Some(marker) = BlockEndMarker::from_field(*next) {
            let (end, tail) = read_block_end(rest, marker, first, index)?;
            let expected = usize::from(marker.num_txs);
            if expected != transactions.len() {
                return Err(BlobError::Count { what: "transactions", expected, found: transactions.len() });
            }
            return Ok((DecodedBlock { transactions, end }, tail));
        }
        let (transaction, tail) = TxFields::read(rest, index)?;
        transactions.push(transaction);
        rest = tail;
    }
}

fn read_block_end(fields: &[Fr], marker: BlockEndMarker, first: bool, index: usize) -> Result<(BlockEnd, &[Fr]), BlobError> {
    let wanted = if first { 7 } else { 6 };
    let truncated = BlobError::Truncated { what: "block end", wanted, left: fields.len() };
    let (taken, rest) = fields.split_at_checked(wanted).ok_or_else(|| truncated.clone())?;
    let (&[_, state, last_archive_root, note_hash_root, nullifier_root, public_data_root], messages) =
        taken.split_first_chunk::<6>().ok_or(truncated)?;
    let state = BlockEndState::from_field(state).ok_or(BlobError::Marker { what: "block end state", index: index + 1 })?;
    let l1_to_l2_message_root = messages.first().copied();
    let end =
        BlockEnd { marker, state, last_archive_root, note_hash_root, nullifier_root, public_data_root, l1_to_l2_message_root };
    Ok((end, rest))
}
