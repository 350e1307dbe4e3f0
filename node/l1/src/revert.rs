//! Refusals of the contracts: custom errors by selector.
//!
//! The rollup delegates to external libraries, so its own ABI lacks most errors it returns. The selectors are computed from the
//! signatures below, not taken from the comments in the Solidity sources, which are in part stale.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use alloy::dyn_abi::{DynSolValue, JsonAbiExt};
use alloy::json_abi::Error as AbiError;

/// Errors that a proposer can meet. Those without parameter names have none in the source.
///
/// Source: npm @aztec/l1-artifacts 4.1.2, `l1-contracts/src/core/libraries/Errors.sol` and the libraries that `propose` reaches;
/// OpenZeppelin 5 for `ECDSA*`, `Ownable*` and `SafeCast*`; the last two are Solidity's own.
const SIGNATURES: &[&str] = &[
    "AddressSnapshotLib__CannotAddAddressZero()",
    "AddressSnapshotLib__IndexOutOfBounds(uint256 index, uint256 size)",
    "AttestationLib__InvalidDataSize(uint256, uint256)",
    "AttestationLib__NotASignatureAtIndex(uint256 index)",
    "AttestationLib__NotAnAddressAtIndex(uint256 index)",
    "AttestationLib__SignatureIndicesSizeMismatch(uint256, uint256)",
    "AttestationLib__SignaturesOrAddressesSizeMismatch(uint256, uint256)",
    "AttestationLib__SignersSizeMismatch(uint256, uint256)",
    "CheckpointUnorderedInsertion()",
    "ECDSAInvalidSignature()",
    "ECDSAInvalidSignatureLength(uint256 length)",
    "ECDSAInvalidSignatureS(bytes32 s)",
    "EmpireBase__FailedToSubmitRoundWinner(address payload)",
    "EmpireBase__InstanceHaveNoCode(address instance)",
    "EmpireBase__InsufficientSignals(uint256 signalsCast, uint256 signalsNeeded)",
    "EmpireBase__InvalidLifetimeAndExecutionDelay(uint256 lifetimeInRounds, uint256 executionDelayInRounds)",
    "EmpireBase__InvalidQuorumAndRoundSize(uint256 quorumSize, uint256 roundSize)",
    "EmpireBase__OnlyProposerCanSignal(address caller, address proposer)",
    "EmpireBase__PayloadAlreadySubmitted(uint256 roundNumber)",
    "EmpireBase__PayloadCannotBeAddressZero()",
    "EmpireBase__QuorumCannotBeLargerThanRoundSize(uint256 quorumSize, uint256 roundSize)",
    "EmpireBase__RoundTooNew(uint256 roundNumber, uint256 currentRoundNumber)",
    "EmpireBase__RoundTooOld(uint256 roundNumber, uint256 currentRoundNumber)",
    "EmpireBase__SignalAlreadyCastForSlot(uint256 slot)",
    "EscapeHatch__AlreadyInCandidateSet(address candidate)",
    "EscapeHatch__AlreadyValidated(uint256 hatch)",
    "EscapeHatch__HatchTooEarly(uint256 hatch)",
    "EscapeHatch__InvalidConfiguration()",
    "EscapeHatch__InvalidStatus(uint8 expected, uint8 actual)",
    "EscapeHatch__NoDesignatedProposer(uint256 hatch)",
    "EscapeHatch__NotExitableYet(uint256 exitableAt, uint256 currentTime)",
    "EscapeHatch__NotInCandidateSet(address candidate)",
    "EscapeHatch__OnlyRollup(address caller, address rollup)",
    "EscapeHatch__SetUnstable(uint256 hatch)",
    "FeeLib__AlreadyPreheated()",
    "FeeLib__InvalidFeeAssetPriceModifier()",
    "FeeLib__InvalidInitialEthPerFeeAsset(uint256 provided, uint256 minimum, uint256 maximum)",
    "FeeLib__InvalidManaLimit(uint256 maximum, uint256 provided)",
    "HeaderLib__InvalidHeaderSize(uint256 expected, uint256 actual)",
    "HeaderLib__InvalidSlotNumber(uint256 expected, uint256 actual)",
    "Inbox__ActorTooLarge(bytes32 actor)",
    "Inbox__ContentTooLarge(bytes32 content)",
    "Inbox__Ignition()",
    "Inbox__MustBuildBeforeConsume()",
    "Inbox__SecretHashTooLarge(bytes32 secretHash)",
    "Inbox__Unauthorized()",
    "Inbox__VersionMismatch(uint256 expected, uint256 actual)",
    "MerkleLib__InvalidIndexForPathLength()",
    "MerkleLib__InvalidRoot(bytes32 expected, bytes32 actual, bytes32 leaf, uint256 leafIndex)",
    "OwnableInvalidOwner(address owner)",
    "OwnableUnauthorizedAccount(address account)",
    "Registry__NoRollupsRegistered()",
    "Registry__RollupAlreadyRegistered(address rollup)",
    "Registry__RollupNotRegistered(uint256 version)",
    "RewardLib__InvalidSequencerBps()",
    "Rollup__AttestationsAreValid()",
    "Rollup__CannotInvalidateEscapeHatch()",
    "Rollup__CheckpointAlreadyProven()",
    "Rollup__CheckpointNotInPendingChain()",
    "Rollup__InsufficientBondAmount(uint256 minimum, uint256 provided)",
    "Rollup__InsufficientFundsInEscrow(uint256 required, uint256 available)",
    "Rollup__InvalidArchive(bytes32 expected, bytes32 actual)",
    "Rollup__InvalidAttestationIndex()",
    "Rollup__InvalidAttestations()",
    "Rollup__InvalidBasisPointFee(uint256 basisPointFee)",
    "Rollup__InvalidBlobHash(bytes32 expected, bytes32 actual)",
    "Rollup__InvalidBlobProof(bytes32 blobHash)",
    "Rollup__InvalidCheckpointNumber(uint256 expected, uint256 actual)",
    "Rollup__InvalidCoinbase()",
    "Rollup__InvalidEscapeHatchProposer(address expected, address actual)",
    "Rollup__InvalidFirstEpochProof()",
    "Rollup__InvalidInHash(bytes32 expected, bytes32 actual)",
    "Rollup__InvalidManaMinFee(uint256 expected, uint256 actual)",
    "Rollup__InvalidManaTarget(uint256 minimum, uint256 provided)",
    "Rollup__InvalidOutHash(bytes32 expected, bytes32 actual)",
    "Rollup__InvalidPreviousArchive(bytes32 expected, bytes32 actual)",
    "Rollup__InvalidProof()",
    "Rollup__InvalidProposedArchive(bytes32 expected, bytes32 actual)",
    "Rollup__InvalidTimestamp(uint256 expected, uint256 actual)",
    "Rollup__ManaLimitExceeded()",
    "Rollup__NoBlobsInCheckpoint()",
    "Rollup__NoEpochToProve()",
    "Rollup__NonSequentialProving()",
    "Rollup__NonZeroDaFee()",
    "Rollup__NotPastDeadline(uint256 deadline, uint256 currentEpoch)",
    "Rollup__NothingToPrune()",
    "Rollup__PastDeadline(uint256 deadline, uint256 currentEpoch)",
    "Rollup__ProverHaveAlreadySubmitted(address prover, uint256 epoch)",
    "Rollup__RewardsNotClaimable()",
    "Rollup__SlotAlreadyInChain(uint256 lastSlot, uint256 proposedSlot)",
    "Rollup__StartAndEndNotSameEpoch(uint256 start, uint256 end)",
    "Rollup__StartIsNotBuildingOnProven()",
    "Rollup__StartIsNotFirstCheckpointOfEpoch()",
    "Rollup__TimestampInFuture(uint256 max, uint256 actual)",
    "Rollup__TimestampTooOld()",
    "Rollup__TooManyCheckpointsInEpoch(uint256 expected, uint256 actual)",
    "Rollup__TooSoonToSetRewardsClaimable(uint256 earliestRewardsClaimableTimestamp, uint256 currentTimestamp)",
    "Rollup__TryingToProveNonExistingCheckpoint()",
    "Rollup__UnavailableTempCheckpointLog(uint256 checkpointNumber, uint256 pendingCheckpointNumber, uint256 upperLimit)",
    "Rollup__UnavailableTxs(bytes32 txsHash)",
    "SafeCastOverflowedUintDowncast(uint8 bits, uint256 value)",
    "SampleLib__IndexOutOfBounds(uint256 requested, uint256 bound)",
    "SampleLib__SampleLargerThanIndex(uint256 sample, uint256 index)",
    "SignatureLib__InvalidSignature(address, address)",
    "Slasher__AlreadyInitialized()",
    "Slasher__CallerNotAuthorizedToSlash(address caller)",
    "Slasher__CallerNotVetoer(address caller, address vetoer)",
    "Slasher__PayloadVetoed(address payload)",
    "Slasher__ProposerZeroAddress()",
    "Slasher__SlashFailed(address target, bytes data, bytes returnData)",
    "Slasher__SlashingDisabled()",
    "TallySlashingProposer__CommitteeSizeMustBeGreaterThanZero(uint256 committeeSize)",
    "TallySlashingProposer__InvalidCommitteeCommitment()",
    "TallySlashingProposer__InvalidCommitteeSize(uint256 expected, uint256 actual)",
    "TallySlashingProposer__InvalidEpochIndex(uint256 epochIndex, uint256 roundSizeInEpochs)",
    "TallySlashingProposer__InvalidNumberOfCommittees(uint256 expected, uint256 actual)",
    "TallySlashingProposer__InvalidQuorumAndRoundSize(uint256 quorum, uint256 roundSize)",
    "TallySlashingProposer__InvalidSignature()",
    "TallySlashingProposer__InvalidSlashAmounts(uint256[3] slashAmounts)",
    "TallySlashingProposer__InvalidVoteLength(uint256 expected, uint256 actual)",
    "TallySlashingProposer__LifetimeMustBeGreaterThanExecutionDelay(uint256 lifetime, uint256 executionDelay)",
    "TallySlashingProposer__LifetimeMustBeLessThanRoundabout(uint256 lifetime, uint256 roundabout)",
    "TallySlashingProposer__QuorumMustBeGreaterThanZero()",
    "TallySlashingProposer__RoundAlreadyExecuted(uint256 round)",
    "TallySlashingProposer__RoundNotComplete(uint256 round)",
    "TallySlashingProposer__RoundOutOfRange(uint256 round, uint256 currentRound)",
    "TallySlashingProposer__RoundSizeInEpochsMustBeGreaterThanZero(uint256 roundSizeInEpochs)",
    "TallySlashingProposer__RoundSizeMustBeMultipleOfEpochDuration(uint256 roundSize, uint256 epochDuration)",
    "TallySlashingProposer__RoundSizeTooLarge(uint256 roundSize, uint256 maxRoundSize)",
    "TallySlashingProposer__SlashAmountMustBeGtZero(string info)",
    "TallySlashingProposer__SlashAmountTooLarge()",
    "TallySlashingProposer__SlashOffsetMustBeGreaterThanZero(uint256 slashOffset)",
    "TallySlashingProposer__VoteAlreadyCastInCurrentSlot(uint256 slot)",
    "TallySlashingProposer__VoteSizeTooBig(uint256 voteSize, uint256 maxSize)",
    "TallySlashingProposer__VotesMustBeMultipleOf4(uint256 votes)",
    "TallySlashingProposer__VotingNotOpen(uint256 currentRound)",
    "ValidatorSelection__EpochNotSetup()",
    "ValidatorSelection__EpochNotStable(uint256 queriedEpoch, uint32 currentTimestamp)",
    "ValidatorSelection__InsufficientAttestations(uint256 minimumNeeded, uint256 provided)",
    "ValidatorSelection__InsufficientValidatorSetSize(uint256 actual, uint256 expected)",
    "ValidatorSelection__InvalidCommitteeCommitment(bytes32 reconstructed, bytes32 expected)",
    "ValidatorSelection__InvalidDeposit(address attester, address proposer)",
    "ValidatorSelection__InvalidLagInEpochs(uint256 lagInEpochsForValidatorSet, uint256 lagInEpochsForRandao)",
    "ValidatorSelection__InvalidProposer(address expected, address actual)",
    "ValidatorSelection__MissingProposerSignature(address proposer, uint256 index)",
    "ValidatorSelection__ProposerIndexTooLarge(uint256 index)",
    "Error(string message)",
    "Panic(uint256 code)",
];

