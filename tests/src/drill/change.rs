//! Planned changes, with a death in their midst.

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use rand::Rng;

use super::stage::{Stage, WELL};
use crate::clock::now_ms;
use crate::failpoint::Point;
use crate::wait::until;
use crate::world::Part;

/// Within this a replica dies after a command was given.
const MIDST_MS: u64 = 400;

/// A replica is added, promoted, demoted and removed; a replica is killed in the midst of one of these steps.
pub(super) async fn members(stage: &mut Stage<'_>) -> Result<()> {
    stage.well().await?;
    let id = *stage.next_replica;
    *stage.next_replica += 1;
    stage.world.lay_out_replica(id, Part::Full).await?;
    let (name, file) = (id.to_string(), stage.world.cluster_file().display().to_string());
    let fatal = stage.random.random_range(0..4);
    let steps: [(&[&str], &str); 4] = [
        (&["add", &name, "--cluster-file", &file], "exists"),
        (&["promote", &name], "voter"),
        (&["demote", &name], "learner"),
        (&["remove", &name], "unknown_replica"),
    ];
    for (number, (words, done)) in steps.into_iter().enumerate() {
        // A replica that leads does not leave.
        if number >= 2 && stage.world.acting(None, WELL).await?.0 == id {
            stage.leads(1).await?;
        }
        ordered(stage, words, done, number == fatal, id).await?;
        if number == 0 {
            stage.world.replica_mut(id)?.start()?;
            stage.back(id).await?;
        }
    }
    stage.world.dismiss(id)
}

/// Gives an order until it is carried out; `done` is the refusal that says that it was. A fatal one costs a replica its life: the one that
/// gets to a named point of the change, or any at any instant.
async fn ordered(stage: &mut Stage<'_>, words: &[&str], done: &str, mut fatal: bool, newcomer: u64) -> Result<()> {
    let old: Vec<u64> = stage.others(newcomer);
    for _ in 0..10 {
        let (via, _) = stage.world.acting(None, WELL).await?;
        let answer = if fatal {
            fatal = false;
            let (answer, dead) = in_the_midst(stage, via, words, &old).await?;
            if let Some((victim, how)) = dead {
                stage.note(victim, format!("killed {how} of `{}`", words.join(" ")));
                stage.restart(victim).await?;
            }
            answer
        } else {
            stage.world.cluster_command(via, words, WELL * 2).await
        };
        match answer {
            Ok((0, _)) => return Ok(()),
            Ok((_, answer)) if answer.pointer("/error/code").and_then(serde_json::Value::as_str) == Some(done) => return Ok(()),
            // Its outcome is not known, or it is refused for now: it is given again, to whoever is there.
            Ok((exit, answer)) => tracing::debug!(exit, %answer, "given again"),
            Err(fault) => tracing::debug!(%fault, "given again"),
        }
    }
    bail!("`ollin cluster {}` is not carried out", words.join(" "))
}

/// Gives an order, and kills a replica before it is answered. Returns the answer and who was killed where.
async fn in_the_midst(
    stage: &mut Stage<'_>,
    via: u64,
    words: &[&str],
    old: &[u64],
) -> Result<(Result<(i32, serde_json::Value)>, Option<(u64, String)>)> {
    let points: Vec<Option<Point>> = Point::OF_MEMBERS.into_iter().map(Some).chain([None, None]).collect();
    let point = stage.draw(&points)?;
    let any = if stage.random.random_bool(0.5) { via } else { stage.draw(old)? };
    let at = now_ms() + stage.random.random_range(0..=MIDST_MS);
    let world = &*stage.world;
    let armed = world.replicas().iter().filter(|replica| old.contains(&replica.id()));
    if let Some(point) = point {
        for replica in armed.clone() {
            replica.failpoints().arm(point)?;
        }
    }
    let answered = std::cell::Cell::new(false);
    let command = async {
        let answer = world.cluster_command(via, words, WELL * 2).await;
        answered.set(true);
        answer
    };
    let death = async {
        let due = || {
            let there = match point {
                Some(point) => armed.clone().find(|one| one.failpoints().hit(point).is_some()).map(|one| one.id()),
                None => (now_ms() >= at).then_some(any),
            };
            let over = answered.get() && point.is_some();
            std::future::ready(there.map(Some).or_else(|| over.then_some(None)))
        };
        let victim = until("the instant of a death", WELL * 2, due).await?;
        if let Some(victim) = victim {
            world.signal(victim, Signal::SIGKILL)?;
        }
        anyhow::Ok(victim)
    };
    let (answer, victim) = tokio::join!(command, death);
    for replica in armed {
        if let Some(point) = point {
            replica.failpoints().disarm(point)?;
        }
    }
    let how = point.map_or_else(|| "in the midst".to_owned(), |point| format!("at {point}"));
    Ok((answer, victim?.map(|victim| (victim, how))))
}

/// Leadership is transferred; by two thirds its giver or its taker dies in the midst of it.
pub(super) async fn transfer(stage: &mut Stage<'_>) -> Result<()> {
    let leader = stage.well().await?;
    let others = stage.others(leader);
    let to = stage.draw(&others)?;
    let victim = stage.draw(&[Some(leader), Some(to), None])?;
    let after_ms = stage.random.random_range(0..=150);
    let at = stage.note(
        leader,
        format!(
            "transfer to replica {to}, {}",
            victim.map_or_else(|| "nobody dies".to_owned(), |id| format!("replica {id} dies"))
        ),
    );
    let target = to.to_string();
    let words = ["transfer", "--to", &target];
    let command = stage.world.cluster_command(leader, &words, WELL);
    let death = async {
        let Some(victim) = victim else { return Ok(()) };
        let due = || std::future::ready((now_ms() >= at + after_ms).then_some(()));
        until("the instant of a death", WELL, due).await?;
        stage.world.signal(victim, Signal::SIGKILL)
    };
    // Where somebody dies, any outcome is one.
    let (answer, death) = tokio::join!(command, death);
    death?;
    match victim {
        Some(victim) => {
            stage.world.acting(Some(victim), WELL).await.context("nobody leads after the death")?;
            stage.restart(victim).await
        }
        None => answer.map(|_| ()),
    }
}

/// Every replica is ended, by SIGTERM or SIGKILL, and started again, one after the other.
pub(super) async fn rolling_restart(stage: &mut Stage<'_>) -> Result<()> {
    let leader = stage.well().await?;
    let mut order: Vec<u64> = [leader].into_iter().chain(stage.others(leader)).collect();
    rand::seq::SliceRandom::shuffle(order.as_mut_slice(), &mut stage.random);
    for id in order {
        let signal = stage.draw(&[Signal::SIGTERM, Signal::SIGKILL])?;
        stage.world.signal(id, signal)?;
        stage.note(id, format!("restart by {signal}"));
        let replica = stage.world.replica_mut(id)?;
        let ended = || std::future::ready((!replica.alive()).then_some(()));
        until(format!("the end of replica {id}"), WELL, ended).await?;
        stage.restart(id).await?;
    }
    stage.lands().await.map(|_| ())
}
