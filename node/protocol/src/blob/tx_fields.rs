//! The fields of one transaction in a blob.

use super::{BlobError, PublicDataWrite, TxStartMarker};
use crate::field::Fr;

/// The fields of a transaction in a blob, cut apart by their marker and not yet judged.
///
/// Source: npm @aztec/blob-lib 4.1.2, `src/encoding/tx_blob_data.ts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxFields {
    /// The marker as it stands in the blob.
    pub marker: TxStartMarker,
    /// Hash of the transaction.
    pub tx_hash: Fr,
    /// Its fee.
    pub transaction_fee: Fr,
    /// Note hashes.
    pub note_hashes: Vec<Fr>,
    /// Nullifiers.
    pub nullifiers: Vec<Fr>,
    /// Hashes of messages to L1.
    pub l2_to_l1_messages: Vec<Fr>,
    /// Public data writes.
    pub public_data_writes: Vec<PublicDataWrite>,
    /// Private logs, each its emitted fields.
    pub private_logs: Vec<Vec<Fr>>,
    /// Public logs, flat.
    pub public_logs: Vec<Fr>,
    /// Address and fields of the contract class log, or nothing.
    pub contract_class_log: Vec<Fr>,
}

impl TxFields {
    /// Reads one transaction from the front; gives the rest.
    pub(super) fn read(fields: &[Fr], index: usize) -> Result<(Self, &[Fr]), BlobError> {
        let (first, mut rest) = take(fields, 1, "tx start marker")?;
        let marker = first
            .first()
            .and_then(|field| TxStartMarker::from_field(*field))
            .ok_or(BlobError::Marker { what: "tx start marker", index })?;
        // Only an upper bound, as in the official decoder: the counts decide how much is read.
        let announced = usize::try_from(marker.num_blob_fields).unwrap_or(usize::MAX).saturating_sub(1);
        take(rest, announced, "tx effect")?;
        let mut next = |count: usize, what| {
            let (taken, left) = take(rest, count, what)?;
            rest = left;
            Ok::<&[Fr], BlobError>(taken)
        };
        let head = next(2, "transaction hash and fee")?;
        let note_hashes = next(marker.num_note_hashes.into(), "note hashes")?.to_vec();
        let nullifiers = next(marker.num_nullifiers.into(), "nullifiers")?.to_vec();
        let l2_to_l1_messages = next(marker.num_l2_to_l1_messages.into(), "messages to L1")?.to_vec();
        let writes = next(2 * usize::from(marker.num_public_data_writes), "public data writes")?;
        let (writes, _) = writes.as_chunks::<2>();
        let public_data_writes =
            writes.iter().map(|[leaf_slot, value]| PublicDataWrite { leaf_slot: *leaf_slot, value: *value }).collect();
        let mut private_logs = Vec::new();
        for _ in 0..marker.num_private_logs {
            let length = next(1, "private log length")?.iter().find_map(Fr::to_u64).and_then(|length| u32::try_from(length).ok());
            let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
            private_logs.push(next(length, "private log")?.to_vec());
        }
        let public_logs = next(usize::try_from(marker.public_logs_length).unwrap_or(usize::MAX), "public logs")?.to_vec();
        let class_log = match marker.contract_class_log_length {
            0 => 0,
            length => usize::from(length) + 1,
        };
        let contract_class_log = next(class_log, "contract class log")?.to_vec();
        let &[tx_hash, transaction_fee] = head else {
            return Err(BlobError::Truncated { what: "transaction hash and fee", wanted: 2, left: 0 });
        };
        let tx = Self {
            marker,
            tx_hash,
            transaction_fee,
            note_hashes,
            nullifiers,
            l2_to_l1_messages,
            public_data_writes,
            private_logs,
            public_logs,
            contract_class_log,
        };
        Ok((tx, rest))
    }

    /// The fields as they stand in a blob, the marker unchanged.
    pub fn to_fields(&self) -> Vec<Fr> {
        let mut fields = vec![self.marker.to_field(), self.tx_hash, self.transaction_fee];
        fields.extend(&self.note_hashes);
        fields.extend(&self.nullifiers);
        fields.extend(&self.l2_to_l1_messages);
        fields.extend(self.public_data_writes.iter().flat_map(|write| [write.leaf_slot, write.value]));
        for log in &self.private_logs {
            fields.push(field_of(log.len()));
            fields.extend(log);
        }
        fields.extend(&self.public_logs);
        fields.extend(&self.contract_class_log);
        fields
    }
}

fn take<'a>(fields: &'a [Fr], wanted: usize, what: &'static str) -> Result<(&'a [Fr], &'a [Fr]), BlobError> {
    fields.split_at_checked(wanted).ok_or(BlobError::Truncated { what, wanted, left: fields.len() })
}

/// A count as a field.
pub(super) fn field_of(count: usize) -> Fr {
    Fr::from_u64(u64::try_from(count).unwrap_or(u64::MAX))
}
