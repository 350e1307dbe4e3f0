//! A model of the signing log that is small enough to visit every state of it.
//!
//! Three voters, two payloads for one duty, and a [`World`] of faults. [`exhaust`] visits every state and judges S1, S2 and S3 of
//! `design.md`; with a [`Rule`] dropped it finds a history that violates one of them, which is kept as a [`Script`].
//! `docs/model.md` says what is modelled and what is not.

mod action;
mod check;
mod cluster;
mod log;
mod property;
mod protocol;
mod replica;
mod rule;
mod script;
mod switch;
mod world;

pub use action::{Action, UnknownStep};
pub use check::{Outcome, Violation, exhaust};
pub use cluster::{Cluster, Released};
pub use log::{Applied, Command, Entry, LOG_MAX, Log, LogId, Payload, SLOT_COUNT, Slot};
pub use protocol::Protocol;
pub use replica::{Disk, Lead, PROCESS_COUNT, Phase, Process, Promise, Replica, Role, RollCall, VOTER_COUNT, Voters, Waiter};
pub use rule::{Dropped, Rule, UnknownRule};
pub use script::{Impossible, Script, ScriptError, replay};
pub use switch::Switch;
pub use world::{UnknownWorld, World};
