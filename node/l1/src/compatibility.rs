//! Whether a rollup runs the protocol version that this code base implements.

use std::fmt;

use ollin_protocol::chain::ChainState;

use crate::discovery::RollupConstants;

/// Root of the verification keys of 4.1.2. Source: npm @aztec/noir-protocol-circuits-types 4.1.2, `getVKTreeRoot()`.
const VK_TREE_ROOT: &str = "0x1dd2644a17d1ddd8831287a78c5a1033b7ae35cdf2a3db833608856c062fc2ba";
/// Hash of the protocol contracts of 4.1.2. Source: npm @aztec/protocol-contracts 4.1.2, `src/protocol_contract_data.ts`.
const PROTOCOL_CONTRACTS_HASH: &str = "0x2672340d9a0107a7b81e6d10d25b854debe613f3272e8738e8df0ca2ff297141";

/// One property in which the rollup is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The property.
    pub what: &'static str,
    /// Its value on L1.
    pub found: String,
    /// The value that this version expects.
    pub expected: String,
    /// What the operator can do.
    pub remedy: &'static str,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, expected {}: {}", self.what, self.found, self.expected, self.remedy)
    }
}

/// The rollup cannot be served by this version. Lists every mismatch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rollup is not one that this version can serve: {}", join(.mismatches))]
pub struct Incompatible {
    /// Never empty.
    pub mismatches: Vec<Mismatch>,
}

fn join(mismatches: &[Mismatch]) -> String {
    mismatches.iter().map(Mismatch::to_string).collect::<Vec<_>>().join("; ")
}

/// Compares a rollup's constants with those of 4.1.2, and the chain id with the operator's, if given.
///
/// # Errors
/// [`Incompatible`] with every property that differs.
pub fn check_compatibility(constants: &RollupConstants, expected_chain_id: Option<u64>) -> Result<(), Incompatible> {
    let mut mismatches = Vec::new();
    let mut compare = |what, found: String, expected: String, remedy| {
        if found != expected {
            mismatches.push(Mismatch { what, found, expected, remedy });
        }
    };
    if let Some(expected) = expected_chain_id {
        let remedy = "set L1_CHAIN_ID and ETHEREUM_HOSTS to the same network";
        compare("the L1 chain id", constants.chain_id.to_string(), expected.to_string(), remedy);
    }
    let genesis = ChainState::genesis().archive().root.to_string();
    let remedy = "the rollup was deployed with prefunded accounts or for another release; use a rollup with an empty genesis";
    compare("the genesis archive root", constants.genesis_archive_root.to_string(), genesis, remedy);
    let remedy = "the rollup is for another release of the protocol; set ROLLUP_VERSION to a 4.1.2 rollup, or upgrade";
    compare("the vk tree root", constants.vk_tree_root.to_string(), VK_TREE_ROOT.to_owned(), remedy);
    let found = constants.protocol_contracts_hash.to_string();
    compare("the protocol contracts hash", found, PROTOCOL_CONTRACTS_HASH.to_owned(), remedy);
    if mismatches.is_empty() { Ok(()) } else { Err(Incompatible { mismatches }) }
}

#[cfg(test)]
mod tests {
    use ollin_protocol::field::Fr;
    use ollin_protocol::units::L1BlockNumber;

    use super::*;

    fn constants() -> RollupConstants {
        RollupConstants {
            chain_id: 31337,
            rollup_version: 1,
            genesis_time: 1,
            slot_duration: 6,
            epoch_duration: 4,
            proof_submission_epochs: 1,
            target_committee_size: 1,
            l1_start_block: L1BlockNumber::new(1),
            mana_limit: 200_000_000,
            genesis_archive_root: "0x15684c8c3d2106918d3860f777e50555b7166adff47df13cc652e2e5a50bf5c7".parse::<Fr>().unwrap(),
            vk_tree_root: VK_TREE_ROOT.parse().unwrap(),
            protocol_contracts_hash: PROTOCOL_CONTRACTS_HASH.parse().unwrap(),
        }
    }

    #[test]
    fn a_rollup_of_4_1_2_is_served() {
        assert_eq!(check_compatibility(&constants(), None), Ok(()));
        assert_eq!(check_compatibility(&constants(), Some(31337)), Ok(()));
    }

    #[test]
    fn every_mismatch_is_named_with_found_expected_and_remedy() {
        let foreign = RollupConstants {
            genesis_archive_root: Fr::from_u64(1),
            vk_tree_root: Fr::from_u64(2),
            protocol_contracts_hash: Fr::from_u64(3),
            ..constants()
        };
        let refusal = check_compatibility(&foreign, Some(1)).unwrap_err();
        let what: Vec<&str> = refusal.mismatches.iter().map(|mismatch| mismatch.what).collect();
        assert_eq!(what, ["the L1 chain id", "the genesis archive root", "the vk tree root", "the protocol contracts hash"]);
        assert_eq!((refusal.mismatches[0].found.as_str(), refusal.mismatches[0].expected.as_str()), ("31337", "1"));
        assert!(refusal.mismatches.iter().all(|mismatch| !mismatch.remedy.is_empty()));
    }
}
