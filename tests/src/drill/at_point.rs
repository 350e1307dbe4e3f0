//! A leader at a named point: brought there, and stopped there.

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use ollin_chaos::Wake;
use ollin_protocol::units::ReplicaId;
use rand::Rng;

use super::stage::{SLOTS_TO_LAND, Stage, WELL};
use crate::clock::now_ms;
use crate::failpoint::Point;
use crate::wait::until;
use crate::world::World;

/// Waits until a leader stands at `point`; returns it and the slot that it works for. Leadership may move meanwhile: whoever leads gets
/// there. For [`Point::AttemptSent`], L1 stands still from before the send until [`release_l1`].
pub(super) async fn bring_to(stage: &mut Stage<'_>, point: Point) -> Result<(u64, u64)> {
    let world = &*stage.world;
    let brought = match point {
        Point::AttemptSent => {
            let (victim, _) = first_at(world, Point::AttemptRecorded).await?;
            world.l1().pause_mining().await?;
            let points = world.replica(victim)?.failpoints();
            points.arm(point)?;
            points.release(Point::AttemptRecorded)?;
            let hit = points.reached(point, world.clock().slots(SLOTS_TO_LAND)).await;
            hit.map(|hit| (victim, hit.slot))
        }
        Point::LogSync => {
            // Every replica syncs: only the leader is brought there.
            let (leader, _) = world.acting(None, WELL).await?;
            let points = world.replica(leader)?.failpoints();
            points.clear()?;
            points.arm(point)?;
            points.reached(point, world.clock().slots(SLOTS_TO_LAND)).await.map(|hit| (leader, hit.slot))
        }
        Point::BeforeFirstClaim
        | Point::ClaimCommitted
        | Point::BlockSigned
        | Point::CheckpointClaimed
        | Point::BundleClaimed
        | Point::AttemptRecorded => first_at(world, point).await,
        Point::OrderTaken | Point::IdReserved | Point::JointApplied | Point::MembersChanged => {
            bail!("an order about the members leads to {point}, and no slot does")
        }
    };
    if brought.is_err() {
        release_l1(stage, point).await?;
    }
    brought
}

/// Lets L1 go on after [`bring_to`].
pub(super) async fn release_l1(stage: &Stage<'_>, point: Point) -> Result<()> {
    if point == Point::AttemptSent {
        stage.world.l1().resume_mining().await?;
    }
    Ok(())
}

/// Only a leader gets to a point of a slot; it is armed at all, and disarmed at all but the first to get there.
async fn first_at(world: &World, point: Point) -> Result<(u64, u64)> {
    for replica in world.replicas() {
        replica.failpoints().clear()?;
        replica.failpoints().arm(point)?;
    }
    let first = || {
        let mut hits = world.replicas().iter().filter_map(|one| Some((one.id(), one.failpoints().hit(point)?.slot)));
        std::future::ready(hits.next())
    };
    let patience = world.clock().slots(SLOTS_TO_LAND) + WELL;
    let found = until(format!("a leader at {point}"), patience, first).await.with_context(|| world.log_tails(8));
    for replica in world.replicas() {
        if found.as_ref().map_or(true, |(id, _)| *id != replica.id()) {
            replica.failpoints().disarm(point)?;
        }
    }
    found
}

/// SIGSTOP with whatever is half done; SIGCONT within the slot, or after another whole one.
pub(super) async fn stop(stage: &mut Stage<'_>) -> Result<()> {
    stage.well().await?;
    let point = stage.draw(&Point::ALL)?;
    let long = stage.random.random_bool(0.5);
    let (victim, slot) = bring_to(stage, point).await?;
    stage.world.signal(victim, Signal::SIGSTOP)?;
    // It finds the way free when it wakes, with what it held when it was stopped.
    stage.world.replica(victim)?.failpoints().release(point)?;
    let stopped_ms = stage.note(victim, format!("stop at {point}, {}", if long { "for a slot" } else { "for a moment" }));
    release_l1(stage, point).await?;
    let next = stage.takeover(victim, stopped_ms).await?;
    let term = stage.status(next).await?.term;
    if long {
        stage.world.slot_over(slot + 1).await?;
    } else {
        stage.any_instant(1_000).await?;
    }
    let woke_at_ms = now_ms();
    stage.world.signal(victim, Signal::SIGCONT)?;
    stage.back(victim).await?;
    stage.lands().await?;
    let until_ms = Some(now_ms());
    let leader = stage.well().await?;
    // Where leadership has not moved, the one that woke had nothing to say that was not said before.
    if long && stage.status(leader).await?.term == term {
        stage.world.woke(Wake { replica: ReplicaId::new(victim), woke_at_ms, until_ms });
    }
    stage.world.replica(victim)?.failpoints().clear()
}
