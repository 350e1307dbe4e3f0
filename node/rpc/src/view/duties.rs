//! Duties as an operator sees them: what is bound, what moved between clusters, what was missed.

use alloy_primitives::{Address, B256};
use ollin_protocol::units::{BlockIndex, ReplicaId, Slot};
use serde::{Deserialize, Serialize};

use super::DutyWord;

/// What the signing log holds of its attesters, as one replica has applied it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyList {
    /// The cluster's id.
    pub cluster_id: String,
    /// The replica that answers.
    pub replica: ReplicaId,
    /// `unbound`, `bound`, `imported` or `open`.
    pub phase: String,
    /// L1 chain id; `null` before the binding.
    pub chain_id: Option<u64>,
    /// The rollup contract; `null` before the binding.
    pub rollup: Option<Address>,
    /// Nothing new is bound at or below it.
    pub floor: Option<Slot>,
    /// Records at or below it are gone.
    pub watermark: Option<Slot>,
    /// Nothing is granted at or below it, not even what is bound: set after a gap in memory.
    pub closed: Option<Slot>,
    /// The end of the audit: equal on every replica that has applied as much.
    pub audit: AuditPosition,
    /// Every attester ever bound.
    pub attesters: Vec<AttesterStanding>,
    /// How many duties match; `duties` may hold fewer.
    pub total: usize,
    /// The newest matching duties, newest first.
    pub duties: Vec<ListedDuty>,
}

/// A place in the audit's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPosition {
    /// Records so far.
    pub records: u64,
    /// Hash of the last one, 64 hexadecimal digits.
    pub hash: String,
}

/// How one attester stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttesterStanding {
    /// Its address.
    pub address: Address,
    /// Whether this replica's keystore holds its key; unknown where only a data directory was read.
    pub key: Option<bool>,
    /// Its own floor, if it was added later.
    pub floor: Option<Slot>,
    /// The last slot in which it may sign, once it was released.
    pub released: Option<Slot>,
    /// What its key has signed elsewhere, if that was seen: nothing is granted to it.
    pub frozen: Option<ListedDuty>,
    /// Where that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// Nothing is granted to it at or below this slot, not even what is bound: it was frozen, and an operator has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thawed: Option<Slot>,
}

/// One bound duty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedDuty {
    /// The slot.
    pub slot: Slot,
    /// The kind.
    pub kind: DutyWord,
    /// Place of a block in its checkpoint; `null` for other kinds.
    pub index: Option<BlockIndex>,
    /// Whose duty.
    pub attester: Address,
    /// The root that it is bound to; `null` while the slot is not over, when it may not be released yet.
    pub root: Option<B256>,
}

/// Duties of ours that did not come to their end, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedDuties {
    /// The replica that answers: each records what it saw.
    pub replica: ReplicaId,
    /// The first slot that it has judged since it keeps this record; `null` before the first.
    pub since: Option<Slot>,
    /// The last slot that it has judged.
    pub until: Option<Slot>,
    /// What was missed.
    pub missed: Vec<MissedDuty>,
}

/// One missed duty, or the same one of several attesters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedDuty {
    /// The slot.
    pub slot: Slot,
    /// The kind; a missed checkpoint stands for its blocks and its bundle too.
    pub kind: DutyWord,
    /// Whose duty.
    pub attesters: Vec<Address>,
    /// Why, in a word.
    pub reason: MissReason,
    /// What more is known, for a person.
    pub detail: String,
}

/// Why a duty was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissReason {
    /// No leader was known, or the claim found no quorum.
    NoQuorum,
    /// Leadership changed in the slot, and too little of it was left.
    Failover,
    /// Another replica led: it knows more.
    LedElsewhere,
    /// This replica could not lead: its disk, L1, archiver or clock, and no other one did.
    Unfit,
    /// This replica was not running, or still starting.
    NotRunning,
    /// This replica had stopped granting.
    Halted,
    /// The cluster was not open yet.
    Sealed,
    /// The slot is at or below the floor, or the watermark.
    Floor,
    /// The slot was closed after a gap in memory.
    Closed,
    /// The attester is frozen: its key has signed elsewhere.
    Frozen,
    /// The keystore holds an attester that the cluster does not sign for. What comes after a release is no duty of ours, and not missed.
    Unbound,
    /// No endpoint of L1 answered.
    L1Down,
    /// L1 was not read up to the slot in time.
    L1Behind,
    /// L1 does not take a proposal for the slot.
    NotProposable,
    /// The timetable's deadline, or the slot, was over.
    Late,
    /// There was nothing to build, and empty checkpoints are switched off.
    NothingToBuild,
    /// The checkpoint could not be built.
    NotBuilt,
    /// L1 moved under what was claimed: a reorg, a prune, changed fees.
    InputChanged,
    /// Another payload was bound and could not be adopted.
    Conflict,
    /// Fewer attestations than L1 asks for.
    TooFewAttestations,
    /// A key failed.
    SignerFailed,
    /// L1's fees were above the configured caps.
    FeesAboveCap,
    /// The transaction failed in simulation, was mined without effect, or could not be sent.
    PublishFailed,
    /// It was sent, and no block of the slot took it.
    NotMined,
    /// It had landed, and L1 took it back.
    LostToReorg,
    /// The duty needs the p2p network, in which this node does not take part yet.
    NoP2p,
}

/// What an import took over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutiesImported {
    /// The cluster's id.
    pub cluster_id: String,
    /// Duties taken over.
    pub duties: usize,
    /// The attesters of the file.
    pub attesters: Vec<Address>,
    /// Attesters of this cluster that the file does not list.
    pub unlisted: Vec<Address>,
    /// The least floor from now on.
    pub stop_line: Slot,
}

/// An attester that came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttesterMoved {
    /// Its address.
    pub attester: Address,
    /// Added: nothing is signed for it at or below this slot. Released: nothing above it.
    pub slot: Slot,
}
