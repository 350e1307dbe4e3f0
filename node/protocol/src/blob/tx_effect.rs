//! The effects of one transaction, as a blob and as an archive hold them.

use super::tx_fields::field_of;
use super::{TxFields, TxStartMarker};
use crate::bytes::{ReadError, Reader};
use crate::field::Fr;

const MAX_NOTE_HASHES: usize = 64;
const MAX_NULLIFIERS: usize = 64;
const MAX_L2_TO_L1_MESSAGES: usize = 8;
const MAX_PUBLIC_DATA_WRITES: usize = 64;
const MAX_PRIVATE_LOGS: usize = 64;
const MAX_CLASS_LOGS: usize = 1;
const PRIVATE_LOG_FIELDS: usize = 16;
const CLASS_LOG_FIELDS: usize = 3023;
const PUBLIC_LOGS_FIELDS: usize = 4096;
const PUBLIC_LOG_HEADER_FIELDS: usize = 2;
const MAX_REVERT_CODE: u8 = 3;

/// The effects of one transaction.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/tx/tx_effect.ts`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxEffect {
    /// 0 none, 1 application logic, 2 teardown, 3 both reverted.
    pub revert_code: u8,
    /// Hash of the transaction.
    pub tx_hash: Fr,
    /// Its fee.
    pub transaction_fee: Fr,
    /// Note hashes, none zero.
    pub note_hashes: Vec<Fr>,
    /// Nullifiers, none zero.
    pub nullifiers: Vec<Fr>,
    /// Hashes of messages to L1, none zero.
    pub l2_to_l1_messages: Vec<Fr>,
    /// Public data writes.
    pub public_data_writes: Vec<PublicDataWrite>,
    /// Private logs: the emitted fields of each.
    pub private_logs: Vec<Vec<Fr>>,
    /// Public logs.
    pub public_logs: Vec<PublicLog>,
    /// Contract class logs, at most one.
    pub contract_class_logs: Vec<ContractClassLog>,
}

/// A write to the public data tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublicDataWrite {
    /// Key of the leaf.
    pub leaf_slot: Fr,
    /// Its new value.
    pub value: Fr,
}

/// A log of a public function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicLog {
    /// The contract.
    pub contract_address: Fr,
    /// What it emitted.
    pub fields: Vec<Fr>,
}

/// A contract class's code, published as a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractClassLog {
    /// The contract.
    pub contract_address: Fr,
    /// What it emitted.
    pub fields: Vec<Fr>,
}

/// Why decoded fields or bytes are no transaction effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EffectError {
    /// An unknown revert code.
    #[error("invalid revert code {0}")]
    RevertCode(u8),
    /// More items than a transaction may have.
    #[error("{count} {what} exceed {limit}")]
    TooMany {
        /// Which items.
        what: &'static str,
        /// How many.
        count: usize,
        /// Most allowed.
        limit: usize,
    },
    /// An item that must not be empty.
    #[error("{what} {index} is empty")]
    Empty {
        /// Which item.
        what: &'static str,
        /// Its place.
        index: usize,
    },
    /// The public logs do not fill their announced length.
    #[error("public logs do not end at their length of {0} fields")]
    PublicLogs(usize),
    /// A padding field behind a log's emitted fields is not zero.
    #[error("padding of a log is not zero")]
    Padding,
    /// The bytes cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl TryFrom<TxFields> for TxEffect {
    type Error = EffectError;

    /// Judges decoded fields as the official archiver does when it rebuilds the effect.
    fn try_from(fields: TxFields) -> Result<Self, EffectError> {
        let public_logs = read_public_logs(&fields.public_logs)?;
        let contract_class_logs = match fields.contract_class_log.split_first() {
            Some((address, emitted)) => vec![ContractClassLog { contract_address: *address, fields: emitted.to_vec() }],
            None => Vec::new(),
        };
        let effect = Self {
            revert_code: fields.marker.revert_code,
            tx_hash: fields.tx_hash,
            transaction_fee: fields.transaction_fee,
            note_hashes: fields.note_hashes,
            nullifiers: fields.nullifiers,
            l2_to_l1_messages: fields.l2_to_l1_messages,
            public_data_writes: fields.public_data_writes,
            private_logs: fields.private_logs,
            public_logs,
            contract_class_logs,
        };
        effect.check()?;
        Ok(effect)
    }
}

