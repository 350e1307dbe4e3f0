//! The BN254 scalar field as 32 canonical big-endian bytes.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, B256, U256};
use ark_ff::{BigInt, PrimeField};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes of an element everywhere: buffers, blobs, ABI words.
pub const FIELD_BYTES: usize = 32;

/// The modulus p, big-endian.
const MODULUS: [u8; FIELD_BYTES] = [
    0x30, 0x64, 0x4e, 0x72, 0xe1, 0x31, 0xa0, 0x29, 0xb8, 0x50, 0x45, 0xb6, 0x81, 0x81, 0x58, 0x5d, 0x28, 0x33, 0xe8, 0x48, 0x79,
    0xb9, 0x70, 0x91, 0x43, 0xe1, 0xf5, 0x93, 0xf0, 0x00, 0x00, 0x01,
];

/// An element of the BN254 scalar field, always below the modulus.
///
/// Ordered as the integer. Serialised as `0x` and 64 hex digits in readable formats, else as 32 raw bytes.
///
/// Source: npm @aztec/foundation 4.1.2, `src/curves/bn254/field.ts` (a value that is not below p is an error, never reduced).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fr([u8; FIELD_BYTES]);

/// Why bytes or text are no field element.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The integer is p or more.
    #[error("0x{} is not below the field modulus", alloy_primitives::hex::encode(.0))]
    NotCanonical([u8; FIELD_BYTES]),
    /// Not 32 bytes.
    #[error("a field element has 32 bytes, got {0}")]
    Length(usize),
    /// Not hexadecimal text.
    #[error("field element is not hexadecimal: {0}")]
    Hex(#[from] alloy_primitives::hex::FromHexError),
}

impl Fr {
    /// The additive identity.
    pub const ZERO: Self = Self([0; FIELD_BYTES]);

    /// Reads a big-endian integer.
    ///
    /// # Errors
    /// [`FieldError::NotCanonical`] at p or above.
    pub fn from_be_bytes(bytes: &[u8; FIELD_BYTES]) -> Result<Self, FieldError> {
        if *bytes < MODULUS { Ok(Self(*bytes)) } else { Err(FieldError::NotCanonical(*bytes)) }
    }

    /// Reads a big-endian integer of exactly 32 bytes.
    ///
    /// # Errors
    /// [`FieldError::Length`] for another length, [`FieldError::NotCanonical`] at p or above.
    pub fn try_from_slice(bytes: &[u8]) -> Result<Self, FieldError> {
        let array: &[u8; FIELD_BYTES] = bytes.try_into().map_err(|_| FieldError::Length(bytes.len()))?;
        Self::from_be_bytes(array)
    }

    /// A small integer.
    pub const fn from_u64(number: u64) -> Self {
        let tail = number.to_be_bytes();
        let mut bytes = [0; FIELD_BYTES];
        let mut index = 0;
        while index < tail.len() {
            bytes[FIELD_BYTES - tail.len() + index] = tail[index];
            index += 1;
        }
        Self(bytes)
    }

    /// A 128-bit integer, as gas fees are.
    pub fn from_u128(number: u128) -> Self {
        let mut bytes = [0; FIELD_BYTES];
        bytes[16..].copy_from_slice(&number.to_be_bytes());
        Self(bytes)
    }

    /// The 20 bytes of an L1 address as an integer.
    pub fn from_address(address: Address) -> Self {
        let mut bytes = [0; FIELD_BYTES];
        bytes[12..].copy_from_slice(address.as_slice());
        Self(bytes)
    }

    /// The canonical big-endian bytes.
    pub const fn to_be_bytes(&self) -> [u8; FIELD_BYTES] {
        self.0
    }

    /// Whether this is zero.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The value if it fits 64 bits.
    pub fn to_u64(&self) -> Option<u64> {
        u64::try_from(self.to_u256()).ok()
    }

    /// The value as an integer.
    pub fn to_u256(&self) -> U256 {
        U256::from_be_bytes(self.0)
    }

    /// The ABI word of this value.
    pub const fn to_word(&self) -> B256 {
        B256::new(self.0)
    }

    /// Reads an integer.
    ///
    /// # Errors
    /// [`FieldError::NotCanonical`] at p or above.
    pub fn from_u256(number: U256) -> Result<Self, FieldError> {
        Self::from_be_bytes(&number.to_be_bytes())
    }

