//! What `ollin status` says and returns while replicas go down and come back.

use std::time::Duration;

use anyhow::{Context, Result};

use super::strike::TAKEOVER;
use crate::child::run;
use crate::report::Outcome;
use crate::wait::until;
use crate::world::{World, command};

/// A silent member counts after 3 s; a leader without a quorum steps down within its lease.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("status", &["cluster", "exit", "says"]);
    let leader = world.settled(super::SETTLED).await?;
    expect(world, leader, "all replicas run", 0, "healthy", &mut outcome).await?;

    let others: Vec<u64> = world.replicas().iter().map(crate::replica::Replica::id).filter(|id| *id != leader).collect();
    let (first, second) = (*others.first().context("a cluster of one")?, *others.last().context("a cluster of one")?);
    world.kill(first)?;
    expect(world, leader, "one is dead", 1, &format!("replica {first} does not answer"), &mut outcome).await?;
    world.kill(second)?;
    expect(world, leader, "two are dead", 2, "no quorum", &mut outcome).await?;
    world.replica_mut(first)?.start()?;
    world.replica_mut(second)?.start()?;
    let (acting, _) = world.acting(None, TAKEOVER).await?;
    world.settled(super::SETTLED).await?;
    expect(world, acting, "they are back", 0, "healthy", &mut outcome).await?;

    world.kill(acting)?;
    expect(world, acting, "the one that is asked is dead", 1, "no replica answers", &mut outcome).await?;
    world.acting(Some(acting), TAKEOVER).await?;
    world.restart(acting).await?;
    Ok(outcome)
}

/// Asks until exit code and text are as expected.
async fn expect(world: &World, id: u64, state: &str, code: i32, words: &str, outcome: &mut Outcome) -> Result<()> {
    let url = world.replica(id)?.public().url().to_owned();
    let log = world.directory().join("status.log");
    let last = std::cell::RefCell::new((None, String::new()));
    let ask = || async {
        // The file is appended to: only this answer counts.
        std::fs::remove_file(&log).ok();
        let recipe = command("status", &["status".into(), "--url".into(), url.clone()], log.clone()).ok()?;
        let (status, text) = run(recipe, TOLD_WITHIN).await.ok()?;
        let said = status.code() == Some(code) && text.contains(words);
        *last.borrow_mut() = (status.code(), text);
        said.then_some(())
    };
    let told = until(format!("exit code {code} of ollin status"), TOLD_WITHIN, ask).await.is_ok();
    let (exit, text) = last.into_inner();
    let head = text.lines().take(2).map(str::trim).collect::<Vec<_>>().join(": ");
    let exit = exit.map_or_else(|| "signal".to_owned(), |code: i32| code.to_string());
    outcome.table.row([state.to_owned(), exit, head.chars().take(100).collect()]);
    outcome.check(format!("{state}: ollin status returns {code} and says {words:?}"), told);
    Ok(())
}
