//! Fixed-width reading of big-endian buffers: the official serialisation of headers and effects.

use alloy_primitives::Address;

use crate::field::{FieldError, Fr};

/// A cursor over hostile bytes; every read is bounded.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

/// Why a buffer could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The buffer ended early.
    #[error("{wanted} more bytes expected, {left} left")]
    Truncated {
        /// Bytes that the next item needs.
        wanted: usize,
        /// Bytes left.
        left: usize,
    },
    /// The buffer did not end with the last item.
    #[error("{0} bytes behind the last item")]
    Trailing(usize),
    /// A field element is not canonical.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A slot exceeds the four bytes that block headers have for it.
    #[error("slot exceeds 32 bits")]
    SlotTooLarge,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let (head, rest) =
            self.rest.split_at_checked(count).ok_or(ReadError::Truncated { wanted: count, left: self.rest.len() })?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn field(&mut self) -> Result<Fr, ReadError> {
        Ok(Fr::from_be_bytes(&self.array()?)?)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, ReadError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ReadError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, ReadError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn u128(&mut self) -> Result<u128, ReadError> {
        Ok(u128::from_be_bytes(self.array()?))
    }

    pub(crate) fn address(&mut self) -> Result<Address, ReadError> {
        Ok(Address::new(self.array()?))
    }

    /// Ends the reading.
    pub(crate) fn finish(self) -> Result<(), ReadError> {
        if self.rest.is_empty() { Ok(()) } else { Err(ReadError::Trailing(self.rest.len())) }
    }
}

/// A number of the wire that has four bytes there.
///
/// Nothing that is decoded or built by this crate exceeds them ([`crate::header::BlockHeader::check`],
/// [`crate::payload::DutyPayload::check`]); a value made by hand that does is written as the largest, so that writing stays total.
pub(crate) fn wire_u32(number: u64) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}
