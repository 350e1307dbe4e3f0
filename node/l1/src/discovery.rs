//! From the registry's address to the contracts and constants of one rollup.

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::providers::Provider;
use ollin_protocol::field::Fr;
use ollin_protocol::multicall::MULTICALL3;
use ollin_protocol::units::L1BlockNumber;

use crate::client::Reader;
use crate::contract::{IGovernance, IOwned, IRegistry, IRollup};
use crate::error::L1Error;

/// Name whose hash is the first storage slot of the rollup's state-transition data.
const STF_STORAGE: &str = "aztec.stf.storage";

/// Addresses of one rollup deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contracts {
    /// The registry that was configured.
    pub registry: Address,
    /// The rollup.
    pub rollup: Address,
    /// Its inbox of L1-to-L2 messages.
    pub inbox: Address,
    /// Its outbox.
    pub outbox: Address,
    /// Multicall3.
    pub multicall: Address,
}

/// What a rollup was deployed with. Nothing here changes during its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupConstants {
    /// Chain id of L1.
    pub chain_id: u64,
    /// The rollup's version: a hash prefix, not a counter.
    pub rollup_version: u64,
    /// Start of slot 0, seconds since the Unix epoch.
    pub genesis_time: u64,
    /// Seconds.
    pub slot_duration: u64,
    /// Slots.
    pub epoch_duration: u64,
    /// Epochs after which an unproven epoch is pruned, beyond the one that follows it.
    pub proof_submission_epochs: u64,
    /// Members of a committee; 0 switches committees off.
    pub target_committee_size: u64,
    /// The L1 block that created the rollup.
    pub l1_start_block: L1BlockNumber,
    /// Most mana in one checkpoint.
    pub mana_limit: u128,
    /// Root of the archive tree before the first checkpoint.
    pub genesis_archive_root: Fr,
    /// Root of the verification keys' tree: which circuits.
    pub vk_tree_root: Fr,
    /// Hash of the protocol contracts.
    pub protocol_contracts_hash: Fr,
}

/// Finds the rollup and reads everything about it that never changes.
///
/// # Errors
/// [`L1Error::NoContract`], [`L1Error::NotARegistry`] and [`L1Error::NoSuchRollup`] speak about the configuration; the rest about L1.
///
/// Source: npm @aztec/ethereum 4.1.2, `src/contracts/{registry,rollup}.ts`.
pub(crate) async fn discover(
    reader: &Reader,
    registry: Address,
    version: Option<u64>,
) -> Result<(Contracts, RollupConstants), L1Error> {
    let chain_id = reader.chain_id().await?;
    reader.require_code("the registry of rollups", registry, chain_id).await?;
    let rollup = match version {
        None => canonical(reader, registry).await?,
        Some(version) => by_version_or_index(reader, registry, version).await?,
    };
    reader.require_code("the rollup that the registry names", rollup, chain_id).await?;
    let (inbox, outbox) = futures::try_join!(
        reader.call("Rollup.getInbox", rollup, IRollup::getInboxCall {}),
        reader.call("Rollup.getOutbox", rollup, IRollup::getOutboxCall {}),
    )?;
    let contracts = Contracts { registry, rollup, inbox, outbox, multicall: MULTICALL3 };
    Ok((contracts, constants(reader, rollup, chain_id).await?))
}

async fn canonical(reader: &Reader, registry: Address) -> Result<Address, L1Error> {
    let answer = reader.call("Registry.getCanonicalRollup", registry, IRegistry::getCanonicalRollupCall {}).await;
    answer.map_err(|error| not_a_registry(registry, error))
}

/// A number is a version first and, if the registry knows no such version, an index.
async fn by_version_or_index(reader: &Reader, registry: Address, version: u64) -> Result<Address, L1Error> {
    let number = U256::from(version);
    match reader.call("Registry.getRollup", registry, IRegistry::getRollupCall { version: number }).await {
        Ok(rollup) => return Ok(rollup),
        Err(L1Error::Reverted { .. }) => {}
        Err(error) => return Err(not_a_registry(registry, error)),
    }
    let no_such_rollup = |error: L1Error| {
        if error.revert().is_some() { L1Error::NoSuchRollup { registry, version } } else { error }
    };
    let call = IRegistry::getVersionCall { index: number };
    let version = reader.call("Registry.getVersion", registry, call).await.map_err(no_such_rollup)?;
    reader.call("Registry.getRollup", registry, IRegistry::getRollupCall { version }).await.map_err(no_such_rollup)
}

/// A contract that refuses the registry's first question, or answers with something else, is no registry.
fn not_a_registry(registry: Address, error: L1Error) -> L1Error {
    match error {
        L1Error::Reverted { .. } | L1Error::Malformed { .. } => {
            L1Error::NotARegistry { address: registry, reason: error.to_string() }
        }
        L1Error::Unreachable(_)
        | L1Error::Rpc { .. }
        | L1Error::NoContract { .. }
        | L1Error::NotARegistry { .. }
        | L1Error::NoSuchRollup { .. }
        | L1Error::Setup { .. } => error,
    }
}

/// Contracts around the rollup that no duty needs and that `node_getNodeInfo` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Fee Juice.
    pub fee_asset: Address,
    /// The asset that attesters stake.
    pub staking_asset: Address,
    /// The bridge of Fee Juice.
    pub fee_asset_portal: Address,
    /// Owner of the fee asset.
    pub coin_issuer: Address,
    /// Pays rewards.
    pub reward_distributor: Address,
    /// Governance.
    pub governance: Address,
    /// Collects signals of proposers.
    pub governance_proposer: Address,
    /// The staking escrow.
    pub gse: Address,
}

