//! A dead L1 endpoint before the good one: passed over, shown, and slots land.

use anyhow::{Context, Result};

use crate::port;
use crate::report::Outcome;
use crate::wait::until;
use crate::world::World;

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("dead-endpoint", &["slot", "L1 block"]);
    let good = world.facts().rpc_url.to_string();
    // Nothing listens there: it was free a moment ago.
    let dead = format!("http://127.0.0.1:{}", port::free(1)?[0]);
    set_hosts(world, &format!("{dead},{good}")).await?;
    for replica in world.replicas() {
        let shown = || async {
            let endpoints = replica.status().await?.l1.endpoints;
            endpoints
                .iter()
                .any(|one| !one.healthy && one.url.as_deref().is_some_and(|url| url.contains(&dead[7..])))
                .then_some(())
        };
        let seen = until("the dead endpoint in status", super::SETTLED, shown).await;
        outcome.check(format!("replica {} shows the dead endpoint", replica.id()), seen.is_ok());
    }
    let slot = world.clock().slot_now() + 1;
    for slot in [slot, slot + 1] {
        let landed = world.landed_or_over(slot).await?;
        outcome
            .table
            .row([slot.to_string(), landed.as_ref().map_or_else(|| "LOST".to_owned(), |one| one.l1_block().to_string())]);
        outcome.check(format!("slot {slot} is on L1"), landed.is_some());
    }
    set_hosts(world, &good).await?;
    Ok(outcome)
}

/// Restarts every replica, one after the other, with other L1 endpoints.
async fn set_hosts(world: &mut World, hosts: &str) -> Result<()> {
    let ids: Vec<u64> = world.replicas().iter().map(crate::replica::Replica::id).collect();
    for id in ids {
        world.kill(id)?;
        world.replica_mut(id)?.set("ETHEREUM_HOSTS", hosts);
        world.acting(Some(id), super::SETTLED).await?;
        world.restart(id).await.with_context(|| format!("replica {id} with ETHEREUM_HOSTS={hosts}"))?;
    }
    Ok(())
}
