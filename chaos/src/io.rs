//! Every IO point of a replica's files: each change of a scripted life fails, is torn, lost or late, and what follows is judged.
//!
//! A [`life`] is one replica's on real files (RocksDB, anchor, marker), with two others, on a simulated network and clock. The faulty
//! layer (`chaos/faulty-disk`, by `LD_PRELOAD`) writes down each change of its files in a [`journal`], and lets one fail. From one
//! journal follows every [`image`] that a crash could leave; each is opened again ([`mod@inspect`]) and [judged](judge).

mod campaign;
mod case;
mod flip;
pub mod image;
pub mod inspect;
pub mod journal;
pub mod judge;
pub mod life;
mod stage;
mod tally;
pub mod told;
mod wire;
mod workshop;

pub use campaign::{Campaign, CampaignError, Plan, Sample};
pub use tally::Tally;
