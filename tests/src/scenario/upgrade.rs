//! Programs exchanged one by one, and the version of the rules raised when all are: by the test build's next version.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::members::{COMMAND, NOTICE, status};
use crate::report::Outcome;
use crate::wait::until;
use crate::world::{World, last_json};

/// Exit code of a refusal.
const REFUSED: i32 = 3;
/// With it a test build supports the next version.
const NEXT_RULES: &str = "OLLIN_NEXT_RULES";
/// Slots until one lands.
const WITHIN_SLOTS: u32 = 4;

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("upgrade", &["programs", "exit", "answer"]);
    let leader = world.settled(super::SETTLED).await?;
    let before = status(world, leader).await?.rules.version;
    let nothing = ask(world, &mut outcome, leader, "none exchanged").await?;
    outcome
        .check("no member knows a newer version, and the answer says so", nothing.exit == 0 && nothing.word == Value::Bool(true));

    let ids: Vec<u64> = world.replicas().iter().map(crate::replica::Replica::id).collect();
    let (last, first) = ids.split_last().context("no replicas")?;
    for id in first {
        exchange(world, *id).await?;
    }
    let via = world.settled(super::SETTLED).await?;
    let Answer { exit, word, said } = ask(world, &mut outcome, via, &format!("all but {last}")).await?;
    outcome.check(format!("refused with {exit}, {word}"), exit == REFUSED && word == "unsupported");
    outcome.check(format!("replica {last} is named: {said}"), said.contains(&format!("replica {last} (version {before})")));

    exchange(world, *last).await?;
    let via = world.settled(super::SETTLED).await?;
    let raised = ask(world, &mut outcome, via, "all").await?;
    outcome.check("raised", raised.exit == 0 && raised.word == Value::Bool(false));
    let height = world.chain().head_number().await?;
    let look = || async { world.chain().landed_since(height + 1).await.ok()?.into_values().next() };
    let landed = until("a checkpoint under the new rules", world.clock().slots(WITHIN_SLOTS), look).await?;
    alike(world, &mut outcome, before + 1, landed.slot()).await?;
    old_program(world, &mut outcome).await?;
    Ok(outcome)
}

/// Stops a replica and starts the next program in its place.
async fn exchange(world: &mut World, id: u64) -> Result<()> {
    world.kill(id)?;
    world.replica_mut(id)?.set(NEXT_RULES, "true");
    world.restart(id).await
}

/// What `ollin cluster upgrade` answers.
struct Answer {
    exit: i32,
    /// `already`, or the refusal's code.
    word: Value,
    /// The version, or the refusal's message.
    said: String,
}

/// Asks, and asks again while members were not heard since their start.
async fn ask(world: &World, outcome: &mut Outcome, via: u64, programs: &str) -> Result<Answer> {
    let passing = ["unheard", "not_leader", "unknown", "busy"];
    let look = || async {
        let (exit, answer) = world.cluster_command(via, &["upgrade"], COMMAND).await.ok()?;
        let code = answer.pointer("/error/code").and_then(Value::as_str).unwrap_or_default();
        (!passing.contains(&code)).then_some((exit, answer))
    };
    let (exit, answer) = until("an answer to the upgrade", NOTICE, look).await?;
    let said =
        answer.pointer("/error/message").or_else(|| answer.pointer("/version")).map(ToString::to_string).unwrap_or_default();
    outcome.table.row([programs.to_owned(), exit.to_string(), said.clone()]);
    let word = answer.pointer("/error/code").or_else(|| answer.pointer("/already")).cloned();
    Ok(Answer { exit, word: word.with_context(|| format!("neither done nor refused: {answer}"))?, said })
}

/// Every replica is under the new version, and judges by it as the others do: behind a claim the floor follows.
async fn alike(world: &World, outcome: &mut Outcome, version: u16, slot: u64) -> Result<()> {
    for replica in world.replicas() {
        let look = || async {
            let shown = replica.status().await?;
            let floor = shown.floor.map(ollin_protocol::units::Slot::get);
            (shown.rules.version == version && floor >= Some(slot.saturating_sub(2))).then_some(floor)
        };
        let floor = until("the floor to follow", NOTICE, look).await;
        outcome.check(format!("replica {} is under version {version}, floor {floor:?}", replica.id()), floor.is_ok());
    }
    let look = || async {
        let mut heads = BTreeSet::new();
        for replica in world.replicas() {
            let (exit, said) = world.ollin(replica, "duties-list", &["duties", "list", "--json"]).await.ok()?;
            let list = last_json(&said)?;
            if list.pointer("/error/code").and_then(Value::as_str) == Some("witness") {
                // It has no list; its version was looked at above.
                continue;
            }
            heads.insert(list.get("audit").filter(|_| exit == Some(0))?.to_string());
        }
        (heads.len() == 1).then_some(heads)
    };
    let heads = until("one audit head at all replicas", Duration::from_secs(60), look).await;
    outcome.check(format!("all have judged alike: {heads:?}"), heads.is_ok());
    Ok(())
}

/// The program of before is started again on a store of the new rules: it stops in front of them.
async fn old_program(world: &mut World, outcome: &mut Outcome) -> Result<()> {
    let leader = world.settled(super::SETTLED).await?;
    let mut ids = world.replicas().iter().map(crate::replica::Replica::id);
    let id = ids.find(|id| *id != leader).context("no follower")?;
    world.kill(id)?;
    world.replica_mut(id)?.unset(NEXT_RULES);
    world.replica_mut(id)?.start()?;
    let deadline = std::time::Instant::now() + NOTICE;
    while world.replica_mut(id)?.alive() && std::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (exit, said) = (world.replica_mut(id)?.exit_code(), world.replica(id)?.log_tail(3));
    let named = exit == Some(1) && said.contains("start one that supports it");
    outcome.check(format!("the old program stops in front of the new rules: {exit:?}, {said}"), named);
    exchange(world, id).await?;
    ensure!(world.settled(super::SETTLED).await.is_ok(), "the exchanged one does not come back");
    Ok(())
}
