//! The oracles on records that were tampered with: each fault must be caught, and the clean run must pass.

mod binary;
mod chain;
mod record;
mod run;
mod transaction;
mod wake;
