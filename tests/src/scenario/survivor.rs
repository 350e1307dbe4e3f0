//! Two of three replicas are lost for good: the third goes on as a new cluster, an old copy that comes back stops, and the lost hosts
//! are taken in again by the ordinary commands.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::members::{COMMAND, NOTICE, others, run, status, voters};
use crate::child;
use crate::clock::now_ms;
use crate::report::Outcome;
use crate::wait::until;
use crate::world::{World, command};

/// Exit code of a refusal.
const REFUSED: i32 = 3;
/// Slots until one lands again.
const BACK_WITHIN_SLOTS: u32 = 4;

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("survivor", &["command", "exit", "Raft id", "voters"]);
    let leader = world.settled(super::SETTLED).await?;
    let shown = status(world, leader).await?;
    let followers = others(&shown, leader);
    ensure!(followers.len() == 2, "3 voters are expected, there are {followers:?} and {leader}");
    let has_keys = |id: &u64| shown.members.iter().any(|member| member.id.get() == *id && !member.witness);
    let survivor = followers.iter().copied().find(has_keys).context("no follower has keys")?;
    let other = followers.iter().copied().find(|id| *id != survivor).context("no other follower")?;
    let lost = [leader, other];
    let old_cluster = status(world, survivor).await?.cluster_id.context("no cluster")?;

    world.kill(survivor)?;
    refused(world, &mut outcome, survivor, &lost, "quorum_reachable").await?;
    let killed_ms = now_ms();
    for id in lost {
        world.kill(id)?;
    }
    refused(world, &mut outcome, survivor, &lost[..1], "unconfirmed").await?;
    // One disk is gone; the other one's turns up again later.
    std::fs::remove_dir_all(data(world, lost[1])?)?;
    let kept = data(world, lost[0])?.with_extension("kept");
    std::fs::rename(data(world, lost[0])?, &kept)?;
    let (exit, answer) = recover(world, survivor, &lost).await?;
    let new_cluster = answer.pointer("/cluster_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    outcome.table.row([
        "recover".to_owned(),
        exit.to_string(),
        answer.pointer("/raft_id").map_or_else(String::new, ToString::to_string),
        format!("[{survivor}]"),
    ]);
    ensure!(exit == 0, "ollin cluster recover: exit {exit}, {answer}");

    let height = world.chain().head_number().await?;
    world.replica_mut(survivor)?.start()?;
    world.acting(None, super::SETTLED).await?;
    let shown = status(world, survivor).await?;
    let killed_in = world.clock().slot_at(killed_ms / 1000).unwrap_or(0);
    outcome.check(
        format!("replica {survivor} acts in cluster {:?} with {} member", shown.cluster_id, shown.members.len()),
        shown.cluster_id.as_ref() == Some(&new_cluster) && new_cluster != old_cluster && shown.members.len() == 1,
    );
    let closed = shown.closed.map(ollin_protocol::units::Slot::get);
    outcome
        .check(format!("the slots that had begun are closed, up to {closed:?}, lost in {killed_in}"), closed > Some(killed_in));
    let look = || async { world.chain().landed_since(height + 1).await.ok()?.into_values().next() };
    let next = until("a checkpoint by the survivor alone", world.clock().slots(BACK_WITHIN_SLOTS), look).await;
    let landed = next.as_ref().map(|one| one.slot()).ok();
    outcome.check(format!("it lands a slot alone, above what is closed: {landed:?}"), landed.is_some() && landed > closed);

    comes_back(world, &mut outcome, lost[0], &kept, &new_cluster).await?;
    for id in lost {
        taken_in(world, &mut outcome, survivor, id).await?;
    }
    let leader = world.settled(super::SETTLED).await?;
    let three = || async {
        let members = status(world, leader).await.ok()?.members;
        (members.len() == 3 && members.iter().all(|member| member.voter)).then_some(())
    };
    let three = until("three voters", NOTICE, three).await;
    outcome.check(format!("3 voters again: {three:?}"), three.is_ok());
    let slot = world.clock().slot_now() + 1;
    outcome.check(format!("slot {slot} lands by the three"), world.landed_or_over(slot).await?.is_some());
    Ok(outcome)
}

