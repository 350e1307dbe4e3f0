//! All replicas killed at once and started again.

use anyhow::Result;

use crate::clock::now_ms;
use crate::report::Outcome;
use crate::wait::until;
use crate::world::World;

/// Slots until one lands again.
const BACK_WITHIN_SLOTS: u32 = 4;

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("cold-restart", &["killed in slot", "next landed", "s between"]);
    let ids: Vec<u64> = world.replicas().iter().map(crate::replica::Replica::id).collect();
    let killed_ms = now_ms();
    for id in &ids {
        world.kill(*id)?;
    }
    let height = world.chain().head_number().await?;
    for id in &ids {
        world.replica_mut(*id)?.start()?;
    }
    world.settled(super::SETTLED).await?;
    let look = || async { world.chain().landed_since(height + 1).await.ok()?.into_values().next() };
    let next = until("a checkpoint after the restart", world.clock().slots(BACK_WITHIN_SLOTS), look).await;
    let slot = world.clock().slot_at(killed_ms / 1000).unwrap_or(0);
    match &next {
        Ok(one) => {
            outcome.table.row([slot, one.slot(), one.timestamp.saturating_sub(killed_ms / 1000)].map(|cell| cell.to_string()))
        }
        Err(fault) => outcome.table.row([slot.to_string(), fault.to_string()]),
    }
    outcome.check(format!("a slot lands within {BACK_WITHIN_SLOTS} slots of restarting all replicas"), next.is_ok());
    if let Ok(one) = next {
        let following = world.landed_or_over(one.slot() + 1).await?;
        outcome.check(format!("slot {} after it lands too", one.slot() + 1), following.is_some());
    }
    Ok(outcome)
}
