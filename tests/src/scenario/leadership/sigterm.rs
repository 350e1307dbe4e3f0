//! SIGTERM in the middle of a slot: the leader finishes what it has claimed if it can, hands over, and ends.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use ollin_rpc::view::DutyState;

use super::status;
use crate::clock::now_ms;
use crate::failpoint::Point;
use crate::report::Outcome;
use crate::scenario::SETTLED;
use crate::scenario::strike::{TAKEOVER, bring_to, slot_of};
use crate::wait::until;
use crate::world::World;

/// What `docs/leadership.md` promises, and what `stop_grace_period` allows.
const BOUND: Duration = Duration::from_secs(30);
/// How long the leader is seen to hold on to a slot that it has claimed.
const HELD: Duration = Duration::from_secs(1);

pub(in crate::scenario) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("sigterm", &["when", "slot", "seconds to the end", "no leader for ms", "L1 block"]);
    finishes(world, &mut outcome).await?;
    cannot_finish(world, &mut outcome).await?;
    all_at_once(world, &mut outcome).await?;
    Ok(outcome)
}

/// Claimed, and free to go on a second later: the old leader itself brings the slot to L1.
async fn finishes(world: &mut World, outcome: &mut Outcome) -> Result<()> {
    let leader = world.settled(SETTLED).await?;
    let slot = bring_to(world, leader, Point::ClaimCommitted).await?;
    let (started, started_ms) = (Instant::now(), now_ms());
    world.signal(leader, Signal::SIGTERM)?;
    let mut leads = true;
    while started.elapsed() < HELD {
        leads &= status(world, leader).await?.replica.duty_state == DutyState::Active;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    outcome.check(format!("SIGTERM after the claim: replica {leader} leads until slot {slot} is on its way"), leads);
    world.replica(leader)?.failpoints().release(Point::ClaimCommitted)?;
    let ended = ended(world, leader).await?;
    let took = started.elapsed();
    let gap_ms = gap(world, leader).await?;
    let landed = world.landed_or_over(slot).await?;
    let history = world.outlets()?;
    let own = history.emissions.iter().any(|one| {
        let transaction = matches!(one.emitted, ollin_chaos::Emitted::Transaction(_));
        transaction && slot_of(&one.emitted) == slot && one.origin.replica.get() == leader && one.origin.time_ms >= started_ms
    });
    row(outcome, "claimed, free to go on", slot, took, gap_ms, landed.as_ref().map(crate::chain::Landed::l1_block));
    outcome.check(format!("replica {leader} sent slot {slot} to L1 itself, after the signal"), own);
    outcome.check(format!("slot {slot} is on L1"), landed.is_some());
    outcome.check(format!("it ended by itself, with exit code 0, within {} s", BOUND.as_secs()), ended && took < BOUND);
    next_slot(world, slot, outcome).await?;
    world.replica_mut(leader)?.kill()?;
    world.restart(leader).await
}

/// Claimed, and held for ever: the wait ends, and the successor brings the slot to L1 or the slot is over.
async fn cannot_finish(world: &mut World, outcome: &mut Outcome) -> Result<()> {
    let leader = world.settled(SETTLED).await?;
    let slot = bring_to(world, leader, Point::ClaimCommitted).await?;
    let started = Instant::now();
    world.signal(leader, Signal::SIGTERM)?;
    let ended = ended(world, leader).await?;
    let took = started.elapsed();
    let gap_ms = gap(world, leader).await?;
    let landed = world.landed_or_over(slot).await?;
    row(outcome, "claimed, held for ever", slot, took, gap_ms, landed.as_ref().map(crate::chain::Landed::l1_block));
    outcome.check(format!("a leader that cannot finish ends within {} s all the same", BOUND.as_secs()), ended && took < BOUND);
    next_slot(world, slot + 1, outcome).await?;
    world.replica_mut(leader)?.kill()?;
    world.restart(leader).await
}

/// All three: nobody waits for a successor that is stopping too.
async fn all_at_once(world: &mut World, outcome: &mut Outcome) -> Result<()> {
    let leader = world.settled(SETTLED).await?;
    let ids: Vec<u64> = world.replicas().iter().map(crate::replica::Replica::id).collect();
    let started = Instant::now();
    for id in &ids {
        world.signal(*id, Signal::SIGTERM)?;
    }
    let mut in_order = true;
    for id in &ids {
        in_order &= ended(world, *id).await?;
    }
    let took = started.elapsed();
    row(outcome, "all three", world.clock().slot_now(), took, 0, None);
    outcome.check(
        format!("all three, replica {leader} leading, end by themselves within {} s", BOUND.as_secs()),
        in_order && took < BOUND,
    );
    for id in &ids {
        world.replica_mut(*id)?.kill()?;
        world.replica_mut(*id)?.start()?;
    }
    world.settled(SETTLED).await?;
    next_slot(world, world.clock().slot_now(), outcome).await
}

/// Whether it ended by itself with exit code 0.
async fn ended(world: &mut World, leader: u64) -> Result<bool> {
    let replica = world.replica_mut(leader)?;
    let look = || std::future::ready((!replica.alive()).then_some(()));
    until("the end of the signalled replica", BOUND * 2, look).await?;
    Ok(world.replica_mut(leader)?.exit_code() == Some(0))
}

/// How long nobody acted, as the successor saw it.
async fn gap(world: &World, old: u64) -> Result<u64> {
    let (next, _) = world.acting(Some(old), TAKEOVER).await?;
    let change = status(world, next).await?.last_failover.context("a change of leader in the status")?;
    Ok(change.gap_ms)
}

async fn next_slot(world: &World, slot: u64, outcome: &mut Outcome) -> Result<()> {
    let next = world.clock().slot_now().max(slot) + 1;
    outcome.check(format!("slot {next} after it is on L1"), world.landed_or_over(next).await?.is_some());
    Ok(())
}

fn row(outcome: &mut Outcome, when: &str, slot: u64, took: Duration, gap_ms: u64, l1_block: Option<u64>) {
    outcome.table.row([
        when.to_owned(),
        slot.to_string(),
        format!("{:.1}", took.as_secs_f64()),
        gap_ms.to_string(),
        l1_block.map_or_else(|| "-".to_owned(), |block| block.to_string()),
    ]);
}
