//! Accounts of anvil's public test mnemonic.

use alloy::primitives::{Address, B256};
use alloy::signers::local::MnemonicBuilder;
use serde::{Deserialize, Serialize};

use crate::error::DevL1Error;

/// The mnemonic that anvil derives its accounts from. Everybody knows it: worthless anywhere else.
const MNEMONIC: &str = "test test test test test test test test test test test junk";

/// An L1 account whose key is public knowledge, funded with 10,000 ETH by anvil.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its address.
    pub address: Address,
    /// Its secp256k1 key.
    pub private_key: B256,
}

impl Account {
    /// Account 0 deploys, mints and sends what the development L1 itself has to send.
    pub(crate) const DEPLOYER: u32 = 0;

    /// The account at `m/44'/60'/0'/0/index` of the mnemonic.
    pub(crate) fn at(index: u32) -> Result<Self, DevL1Error> {
        let signer =
            MnemonicBuilder::try_from_phrase_nth(MNEMONIC, index).map_err(|_| DevL1Error::Constant { what: "mnemonic" })?;
        Ok(Self { address: signer.address(), private_key: signer.to_bytes() })
    }

    /// The accounts of a range of indices.
    pub(crate) fn range(indices: std::ops::Range<u32>) -> Result<Vec<Self>, DevL1Error> {
        indices.map(Self::at).collect()
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{address, b256};

    use super::*;

    #[test]
    fn the_mnemonic_gives_the_accounts_that_anvil_prints() {
        let deployer = Account::at(Account::DEPLOYER).unwrap();
        assert_eq!(deployer.address, address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        assert_eq!(deployer.private_key, b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"));
        assert_eq!(Account::at(1).unwrap().address, address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"));
    }
}
