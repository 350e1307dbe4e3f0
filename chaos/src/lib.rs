//! Judges runs of a cluster by what left its processes, never by its own log.
//!
//! The evidence: outlet records, which every outlet writes before bytes leave (`line.rs` has the format), and facts read from L1
//! by whoever ran the scenario ([`ChainFact`]). [`History`] holds the first, parsed and strict; the functions of [`invariant`]
//! are pure and each keeps one invariant; [`judge`] runs them all.
//!
//! [`model`] is apart from that: the signing log in the abstract, with every state visited.
//! [`simulation`] runs a whole cluster from a seed, and has oracles of its own over more evidence.
//!
//! What a record cannot show, this crate does not judge: that an intent was committed before the bytes left is seen only where
//! an emission rests on an earlier one.

mod chain;
mod emission;
#[cfg(test)]
mod fuzz;
mod history;
pub mod invariant;
pub mod io;
mod judge;
mod line;
pub mod model;
pub mod simulation;
mod violation;

pub use chain::ChainFact;
pub use emission::{Attempt, DutyKey, Emission, Emitted, Origin, Signature, Transaction};
pub use history::{History, ReadError};
pub use judge::{Counts, Judgement, SignerKind, Wake, judge};
pub use line::LineFault;
pub use violation::Violation;
