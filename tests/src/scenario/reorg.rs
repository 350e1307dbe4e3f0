//! A shallow reorg of L1 takes a fresh checkpoint away: the chain goes on.

use anyhow::{Context, Result};

use crate::report::Outcome;
use crate::wait::until;
use crate::world::World;

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("reorg", &["slot", "first in L1 block", "after the reorg in", "blocks replaced"]);
    let slot = world.clock().slot_now() + 1;
    let first = world.landed_or_over(slot).await?.with_context(|| format!("slot {slot} did not land"))?;
    let depth = world.chain().head_number().await?.saturating_sub(first.l1_block()).saturating_add(1);
    world.l1().reorg(depth).await?;
    let gone = !world.chain().landed().await?.contains_key(&slot);
    outcome.check(format!("slot {slot} was taken off L1 by a reorg of {depth} blocks"), gone);
    let again = world.landed_or_over(slot).await?;
    let shown = again.as_ref().map_or_else(|| "-".to_owned(), |one| one.l1_block().to_string());
    outcome.table.row([slot.to_string(), first.l1_block().to_string(), shown, depth.to_string()]);
    outcome.check(format!("slot {slot} lands again in its slot"), again.is_some());
    let next = world.landed_or_over(slot + 1).await?;
    outcome.check(format!("slot {} lands", slot + 1), next.is_some());
    for replica in world.replicas() {
        let agrees = || async {
            let newest = world.chain().landed().await.ok()?.into_values().next_back()?;
            let tip = replica.status().await?.l2_tips.checkpointed.checkpoint.number;
            (tip.get() == newest.checkpoint()).then_some(())
        };
        let agreed = until("L1's tip", world.clock().slots(2), agrees).await;
        outcome.check(format!("replica {} stands on L1's tip", replica.id()), agreed.is_ok());
    }
    Ok(outcome)
}
