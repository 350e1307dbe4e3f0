//! The replicated signing log: what the cluster's attesters sign, and which L1 transactions it sends, agreed before anything leaves.
//!
//! [`SigningLog`] is the handle. It runs one replica of a Raft cluster (openraft over RocksDB, mutual TLS between replicas), whose
//! state machine is the [`ollin_guard::Guard`] beside an [`attempt::AttemptLedger`].
//!
//! What holds:
//!
//! - a [`Grant`] or an [`AttemptGrant`] exists only after its claim was committed by a quorum, synced to disk there, and applied
//!   by this very process; it is made from this process's own state and cannot be copied, deserialised or built elsewhere;
//! - whatever is granted is in the log with its payload, so that the next leader can finish it byte for byte;
//! - applying an entry is a pure function of the log (`state::State::apply`): no clock, randomness, configuration or map order;
//! - every entry extends a hash chain; replicas compare it in every frame, and one that differs stops (`chain.rs`);
//! - bytes from disk or network that are damaged, foreign, oversized or of an unknown version change nothing.
//!
//! Left to others: computing payloads, deciding which duties to ask for, signing (`ollin-keystore`), sending to L1
//! (`ollin-publisher`). This is the only crate that knows openraft; no type of it is public, stored or sent.

mod admission;
pub mod attempt;
pub mod audit;
pub mod certificates;
mod chain;
mod cluster_file;
pub mod command;
mod config;
mod directory;
mod discard;
mod entry;
pub mod failpoint;
pub mod fitness;
#[cfg(test)]
mod fuzz;
mod grant;
mod halt;
mod leadership;
mod lineage;
mod log;
pub mod membership;
mod offline;
mod raft;
mod recovery;
mod retired;
mod role;
mod rules;
mod runtime;
mod sealed;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
pub mod state;
mod store;
mod survivor;
mod transport;
mod view;

pub use admission::AdmissionRefusal;
pub use attempt::{
    AttemptContent, AttemptRefusal, AttemptRequest, Fees, MinedAt, MinedNonce, Outcome, PublisherState, RecordedAttempt,
};
pub use cluster_file::{ClusterFile, ClusterFileError, ReplicaAddress};
pub use config::{ConfigError, ConsensusConfig};
pub use directory::DirectoryError;
pub use discard::{DiscardError, discard_store};
pub use entry::EntryError;
pub use grant::{AttemptGrant, Grant};
pub use leadership::{
    Answer, Ask, AskError, Asked, HandOverError, HandedOver, Measured, Misfit, Peer, TimerProfile, Timers, Timings,
};
pub use log::{
    AttemptError, BoundDuty, ClaimError, ClaimRequest, CommandError, CreateError, InvalidClaim, MemberError, OpenError, Parts,
    ProceedError, SeenSignature, SigningLog, UpgradeError,
};
pub use membership::{MemberChanged, MemberKind, MemberOrder, MemberRefusal};
pub use offline::{OfflineError, OfflineLog};
pub use ollin_guard::{Binding, Duty, DutyKind, Evidence, Fault, Phase, Refusal, Sighting, planted};
pub use recovery::{Anchor, Memory, Promise, StartRefusal, default_anchor_directory};
pub use role::{LogIndex, Role, Term};
pub use rules::{RulesVersion, Supported, UpgradeRefusal, Upgraded};
pub use sealed::SealError;
pub use store::{Batch, Change, Disk, DiskError, Fatal, Record, StoreError, Table};
pub use survivor::{Confirmed, RecoverError, Recovered, recover_from_survivor};
pub use transport::{Fingerprint, Freight, Lane, Parcel, Server, Serving, TlsError, Wire, WireError};
pub use view::{ClusterView, MemberView};
