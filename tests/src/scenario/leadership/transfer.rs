//! `ollin cluster transfer` while slots are worked: refused where it must be, and no slot is lost.

use std::time::{Duration, Instant};

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{cluster, comes_to_lead, others, stands_by, status};
use crate::clock::now_ms;
use crate::report::{Outcome, median};
use crate::scenario::SETTLED;
use crate::wait::until;
use crate::world::World;

/// `count` transfers at instants drawn from the seed, each asked of a follower.
pub(in crate::scenario) async fn play(world: &mut World, seed: u64, count: usize) -> Result<Outcome> {
    let mut outcome = Outcome::new("transfer", &["slot", "from", "to", "ms", "answer"]);
    outcome.figure("seed", seed.to_string());
    let mut random = StdRng::seed_from_u64(seed);
    refusals(world, &mut outcome).await?;
    let first = world.clock().slot_now();
    let mut took = Vec::new();
    for _ in 0..count {
        let leader = world.settled(SETTLED).await?;
        let [asked, to] = others(world, leader)?;
        let instant = now_ms() + random.random_range(0..world.clock().slot_duration * 1000);
        let patience = Duration::from_secs(world.clock().slot_duration + 5);
        until("the drawn instant", patience, || std::future::ready((now_ms() >= instant).then_some(()))).await?;
        let slot = world.clock().slot_now();
        let started = Instant::now();
        let (exit, said) = cluster(world, asked, &["transfer", "--to", &to.to_string()]).await?;
        took.push(u64::try_from(started.elapsed().as_millis())?);
        let leads = comes_to_lead(world, to).await && stands_by(world, leader).await;
        outcome.table.row([
            slot.to_string(),
            leader.to_string(),
            to.to_string(),
            took.last().copied().unwrap_or(0).to_string(),
            said,
        ]);
        outcome
            .check(format!("replica {to} leads after `transfer --to {to}`, asked of replica {asked}"), exit == Some(0) && leads);
    }
    let last = world.clock().slot_now() + 1;
    world.slot_over(last).await?;
    let landed = world.chain().landed().await?;
    let lost: Vec<u64> = (first..=last).filter(|slot| !landed.contains_key(slot)).collect();
    outcome.figure("transfer, with the wait for its moment", format!("median {} ms of {count}", median(&took).unwrap_or(0)));
    outcome.check(format!("every slot of {first}..={last} is on L1 (lost: {lost:?})"), lost.is_empty());
    Ok(outcome)
}

async fn refusals(world: &mut World, outcome: &mut Outcome) -> Result<()> {
    let leader = world.settled(SETTLED).await?;
    let [asked, dead] = others(world, leader)?;
    let (exit, said) = cluster(world, asked, &["transfer", "--to", "9"]).await?;
    outcome.check(format!("nobody is called 9: exit {exit:?}, {}", said), exit == Some(3) && said.contains("unknown_replica"));
    let (exit, said) = cluster(world, asked, &["transfer", "--json", "--to", &leader.to_string()]).await?;
    outcome.check(format!("the leader leads already: exit {exit:?}"), exit == Some(0) && said.contains("leads already"));
    let term = status(world, leader).await?.term;
    world.kill(dead)?;
    let silent = || async {
        let replicas = status(world, leader).await.ok()?.leadership.replicas;
        replicas.iter().find(|one| one.id.get() == dead)?.age_ms.filter(|age| *age > 3_000).map(|_| ())
    };
    until("a silent replica", SETTLED, silent).await?;
    let (exit, said) = cluster(world, asked, &["transfer", "--to", &dead.to_string()]).await?;
    outcome.check(format!("a dead replica is refused: exit {exit:?}, {}", said), exit == Some(3) && said.contains("unreachable"));
    let same = status(world, leader).await?.term == term;
    outcome.check("no refusal moved leadership", same);
    world.restart(dead).await
}
