//! Hostile bytes for decoders, from the tests of the crate that has them: [`Fuzz`] mutates seeds and committed inputs and calls a
//! target with each.
//!
//! A target is a function of bytes that panics when a property does not hold. Beside its own properties every target is held to
//! memory in proportion to its input and to an end within seconds. Without further ado a run is short and the same everywhere; by
//! `chaos/fuzz/run` it is as long as asked for and led by coverage, see `coverage.rs`.
//!
//! | variable | meaning |
//! |---|---|
//! | `OLLIN_FUZZ_SECONDS` | how long each target runs, instead of a fixed number of executions |
//! | `OLLIN_FUZZ_SEED` | another seed |
//! | `OLLIN_FUZZ_TARGET` | this target alone |
//! | `OLLIN_FUZZ_CORPUS` | a directory with a folder for each target: more inputs to start from, and where found ones are put |
//! | `OLLIN_FUZZ_TRACE` | a file that holds the input of the execution under way: what was it when the process died? |
//!
//! No dependency and for tests alone: nothing of a release links it.

mod allocation;
mod corpus;
mod coverage;
mod mutation;
mod random;
mod run;
mod settings;

pub use run::Fuzz;
