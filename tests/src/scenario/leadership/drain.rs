//! `ollin cluster drain`: one replica, then all three, and back.

use anyhow::Result;

use super::{others, status};
use crate::report::Outcome;
use crate::scenario::SETTLED;
use crate::world::World;

pub(in crate::scenario) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("drain", &["step", "exit", "answer"]);
    let leader = world.settled(SETTLED).await?;
    let [first, second] = others(world, leader)?;
    // Asked of another replica, by name.
    let named = ["--replica".to_owned(), leader.to_string()];
    let exit = step(world, &mut outcome, first, &named).await?;
    let (next, _) = world.acting(None, SETTLED).await?;
    outcome.check(format!("replica {leader} is drained and replica {next} leads"), exit == Some(0) && next != leader);
    outcome.check("the status says so", status(world, leader).await?.leadership.draining);
    let other = if next == first { second } else { first };
    let exit = step(world, &mut outcome, other, &[]).await?;
    outcome.check(format!("replica {other}, a follower, is drained at once"), exit == Some(0));
    let exit = step(world, &mut outcome, next, &[]).await?;
    let leads = world.acting(None, SETTLED).await?.0 == next;
    outcome.check(format!("replica {next} is the last one: it says so, exit {exit:?}, and leads on"), exit == Some(3) && leads);
    let slot = world.clock().slot_now() + 1;
    outcome.check(format!("slot {slot} is on L1 with all three drained"), world.landed_or_over(slot).await?.is_some());
    for id in [leader, other, next] {
        let exit = step(world, &mut outcome, id, &["--undo".to_owned()]).await?;
        outcome.check(
            format!("the drain of replica {id} is undone"),
            exit == Some(0) && !status(world, id).await?.leadership.draining,
        );
    }
    Ok(outcome)
}

async fn step(world: &World, outcome: &mut Outcome, at: u64, words: &[String]) -> Result<Option<i32>> {
    let arguments: Vec<&str> = ["cluster", "drain"].into_iter().chain(words.iter().map(String::as_str)).collect();
    let (exit, said) = world.ollin(world.replica(at)?, "drain", &arguments).await?;
    let asked = format!("at replica {at}: drain {}", words.join(" "));
    outcome.table.row([asked, format!("{exit:?}"), said.trim().to_owned()]);
    Ok(exit)
}
