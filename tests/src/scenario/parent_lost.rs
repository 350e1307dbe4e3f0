//! The parent of a claimed checkpoint is gone from L1 when the successor resumes: the slot is given up, with the reason.

use anyhow::Result;

use super::strike::{Meanwhile, given_up, strike};
use crate::failpoint::Point;
use crate::report::Outcome;
use crate::world::World;

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("parent-lost", &["slot", "old leader", "new leader", "given up, saying"]);
    let one = strike(world, Point::CheckpointClaimed, Meanwhile::ParentDropped).await?;
    let reason = given_up(world, one.slot)?;
    let cells = [one.slot, one.old_leader, one.new_leader].map(|cell| cell.to_string());
    outcome.table.row([cells.as_slice(), &[reason.clone().unwrap_or_default()]].concat());
    outcome.check(format!("slot {} is not on L1", one.slot), one.landed.is_none());
    outcome.check(format!("slot {} was given up, saying why", one.slot), reason.is_some());
    // Taken after the restart of the killed replica, whose slot may be over.
    let next = world.clock().slot_now() + 1;
    let landed = world.landed_or_over(next).await?;
    outcome.check(format!("slot {next} lands on the remaining chain"), landed.is_some());
    Ok(outcome)
}
