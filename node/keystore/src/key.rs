//! One secp256k1 key. Private to this crate: what reaches [`Key::sign`] was granted.

use std::fmt;

use alloy_primitives::{Address, B256};
use k256::ecdsa::SigningKey;
use ollin_consensus::{Fault, planted};
use ollin_protocol::signature::{Signature, SignatureError, recover};
use ollin_protocol::units::SigningRoot;

/// A private key and its address. `k256` wipes it when dropped.
#[derive(Clone)]
pub(crate) struct Key {
    address: Address,
    secret: SigningKey,
}

/// Why a signature was made but must not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("the key did not sign")]
    Ecdsa(#[from] k256::ecdsa::Error),
    #[error("the signature is not in the form that L1 takes")]
    Form(#[from] SignatureError),
    #[error("the signature recovers to {recovered}, not to {expected}")]
    Signer { expected: Address, recovered: Address },
}

impl Key {
    /// Wraps 32 bytes, or `None` if they are zero or not below the curve's order. Not a slice: `k256` pads shorter ones in silence.
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        SigningKey::from_slice(bytes).ok().map(Self::from_secret)
    }

    pub(crate) fn from_secret(secret: SigningKey) -> Self {
        let point = secret.verifying_key().to_encoded_point(false);
        // The first byte tells that the point is not compressed.
        let address = Address::from_raw_public_key(&point.as_bytes()[1..]);
        Self { address, secret }
    }

    pub(crate) fn address(&self) -> Address {
        self.address
    }

    /// Signs deterministically (RFC 6979), and recovers the signer before the signature is returned (safety R18).
    pub(crate) fn sign(&self, root: &SigningRoot) -> Result<Signature, KeyError> {
        let (signature, recovery) = self.secret.sign_prehash_recoverable(root.get().as_slice())?;
        let (r, s) = signature.split_bytes();
        // An x above the order (a chance of 2^-127) gives 29 or 30, which `Signature::new` refuses.
        let signature = Signature::new(B256::from_slice(&r), B256::from_slice(&s), recovery.to_byte().saturating_add(27))?;
        let recovered = recover(root, &signature)?;
        if recovered != self.address && !planted(Fault::SignerUnchecked) {
            return Err(KeyError::Signer { expected: self.address, recovered });
        }
        Ok(signature)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256, hex};

    use super::*;

    /// The first account of anvil's well-known phrase.
    const SECRET: [u8; 32] = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");

    #[test]
    fn signing_is_deterministic_low_and_recoverable() {
        let key = Key::from_bytes(&SECRET).unwrap();
        assert_eq!(key.address(), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        for byte in 0..64 {
            let root = SigningRoot::new(B256::repeat_byte(byte));
            let signature = key.sign(&root).unwrap();
            assert_eq!(signature, key.sign(&root).unwrap());
            assert!(signature.v() == 27 || signature.v() == 28);
            assert_eq!(recover(&root, &signature).unwrap(), key.address());
        }
    }

    #[test]
    fn a_signature_that_recovers_to_another_address_is_not_used() {
        let key = Key { address: Address::repeat_byte(7), ..Key::from_bytes(&SECRET).unwrap() };
        let signed = key.sign(&SigningRoot::new(B256::repeat_byte(1)));
        assert!(matches!(signed, Err(KeyError::Signer { expected, .. }) if expected == key.address()), "{signed:?}");
    }

    /// Value made with npm viem, the library of the official node: see `fixtures/README.md`.
    #[test]
    fn a_signature_equals_the_one_that_viem_makes() {
        let root = SigningRoot::new(b256!("1111111111111111111111111111111111111111111111111111111111111111"));
        let signature = Key::from_bytes(&SECRET).unwrap().sign(&root).unwrap();
        assert_eq!(signature.to_string(), include_str!("../fixtures/signature.txt").trim());
    }

    #[test]
    fn zero_and_the_order_are_no_keys_and_debug_shows_none() {
        assert!(Key::from_bytes(&[0; 32]).is_none() && Key::from_bytes(&[0xff; 32]).is_none());
        let shown = format!("{:?}", Key::from_bytes(&SECRET).unwrap());
        assert_eq!(shown, "Key(0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266)");
    }
}
