//! A slot that is missed on purpose: each replica says why, as it saw it.

use std::time::Duration;

use anyhow::{Context, Result};
use ollin_rpc::view::{MissReason, MissedDuties, MissedDuty};

use crate::clock::now_ms;
use crate::report::Outcome;
use crate::wait::until;
use crate::world::{World, last_json};

/// How long a replica may take to judge a slot that is over.
const JUDGED: Duration = Duration::from_secs(60);

/// Two replicas dead for a slot: the third one found no quorum, and those two did not run.
pub(super) async fn without_quorum(world: &mut World, outcome: &mut Outcome) -> Result<()> {
    let leader = world.settled(super::SETTLED).await?;
    let others = others(world, leader);
    for id in &others {
        world.kill(*id)?;
    }
    let slot = world.clock().slot_at(now_ms() / 1000).context("before genesis")? + 2;
    world.slot_over(slot).await?;
    for id in &others {
        world.replica_mut(*id)?.start()?;
    }
    world.settled(super::SETTLED).await?;
    says(world, outcome, leader, slot, MissReason::NoQuorum).await?;
    says(world, outcome, *others.first().context("no others")?, slot, MissReason::NotRunning).await
}

/// What `ollin duties missed` shows at `id` comes to say of `slot` that it was missed for `reason`.
async fn says(world: &World, outcome: &mut Outcome, id: u64, slot: u64, reason: MissReason) -> Result<()> {
    let of_slot = |missed: &MissedDuty| missed.slot.get() == slot;
    let found = recorded(world, id, of_slot).await?;
    outcome.table.row([format!("slot {slot} at replica {id}"), format!("{:?}", found.reason), found.detail.clone()]);
    outcome.check(format!("replica {id} says of slot {slot}: {reason:?}"), found.reason == reason && !found.detail.is_empty());
    Ok(())
}

/// The first missed duty of a kind that `ollin duties missed` shows at `id`, newest first, as soon as there is one.
pub(super) async fn recorded(world: &World, id: u64, wanted: impl Fn(&MissedDuty) -> bool) -> Result<MissedDuty> {
    let look = || async {
        let (_, output) = world.ollin(world.replica(id).ok()?, "missed", &["duties", "missed", "--json"]).await.ok()?;
        let shown: MissedDuties = serde_json::from_value(last_json(&output)?).ok()?;
        shown.missed.into_iter().find(|missed| wanted(missed))
    };
    until("a missed duty in the record", JUDGED, look).await.with_context(|| world.log_tails(6))
}

fn others(world: &World, leader: u64) -> Vec<u64> {
    world.replicas().iter().map(crate::replica::Replica::id).filter(|id| *id != leader).collect()
}
