//! L1 lost by the leader alone: leadership goes to a replica that has it, once, and does not come back by itself.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ollin_rpc::view::FitnessWord;

use super::status;
use crate::proxy::Proxy;
use crate::report::Outcome;
use crate::scenario::SETTLED;
use crate::wait::until;
use crate::world::World;

/// Unable for three seconds, a moment in the slot, an election, and what a loaded machine adds.
const HANDED: Duration = Duration::from_secs(15);
/// Slots in which leadership must not move again.
const QUIET_SLOTS: u64 = 2;

pub(in crate::scenario) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("unfit", &["what", "value"]);
    let good = world.facts().rpc_url.clone();
    let target = format!("{}:{}", good.host_str().context("L1 has no host")?, good.port().context("L1 has no port")?);
    let mut proxies = Vec::new();
    let ids: Vec<u64> = world.replicas().iter().map(crate::replica::Replica::id).collect();
    for id in ids {
        let proxy = Proxy::start(target.clone()).await?;
        set_hosts(world, id, &format!("http://{}", proxy.address())).await?;
        proxies.push((id, proxy));
    }
    let leader = world.settled(SETTLED).await?;
    let cut = &proxies.iter().find(|(id, _)| *id == leader).context("the leader's proxy")?.1;
    let first = world.clock().slot_now() + 1;
    world.landed_or_over(first).await?;
    let term = status(world, leader).await?.term;
    cut.cut();
    let started = Instant::now();
    let (next, _) = world.acting(Some(leader), HANDED).await.context("leadership stayed with a replica without L1")?;
    outcome.table.row(["L1 cut, to another leader".to_owned(), format!("{} ms", started.elapsed().as_millis())]);
    let unable = || async {
        let replicas = status(world, next).await.ok()?.leadership.replicas;
        replicas.into_iter().find(|one| one.id.get() == leader && one.class == Some(FitnessWord::Unable))
    };
    let seen = until("the unfit replica in the new leader's status", SETTLED, unable).await?;
    outcome.table.row(["why".to_owned(), seen.reasons.join("; ")]);
    outcome.check(format!("replica {next} took over from replica {leader} and says why"), !seen.reasons.is_empty());
    let last = world.clock().slot_now() + QUIET_SLOTS;
    cut.mend();
    world.slot_over(last).await?;
    let after = status(world, next).await?;
    outcome.check(
        format!("leadership moved once and stayed with replica {next}: term {term} became {}", after.term),
        after.term == term + 1 && after.leader.is_some_and(|id| id.get() == next),
    );
    let landed = world.chain().landed().await?;
    // The slot in which L1 was lost is the one exception: its leader could not see whether it had landed.
    let lost: Vec<u64> = (first + 2..=last).filter(|slot| !landed.contains_key(slot)).collect();
    outcome.check(format!("every slot of {}..={last} is on L1 (lost: {lost:?})", first + 2), lost.is_empty());
    for (id, proxy) in proxies {
        set_hosts(world, id, good.as_str()).await?;
        drop(proxy);
    }
    Ok(outcome)
}

/// Restarts a replica with another L1 endpoint.
async fn set_hosts(world: &mut World, id: u64, hosts: &str) -> Result<()> {
    world.kill(id)?;
    world.replica_mut(id)?.set("ETHEREUM_HOSTS", hosts);
    world.acting(Some(id), SETTLED).await?;
    world.restart(id).await
}
