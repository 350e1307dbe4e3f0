//! The leader itself demoted, replaced and removed, by one command each, while slots go on.

use anyhow::{Context, Result};
use serde_json::Value;

use super::members::{NOTICE, others, raft_id, run, status, voters};
use crate::report::Outcome;
use crate::wait::until;
use crate::world::{Part, World};

/// Returns the Raft ids that were given.
pub(super) async fn leaders_leave(world: &mut World, outcome: &mut Outcome) -> Result<Vec<u64>> {
    demoted(world, outcome).await?;
    let file = world.cluster_file().display().to_string();

    // By another replica's admin port: 7 comes in its place.
    let leader = world.settled(super::SETTLED).await?;
    let via = others(&status(world, leader).await?, leader).first().copied().context("no followers")?;
    world.lay_out_replica(7, Part::Full).await?;
    world.replica_mut(7)?.start()?;
    let name = leader.to_string();
    let words = ["replace", &name, "7", "--cluster-file", &file];
    let replaced = run(world, outcome, via, &words).await?;
    handed_over(&replaced, leader, outcome);
    outcome.check("3 voters after the leader was replaced", voters(&replaced) == 3);
    gone(world, leader, outcome).await?;
    let again = run(world, outcome, via, &words).await?;
    outcome.check("to replace it again changes nothing", is_already(&again));

    // By its own admin port; 8 makes four voters before.
    world.lay_out_replica(8, Part::Full).await?;
    world.replica_mut(8)?.start()?;
    let added = run(world, outcome, 7, &["add", "8", "--cluster-file", &file]).await?;
    run(world, outcome, 7, &["promote", "8"]).await?;
    let leader = world.settled(super::SETTLED).await?;
    let name = leader.to_string();
    let removed = run(world, outcome, leader, &["remove", &name]).await?;
    handed_over(&removed, leader, outcome);
    outcome.check("3 voters after the leader was removed", voters(&removed) == 3);
    gone(world, leader, outcome).await?;
    let via = world.settled(super::SETTLED).await?;
    let again = run(world, outcome, via, &["remove", &name]).await?;
    outcome.check("to remove it again changes nothing", is_already(&again));
    Ok(vec![raft_id(&replaced)?, raft_id(&added)?])
}

/// The leader becomes a learner, stays up as one, and comes back.
async fn demoted(world: &mut World, outcome: &mut Outcome) -> Result<()> {
    let leader = world.settled(super::SETTLED).await?;
    let name = leader.to_string();
    let demoted = run(world, outcome, leader, &["demote", &name]).await?;
    handed_over(&demoted, leader, outcome);
    outcome.check("2 voters after the leader was demoted", voters(&demoted) == 2);
    let again = run(world, outcome, leader, &["demote", &name]).await?;
    outcome.check("to demote it again changes nothing", is_already(&again) && voters(&again) == 2);
    let halted = status(world, leader).await?.halted;
    outcome.check(format!("the demoted one follows on: {halted:?}"), halted.is_none());
    let promoted = run(world, outcome, leader, &["promote", &name]).await?;
    outcome.check("3 voters after it was promoted", voters(&promoted) == 3);
    Ok(())
}

/// A replica that was taken out says so, and is ended.
async fn gone(world: &mut World, id: u64, outcome: &mut Outcome) -> Result<()> {
    let halted = || async { status(world, id).await.ok()?.halted.filter(|reason| reason.contains("was removed")) };
    let says = until("the former leader to say that it was removed", NOTICE, halted).await;
    outcome.check(format!("the former leader says so: {says:?}"), says.is_ok());
    world.dismiss(id)
}

fn handed_over(answer: &Value, leader: u64, outcome: &mut Outcome) {
    let to = answer.pointer("/handed_over_to").and_then(Value::as_u64);
    outcome.check(format!("replica {leader} handed over first, to {to:?}"), to.is_some_and(|to| to != leader));
}

fn is_already(answer: &Value) -> bool {
    answer.pointer("/already") == Some(&Value::Bool(true))
}
