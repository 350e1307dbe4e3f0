//! The leader killed in the middle of a change of the members: the change is made or it is not, a joint one is ended by the successor,
//! and the same command given again ends where it should.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::failover::every_slot;
use super::members::{COMMAND, NOTICE, others, run, status};
use super::strike::TAKEOVER;
use crate::classify::Gap;
use crate::clock::now_ms;
use crate::failpoint::Point;
use crate::report::Outcome;
use crate::wait::until;
use crate::world::{Part, World};

/// What a command may end with when the leader that it was passed on to dies.
const ENDS: [i32; 2] = [0, 1];
/// The replica that comes in.
const NEW: u64 = 9;
const NAME: &str = "9";

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("member-kills", &["command", "exit", "Raft id", "voters"]);
    world.settled(super::SETTLED).await?;
    let first_slot = world.clock().slot_now().saturating_add(1);
    let mut gaps = Vec::new();

    world.lay_out_replica(NEW, Part::Full).await?;
    let file = world.cluster_file().display().to_string();
    let add = ["add", NAME, "--cluster-file", file.as_str()];
    for point in [Point::OrderTaken, Point::IdReserved, Point::MembersChanged] {
        let (via, gap) = killed(world, &mut outcome, &add, point).await?;
        gaps.push(gap);
        is_so(world, &mut outcome, via, &add, "it is a learner", |voters, learners| voters.len() == 3 && learners.contains(&NEW))
            .await?;
        if point != Point::MembersChanged {
            run(world, &mut outcome, via, &["remove", NAME]).await?;
        }
    }
    world.replica_mut(NEW)?.start()?;
    world.caught_up(NEW, NOTICE).await?;
    for (word, point, count) in [
        ("promote", Point::OrderTaken, 4),
        ("promote", Point::JointApplied, 4),
        ("demote", Point::JointApplied, 3),
        ("promote", Point::MembersChanged, 4),
        ("demote", Point::MembersChanged, 3),
    ] {
        let leader = world.settled(super::SETTLED).await?;
        let current = status(world, leader).await?;
        if voters(&current).len() == count {
            let back = if word == "promote" { "demote" } else { "promote" };
            run(world, &mut outcome, current.replica.id.get(), &[back, NAME]).await?;
        }
        let words = [word, NAME];
        let (via, gap) = killed(world, &mut outcome, &words, point).await?;
        gaps.push(gap);
        is_so(world, &mut outcome, via, &words, &format!("{count} voters"), |voters, _| voters.len() == count).await?;
    }
    let leader = world.settled(super::SETTLED).await?;
    let old = others(&status(world, leader).await?, leader).last().copied().context("no followers")?;
    let name = old.to_string();
    let words = ["replace", name.as_str(), NAME];
    let (via, gap) = killed(world, &mut outcome, &words, Point::JointApplied).await?;
    gaps.push(gap);
    is_so(world, &mut outcome, via, &words, &format!("{NEW} is in, {old} is out"), |voters, learners| {
        voters.len() == 3 && voters.contains(&NEW) && !voters.contains(&old) && !learners.contains(&old)
    })
    .await?;
    let gone = || async { status(world, old).await.ok()?.halted.filter(|reason| reason.contains("was removed")) };
    let says = until("the replaced replica to say so", NOTICE, gone).await;
    outcome.check(format!("the replaced replica says so: {says:?}"), says.is_ok());
    world.dismiss(old)?;

    world.settled(super::SETTLED).await?;
    let last_slot = world.clock().slot_now();
    world.slot_over(last_slot).await?;
    every_slot(world, first_slot, last_slot, &gaps, &mut outcome).await?;
    Ok(outcome)
}

/// Kills the leader at `point` of `words`, which another replica passed on to it, and starts it again. Returns that other replica.
async fn killed(world: &mut World, outcome: &mut Outcome, words: &[&str], point: Point) -> Result<(u64, Gap)> {
    let (mut leader, _) = world.acting(None, super::SETTLED).await?;
    if words.contains(&leader.to_string().as_str()) {
        let (exit, answer) = world.cluster_command(leader, &["transfer"], COMMAND).await?;
        ensure!(exit == 0, "ollin cluster transfer: exit {exit}, {answer}");
        (leader, _) = world.acting(Some(leader), TAKEOVER).await?;
    }
    // Not one that the command takes out.
    let candidates = others(&status(world, leader).await?, leader);
    let via = candidates.into_iter().find(|id| !words.contains(&id.to_string().as_str())).context("no replica to ask")?;
    world.caught_up(via, super::SETTLED).await?;
    let points = world.replica(leader)?.failpoints();
    points.clear()?;
    points.arm(point)?;
    let (ended, killed_ms) = tokio::join!(world.cluster_command(via, words, COMMAND), async {
        let reached = world.replica(leader)?.failpoints().reached(point, COMMAND).await;
        let now = now_ms();
        world.signal(leader, Signal::SIGKILL)?;
        reached.map(|_| now)
    });
    let from_ms = killed_ms.with_context(|| format!("{} to {point}", words.join(" ")))?;
    let (exit, answer) = ended?;
    let code = answer.pointer("/error/code").and_then(Value::as_str).unwrap_or("done").to_owned();
    outcome.table.row([
        format!("{}, killed at {point}", words.iter().take(3).copied().collect::<Vec<_>>().join(" ")),
        exit.to_string(),
        code.clone(),
        String::new(),
    ]);
    outcome.check(format!("{} at {point}: done or not known (exit {exit}, {code})", words[0]), ENDS.contains(&exit));
    let (_, until_ms) = world.acting(Some(leader), TAKEOVER).await?;
    world.kill(leader)?;
    world.replica(leader)?.failpoints().clear()?;
    world.restart(leader).await?;
    Ok((via, Gap { from_ms, until_ms }))
}

/// Gives the command again: it is carried out, or was before, and the members are as they should be.
async fn is_so(
    world: &World,
    outcome: &mut Outcome,
    via: u64,
    words: &[&str],
    what: &str,
    holds: impl Fn(&BTreeSet<u64>, &BTreeSet<u64>) -> bool,
) -> Result<()> {
    run(world, outcome, via, words).await?;
    let look = || async {
        let status = status(world, via).await.ok()?;
        let learners = status.members.iter().filter(|member| !member.voter).map(|member| member.id.get()).collect();
        holds(&voters(&status), &learners).then_some(())
    };
    let held = until(what, NOTICE, look).await;
    outcome.check(format!("given again, {what}"), held.is_ok());
    Ok(())
}

fn voters(status: &ollin_rpc::view::ClusterStatus) -> BTreeSet<u64> {
    status.members.iter().filter(|member| member.voter).map(|member| member.id.get()).collect()
}