/// Finds the contracts around the rollup (`l1-contracts/src/core/Rollup.sol`, `governance/Registry.sol`).
pub(crate) async fn surroundings(reader: &Reader, contracts: &Contracts) -> Result<Surroundings, L1Error> {
    let rollup = contracts.rollup;
    let (fee_asset, staking_asset, fee_asset_portal, reward_distributor, gse, governance) = futures::try_join!(
        reader.call("Rollup.getFeeAsset", rollup, IRollup::getFeeAssetCall {}),
        reader.call("Rollup.getStakingAsset", rollup, IRollup::getStakingAssetCall {}),
        reader.call("Rollup.getFeeAssetPortal", rollup, IRollup::getFeeAssetPortalCall {}),
        reader.call("Rollup.getRewardDistributor", rollup, IRollup::getRewardDistributorCall {}),
        reader.call("Rollup.getGSE", rollup, IRollup::getGSECall {}),
        reader.call("Registry.getGovernance", contracts.registry, IRegistry::getGovernanceCall {}),
    )?;
    let (governance_proposer, coin_issuer) = futures::try_join!(
        reader.call("Governance.governanceProposer", governance, IGovernance::governanceProposerCall {}),
        reader.call("FeeAsset.owner", fee_asset, IOwned::ownerCall {}),
    )?;
    Ok(Surroundings {
        fee_asset,
        staking_asset,
        fee_asset_portal,
        coin_issuer,
        reward_distributor,
        governance,
        governance_proposer,
        gse,
    })
}

async fn constants(reader: &Reader, rollup: Address, chain_id: u64) -> Result<RollupConstants, L1Error> {
    let (version, genesis_time, slot, epoch, proof_epochs, committee, start, mana_limit, genesis_archive) = futures::try_join!(
        reader.call("Rollup.getVersion", rollup, IRollup::getVersionCall {}),
        reader.call("Rollup.getGenesisTime", rollup, IRollup::getGenesisTimeCall {}),
        reader.call("Rollup.getSlotDuration", rollup, IRollup::getSlotDurationCall {}),
        reader.call("Rollup.getEpochDuration", rollup, IRollup::getEpochDurationCall {}),
        reader.call("Rollup.getProofSubmissionEpochs", rollup, IRollup::getProofSubmissionEpochsCall {}),
        reader.call("Rollup.getTargetCommitteeSize", rollup, IRollup::getTargetCommitteeSizeCall {}),
        reader.call("Rollup.L1_BLOCK_AT_GENESIS", rollup, IRollup::L1_BLOCK_AT_GENESISCall {}),
        reader.call("Rollup.getManaLimit", rollup, IRollup::getManaLimitCall {}),
        reader.call("Rollup.archiveAt", rollup, IRollup::archiveAtCall { checkpointNumber: U256::ZERO }),
    )?;
    let (vk_tree_root, protocol_contracts_hash) = futures::try_join!(stored(reader, rollup, 3), stored(reader, rollup, 4))?;
    let slot_duration = small("Rollup.getSlotDuration", slot)?;
    let epoch_duration = small("Rollup.getEpochDuration", epoch)?;
    if slot_duration == 0 || epoch_duration == 0 {
        return Err(L1Error::Malformed { call: "Rollup", reason: "a slot or epoch of length 0".to_owned() });
    }
    Ok(RollupConstants {
        chain_id,
        rollup_version: small("Rollup.getVersion", version)?,
        genesis_time: small("Rollup.getGenesisTime", genesis_time)?,
        slot_duration,
        epoch_duration,
        proof_submission_epochs: small("Rollup.getProofSubmissionEpochs", proof_epochs)?,
        target_committee_size: small("Rollup.getTargetCommitteeSize", committee)?,
        l1_start_block: L1BlockNumber::new(small("Rollup.L1_BLOCK_AT_GENESIS", start)?),
        mana_limit: u128::try_from(mana_limit).unwrap_or(u128::MAX),
        genesis_archive_root: field("Rollup.archiveAt", genesis_archive)?,
        vk_tree_root,
        protocol_contracts_hash,
    })
}

/// A word of the rollup's state-transition storage: some constants have no getter.
async fn stored(reader: &Reader, rollup: Address, offset: u64) -> Result<Fr, L1Error> {
    let slot = U256::from_be_bytes(keccak256(STF_STORAGE).0).wrapping_add(U256::from(offset));
    let word = reader.provider().get_storage_at(rollup, slot).await;
    let word = word.map_err(|error| L1Error::from_transport("eth_getStorageAt", error))?;
    field("eth_getStorageAt", B256::from(word))
}

/// A word that must fit a `u64`.
pub(crate) fn small(call: &'static str, value: U256) -> Result<u64, L1Error> {
    u64::try_from(value).map_err(|_| L1Error::Malformed { call, reason: format!("{value} does not fit 64 bits") })
}

/// A word that must be a field element.
pub(crate) fn field(call: &'static str, word: B256) -> Result<Fr, L1Error> {
    Fr::from_be_bytes(&word.0).map_err(|_| L1Error::Malformed { call, reason: format!("{word} is no field element") })
}