/// Longest argument that is shown: a refusal may come from any contract.
const SHOWN_CHARACTERS: usize = 200;
/// Longest refusal that is decoded.
const DECODED_BYTES: usize = 16 << 10;

/// One argument of a custom error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevertArgument {
    /// Its name; empty where the source has none.
    pub name: String,
    /// Its value as text: numbers in decimal, bytes in hex.
    pub value: String,
}

/// A contract's refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert {
    /// Name of the error, or its selector if the table does not know it; empty if the contract gave no reason.
    pub name: String,
    /// Its arguments; empty if the table does not know it.
    pub arguments: Vec<RevertArgument>,
}

impl Revert {
    /// Decodes the data of a revert. Never fails: what is unknown or malformed is shown by its selector.
    pub fn decode(data: &[u8]) -> Self {
        let Some((selector, arguments)) = data.split_first_chunk::<4>() else {
            return Self { name: String::new(), arguments: Vec::new() };
        };
        let unknown = || Self { name: format!("0x{}", hex::encode(selector)), arguments: Vec::new() };
        if arguments.len() > DECODED_BYTES {
            return unknown();
        }
        let Some(error) = table().get(selector) else {
            return unknown();
        };
        let Ok(values) = error.abi_decode_input(arguments) else {
            return unknown();
        };
        let names = error.inputs.iter().map(|input| input.name.clone());
        let arguments = names.zip(&values).map(|(name, value)| RevertArgument { name, value: show(value) }).collect();
        Self { name: error.name.clone(), arguments }
    }

