//! Who should lead, as one replica sees it.

use ollin_protocol::units::ReplicaId;
use serde::{Deserialize, Serialize};

/// Fitness of all replicas, what this one makes of it, and whether Raft's timers fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadershipSection {
    /// An operator drained this replica: it does not lead while another one can.
    pub draining: bool,
    /// What this replica does about its leadership, for a person; `null` unless it leads.
    pub decision: Option<String>,
    /// This replica first, then the others.
    pub replicas: Vec<ReplicaFitness>,
    /// Raft's timers.
    pub timers: TimersSection,
}

/// How well one replica could lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaFitness {
    /// Which.
    pub id: ReplicaId,
    /// Its class; `null` before it reported anything.
    pub class: Option<FitnessWord>,
    /// What speaks against it, the gravest first; empty when it is fit.
    pub reasons: Vec<String>,
    /// Age of its report, in milliseconds.
    pub age_ms: Option<u64>,
    /// The median round trip of a small frame to it, in microseconds.
    pub round_trip_us: Option<u64>,
}

/// How well a replica could lead, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FitnessWord {
    /// It could not work a slot.
    Unable,
    /// It could, and an operator wants another one to.
    Draining,
    /// It works, less well than it should.
    Degraded,
    /// Nothing speaks against it.
    Fit,
}

impl FitnessWord {
    /// The word itself.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unable => "unable",
            Self::Draining => "draining",
            Self::Degraded => "degraded",
            Self::Fit => "fit",
        }
    }
}

/// Raft's timers, and what was measured for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimersSection {
    /// `one-region` or `multi-region`.
    pub profile: String,
    /// Time between a leader's heartbeats.
    pub heartbeat_ms: u64,
    /// Least silence after which a follower campaigns, counted from the end of the lease.
    pub election_timeout_ms: u64,
    /// How long a leader's word keeps voters from electing another one.
    pub lease_ms: u64,
    /// The median sync of the log, in microseconds.
    pub sync_us: Option<u64>,
    /// The median round trip to the farthest voter, in microseconds.
    pub round_trip_us: Option<u64>,
    /// Why the timers do not fit, for a person; empty when they do.
    pub misfits: Vec<String>,
}
