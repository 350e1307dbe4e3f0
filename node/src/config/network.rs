//! Networks that the official node knows, and the one that this version runs on.

use super::fault::Expected;

/// Source: npm @aztec/foundation 4.1.2, `src/config/network_name.ts`.
const OFFICIAL: [&str; 8] =
    ["local", "testnet", "alpha-testnet", "mainnet", "devnet", "staging-ignition", "staging-public", "next-net"];

/// Accepts `local` only: nobody may stake on a node that cannot yet execute transactions.
pub(crate) fn parse(text: &str) -> Result<(), Expected> {
    match text {
        "local" => Ok(()),
        other if OFFICIAL.contains(&other) => {
            Err(Expected::rule("local").remedy(format!("cannot yet execute transactions on {other}")))
        }
        other => Err(Expected::rule("local").remedy(format!("Unknown network: {other}"))),
    }
}