    /// Whether the contract refused with this error.
    pub fn is(&self, name: &str) -> bool {
        self.name == name
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            return f.write_str("no reason given");
        }
        write!(f, "{}(", self.name)?;
        for (index, argument) in self.arguments.iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            let name = if argument.name.is_empty() { String::new() } else { format!("{}: ", argument.name) };
            write!(f, "{separator}{name}{}", argument.value)?;
        }
        f.write_str(")")
    }
}

fn table() -> &'static BTreeMap<[u8; 4], AbiError> {
    static TABLE: OnceLock<BTreeMap<[u8; 4], AbiError>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let parsed = SIGNATURES.iter().filter_map(|signature| AbiError::parse(signature).ok());
        parsed.map(|error| (error.selector().0, error)).collect()
    })
}

fn show(value: &DynSolValue) -> String {
    let text = match value {
        DynSolValue::Bool(value) => value.to_string(),
        DynSolValue::Int(value, _) => value.to_string(),
        DynSolValue::Uint(value, _) => value.to_string(),
        DynSolValue::FixedBytes(word, size) => format!("0x{}", hex::encode(word.get(..*size).unwrap_or_default())),
        DynSolValue::Address(address) => address.to_string(),
        DynSolValue::Bytes(bytes) => format!("0x{}", hex::encode(bytes)),
        DynSolValue::String(text) => text.escape_debug().to_string(),
        DynSolValue::Function(_)
        | DynSolValue::Array(_)
        | DynSolValue::FixedArray(_)
        | DynSolValue::Tuple(_)
        | DynSolValue::CustomStruct { .. } => format!("{value:?}"),
    };
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests;
