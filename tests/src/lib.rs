//! Whole-cluster scenarios: real `ollin` processes, the real Aztec contracts, an official follower.
//!
//! The main type is [`world::World`]: a development L1, three replicas with their own directories, and what is known of both.
//! A scenario (see [`scenario`]) drives a world through a fault and returns an [`report::Outcome`]; after each one the oracles of
//! `ollin-chaos` judge every outlet record and the chain. Nothing here reads the signing log, and nothing waits for time to pass:
//! every wait is for a condition, with a deadline ([`wait::until`]).
//!
//! The `ollin` processes are those of the same build, beside this binary, and must have the cargo feature `failpoints`. Children die with the harness.

pub mod browser;
pub mod chain;
pub mod child;
pub mod classify;
pub mod clock;
pub mod drill;
pub mod failpoint;
pub mod floor;
pub mod follower;
pub mod judge;
pub mod l1_proxy;
pub mod network;
pub mod port;
pub mod proxy;
pub mod replica;
pub mod report;
pub mod rpc;
pub mod scenario;
pub mod tip_watch;
pub mod wait;
pub mod world;