fn read_public_logs(flat: &[Fr]) -> Result<Vec<PublicLog>, EffectError> {
    limit("public log fields", flat.len(), PUBLIC_LOGS_FIELDS)?;
    let wrong = EffectError::PublicLogs(flat.len());
    let mut rest = flat;
    let mut logs = Vec::new();
    while let Some((length, tail)) = rest.split_first() {
        let length = length.to_u64().and_then(|length| usize::try_from(length).ok()).ok_or_else(|| wrong.clone())?;
        let (contract_address, tail) = tail.split_first().ok_or_else(|| wrong.clone())?;
        let (fields, tail) = tail.split_at_checked(length).ok_or_else(|| wrong.clone())?;
        logs.push(PublicLog { contract_address: *contract_address, fields: fields.to_vec() });
        rest = tail;
    }
    Ok(logs)
}

impl TxEffect {
    /// The fields of the effect in a blob, marker first.
    ///
    /// # Errors
    /// [`EffectError`] if the effect exceeds what a transaction may have.
    pub fn to_fields(&self) -> Result<TxFields, EffectError> {
        self.check()?;
        let public_logs: Vec<Fr> = self
            .public_logs
            .iter()
            .flat_map(|log| [field_of(log.fields.len()), log.contract_address].into_iter().chain(log.fields.iter().copied()))
            .collect();
        let contract_class_log: Vec<Fr> = self
            .contract_class_logs
            .iter()
            .flat_map(|log| std::iter::once(log.contract_address).chain(log.fields.iter().copied()))
            .collect();
        let mut fields = TxFields {
            marker: TxStartMarker {
                num_blob_fields: 0,
                revert_code: self.revert_code,
                num_note_hashes: count(self.note_hashes.len()),
                num_nullifiers: count(self.nullifiers.len()),
                num_l2_to_l1_messages: count(self.l2_to_l1_messages.len()),
                num_public_data_writes: count(self.public_data_writes.len()),
                num_private_logs: count(self.private_logs.len()),
                private_logs_length: count(self.private_logs.iter().map(Vec::len).sum()),
                public_logs_length: u32::from(count(public_logs.len())),
                contract_class_log_length: count(contract_class_log.len().saturating_sub(1)),
            },
            tx_hash: self.tx_hash,
            transaction_fee: self.transaction_fee,
            note_hashes: self.note_hashes.clone(),
            nullifiers: self.nullifiers.clone(),
            l2_to_l1_messages: self.l2_to_l1_messages.clone(),
            public_data_writes: self.public_data_writes.clone(),
            private_logs: self.private_logs.clone(),
            public_logs,
            contract_class_log,
        };
        fields.marker.num_blob_fields = u32::from(count(fields.to_fields().len()));
        Ok(fields)
    }

