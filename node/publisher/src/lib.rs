//! The L1 side of a slot: takes the bundle that the log holds to the rollup, by recorded attempts only.
//!
//! Driven by the log alone: whoever leads looks for the bound bundle of the slot of the next L1 block, resumes what was recorded
//! for it and goes on. Nothing is handed over in memory, so a successor continues with the same transaction.
//!
//! - [`fees`]: first fees, and those of the next attempt at a nonce (rule R20). Pure.
//! - [`decide`]: the next action for a slot's bundle. Pure.
//! - [`origin`]: whether a mined transaction is a recorded attempt, where it cannot be signed again to know its hash. Pure.
//! - [`Publisher`]: the loop that reads L1, records, signs, sends.

pub mod decide;
pub mod fees;
mod job;
mod material;
pub mod origin;
mod publisher;
mod report;
mod sidecar;

pub use publisher::{Publisher, PublisherConfig};
pub use report::{PublishHindrance, PublishReport};
