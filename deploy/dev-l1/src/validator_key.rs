//! The BN254 key that a validator registers with.

use alloy::primitives::{B256, U256};
use ark_bn254::{Fq, Fr, G2Affine, g2};
use ark_ff::{BigInteger, PrimeField};

/// Test keys are cut to this many bits, so that any secp256k1 key gives a scalar below the group's order.
const SCALAR_BITS: usize = 253;

/// A scalar and its public key in G2; the deploy script derives the rest (the EVM cannot multiply in G2).
///
/// Source: npm @aztec/ethereum 4.1.2, `src/deploy_aztec_l1_contracts.ts` (`computeValidatorData`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValidatorKey {
    pub(crate) scalar: U256,
    pub(crate) x0: U256,
    pub(crate) x1: U256,
    pub(crate) y0: U256,
    pub(crate) y1: U256,
}

impl ValidatorKey {
    /// A registration key for the test account with this secp256k1 key. For tests only: it gives the account's key away.
    pub(crate) fn of(private_key: &B256) -> Self {
        let scalar = U256::from_be_bytes(private_key.0) & ((U256::from(1) << SCALAR_BITS) - U256::from(1));
        let generator = G2Affine::new(g2::G2_GENERATOR_X, g2::G2_GENERATOR_Y);
        let point: G2Affine = (generator * Fr::from_be_bytes_mod_order(&scalar.to_be_bytes::<32>())).into();
        Self { scalar, x0: number(&point.x.c0), x1: number(&point.x.c1), y0: number(&point.y.c0), y1: number(&point.y.c1) }
    }
}

fn number(coordinate: &Fq) -> U256 {
    U256::from_be_slice(&coordinate.into_bigint().to_bytes_be())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::account::Account;

    #[test]
    fn keys_equal_those_that_the_official_helper_registers() {
        let fixture: Value = serde_json::from_str(include_str!("../fixtures/bn254.json")).unwrap();
        let registrations = fixture["registrations"].as_array().unwrap();
        assert_eq!(registrations.len(), 4);
        for (registration, index) in registrations.iter().zip(1..) {
            let account = Account::at(index).unwrap();
            assert_eq!(registration["attester"], account.address.to_string());

            let key = ValidatorKey::of(&account.private_key);
            assert_eq!(registration["secretKey"], format!("{:#x}", key.scalar));
            let point = &registration["publicKeyInG2"];
            for (name, coordinate) in [("x0", key.x0), ("x1", key.x1), ("y0", key.y0), ("y1", key.y1)] {
                assert_eq!(point[name], coordinate.to_string(), "{name} of account {index}");
            }
        }
    }
}
