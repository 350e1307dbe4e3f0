//! ECDSA signatures of attesters: their forms on the wire and the recovery of signers.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, B256, hex, keccak256};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use serde::{Deserialize, Serialize};

use crate::units::SigningRoot;

/// Half of the curve's order: the greatest s that is accepted.
const HALF_ORDER: B256 = B256::new([
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e, 0x73, 0x57,
    0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
]);

/// A signature in the only form that L1 and the official nodes accept: v is 27 or 28, s is low.
///
/// Source: npm @aztec/foundation 4.1.2, `src/crypto/secp256k1-signer`, `src/eth-signature`; OpenZeppelin `ECDSA` on L1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawSignature", into = "RawSignature")]
pub struct Signature {
    r: B256,
    s: B256,
    v: u8,
}

/// A signature as calldata carries it: any values. All zero stands for an absent one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawSignature {
    /// Recovery byte.
    pub v: u8,
    /// First half.
    pub r: B256,
    /// Second half.
    pub s: B256,
}

/// Why values are no signature, or a signature has no signer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The recovery byte is neither 27 nor 28.
    #[error("signature v is {0}, expected 27 or 28")]
    RecoveryByte(u32),
    /// s exceeds half of the order, so that a second signature of the same root would exist.
    #[error("signature s is in the upper half of the order")]
    HighS,
    /// Not the length of this form.
    #[error("a signature of this form has {expected} bytes, got {found}")]
    Length {
        /// Bytes of the form.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// Not hexadecimal text.
    #[error("signature is not hexadecimal: {0}")]
    Hex(#[from] hex::FromHexError),
    /// No public key gives this signature.
    #[error("no signer can be recovered")]
    Unrecoverable(#[source] secp256k1::Error),
}

impl Signature {
    /// Checks v and s.
    ///
    /// # Errors
    /// [`SignatureError::RecoveryByte`], [`SignatureError::HighS`].
    pub fn new(r: B256, s: B256, v: u8) -> Result<Self, SignatureError> {
        if v != 27 && v != 28 {
            return Err(SignatureError::RecoveryByte(u32::from(v)));
        }
        if s > HALF_ORDER { Err(SignatureError::HighS) } else { Ok(Self { r, s, v }) }
    }

    /// First half.
    pub const fn r(&self) -> B256 {
        self.r
    }

    /// Second half, low.
    pub const fn s(&self) -> B256 {
        self.s
    }

    /// 27 or 28.
    pub const fn v(&self) -> u8 {
        self.v
    }

    /// The form of gossip messages: r, s, v as four bytes.
    pub fn to_wire68(&self) -> [u8; 68] {
        let mut bytes = [0; 68];
        bytes[..32].copy_from_slice(self.r.as_slice());
        bytes[32..64].copy_from_slice(self.s.as_slice());
        bytes[67] = self.v;
        bytes
    }

    /// Reads the form of gossip messages.
    ///
    /// # Errors
    /// [`SignatureError`] for another length or what [`Signature::new`] refuses.
    pub fn from_wire68(bytes: &[u8]) -> Result<Self, SignatureError> {
        let length = SignatureError::Length { expected: 68, found: bytes.len() };
        let (halves, v) = bytes.split_at_checked(64).ok_or_else(|| length.clone())?;
        let v = u32::from_be_bytes(v.try_into().map_err(|_| length)?);
        let byte = u8::try_from(v).map_err(|_| SignatureError::RecoveryByte(v))?;
        Self::new(B256::from_slice(&halves[..32]), B256::from_slice(&halves[32..]), byte)
    }

    /// The form of packed committee attestations on L1: v, r, s.
    pub fn to_packed65(&self) -> [u8; 65] {
        RawSignature::from(*self).to_packed65()
    }

    /// Reads the form of packed committee attestations.
    ///
    /// # Errors
    /// [`SignatureError`] for another length or what [`Signature::new`] refuses.
    pub fn from_packed65(bytes: &[u8]) -> Result<Self, SignatureError> {
        let array: &[u8; 65] = bytes.try_into().map_err(|_| SignatureError::Length { expected: 65, found: bytes.len() })?;
        RawSignature::from_packed65(array).parse()
    }

    /// The form of texts and logs: r, s, v in 65 bytes.
    pub fn to_rsv65(&self) -> [u8; 65] {
        let mut bytes = [0; 65];
        bytes[..32].copy_from_slice(self.r.as_slice());
        bytes[32..64].copy_from_slice(self.s.as_slice());
        bytes[64] = self.v;
        bytes
    }

    /// Reads the form of texts and logs.
    ///
    /// # Errors
    /// [`SignatureError`] for another length or what [`Signature::new`] refuses.
    pub fn from_rsv65(bytes: &[u8]) -> Result<Self, SignatureError> {
        let array: &[u8; 65] = bytes.try_into().map_err(|_| SignatureError::Length { expected: 65, found: bytes.len() })?;
        Self::new(B256::from_slice(&array[..32]), B256::from_slice(&array[32..64]), array[64])
    }
}

impl RawSignature {
    /// Checks v and s.
    ///
    /// # Errors
    /// As [`Signature::new`].
    pub fn parse(&self) -> Result<Signature, SignatureError> {
        Signature::new(self.r, self.s, self.v)
    }

    /// v, r, s.
    pub fn to_packed65(&self) -> [u8; 65] {
        let mut bytes = [0; 65];
        bytes[0] = self.v;
        bytes[1..33].copy_from_slice(self.r.as_slice());
        bytes[33..].copy_from_slice(self.s.as_slice());
        bytes
    }

    /// Reads v, r, s.
    pub fn from_packed65(bytes: &[u8; 65]) -> Self {
        Self { v: bytes[0], r: B256::from_slice(&bytes[1..33]), s: B256::from_slice(&bytes[33..]) }
    }
}

impl From<Signature> for RawSignature {
    fn from(signature: Signature) -> Self {
        Self { v: signature.v, r: signature.r, s: signature.s }
    }
}

impl TryFrom<RawSignature> for Signature {
    type Error = SignatureError;

    fn try_from(raw: RawSignature) -> Result<Self, SignatureError> {
        raw.parse()
    }
}

impl fmt::Display for Signature {
    /// `0x`, then r, s, v: 130 digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_prefixed(self.to_rsv65()))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        Self::from_rsv65(&hex::decode(text)?)
    }
}

/// The signing root of an official message hash: `keccak256("\x19Ethereum Signed Message:\n32" ‖ hash)`.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/p2p/signature_utils.ts`.
pub fn eip191(message_hash: B256) -> SigningRoot {
    let mut preimage = b"\x19Ethereum Signed Message:\n32".to_vec();
    preimage.extend(message_hash.as_slice());
    SigningRoot::new(keccak256(preimage))
}

/// The address whose key signed `root`.
///
/// # Errors
/// [`SignatureError::Unrecoverable`] if no key did.
pub fn recover(root: &SigningRoot, signature: &Signature) -> Result<Address, SignatureError> {
    let identifier = if signature.v == 27 { RecoveryId::Zero } else { RecoveryId::One };
    let mut compact = [0; 64];
    compact[..32].copy_from_slice(signature.r.as_slice());
    compact[32..].copy_from_slice(signature.s.as_slice());
    let recoverable = RecoverableSignature::from_compact(&compact, identifier).map_err(SignatureError::Unrecoverable)?;
    let key = secp256k1::SECP256K1
        .recover_ecdsa(&secp256k1::Message::from_digest(root.get().0), &recoverable)
        .map_err(SignatureError::Unrecoverable)?;
    Ok(Address::from_raw_public_key(&key.serialize_uncompressed()[1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Signature {
        Signature::new(B256::repeat_byte(0x11), B256::repeat_byte(0x22), 28).unwrap()
    }

    #[test]
    fn every_form_refuses_another_length() {
        for length in (0..68).chain([69, 200]) {
            assert!(Signature::from_wire68(&vec![0x1b; length]).is_err());
        }
        for length in (0..65).chain([66, 200]) {
            assert!(Signature::from_packed65(&vec![0x1b; length]).is_err());
            assert!(Signature::from_rsv65(&vec![0x1b; length]).is_err());
        }
    }

    #[test]
    fn half_of_the_order_is_the_greatest_s() {
        assert!(Signature::new(B256::ZERO, HALF_ORDER, 27).is_ok());
        let above = B256::from(alloy_primitives::U256::from_be_bytes(HALF_ORDER.0) + alloy_primitives::U256::from(1));
        assert_eq!(Signature::new(B256::ZERO, above, 27), Err(SignatureError::HighS));
    }

    #[test]
    fn a_recovery_word_above_a_byte_is_not_taken_for_its_low_byte() {
        let mut wire = sample().to_wire68();
        wire[66] = 1;
        assert_eq!(Signature::from_wire68(&wire), Err(SignatureError::RecoveryByte(0x11c)));
    }

    #[test]
    fn a_zero_signature_has_no_signer() {
        let zero = Signature::new(B256::ZERO, B256::ZERO, 27).unwrap();
        assert!(matches!(recover(&SigningRoot::new(B256::ZERO), &zero), Err(SignatureError::Unrecoverable(_))));
    }

    #[test]
    fn a_stored_signature_with_a_high_s_is_refused() {
        let stored = postcard::to_allocvec(&RawSignature { v: 27, r: B256::ZERO, s: B256::repeat_byte(0xff) }).unwrap();
        assert!(postcard::from_bytes::<Signature>(&stored).is_err());
        assert_eq!(postcard::from_bytes::<Signature>(&postcard::to_allocvec(&sample()).unwrap()).unwrap(), sample());
    }

    proptest! {
        #[test]
        fn every_form_reads_back(r in any::<[u8; 32]>(), mut s in any::<[u8; 32]>(), v in 27u8..=28) {
            s[0] &= 0x3f;
            let signature = Signature::new(r.into(), s.into(), v).unwrap();
            prop_assert_eq!(Signature::from_wire68(&signature.to_wire68()).unwrap(), signature);
            prop_assert_eq!(Signature::from_packed65(&signature.to_packed65()).unwrap(), signature);
            prop_assert_eq!(signature.to_string().parse::<Signature>().unwrap(), signature);
        }
    }
}
