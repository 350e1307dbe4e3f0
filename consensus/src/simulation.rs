//! Several replicas in one thread, on a seeded clock: the executor, and a disk that forgets what was not synced.
//!
//! A [`World`] runs tasks one at a time, in an order drawn from its seed, and its clock moves only when none can run. Every task
//! belongs to a [`ProcessId`], from which the tasks that it starts inherit it: so a process can be killed or paused whole, as an
//! operating system would. Nothing in it runs in parallel, and nothing reads the real clock.

mod anchor;
mod digest;
mod disk;
mod holding;
mod task;
mod timer;
mod world;

pub use anchor::MemoryAnchor;
pub use digest::StateDigest;
pub use disk::{Image, MemoryDisk, SyncTimes};
pub use holding::{Holding, HoldingError};
pub use task::Joined;
pub use timer::Sleep;
pub use world::{Livelock, ProcessId, World};
