//! The calls and events of the L1 contracts that this code base uses, written from their ABI.
//!
//! Source: npm @aztec/l1-artifacts 4.1.2, `l1-contracts/src/{core/Rollup.sol,core/interfaces/*.sol,governance/Registry.sol}`;
//! Multicall3 as deployed at its fixed address on every chain.

use alloy::primitives::Address;
use alloy::sol;
use ollin_protocol::multicall::decode_aggregate3;
use ollin_protocol::propose::PROPOSE_SELECTOR;

sol! {
    /// The registry of rollups.
    interface IRegistry {
        function getCanonicalRollup() external view returns (address);
        function getRollup(uint256 version) external view returns (address);
        function getVersion(uint256 index) external view returns (uint256);
        function getGovernance() external view returns (address);
    }

    /// Governance.
    interface IGovernance {
        function governanceProposer() external view returns (address);
    }

    /// A contract with an owner: the fee asset's is the issuer of coins.
    interface IOwned {
        function owner() external view returns (address);
    }

    /// The pending and the proven tip.
    struct ChainTips {
        uint256 pending;
        uint256 proven;
    }

    /// The rollup. Getters of the committee are not `view` in the contract (they use transient storage): they are only ever
    /// evaluated by `eth_call`.
    interface IRollup {
        event CheckpointProposed(
            uint256 indexed checkpointNumber,
            bytes32 indexed archive,
            bytes32[] versionedBlobHashes,
            bytes32 payloadDigest,
            bytes32 attestationsHash
        );

        function getInbox() external view returns (address);
        function getOutbox() external view returns (address);
        function getFeeAsset() external view returns (address);
        function getStakingAsset() external view returns (address);
        function getFeeAssetPortal() external view returns (address);
        function getRewardDistributor() external view returns (address);
        function getGSE() external view returns (address);
        function getVersion() external view returns (uint256);
        function getGenesisTime() external view returns (uint256);
        function getSlotDuration() external view returns (uint256);
        function getEpochDuration() external view returns (uint256);
        function getProofSubmissionEpochs() external view returns (uint256);
        function getTargetCommitteeSize() external view returns (uint256);
        function getManaLimit() external view returns (uint256);
        function L1_BLOCK_AT_GENESIS() external view returns (uint256);
        function archiveAt(uint256 checkpointNumber) external view returns (bytes32);
        function getTips() external view returns (ChainTips memory);
        function getProvenCheckpointNumber() external view returns (uint256);
        function status(uint256 myCheckpoint) external view returns (
            uint256 provenCheckpointNumber,
            bytes32 provenArchive,
            uint256 pendingCheckpointNumber,
            bytes32 pendingArchive,
            bytes32 archiveOfMyCheckpoint,
            uint256 provenEpochNumber
        );
        function canPruneAtTime(uint256 ts) external view returns (bool);
        function getManaMinFeeAt(uint256 ts, bool inFeeAsset) external view returns (uint256);
        function getEpochCommittee(uint256 epoch) external returns (address[] memory);
        function getProposerAt(uint256 ts) external returns (address);
        function canProposeAtTime(uint256 ts, bytes32 archive, address who) external returns (uint256 slot, uint256 checkpointNumber);
        function getEscapeHatchForEpoch(uint256 epoch) external view returns (address);
    }

    /// The escape hatch of a rollup.
    interface IEscapeHatch {
        function isHatchOpen(uint256 epoch) external view returns (bool open, address proposer);
    }

    /// The inbox of L1-to-L2 messages.
    interface IInbox {
        event MessageSent(uint256 indexed checkpointNumber, uint256 index, bytes32 indexed hash, bytes16 rollingHash);

        function getState() external view returns (bytes16 rollingHash, uint64 totalMessagesInserted, uint64 inProgress);
    }

    /// One call of a Multicall3 bundle.
    struct Call3 {
        address target;
        bool allowFailure;
        bytes callData;
    }

    /// The outcome of one call of a bundle.
    struct CallResult {
        bool success;
        bytes returnData;
    }

    /// Multicall3.
    interface IMulticall3 {
        function aggregate3(Call3[] calls) external payable returns (CallResult[] memory returnData);
    }
}

/// Where in a Multicall3 bundle the rollup's `propose` stands, if the calldata is a bundle with such a call.
pub fn propose_position(multicall_data: &[u8], rollup: Address) -> Option<usize> {
    let calls = decode_aggregate3(multicall_data).ok()?;
    calls.iter().position(|call| call.target == rollup && call.calldata.starts_with(&PROPOSE_SELECTOR))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Bytes;
    use alloy::sol_types::{SolCall, SolEvent};

    use super::*;

    #[test]
    fn selectors_and_topics_are_those_of_the_deployed_contracts() {
        assert_eq!(IRollup::statusCall::SELECTOR, [0x42, 0xd2, 0x1e, 0xf7]);
        assert_eq!(IRollup::getTipsCall::SELECTOR, [0x88, 0xe4, 0xa0, 0x73]);
        assert_eq!(IRollup::getEpochCommitteeCall::SELECTOR, [0x69, 0x45, 0x7a, 0x6f]);
        assert_eq!(IRollup::getProposerAtCall::SELECTOR, [0xc2, 0x7f, 0x08, 0xb5]);
        assert_eq!(IRollup::canProposeAtTimeCall::SELECTOR, [0xae, 0x36, 0xb7, 0xbe]);
        assert_eq!(IRollup::canPruneAtTimeCall::SELECTOR, [0xdc, 0x1b, 0xb8, 0xf4]);
        assert_eq!(IRollup::getManaMinFeeAtCall::SELECTOR, [0x76, 0x6d, 0x01, 0xb4]);
        assert_eq!(IInbox::getStateCall::SELECTOR, [0x18, 0x65, 0xc5, 0x7d]);
        assert_eq!(IMulticall3::aggregate3Call::SELECTOR, [0x82, 0xad, 0x56, 0xcb]);
        let proposed = "6ff492bf2b4ca1b93a175167d14b3e46085b935cab3f39ca94013000799b93a0";
        assert_eq!(hex::encode(IRollup::CheckpointProposed::SIGNATURE_HASH), proposed);
        let sent = "e3afb584bcff3adb9d452d2e1ccbcd4aee164ae2a8cdab637aecf866a53fbb77";
        assert_eq!(hex::encode(IInbox::MessageSent::SIGNATURE_HASH), sent);
    }

    #[test]
    fn a_propose_is_found_in_its_bundle_and_nowhere_else() {
        let rollup = Address::repeat_byte(7);
        let call = |target, data: &[u8]| Call3 { target, allowFailure: true, callData: Bytes::copy_from_slice(data) };
        let propose = [PROPOSE_SELECTOR.as_slice(), &[1, 2, 3]].concat();
        let calls = vec![call(rollup, &[0xae, 0x89, 0x55, 0x81]), call(Address::ZERO, &propose), call(rollup, &propose)];
        let bundle = IMulticall3::aggregate3Call { calls }.abi_encode();
        assert_eq!(propose_position(&bundle, rollup), Some(2));
        assert_eq!(propose_position(&bundle, Address::repeat_byte(8)), None);
        assert_eq!(propose_position(&propose, rollup), None);
        for end in 0..bundle.len() - 31 {
            assert_eq!(propose_position(&bundle[..end], rollup), None, "truncated at {end}");
        }
    }
}
