//! Official variables that this version does not use: said, never silently ignored.

use super::Environment;
use super::fault::Fault;
use super::setting::SETTINGS;

/// Variables of the official node begin so, or are one of [`NAMES`].
const PREFIXES: [&str; 12] = [
    "SEQ_",
    "VALIDATOR_",
    "P2P_",
    "ARCHIVER_",
    "BLOB_",
    "L1_",
    "WS_",
    "SENTINEL_",
    "SLASH_",
    "PROVER_",
    "PUBLISHER_",
    "TX_COLLECTION_",
];

/// Further variables of the official node. Source: npm @aztec/foundation 4.1.2, `src/config/env_var.ts`.
const NAMES: [&str; 16] = [
    "BOOTSTRAP_NODES",
    "COINBASE",
    "ENABLE_VERSION_CHECK",
    "ETHEREUM_DEBUG_HOSTS",
    "FEE_RECIPIENT",
    "GOVERNANCE_PROPOSER_PAYLOAD_ADDRESS",
    "PEER_ID_PRIVATE_KEY",
    "PEER_ID_PRIVATE_KEY_PATH",
    "RPC_SIMULATE_PUBLIC_MAX_GAS_LIMIT",
    "SYNC_MODE",
    "SYNC_SNAPSHOTS_URL",
    "SYNC_SNAPSHOTS_URLS",
    "TRANSACTIONS_DISABLED",
    "TX_PUBLIC_SETUP_ALLOWLIST",
    "WEB3_SIGNER_URL",
    "MAX_ALLOWED_ETH_CLIENT_DRIFT_SECONDS",
];

/// Variables that, when true, ask for something that this replica would do the opposite of.
const CONTRARY: [(&str, &str); 3] = [
    (
        "VALIDATOR_HA_SIGNING_ENABLED",
        "the cluster's signing log takes its place, and keys in use elsewhere must not be used here",
    ),
    ("VALIDATOR_DISABLED", "a replica of this version always takes duties"),
    ("FISHERMAN_MODE", "a replica of this version always takes duties"),
];

/// Variables that bring keys: with a keystore file the official node ignores them too.
const KEYS: [&str; 7] = [
    "VALIDATOR_PRIVATE_KEY",
    "VALIDATOR_PRIVATE_KEYS",
    "VALIDATOR_ADDRESSES",
    "SEQ_PUBLISHER_PRIVATE_KEY",
    "SEQ_PUBLISHER_PRIVATE_KEYS",
    "SEQ_PUBLISHER_ADDRESSES",
    "WEB3_SIGNER_URL",
];

/// Variables of ours that are no settings: the build's, and the file's own name.
const OTHER_OWN: [&str; 2] = ["OLLIN_CACHE", "OLLIN_CONFIG"];

/// Notes about variables that are set without effect; faults for those that must not be.
pub(crate) fn check(environment: &Environment, faults: &mut Vec<Fault>) -> Vec<String> {
    let mut notes = Vec::new();
    for name in environment.iter().filter(|(_, value)| !value.trim().is_empty()).map(|(name, _)| name.as_str()) {
        if SETTINGS.iter().any(|setting| setting.env == name) || OTHER_OWN.contains(&name) {
            continue;
        }
        if let Some((_, reason)) = CONTRARY.iter().find(|(contrary, _)| *contrary == name) {
            if environment.get(name).is_some_and(|value| matches!(value.trim(), "1" | "true" | "TRUE")) {
                faults.push(Fault::plain(format!("{name} is true, expected it unset or false: {reason}")));
            }
        } else if KEYS.contains(&name) {
            notes.push(format!("{name} is set and ignored: keys come from KEY_STORE_DIRECTORY"));
        } else if name.starts_with("OLLIN_") {
            notes.push(format!("{name} is set, but there is no such setting"));
        } else if NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            notes.push(format!("{name} is set, not yet in use"));
        }
    }
    notes
}
