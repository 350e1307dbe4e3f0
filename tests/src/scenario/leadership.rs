//! Leadership that moves without a death: by an operator, by SIGTERM, away from an unfit replica and from a disk that hangs.

mod drain;
mod hung_disk;
mod sigterm;
mod transfer;
mod unfit;

use anyhow::{Context, Result};
use ollin_rpc::view::ClusterStatus;

use crate::world::World;

pub(super) use drain::play as play_drain;
pub(super) use hung_disk::play as play_hung_disk;
pub(super) use sigterm::play as play_sigterm;
pub(super) use transfer::play as play_transfer;
pub(super) use unfit::play as play_unfit;

/// The replicas other than `leader`, by id.
fn others(world: &World, leader: u64) -> Result<[u64; 2]> {
    let ids: Vec<u64> = world.replicas().iter().map(crate::replica::Replica::id).filter(|id| *id != leader).collect();
    ids.try_into().ok().context("three replicas")
}

async fn status(world: &World, id: u64) -> Result<ClusterStatus> {
    world.replica(id)?.status().await.with_context(|| format!("replica {id} shows no status"))
}
