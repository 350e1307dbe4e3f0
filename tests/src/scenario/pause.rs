//! The leader stopped at a named point and woken a slot later: it emits nothing new.

use anyhow::Result;
use nix::sys::signal::Signal;
use ollin_chaos::Wake;
use ollin_chaos::invariant::no_news_after_wake;
use ollin_protocol::units::ReplicaId;

use super::strike::{TAKEOVER, bring_to};
use crate::clock::now_ms;
use crate::failpoint::Point;
use crate::report::Outcome;
use crate::world::World;

/// Stopped with a grant unused, and with an attempt recorded and not sent.
pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("pause", &["point", "slot", "stopped", "new leader", "L1 block", "new emissions"]);
    for point in [Point::ClaimCommitted, Point::AttemptRecorded] {
        pause_at(world, point, &mut outcome).await?;
    }
    Ok(outcome)
}

async fn pause_at(world: &mut World, point: Point, outcome: &mut Outcome) -> Result<()> {
    let stopped = world.settled(super::SETTLED).await?;
    let slot = bring_to(world, stopped, point).await?;
    world.signal(stopped, Signal::SIGSTOP)?;
    // It finds the way free when it wakes, with what it held when it was stopped.
    world.replica(stopped)?.failpoints().release(point)?;
    let stopped_ms = now_ms();
    let (new_leader, active_ms) = world.acting(Some(stopped), TAKEOVER).await?;
    // Nothing breaks when a process is stopped: this is what the timers take.
    outcome.figure(format!("stopped at {point}, to the next leader"), format!("{} ms", active_ms.saturating_sub(stopped_ms)));
    let landed = world.landed_or_over(slot).await?;
    world.slot_over(slot + 1).await?;
    let woke_at_ms = now_ms();
    world.signal(stopped, Signal::SIGCONT)?;
    world.caught_up(stopped, TAKEOVER).await?;
    // Long enough for whatever it still holds: a slot that nobody disturbs, landed.
    let next = world.clock().slot_now() + 1;
    let quiet = world.landed_or_over(next).await?;
    world.replica(stopped)?.failpoints().clear()?;
    let wake = Wake { replica: ReplicaId::new(stopped), woke_at_ms, until_ms: Some(now_ms()) };
    let fresh = no_news_after_wake(&world.outlets()?, wake);
    // For the judge of every later scenario too.
    world.woke(wake);
    outcome.table.row([
        point.to_string(),
        slot.to_string(),
        stopped.to_string(),
        new_leader.to_string(),
        landed.as_ref().map_or_else(|| "-".to_owned(), |one| one.l1_block().to_string()),
        fresh.len().to_string(),
    ]);
    outcome.check(format!("stopped at {point}: slot {slot} is on L1"), landed.is_some());
    outcome.check(format!("woken after {point}: replica {stopped} emitted nothing new"), fresh.is_empty());
    outcome.check(format!("slot {next} after the waking is on L1"), quiet.is_some());
    Ok(())
}
