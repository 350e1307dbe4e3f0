//! What the deploy script is told, and the name of the cached result.

use std::collections::BTreeMap;

use alloy::primitives::{hex, keccak256};
use serde_json::{Value, json};

use crate::account::Account;
use crate::error::DevL1Error;
use crate::profile::Profile;
use crate::validator_key::ValidatorKey;

/// Seconds of an L1 block.
pub(crate) const ETHEREUM_SLOT_DURATION_S: u64 = 1;
/// Slots of an epoch.
pub(crate) const EPOCH_DURATION_SLOTS: u64 = 4;
/// Raised when the way of deploying changes in a manner that the variables do not show.
const SCHEME: u32 = 1;

/// Variables that are the same in all profiles: the genesis of 4.1.2 and the official defaults of a local network.
///
/// Source: npm @aztec/ethereum 4.1.2, `src/generated/l1-contracts-defaults.ts`, `src/config.ts`; genesis: npm @aztec/constants,
/// @aztec/protocol-contracts and @aztec/noir-protocol-circuits-types 4.1.2.
const FIXED: [(&str, &str); 31] = [
    ("NETWORK", "local"),
    ("REAL_VERIFIER", "false"),
    ("FEE_JUICE_PORTAL_INITIAL_BALANCE", "0"),
    ("VK_TREE_ROOT", "0x1dd2644a17d1ddd8831287a78c5a1033b7ae35cdf2a3db833608856c062fc2ba"),
    ("PROTOCOL_CONTRACTS_HASH", "0x2672340d9a0107a7b81e6d10d25b854debe613f3272e8738e8df0ca2ff297141"),
    ("GENESIS_ARCHIVE_ROOT", "0x15684c8c3d2106918d3860f777e50555b7166adff47df13cc652e2e5a50bf5c7"),
    ("AZTEC_LAG_IN_EPOCHS_FOR_VALIDATOR_SET", "1"),
    ("AZTEC_LAG_IN_EPOCHS_FOR_RANDAO", "1"),
    ("AZTEC_INBOX_LAG", "1"),
    ("AZTEC_ACTIVATION_THRESHOLD", "100000000000000000000"),
    ("AZTEC_EJECTION_THRESHOLD", "50000000000000000000"),
    ("AZTEC_LOCAL_EJECTION_THRESHOLD", "98000000000000000000"),
    ("AZTEC_EXIT_DELAY_SECONDS", "172800"),
    ("AZTEC_MANA_TARGET", "100000000"),
    ("AZTEC_PROVING_COST_PER_MANA", "100"),
    ("AZTEC_INITIAL_ETH_PER_FEE_ASSET", "10000000"),
    ("AZTEC_SLASHER_FLAVOR", "tally"),
    ("AZTEC_SLASHING_ROUND_SIZE_IN_EPOCHS", "4"),
    ("AZTEC_SLASHING_LIFETIME_IN_ROUNDS", "5"),
    ("AZTEC_SLASHING_EXECUTION_DELAY_IN_ROUNDS", "0"),
    ("AZTEC_SLASHING_OFFSET_IN_ROUNDS", "2"),
    ("AZTEC_SLASHING_VETOER", "0x0000000000000000000000000000000000000000"),
    ("AZTEC_SLASHING_DISABLE_DURATION", "432000"),
    ("AZTEC_SLASH_AMOUNT_SMALL", "10000000000000000000"),
    ("AZTEC_SLASH_AMOUNT_MEDIUM", "20000000000000000000"),
    ("AZTEC_SLASH_AMOUNT_LARGE", "50000000000000000000"),
    ("AZTEC_GOVERNANCE_PROPOSER_ROUND_SIZE", "300"),
    ("AZTEC_GOVERNANCE_VOTING_DURATION", "3600"),
    ("FOUNDRY_PROFILE", "default"),
    ("FOUNDRY_DISABLE_NIGHTLY_WARNING", "1"),
    ("NO_COLOR", "1"),
];

/// The environment of the deploy script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) variables: BTreeMap<&'static str, String>,
}

impl Parameters {
    pub(crate) fn of(profile: Profile) -> Result<Self, DevL1Error> {
        let validators: Vec<Value> = profile.validators()?.iter().map(registration).collect();
        let mut variables: BTreeMap<_, _> = FIXED.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        variables.insert("INITIAL_VALIDATORS", Value::Array(validators).to_string());
        variables.insert("AZTEC_SLOT_DURATION", profile.slot_duration_s().to_string());
        variables.insert("AZTEC_EPOCH_DURATION", EPOCH_DURATION_SLOTS.to_string());
        variables.insert("AZTEC_TARGET_COMMITTEE_SIZE", profile.committee_size().to_string());
        variables.insert("AZTEC_PROOF_SUBMISSION_EPOCHS", profile.proof_submission_epochs().to_string());
        Ok(Self { variables })
    }

    /// Names a deployment with these parameters by these versions: 16 hex digits of a hash over all of them.
    pub(crate) fn fingerprint(&self, versions: &str) -> String {
        let text = format!("{SCHEME}\n{versions}\n{:?}", self.variables);
        hex::encode(&keccak256(text)[..8])
    }
}

/// One element of `INITIAL_VALIDATORS`; numbers are decimal strings.
fn registration(validator: &Account) -> Value {
    let key = ValidatorKey::of(&validator.private_key);
    json!({
        "attester": validator.address,
        "withdrawer": validator.address,
        "privateKey": key.scalar.to_string(),
        "publicKeyInG2": {
            "x0": key.x0.to_string(), "x1": key.x1.to_string(), "y0": key.y0.to_string(), "y1": key.y1.to_string(),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PROFILES: [Profile; 4] = [Profile::Demo, Profile::Failover, Profile::Committee, Profile::Prune];

    #[test]
    fn every_profile_and_every_version_has_its_own_fingerprint() {
        let names: BTreeSet<_> = PROFILES
            .iter()
            .flat_map(|profile| ["l1-a", "l1-b"].map(|versions| Parameters::of(*profile).unwrap().fingerprint(versions)))
            .collect();
        assert_eq!(names.len(), 8);
    }

    #[test]
    fn the_committee_profile_registers_four_validators_with_decimal_keys() {
        let parameters = Parameters::of(Profile::Committee).unwrap();
        let validators: Value = serde_json::from_str(&parameters.variables["INITIAL_VALIDATORS"]).unwrap();
        let validators = validators.as_array().unwrap();
        assert_eq!(validators.len(), 4);
        assert!(validators.iter().all(|validator| validator["privateKey"].as_str().unwrap().bytes().all(|b| b.is_ascii_digit())));
        assert_eq!(parameters.variables["AZTEC_TARGET_COMMITTEE_SIZE"], "4");
    }

    #[test]
    fn only_the_prune_profile_prunes() {
        for profile in PROFILES {
            let epochs = Parameters::of(profile).unwrap().variables["AZTEC_PROOF_SUBMISSION_EPOCHS"].clone();
            assert_eq!(epochs == "1", profile == Profile::Prune, "{profile:?}");
        }
    }
}
