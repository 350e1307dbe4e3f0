//! L1 as a replica sees it: endpoints with failover, the contracts behind a registry, blobs, and the RPC that a publisher needs.
//!
//! Nothing here decides what is true about L2 and nothing changes state: an answer of an endpoint is a reading, and no single
//! "absent", "underpriced" or "already known" is more than that (rule R21).
//!
//! - [`L1`]: the handle. Cheap to clone.
//! - [`pool`]: several HTTP endpoints in order as one transport. It moves on at transport failures and never at a JSON-RPC error.
//! - [`contract`]: the calls and events that are used, and nothing else of the contracts.
//! - [`discovery`], [`compatibility`]: from the registry's address to the rollup's constants, and whether they are ours.
//! - [`revert`]: custom errors by selector.
//! - [`rollup`], [`committee`], [`transaction`], [`spent`], [`simulation`], [`blob_source`]: the readings, by who needs them.

pub mod blob_source;
mod client;
pub mod committee;
pub mod compatibility;
mod config;
pub mod contract;
pub mod discovery;
mod endpoint;
mod error;
#[cfg(test)]
mod fuzz;
mod http;
pub mod pool;
mod probe;
pub mod revert;
pub mod rollup;
pub mod simulation;
pub mod spent;
pub mod transaction;

pub use blob_source::{BlobError, SourceFailure};
pub use client::{L1, L1Head};
pub use committee::Proposable;
pub use compatibility::{Incompatible, Mismatch, check_compatibility};
pub use config::L1Config;
pub use discovery::{Contracts, RollupConstants, Surroundings};
pub use endpoint::EndpointStatus;
pub use error::L1Error;
pub use pool::{EndpointFailure, PoolExhausted};
pub use revert::Revert;
pub use rollup::{CheckpointProposed, InboxState, L1Block, L1Transaction, MessageSent, RollupStatus};
pub use simulation::{SimulatedPropose, SimulationError, SimulationMethod};
pub use spent::SpentNonce;
pub use transaction::{MarketFees, Receipt, SendError};
