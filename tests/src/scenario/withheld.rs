//! L1 includes nothing for the rest of a slot: the missed propose does not block the next one.

use anyhow::Result;
use ollin_rpc::view::MissReason;

use super::missed::recorded;
use super::strike::bring_to;
use crate::clock::now_ms;
use crate::failpoint::Point;
use crate::report::Outcome;
use crate::wait::until;
use crate::world::World;

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("withheld", &["slot", "L1 block"]);
    let leader = world.settled(super::SETTLED).await?;
    // L1 stands still from before the send.
    let slot = bring_to(world, leader, Point::AttemptSent).await?;
    world.replica(leader)?.failpoints().release(Point::AttemptSent)?;
    let end_ms = world.clock().slot_end(slot).saturating_mul(1000);
    let over = || std::future::ready((now_ms() >= end_ms).then_some(()));
    until(format!("the end of slot {slot} on the clock"), world.clock().slots(2), over).await?;
    world.l1().resume_mining().await?;
    world.replica(leader)?.failpoints().clear()?;
    world.slot_over(slot).await?;
    let missed = world.chain().landed().await?.remove(&slot);
    outcome
        .table
        .row([slot.to_string(), missed.as_ref().map_or_else(|| "withheld".to_owned(), |one| one.l1_block().to_string())]);
    outcome.check(format!("slot {slot} had no L1 block to land in"), missed.is_none());
    // Whoever sent it says that it was sent, and not merely that the slot was then over.
    let said = recorded(world, leader, |missed| missed.slot.get() == slot).await?;
    outcome
        .check(format!("replica {leader} says of it: {:?}, {}", said.reason, said.detail), said.reason == MissReason::NotMined);
    let next = world.landed_or_over(slot + 1).await?;
    outcome
        .table
        .row([(slot + 1).to_string(), next.as_ref().map_or_else(|| "LOST".to_owned(), |one| one.l1_block().to_string())]);
    outcome.check(format!("slot {} lands", slot + 1), next.is_some());
    Ok(outcome)
}
