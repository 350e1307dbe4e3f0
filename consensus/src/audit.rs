//! The audit: what the guard has taken in, as a chain of records that anybody can recompute.
//!
//! Every change of the guard makes one record; record `n + 1` has the hash `SHA-256(hash of n ‖ postcard(record))`. The chain is a
//! part of the replicated state, so that all replicas have the same hash at the same count, and a snapshot carries it. The state
//! keeps the latest records only ([`MAX_RECORDS`], [`MAX_DUTIES`]) and the hash before them; a replica copies them to files while
//! they are there ([`mod@file`]).
//!
//! - `event`: what a record says. - `trail`: the chain in the state. - [`mod@file`]: its copy on disk, and the offline check.

mod event;
pub mod file;
mod trail;

pub use event::{AuditEvent, AuditRecord};
pub use trail::{AuditHead, AuditPage, AuditTrail, MAX_DUTIES, MAX_RECORDS};
