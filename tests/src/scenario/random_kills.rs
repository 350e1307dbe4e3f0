//! The leader killed at instants drawn from the seed.

use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::failover::every_slot;
use super::strike::TAKEOVER;
use crate::classify::Gap;
use crate::clock::now_ms;
use crate::report::{Outcome, median};
use crate::wait::until;
use crate::world::World;

/// `count` kills.
pub(super) async fn play(world: &mut World, seed: u64, count: u32) -> Result<Outcome> {
    let mut outcome = Outcome::new("random-kills", &["slot", "ms into build", "old leader", "new leader", "ms to active"]);
    outcome.figure("seed", seed.to_string());
    let mut random = StdRng::seed_from_u64(seed);
    let mut gaps = Vec::new();
    let first_slot = world.clock().slot_now().saturating_add(1);
    for _ in 0..count {
        let old_leader = world.settled(super::SETTLED).await?;
        let instant_ms = now_ms().saturating_add(random.random_range(0..world.clock().slot_duration.saturating_mul(1000)));
        let patience = Duration::from_secs(world.clock().slot_duration.saturating_add(5));
        until("the drawn instant", patience, || std::future::ready((now_ms() >= instant_ms).then_some(()))).await?;
        let killed_ms = world.kill(old_leader)?;
        let (new_leader, active_ms) = world.acting(Some(old_leader), TAKEOVER).await?;
        gaps.push(Gap { from_ms: killed_ms, until_ms: active_ms });
        world.restart(old_leader).await?;
        let slot = world.clock().slot_at((killed_ms / 1000).saturating_add(world.clock().ethereum_slot_duration)).unwrap_or(0);
        let into = killed_ms.saturating_sub(world.clock().build_start_ms(slot));
        let cells = [slot, into, old_leader, new_leader, active_ms.saturating_sub(killed_ms)];
        outcome.table.row(cells.map(|cell| cell.to_string()));
    }
    let last_slot = world.clock().slot_now();
    world.slot_over(last_slot).await?;
    let active: Vec<u64> = gaps.iter().map(|gap| gap.until_ms.saturating_sub(gap.from_ms)).collect();
    outcome.figure("kill to active", format!("median {} ms of {count}", median(&active).unwrap_or(0)));
    every_slot(world, first_slot, last_slot, &gaps, &mut outcome).await?;
    Ok(outcome)
}
