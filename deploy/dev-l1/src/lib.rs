//! A development L1: anvil with the real Aztec 4.1.2 contracts, for demonstrations and tests. Never for funds: all keys are public.
//!
//! [`start`] gives a [`DevL1`]: an anvil child process that mines every second, whose clock agrees with the wall clock and whose current
//! epoch has a committee, and an HTTP server from which the official blob client reads blobs.
//!
//! Invariants:
//! - the contracts are deployed once per parameters and versions, by the official deploy script, and cached outside the repository;
//!   a cached state is loaded into a fresh anvil in well under a second;
//! - a deployment lies an hour in the past, so the first epochs (which have no committee) are over when anyone looks;
//! - anvil never outlives the process, however that ends.
//!
//! What runs is installed by `deploy/setup/l1-packages`; nothing of the contracts is in this repository.
//! Source of the deployment's steps and values: npm @aztec/ethereum 4.1.2, `src/deploy_aztec_l1_contracts.ts`, `src/config.ts`.

mod account;
mod anvil;
mod blob_server;
mod clock;
mod contracts;
mod control;
mod deployment;
mod dev_l1;
mod error;
mod packages;
mod parameters;
mod profile;
mod prover;
mod rpc;
mod state_cache;
mod validator_key;
mod warm_up;

pub use account::Account;
pub use contracts::InboxMessage;
pub use dev_l1::{Description, DevL1, Options, Prover, prepare, start};
pub use error::DevL1Error;
pub use profile::Profile;