    /// The official serialisation, logs padded to their full width.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.revert_code];
        push_fields(&mut bytes, &[self.tx_hash, self.transaction_fee]);
        for list in [&self.note_hashes, &self.nullifiers, &self.l2_to_l1_messages] {
            bytes.push(count_byte(list.len()));
            push_fields(&mut bytes, list);
        }
        bytes.push(count_byte(self.public_data_writes.len()));
        for write in &self.public_data_writes {
            push_fields(&mut bytes, &[write.leaf_slot, write.value]);
        }
        bytes.push(count_byte(self.private_logs.len()));
        for log in &self.private_logs {
            push_padded(&mut bytes, log, PRIVATE_LOG_FIELDS);
        }
        bytes.extend(count_word(self.public_logs.len()));
        for log in &self.public_logs {
            bytes.extend(count_word(log.fields.len()));
            push_fields(&mut bytes, &[log.contract_address]);
            push_fields(&mut bytes, &log.fields);
        }
        bytes.push(count_byte(self.contract_class_logs.len()));
        for log in &self.contract_class_logs {
            push_fields(&mut bytes, &[log.contract_address]);
            push_padded(&mut bytes, &log.fields, CLASS_LOG_FIELDS);
        }
        bytes
    }

    /// Reads the official serialisation; nothing may follow.
    ///
    /// # Errors
    /// [`EffectError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EffectError> {
        let mut reader = Reader::new(bytes);
        let revert_code = reader.byte()?;
        let tx_hash = reader.field()?;
        let transaction_fee = reader.field()?;
        let note_hashes = read_list(&mut reader)?;
        let nullifiers = read_list(&mut reader)?;
        let l2_to_l1_messages = read_list(&mut reader)?;
        let public_data_writes = (0..reader.byte()?)
            .map(|_| Ok(PublicDataWrite { leaf_slot: reader.field()?, value: reader.field()? }))
            .collect::<Result<_, ReadError>>()?;
        let private_logs =
            (0..reader.byte()?).map(|_| read_padded(&mut reader, PRIVATE_LOG_FIELDS)).collect::<Result<_, EffectError>>()?;
        let mut public_logs = Vec::new();
        for _ in 0..reader.u32()? {
            let length = reader.u32()?;
            let contract_address = reader.field()?;
            let fields = (0..length).map(|_| reader.field()).collect::<Result<_, ReadError>>()?;
            public_logs.push(PublicLog { contract_address, fields });
        }
        let contract_class_logs = (0..reader.byte()?)
            .map(|_| {
                let contract_address = reader.field()?;
                Ok(ContractClassLog { contract_address, fields: read_padded(&mut reader, CLASS_LOG_FIELDS)? })
            })
            .collect::<Result<_, EffectError>>()?;
        reader.finish()?;
        let effect = Self {
            revert_code,
            tx_hash,
            transaction_fee,
            note_hashes,
            nullifiers,
            l2_to_l1_messages,
            public_data_writes,
            private_logs,
            public_logs,
            contract_class_logs,
        };
        effect.check()?;
        Ok(effect)
    }

    /// The limits of a transaction, and what must not be zero.
    fn check(&self) -> Result<(), EffectError> {
        if self.revert_code > MAX_REVERT_CODE {
            return Err(EffectError::RevertCode(self.revert_code));
        }
        limit("note hashes", self.note_hashes.len(), MAX_NOTE_HASHES)?;
        limit("nullifiers", self.nullifiers.len(), MAX_NULLIFIERS)?;
        limit("messages to L1", self.l2_to_l1_messages.len(), MAX_L2_TO_L1_MESSAGES)?;
        limit("public data writes", self.public_data_writes.len(), MAX_PUBLIC_DATA_WRITES)?;
        limit("private logs", self.private_logs.len(), MAX_PRIVATE_LOGS)?;
        limit("contract class logs", self.contract_class_logs.len(), MAX_CLASS_LOGS)?;
        let flat = self.public_logs.iter().map(|log| log.fields.len() + PUBLIC_LOG_HEADER_FIELDS).sum();
        limit("public log fields", flat, PUBLIC_LOGS_FIELDS)?;
        for log in &self.private_logs {
            limit("private log fields", log.len(), PRIVATE_LOG_FIELDS)?;
        }
        for log in &self.contract_class_logs {
            limit("contract class log fields", log.fields.len(), CLASS_LOG_FIELDS)?;
        }
        none_empty("note hash", &self.note_hashes, Fr::is_zero)?;
        none_empty("nullifier", &self.nullifiers, Fr::is_zero)?;
        none_empty("message to L1", &self.l2_to_l1_messages, Fr::is_zero)?;
        none_empty("public data write", &self.public_data_writes, |write| write.leaf_slot.is_zero() && write.value.is_zero())?;
        none_empty("private log", &self.private_logs, Vec::is_empty)?;
        none_empty("contract class log", &self.contract_class_logs, |log| log.fields.is_empty())
    }
}

const fn limit(what: &'static str, count: usize, limit: usize) -> Result<(), EffectError> {
    if count > limit { Err(EffectError::TooMany { what, count, limit }) } else { Ok(()) }
}

fn none_empty<T>(what: &'static str, items: &[T], empty: impl Fn(&T) -> bool) -> Result<(), EffectError> {
    items.iter().position(empty).map_or(Ok(()), |index| Err(EffectError::Empty { what, index }))
}

/// A count that [`TxEffect::check`] has bounded.
fn count(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn count_byte(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

fn count_word(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}

fn push_fields(bytes: &mut Vec<u8>, fields: &[Fr]) {
    bytes.extend(fields.iter().flat_map(Fr::to_be_bytes));
}

fn push_padded(bytes: &mut Vec<u8>, fields: &[Fr], width: usize) {
    push_fields(bytes, fields);
    push_fields(bytes, &vec![Fr::ZERO; width.saturating_sub(fields.len())]);
    bytes.extend(count_word(fields.len()));
}

fn read_list(reader: &mut Reader<'_>) -> Result<Vec<Fr>, ReadError> {
    (0..reader.byte()?).map(|_| reader.field()).collect()
}

/// Padding, then the number of emitted fields; what was not emitted must be zero, so that writing gives the same bytes.
fn read_padded(reader: &mut Reader<'_>, width: usize) -> Result<Vec<Fr>, EffectError> {
    let mut fields = (0..width).map(|_| reader.field()).collect::<Result<Vec<_>, ReadError>>()?;
    let emitted = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    limit("log fields", emitted, width)?;
    if fields.iter().skip(emitted).any(|field| !field.is_zero()) {
        return Err(EffectError::Padding);
    }
    fields.truncate(emitted);
    Ok(fields)
}

#[cfg(test)]
mod tests;
