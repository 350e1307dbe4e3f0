//! Proposer duty: from "a slot is ours" to "its bundle is claimed", through the signing log.
//!
//! There is one path for a fresh slot and for one that a dead leader began. Each step asks the log first: a payload that is bound
//! is re-executed and signed again (the same bytes), and only an unbound duty is built. What the log holds after the bundle's
//! claim is the publisher's business.
//!
//! - [`decide`]: whether to start, finish or leave a slot. Pure.
//! - [`proposal`]: building the checkpoint of a slot and re-executing a claimed one. Pure.
//! - [`bundle`]: admission of attestations and the bundle for L1. Pure.
//! - [`Sequencer`]: the loop that reads L1, claims, signs.
//!
//! For now a checkpoint is one empty block: transactions need an execution engine.

pub mod bundle;
pub mod decide;
pub mod proposal;
mod report;
mod sequencer;

pub use report::{Hindrance, SlotReport};
pub use sequencer::{Sequencer, SequencerConfig, SlotOutcome, latest_slot};
