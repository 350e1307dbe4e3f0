//! Base fee raised over what the attempt pays, in mid-slot: the slot lands by a recorded bump.

use std::time::Duration;

use anyhow::{Context, Result};

use super::strike::{attempts, bring_to};
use crate::chain::parse_quantity;
use crate::failpoint::Point;
use crate::report::Outcome;
use crate::wait::until;
use crate::world::World;

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome =
        Outcome::new("fee-spike", &["slot", "base fee before", "raised to", "first fee cap", "landed attempt", "L1 block"]);
    let leader = world.settled(super::SETTLED).await?;
    let slot = bring_to(world, leader, Point::AttemptSent).await?;
    let first = attempts(&world.outlets()?, slot).pop().context("attempt-sent without an outlet record")?;
    let transaction = world.chain().transaction(first.1).await?.context("the attempt is not at L1")?;
    let cap = parse_quantity(transaction.get("maxFeePerGas").context("an attempt without a fee cap")?)?;
    let before = world.chain().base_fee_wei().await?;
    // Fourfold, and certainly over the first attempt's cap.
    let raised = before.saturating_mul(4).max(cap.saturating_add(cap / 2));
    world.l1().set_next_base_fee(raised.into()).await?;
    world.l1().resume_mining().await?;
    world.replica(leader)?.failpoints().release(Point::AttemptSent)?;
    let end = world.clock().slot_end(slot);
    let look = || async {
        // Empty blocks would let it fall again by an eighth each.
        world.l1().set_next_base_fee(raised.into()).await.ok()?;
        let now = world.chain().head_timestamp().await.ok()?;
        let landed = world.chain().landed().await.ok()?.remove(&slot);
        (landed.is_some() || now >= end).then_some(landed)
    };
    let patience = world.clock().slots(1) + Duration::from_secs(10);
    let landed = until(format!("slot {slot} landed or over"), patience, look).await?;
    world.l1().set_next_base_fee(before.into()).await?;
    world.replica(leader)?.failpoints().clear()?;
    let attempts = attempts(&world.outlets()?, slot);
    let by = landed
        .as_ref()
        .and_then(|one| attempts.iter().find(|(_, hash)| *hash == one.fact.transaction))
        .map(|(number, _)| *number);
    outcome.table.row([
        slot.to_string(),
        before.to_string(),
        raised.to_string(),
        cap.to_string(),
        by.map_or_else(|| "-".to_owned(), |number| number.to_string()),
        landed.as_ref().map_or_else(|| "LOST".to_owned(), |one| one.l1_block().to_string()),
    ]);
    outcome.check(format!("slot {slot} is on L1 under a base fee of {raised} wei"), landed.is_some());
    outcome.check(format!("by a recorded bump (attempt {by:?})"), by.is_some_and(|number| number > first.0));
    Ok(outcome)
}