    /// 31 bytes behind a zero byte: always below the modulus.
    pub(crate) fn from_31_bytes(tail: &[u8; 31]) -> Self {
        let mut bytes = [0; FIELD_BYTES];
        bytes[1..].copy_from_slice(tail);
        Self(bytes)
    }

    /// The element in the arithmetic library's form.
    pub(crate) fn to_ark(self) -> ark_bn254::Fr {
        let mut limbs = [0u64; 4];
        for (limb, chunk) in limbs.iter_mut().rev().zip(self.0.chunks_exact(8)) {
            *limb = chunk.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
        }
        ark_bn254::Fr::from_bigint(BigInt::new(limbs)).expect("an Fr is below the modulus")
    }

    /// The element from the arithmetic library's form.
    pub(crate) fn from_ark(element: ark_bn254::Fr) -> Self {
        let mut bytes = [0; FIELD_BYTES];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(element.into_bigint().0.iter().rev()) {
            chunk.copy_from_slice(&limb.to_be_bytes());
        }
        Self(bytes)
    }
}

impl TryFrom<B256> for Fr {
    type Error = FieldError;

    fn try_from(word: B256) -> Result<Self, FieldError> {
        Self::from_be_bytes(&word.0)
    }
}

impl From<Fr> for B256 {
    fn from(element: Fr) -> Self {
        element.to_word()
    }
}

impl fmt::Display for Fr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&alloy_primitives::hex::encode_prefixed(self.0))
    }
}

impl fmt::Debug for Fr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fr {
    type Err = FieldError;

    /// Reads 64 hex digits, with or without `0x`.
    fn from_str(text: &str) -> Result<Self, FieldError> {
        Self::try_from_slice(&alloy_primitives::hex::decode(text)?)
    }
}

impl Serialize for Fr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Fr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            Self::from_be_bytes(&<[u8; FIELD_BYTES]>::deserialize(deserializer)?).map_err(de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_modulus_is_refused_and_its_predecessor_accepted() {
        assert_eq!(Fr::from_be_bytes(&MODULUS), Err(FieldError::NotCanonical(MODULUS)));
        let mut last = MODULUS;
        last[31] -= 1;
        assert_eq!(Fr::from_be_bytes(&last).unwrap().to_be_bytes(), last);
        assert!(Fr::from_be_bytes(&[0xff; 32]).is_err());
    }

    #[test]
    fn a_field_element_of_another_length_is_refused() {
        assert_eq!(Fr::try_from_slice(&[0; 31]), Err(FieldError::Length(31)));
        assert_eq!(Fr::try_from_slice(&[0; 33]), Err(FieldError::Length(33)));
        assert!("0x12".parse::<Fr>().is_err());
    }

    #[test]
    fn integers_and_addresses_sit_at_the_low_end() {
        assert_eq!(Fr::from_u64(0x0102).to_u256(), U256::from(0x0102));
        assert_eq!(Fr::from_u128(u128::MAX).to_u256(), U256::from(u128::MAX));
        assert_eq!(Fr::from_u64(u64::MAX).to_u64(), Some(u64::MAX));
        assert_eq!(Fr::from_u128(u128::from(u64::MAX) + 1).to_u64(), None);
        assert_eq!(Fr::from_address(Address::repeat_byte(0xab)).to_be_bytes()[12..], [0xab; 20]);
    }

    proptest! {
        #[test]
        fn every_encoding_reads_back_and_only_canonical_ones_are_read(bytes in any::<[u8; 32]>()) {
            match Fr::from_be_bytes(&bytes) {
                Ok(element) => {
                    prop_assert_eq!(Fr::from_ark(element.to_ark()), element);
                    prop_assert_eq!(element.to_string().parse::<Fr>().unwrap(), element);
                    let stored = postcard::to_allocvec(&element).unwrap();
                    prop_assert_eq!(&stored, &bytes.to_vec());
                    prop_assert_eq!(postcard::from_bytes::<Fr>(&stored).unwrap(), element);
                    let text = serde_json::to_string(&element).unwrap();
                    prop_assert_eq!(serde_json::from_str::<Fr>(&text).unwrap(), element);
                }
                Err(_) => {
                    prop_assert!(bytes >= MODULUS);
                    prop_assert!(postcard::from_bytes::<Fr>(&bytes).is_err());
                }
            }
        }
    }
}
