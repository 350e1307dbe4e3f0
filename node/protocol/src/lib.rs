//! Aztec 4.1.2 as data: number types, fields, hashes, trees, headers, blobs, signing roots, calldata and the slot schedule.
//!
//! No IO, no clock, no keys. Everything that reads bytes refuses what the official decoders refuse.
//! With `default-features = false` only the number types of [`units`] remain, for crates that compare and never compute.
//!
//! Left to others: the indexed trees (nullifiers, public data), transaction bodies, gossip framing.

pub mod units;

#[cfg(feature = "full")]
pub mod attestations;
#[cfg(feature = "full")]
pub mod blob;
#[cfg(feature = "full")]
mod bytes;
#[cfg(feature = "full")]
pub mod chain;
#[cfg(feature = "full")]
pub mod committee;
#[cfg(feature = "full")]
pub mod field;
#[cfg(all(test, feature = "full"))]
mod fuzz;
#[cfg(feature = "full")]
pub mod hash;
#[cfg(feature = "full")]
pub mod header;
#[cfg(feature = "full")]
pub mod message;
#[cfg(feature = "full")]
pub mod multicall;
#[cfg(feature = "full")]
pub mod payload;
#[cfg(feature = "full")]
pub mod propose;
#[cfg(feature = "full")]
pub mod schedule;
#[cfg(feature = "full")]
pub mod signature;
#[cfg(feature = "full")]
pub mod tree;
#[cfg(feature = "full")]
pub mod vote;