/// The lost leader's disk turns up again, with the keys and the old cluster file.
async fn comes_back(world: &mut World, outcome: &mut Outcome, id: u64, kept: &PathBuf, new_cluster: &str) -> Result<()> {
    std::fs::rename(kept, data(world, id)?)?;
    for start in ["", " after a restart too"] {
        world.replica_mut(id)?.start()?;
        let halted = || async { status(world, id).await.ok()?.halted.filter(|reason| reason.contains(new_cluster)) };
        let says = until("the old copy to say that its cluster was retired", NOTICE, halted).await;
        let named = says.as_ref().is_ok_and(|reason| reason.contains("was retired") && reason.contains("ollin cluster discard"));
        outcome.check(format!("the old copy stops, and says why and what to do{start}: {says:?}"), named);
        world.kill(id)?;
    }
    let name = id.to_string();
    let at = data(world, id)?.display().to_string();
    let words = ["cluster", "discard", "--data-directory", &at, "--confirm", &name, "--json"].map(str::to_owned);
    let log = world.directory().join("discard-survivor.log");
    let (status, said) = child::run(command("cluster discard", &words, log)?, COMMAND).await?;
    outcome.check(format!("its store is laid aside: {status}"), status.success());
    ensure!(status.success(), "ollin cluster discard: {said}");
    Ok(())
}

/// A lost host joins with the new cluster's file, as any new one.
async fn taken_in(world: &mut World, outcome: &mut Outcome, via: u64, id: u64) -> Result<()> {
    let file = cluster_file(world, via)?;
    std::fs::copy(&file, cluster_file(world, id)?)?;
    std::fs::copy(&file, world.cluster_file())?;
    std::fs::create_dir_all(data(world, id)?)?;
    world.replica_mut(id)?.start()?;
    let (file, name) = (file.display().to_string(), id.to_string());
    run(world, outcome, via, &["add", &name, "--cluster-file", &file]).await?;
    let promoted = run(world, outcome, via, &["promote", &name]).await?;
    outcome.check(format!("replica {id} votes again"), voters(&promoted) > 1);
    world.caught_up(id, NOTICE).await
}

async fn refused(world: &World, outcome: &mut Outcome, survivor: u64, lost: &[u64], code: &str) -> Result<()> {
    let (exit, answer) = recover(world, survivor, lost).await?;
    let found = answer.pointer("/error/code").and_then(Value::as_str);
    outcome.check(format!("refused with {exit}, {found:?}, expected {code}"), exit == REFUSED && found == Some(code));
    Ok(())
}

/// The survivor was killed, and the last lines of its audit files may be ahead of its store. It was not restored, so that this is accepted.
async fn recover(world: &World, survivor: u64, lost: &[u64]) -> Result<(i32, Value)> {
    let (exit, answer) = ask_to_recover(world, survivor, lost, &[]).await?;
    if answer.pointer("/error/code").and_then(Value::as_str) != Some("audit_ahead") {
        return Ok((exit, answer));
    }
    ask_to_recover(world, survivor, lost, &["--accept-audit-ahead"]).await
}

async fn ask_to_recover(world: &World, survivor: u64, lost: &[u64], more: &[&str]) -> Result<(i32, Value)> {
    let replica = world.replica(survivor)?;
    let cluster = replica.variable("OLLIN_CLUSTER_DIRECTORY").context("no cluster directory")?;
    let lost = lost.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let (data, name) = (data(world, survivor)?.display().to_string(), survivor.to_string());
    let words = [
        ["cluster", "recover", "--from-survivor", "--json"].as_slice(),
        &["--replica", &name, "--data-directory", &data, "--cluster-directory", cluster, "--confirm-lost", &lost],
        more,
    ];
    let words: Vec<String> = words.concat().into_iter().map(str::to_owned).collect();
    let log = world.directory().join(format!("recover-{}.log", now_ms()));
    let (status, said) = child::run(command("cluster recover", &words, log)?, Duration::from_secs(60)).await?;
    let values = |text| serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let json = said.find('{').and_then(|start| values(&said[start..]).find_map(Result::ok));
    Ok((status.code().unwrap_or(-1), json.with_context(|| format!("no JSON in {said:?}"))?))
}

fn data(world: &World, id: u64) -> Result<PathBuf> {
    Ok(world.replica(id)?.directory().join("data"))
}

fn cluster_file(world: &World, id: u64) -> Result<PathBuf> {
    let directory = world.replica(id)?.variable("OLLIN_CLUSTER_DIRECTORY").context("no cluster directory")?;
    Ok(PathBuf::from(directory).join("cluster.json"))
}
