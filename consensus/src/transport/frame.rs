//! What replicas say to each other: `version ‖ postcard`, in our own types.

use bytes::Bytes;
use ollin_guard::CommandRejection;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::chain::{Chain, Position};
use crate::entry::Entry;
use crate::fitness::Report;
use crate::leadership::{Answer, Ask};
use crate::log::SeenSignature;
use crate::membership::{EnlistRefusal, EnlistToken, MemberChanged, MemberOrder, MemberRefusal};
use crate::raft::VoteRecord;
use crate::recovery::{Memory, Promise, Said, Seen};
use crate::rules::{Supported, UpgradeRefusal, Upgraded};
use crate::sealed::{self, SealError};

const VERSION: u8 = 4;

/// Bytes of a frame that is no snapshot. The largest command is a little over 4 MiB; an append stops at [`APPEND_BYTES`].
pub(super) const MAX_FRAME_BYTES: usize = 16 << 20;
/// Bytes of a frame with a snapshot.
pub(super) const MAX_SNAPSHOT_BYTES: usize = 256 << 20;
/// An append carries no further entry once it holds this many bytes of commands.
pub(super) const APPEND_BYTES: usize = 4 << 20;

/// One message and who sends it. A frame for another cluster or replica is not served.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Frame<B> {
    pub(crate) cluster: [u8; 16],
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Names the sending process (safety rule R8).
    pub(crate) boot: u64,
    /// The sender's last entry, with its chain (safety rule R2).
    pub(crate) last: Option<Position>,
    /// How far the sender's memory can be relied on (safety rules R6, R7).
    pub(crate) memory: Memory,
    /// The demands for a closing that the sender knows of: Raft ids and boot nonces.
    pub(crate) demands: Vec<(u64, u64)>,
    /// What the sender has made durable.
    pub(crate) promise: Promise,
    pub(crate) body: B,
}

/// A term and an index.
pub(crate) type Place = (u64, u64);

/// What a replica asks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Who is there?
    Hello,
    Append {
        vote: VoteRecord,
        prev: Option<Place>,
        /// The sender's chain at `prev`.
        prev_chain: Option<Chain>,
        entries: Vec<Entry>,
        commit: Option<Place>,
    },
    Vote(VoteAsked),
    PreVote(VoteAsked),
    /// An encoded state; its place and members are in it.
    Snapshot {
        vote: VoteRecord,
        state: Bytes,
    },
    TransferLeader {
        vote: VoteRecord,
        to: u64,
        last: Option<Place>,
    },
    /// Hand leadership over to the sender: only while the cluster is being created.
    Yield,
    /// How the sender is; answered in kind.
    Report(Report),
    /// What an operator wants of this replica's leadership.
    Ask(Ask),
    /// The sender is about to create the cluster, and has seen that nobody holds a log: your Raft id is your own.
    Found,
    /// Put into the log that this store takes the sender's Raft id.
    Enlist {
        token: EnlistToken,
        /// What its program supports.
        rules: Supported,
    },
    /// Change the members, if you lead.
    Members(MemberOrder),
    /// What have you seen? Asked by a process that was started (safety rule R6).
    RollCall,
    /// A signature of one of our attesters was seen that the sender's state does not bind (safety rule R10).
    Evidence(SeenSignature),
    /// Raise the version of the rules, if you lead.
    Upgrade,
    /// Which process answers at your address? Answered at once: whoever asks dials back because of a frame, and must not be dialled
    /// back for that, or two replicas that both distrust each other's processes ask each other without end.
    Identify,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VoteAsked {
    pub(crate) vote: VoteRecord,
    pub(crate) last: Option<Place>,
    pub(crate) transfer: bool,
}

