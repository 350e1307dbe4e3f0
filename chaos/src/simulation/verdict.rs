//! All oracles over one story. Each invariant is a small pure file of its own, fed with bad stories in its tests.

#![allow(clippy::wildcard_enum_match_arm, reason = "an oracle looks for its own events among many")]

mod committed_before;
mod determinism;
mod fit_leader;
mod no_amnesia;
mod no_forgetting;
mod no_stuck_duty;
mod one_live_attempt;
mod one_root;
mod resume;

use std::time::Duration;

use ollin_consensus::Term;
use ollin_consensus::fitness::Class;
use ollin_guard::Duty;
use ollin_protocol::units::{ReplicaId, SigningRoot, Slot};

use super::story::{HostId, Story};

pub use committed_before::committed_before;
pub use determinism::determinism;
pub use fit_leader::fit_leader;
pub use no_amnesia::no_amnesia;
pub use no_forgetting::no_forgetting;
pub use no_stuck_duty::no_stuck_duty;
pub use one_live_attempt::one_live_attempt;
pub use one_root::one_root;
pub use resume::resume;

/// A broken invariant, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// S1.
    #[error("S1: {duty} left as {first} from {first_host} at {first_at:?} and as {second} from {second_host} at {second_at:?}")]
    TwoRoots {
        /// The duty.
        duty: Duty,
        /// The root that left first.
        first: SigningRoot,
        /// From where.
        first_host: HostId,
        /// When.
        first_at: Duration,
        /// Another root.
        second: SigningRoot,
        /// From where.
        second_host: HostId,
        /// When.
        second_at: Duration,
    },
    /// S2.
    #[error("S2: {duty} left {host} at {at:?}, durable on {durable} disks of a quorum of {quorum}, applied: {applied}")]
    NotCommitted {
        /// The duty.
        duty: Duty,
        /// From where.
        host: HostId,
        /// When.
        at: Duration,
        /// Disks with the claim.
        durable: usize,
        /// Disks needed.
        quorum: usize,
        /// The process had applied it.
        applied: bool,
    },
    /// S3.
    #[error("S3: {duty} left as {root} and is bound to {bound:?} at the end")]
    Forgotten {
        /// The duty.
        duty: Duty,
        /// The root that left.
        root: SigningRoot,
        /// What is bound.
        bound: Option<SigningRoot>,
    },
    /// S3.
    #[error("S3: the {line} falls from {before:?} at entry {earlier} to {after:?} at entry {later}")]
    LineFell {
        /// Floor or watermark.
        line: &'static str,
        /// An entry.
        earlier: u64,
        /// The line there.
        before: Option<Slot>,
        /// A later entry.
        later: u64,
        /// The line there.
        after: Option<Slot>,
    },
    /// S4.
    #[error("S4: attempt {number} at nonce {nonce} left {first} as one transaction and {second} as another one")]
    TwoTransactions {
        /// The nonce.
        nonce: u64,
        /// The attempt.
        number: u32,
        /// One machine.
        first: HostId,
        /// The other.
        second: HostId,
    },
    /// S4.
    #[error("S4: at nonce {nonce} attempt {later} does not win against attempt {earlier}, whichever a pool sees first")]
    NotOutbid {
        /// The nonce.
        nonce: u64,
        /// An attempt.
        earlier: u32,
        /// A later one.
        later: u32,
    },
    /// S4.
    #[error("S4: {host} sends at nonce {nonce} at {at:?}, while L1 has never spent the nonce before it")]
    NonceSkipped {
        /// The nonce.
        nonce: u64,
        /// From where.
        host: HostId,
        /// When.
        at: Duration,
    },
    /// S4.
    #[error("S4: the bundle that {host} sends at {at:?} for {duty} is not the one that was signed")]
    OtherBundle {
        /// Its duty.
        duty: Duty,
        /// From where.
        host: HostId,
        /// When.
        at: Duration,
    },
    /// V2.
    #[error("V2: everything is whole, and L1 holds no checkpoint of slot {slot}")]
    NotLanded {
        /// The slot.
        slot: Slot,
    },
    /// S5.
    #[error("S5: {first} and {second} hold different states at entry {index}")]
    StatesDiffer {
        /// The entry.
        index: u64,
        /// One machine.
        first: HostId,
        /// The other.
        second: HostId,
    },
    /// S5.
    #[error("S5: {first} and {second} hold different histories at entry {index}")]
    HistoriesDiffer {
        /// The entry.
        index: u64,
        /// One machine.
        first: HostId,
        /// The other.
        second: HostId,
    },
    /// S6.
    #[error("S6: {first} and {second}, at {at:?}, act in the same term {term}: somebody has voted twice")]
    TwoLeaders {
        /// The term.
        term: Term,
        /// Who acted first.
        first: HostId,
        /// Who acted too.
        second: HostId,
        /// When.
        at: Duration,
    },
    /// S6.
    #[error("S6: {host}, whose disk was taken away at {struck_at:?}, has not heard all others when, at {at:?}, {what}")]
    Amnesia {
        /// The machine.
        host: HostId,
        /// When its disk was changed.
        struck_at: Duration,
        /// When it acted.
        at: Duration,
        /// How.
        what: &'static str,
    },
    /// V1.
    #[error("V1: after the death of the leader on {host} at {at:?} nobody acted within {limit:?}, and nothing else was wrong")]
    NoSuccessor {
        /// The leader's machine.
        host: HostId,
        /// When it died.
        at: Duration,
        /// How long a successor may take.
        limit: Duration,
    },
    /// V2.
    #[error("V2: everything is whole, and slot {slot} has no signed bundle")]
    StuckSlot {
        /// The slot.
        slot: Slot,
    },
    /// V2.
    #[error("V2: {host} stopped for good at {at:?} although no disk had lied: {reason}")]
    StoppedForGood {
        /// The machine.
        host: HostId,
        /// When.
        at: Duration,
        /// Why.
        reason: String,
    },
    /// V3.
    #[error("V3: {host} leads and cannot work a slot since {since:?}, another one could, and nothing moved within {limit:?}")]
    UnfitLeader {
        /// The leader's machine.
        host: HostId,
        /// Since when it knew.
        since: Duration,
        /// How long it may go on.
        limit: Duration,
    },
    /// V3.
    #[error("V3: {host}, which is {own}, hands over at {at:?} to replica {to}, which is {class}")]
    HandedDown {
        /// From where.
        host: HostId,
        /// When.
        at: Duration,
        /// How well it could lead itself.
        own: Class,
        /// To whom.
        to: ReplicaId,
        /// How well that one could lead.
        class: Class,
    },
    /// V3.
    #[error("V3: leadership went to and fro: {count} hand-overs by fitness")]
    ToAndFro {
        /// How many.
        count: usize,
    },
    /// The run itself failed.
    #[error("the run is stuck at {at:?}: {reason}")]
    Livelock {
        /// When.
        at: Duration,
        /// Why.
        reason: String,
    },
}

/// Runs every oracle.
pub fn judge_story(story: &Story) -> Vec<Finding> {
    let oracles =
        [one_root, committed_before, no_forgetting, one_live_attempt, determinism, no_amnesia, resume, no_stuck_duty, fit_leader];
    oracles.iter().flat_map(|oracle| oracle(story)).collect()
}

#[cfg(test)]
mod fixture;
