//! `ollin cluster drain`: one replica, then all three, and back.

use anyhow::Result;

use super::{cluster, comes_to_lead, others, status};
use crate::report::Outcome;
use crate::scenario::SETTLED;
use crate::wait::until;
use crate::world::World;

pub(in crate::scenario) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("drain", &["step", "exit", "answer"]);
    let leader = world.settled(SETTLED).await?;
    let [first, second] = others(world, leader)?;
    // Asked of another replica, by name.
    let named = ["--replica".to_owned(), leader.to_string()];
    let exit = step(world, &mut outcome, first, &named).await?;
    let (next, _) = world.acting(Some(leader), SETTLED).await?;
    outcome.check(
        format!("replica {leader} is drained and replica {next} leads"),
        exit == Some(0) && comes_to_lead(world, next).await,
    );
    outcome.check("the status says so", comes_to_be(world, leader, true).await);
    let other = if next == first { second } else { first };
    let exit = step(world, &mut outcome, other, &[]).await?;
    outcome.check(format!("replica {other}, a follower, is drained at once"), exit == Some(0));
    let (mut next, mut exit) = (next, step(world, &mut outcome, next, &[]).await?);
    for _ in 0..3 {
        if exit != Some(0) {
            break;
        }
        // It had not heard yet that the other one is drained too, and handed over to it: that one is the last now.
        (next, _) = world.acting(Some(next), SETTLED).await?;
        exit = step(world, &mut outcome, next, &[]).await?;
    }
    let leads = comes_to_lead(world, next).await;
    outcome.check(format!("replica {next} is the last one: it says so, exit {exit:?}, and leads on"), exit == Some(3) && leads);
    let slot = world.clock().slot_now() + 1;
    outcome.check(format!("slot {slot} is on L1 with all three drained"), world.landed_or_over(slot).await?.is_some());
    for id in [1, 2, 3] {
        let exit = step(world, &mut outcome, id, &["--undo".to_owned()]).await?;
        outcome.check(format!("the drain of replica {id} is undone"), exit == Some(0) && comes_to_be(world, id, false).await);
    }
    Ok(outcome)
}

async fn step(world: &World, outcome: &mut Outcome, at: u64, words: &[String]) -> Result<Option<i32>> {
    let arguments: Vec<&str> = ["drain"].into_iter().chain(words.iter().map(String::as_str)).collect();
    let (exit, said) = cluster(world, at, &arguments).await?;
    outcome.table.row([format!("at replica {at}: drain {}", words.join(" ")), format!("{exit:?}"), said]);
    Ok(exit)
}

/// Whether a replica's status comes to say that it is drained, or that it is not.
async fn comes_to_be(world: &World, id: u64, drained: bool) -> bool {
    let look = || async { (status(world, id).await.ok()?.leadership.draining == drained).then_some(()) };
    until("a drain in the status", SETTLED, look).await.is_ok()
}