/// What a replica answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Response {
    Hello,
    Append(Appended),
    Vote { vote: VoteRecord, granted: bool, last: Option<Place> },
    Snapshot { vote: VoteRecord },
    TransferLeader(Result<(), TransferRefused>),
    Yield,
    Refused(Refused),
    Report(Report),
    Answer(Answer),
    Found,
    Enlist(Result<(), EnlistRefusal>),
    Members(Result<MemberChanged, MemberRefusal>),
    RollCall(Seen),
    Evidence(Result<(), CommandRejection>),
    Upgrade(Result<Upgraded, UpgradeRefusal>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Appended {
    Success,
    PartialSuccess(Option<Place>),
    Conflict,
    HigherVote(VoteRecord),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum TransferRefused {
    VoteChanged { expected: VoteRecord, actual: VoteRecord },
    LogNotFlushed { expected: Option<Place>, actual: Option<Place> },
}

/// Why a frame was not served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Refused {
    /// It is for another cluster.
    #[error("the frame is for another cluster")]
    Cluster,
    /// It is for another replica.
    #[error("the frame is for another replica, this is {replica}")]
    Recipient {
        /// Who was reached.
        replica: u64,
    },
    /// The sender is no member, or its certificate is not the member's.
    #[error("the certificate is not the one of a member with that id")]
    Sender,
    /// Another process with the sender's id is alive.
    #[error("another process with replica id {replica} is alive at {address}")]
    Duplicate {
        /// The id.
        replica: u64,
        /// Where the other process answers.
        address: String,
    },
    /// The two replicas hold different histories.
    #[error("the logs of the two replicas hold different entries at index {index} of term {term}")]
    Diverged {
        /// The entry's term.
        term: u64,
        /// The entry's index.
        index: u64,
    },
    /// The replica is not running yet, or does not know what it has forgotten.
    #[error("the replica is not serving: {reason}")]
    NotServing {
        /// Why.
        reason: String,
    },
    /// Another process has taken the sender's place since.
    #[error("another process took part under Raft id {id} since process {boot:016x} was heard last")]
    Superseded {
        /// The id.
        id: u64,
        /// The process that is not heard any more.
        boot: u64,
    },
    /// Another process answers at the candidate's address, or none.
    #[error("the candidate does not answer at the address of replica {replica}")]
    Unconfirmed {
        /// The candidate's id.
        replica: u64,
    },
    /// The frame makes no sense here.
    #[error("the request was refused: {reason}")]
    Request {
        /// Why.
        reason: String,
    },
    /// The sender's cluster lost its quorum, and goes on as this one.
    #[error("the sender's cluster was retired, it goes on as cluster {}", hex::encode(.by))]
    RetiredCluster {
        /// The cluster that goes on.
        by: [u8; 16],
    },
    /// The sender's Raft id is no member's any more, for ever.
    #[error("Raft id {id} was removed from the cluster at log index {index}{}", later.map_or_else(String::new, |later| format!("; the replica goes on under Raft id {later}")))]
    Retired {
        /// The sender's id.
        id: u64,
        /// The log index of the membership without it.
        index: u64,
        /// The id under which the same replica is a member now.
        later: Option<u64>,
    },
    /// The replica takes no part, for good.
    #[error("the replica is halted: {reason}")]
    Halted {
        /// Why.
        reason: String,
        /// Whether its store has a Raft id. A store without one takes the next by itself.
        has_id: bool,
    },
}

impl<B> Frame<B> {
    pub(super) fn said(&self) -> Said<'_> {
        Said { replica: self.from, boot: self.boot, memory: self.memory, demands: &self.demands, promise: &self.promise }
    }
}

impl<B: Serialize> Frame<B> {
    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&sealed::to_bytes(self));
        bytes.into()
    }
}

impl<B: DeserializeOwned> Frame<B> {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, SealError> {
        let Some((&version, body)) = bytes.split_first() else {
            return Err(SealError::Truncated { bytes: 0 });
        };
        if version != VERSION {
            return Err(SealError::Version { found: version });
        }
        sealed::from_bytes(body)
    }
}
