//! The guard from outside: scripted histories, and random ones against a naive model.

mod claim;
mod entry;
mod fixture;
mod limit;
mod line;
mod model;
mod property;
mod roster;
mod snapshot;
