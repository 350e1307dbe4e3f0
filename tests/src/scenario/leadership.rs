//! Leadership that moves without a death: by an operator, by SIGTERM, away from an unfit replica and from a disk that hangs.

mod drain;
mod hung_disk;
mod sigterm;
mod timers;
mod transfer;
mod unfit;

use std::time::Duration;

use anyhow::{Context, Result};
use ollin_rpc::view::{ClusterStatus, DutyState};

use crate::clock::now_ms;
use crate::wait::until;
use crate::world::World;

/// How long a new leader may take to show that it acts.
const LEADS: Duration = Duration::from_secs(5);

pub(super) use drain::play as play_drain;
pub(super) use hung_disk::play as play_hung_disk;
pub(super) use sigterm::play as play_sigterm;
pub(super) use timers::play as play_timers;
pub(super) use transfer::play as play_transfer;
pub(super) use unfit::play as play_unfit;

/// The replicas other than `leader`, by id.
fn others(world: &World, leader: u64) -> Result<[u64; 2]> {
    let ids: Vec<u64> = world.replicas().iter().map(crate::replica::Replica::id).filter(|id| *id != leader).collect();
    ids.try_into().ok().context("three replicas")
}

/// Runs `ollin cluster ...` at a replica's admin port, with a log of its own.
async fn cluster(world: &World, at: u64, words: &[&str]) -> Result<(Option<i32>, String)> {
    let name = format!("{}-{}", words.join("-"), now_ms());
    let arguments: Vec<&str> = ["cluster"].iter().chain(words).copied().collect();
    let (exit, said) = world.ollin(world.replica(at)?, &name, &arguments).await?;
    Ok((exit, said.trim().to_owned()))
}

/// Whether replica `id` acts within a moment: a status is up to a quarter of a second old.
async fn comes_to_lead(world: &World, id: u64) -> bool {
    let acts = || async {
        let status = world.replica(id).ok()?.status().await?;
        (status.replica.duty_state == DutyState::Active).then_some(())
    };
    until(format!("replica {id} acts"), LEADS, acts).await.is_ok()
}

/// Whether replica `id` shows within a moment that it does not act.
async fn stands_by(world: &World, id: u64) -> bool {
    let stands = || async {
        let status = world.replica(id).ok()?.status().await?;
        (status.replica.duty_state == DutyState::Standby).then_some(())
    };
    until(format!("replica {id} stands by"), LEADS, stands).await.is_ok()
}

async fn status(world: &World, id: u64) -> Result<ClusterStatus> {
    world.replica(id)?.status().await.with_context(|| format!("replica {id} shows no status"))
}
