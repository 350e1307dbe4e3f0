//! `{mnemonic, addressIndex, accountIndex, addressCount, accountCount}`.

use alloy::signers::local::MnemonicBuilder;
use zeroize::Zeroizing;

use super::document::only;
use super::reading::Reading;
use super::value;
use crate::fault::Place;
use crate::json::Json;
use crate::key::Key;

/// Indices at or above are hardened, which this path does not use.
const INDEX_MAX: u32 = 0x7fff_ffff;
/// Keys of one phrase.
const KEYS_MAX: u32 = 10_000;

/// A BIP-39 phrase and which of its keys are meant.
pub(super) struct Mnemonic {
    phrase: Zeroizing<String>,
    address_index: u32,
    account_index: u32,
    address_count: u32,
    account_count: u32,
}

impl Mnemonic {
    pub(super) fn read(place: &Place, json: &Json, reading: &mut Reading) -> Option<Self> {
        only(place, json, &["mnemonic", "addressIndex", "accountIndex", "addressCount", "accountCount"], reading);
        let phrase = reading.keep(value::text(&place.key("mnemonic"), json.member("mnemonic")?, "a BIP-39 phrase"));
        let mut number = |name: &str, min: u32, max: u32| match json.member(name) {
            Some(json) => reading.keep(value::number(&place.key(name), json, min, max)),
            None => Some(min),
        };
        let (address_index, account_index) = (number("addressIndex", 0, INDEX_MAX), number("accountIndex", 0, INDEX_MAX));
        let (address_count, account_count) = (number("addressCount", 1, KEYS_MAX), number("accountCount", 1, KEYS_MAX));
        let mnemonic = Self {
            phrase: Zeroizing::new(phrase?.trim().to_owned()),
            address_index: address_index?,
            account_index: account_index?,
            address_count: address_count?,
            account_count: account_count?,
        };
        mnemonic.check(place, reading).then_some(mnemonic)
    }

    fn check(&self, place: &Place, reading: &mut Reading) -> bool {
        let keys = self.address_count.checked_mul(self.account_count);
        let ends = [(self.address_index, self.address_count), (self.account_index, self.account_count)];
        let in_range = ends.iter().all(|(index, count)| index.checked_add(*count).is_some_and(|end| end <= INDEX_MAX));
        if in_range && keys.is_some_and(|keys| keys <= KEYS_MAX) {
            return true;
        }
        reading.fault(place.fault("stands for too many keys", format!("at most {KEYS_MAX} keys, with indices below 2^31"), ""));
        false
    }

    /// Keys at `m/44'/60'/account'/0/address`: accounts outside, addresses inside.
    ///
    /// Source: npm @aztec/node-keystore 4.1.2, `src/keystore_manager.ts`.
    pub(super) fn keys(&self, place: &Place, reading: &mut Reading) -> Vec<Key> {
        let mut keys = Vec::new();
        for account in self.account_index..self.account_index.saturating_add(self.account_count) {
            for address in self.address_index..self.address_index.saturating_add(self.address_count) {
                let builder = MnemonicBuilder::english().phrase(self.phrase.as_str());
                let signer =
                    builder.derivation_path(format!("m/44'/60'/{account}'/0/{address}")).and_then(|builder| builder.build());
                // The library's own text may quote a word of the phrase.
                let Ok(signer) = signer else {
                    let found = format!("is <{} words>", self.phrase.split_whitespace().count());
                    let remedy = "check the number and the spelling of its words";
                    reading.fault(place.key("mnemonic").fault(found, "a BIP-39 phrase in English with a right checksum", remedy));
                    return Vec::new();
                };
                keys.push(Key::from_secret(signer.into_credential()));
            }
        }
        keys
    }
}
