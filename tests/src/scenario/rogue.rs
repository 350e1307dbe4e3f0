//! A second holder of the key signs while the cluster is down. It is seen on L1 at the next start, the attester is frozen, and an
//! operator's answer lets it sign again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ollin_rpc::view::{DutyWord, FrozenAttester, MissReason};

use super::missed::recorded;
use crate::chain::Landed;
use crate::clock::now_ms;
use crate::failpoint::Point;
use crate::report::Outcome;
use crate::wait::until;
use crate::world::World;

/// How long the rogue's processes may take to answer.
const UP: Duration = Duration::from_secs(60);
/// How long a started replica may take to find what L1 holds.
const FOUND: Duration = Duration::from_secs(30);
/// Slots until a checkpoint is on L1.
const SLOTS_TO_LAND: u32 = 6;

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("rogue", &["step", "exit", "says"]);
    world.settled(super::SETTLED).await?;
    let attester = world.facts().validators.first().context("no attesters")?.address;
    let ids: Vec<u64> = world.replicas().iter().map(crate::replica::Replica::id).collect();
    // An attempt is on its way: what became of it must be found out without signing it again, for its slot will be frozen.
    let (leader, _) = world.acting(None, super::SETTLED).await?;
    let points = world.replica(leader)?.failpoints();
    points.clear()?;
    points.arm(Point::AttemptSent)?;
    points.reached(Point::AttemptSent, world.clock().slots(SLOTS_TO_LAND)).await?;
    for id in &ids {
        world.kill(*id)?;
    }
    world.replica(leader)?.failpoints().clear()?;
    // What was claimed before the kill is over before the rogue begins.
    let slot = world.clock().slot_at(now_ms() / 1000).context("before genesis")?;
    world.slot_over(slot + 1).await?;
    let landed = outside(world, &mut outcome).await?;
    outcome.figure("signed outside", format!("slot {}", landed.slot()));

    for id in &ids {
        world.replica_mut(*id)?.start()?;
    }
    world.settled(super::SETTLED).await?;
    let mut shown = None;
    for id in &ids {
        let look = || async { world.replica(*id).ok()?.status().await?.frozen.into_iter().find(|one| one.attester == attester) };
        shown = Some(until(format!("replica {id} to show the frozen attester"), FOUND, look).await?);
    }
    let shown: FrozenAttester = shown.context("no replicas")?;
    let kinds = [DutyWord::Attestation, DutyWord::AttestationsAndSigners];
    let transaction = landed.fact.transaction.to_string();
    outcome.check(
        format!("every replica names the duty, the root and the transaction: {shown:?}"),
        shown.slot.get() == landed.slot() && kinds.contains(&shown.kind) && shown.seen.contains(&transaction),
    );
    let leader = world.settled(super::SETTLED).await?;
    let remedy = format!("ollin attester unfreeze {attester}");
    let (exit, said) = told(world, leader).await?;
    outcome.check(
        format!("ollin status is degraded and names the command (exit {exit:?})"),
        exit == Some(1) && said.contains(&remedy),
    );
    let frozen_slot = world.clock().slot_at(now_ms() / 1000).context("before genesis")? + 2;
    outcome.check(format!("slot {frozen_slot} is not signed"), world.landed_or_over(frozen_slot).await?.is_none());
    let look = || async {
        let history = world.outlets().ok()?;
        Some(history.emissions.iter().filter(|one| super::strike::slot_of(&one.emitted) == frozen_slot).count())
    };
    outcome.check("nothing left any replica in it", look().await == Some(0));

    let said = recorded(world, leader, |missed| missed.slot.get() == frozen_slot).await?;
    outcome.check(format!("the leader says why: {:?}, {}", said.reason, said.detail), said.reason == MissReason::Frozen);

    let name = attester.to_string();
    let follower = ids.iter().copied().find(|id| *id != leader).context("no follower")?;
    let (why, none) = ("the test's rogue was killed", " ");
    step(world, &mut outcome, follower, "a follower says who leads", &name, why, 3, "leads").await?;
    step(world, &mut outcome, leader, "an answer needs a reason", &name, none, 3, "reason").await?;
    step(world, &mut outcome, leader, "the operator's answer", &name, why, 0, "\"slot\"").await?;
    step(world, &mut outcome, leader, "there is nothing left to answer", &name, why, 3, "not frozen").await?;
    let height = world.chain().head_number().await?;
    let look = || async { world.chain().landed_since(height + 1).await.ok()?.into_values().next() };
    let next = until("a checkpoint after the answer", world.clock().slots(SLOTS_TO_LAND), look).await;
    outcome.check(format!("the attester signs again: {:?}", next.as_ref().map(Landed::slot)), next.is_ok());
    let look = || async { world.replica(leader).ok()?.status().await?.frozen.is_empty().then_some(()) };
    outcome.check("the status is clear", until("a clear status", FOUND, look).await.is_ok());
    Ok(outcome)
}

/// Three processes with the same key and another publisher make a checkpoint, and are killed.
async fn outside(world: &mut World, outcome: &mut Outcome) -> Result<Landed> {
    let mut rogue = world.another_cluster("rogue").await?;
    let keystore = std::fs::read_to_string(world.directory().join("keystore.json"))?;
    let [ours, other] = [0, 1].map(|at: usize| world.facts().publisher_keys[at].private_key.to_string());
    ensure!(keystore.contains(&ours), "the keystore does not hold the first publisher's key");
    let path = world.directory().join("rogue-keystore.json");
    std::fs::write(&path, keystore.replace(&ours, &other))?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    for replica in &mut rogue {
        replica.set("KEY_STORE_DIRECTORY", path.display().to_string());
        replica.start()?;
    }
    let answer = || async {
        for replica in &rogue {
            replica.admin().text("/status").await.ok()?;
        }
        Some(())
    };
    until("the rogue's admin ports", UP, answer).await?;
    let first = rogue.first().context("no rogue")?;
    // Whoever listens first hears the cluster that has just signed with the key, and has to be told to go on.
    let listening = ["cluster", "create", "--listen", "32", "--json"];
    let (exit, said) = world.ollin(first, "rogue-listens", &listening).await?;
    outcome.check(
        format!("a creation that listens hears the key: exit {exit:?}, {}", brief(&said)),
        exit == Some(3) && said.contains("at_work"),
    );
    let accepting = [listening.as_slice(), &["--accept", "at_work"]].concat();
    let (exit, said) = world.ollin(first, "rogue-create", &accepting).await?;
    ensure!(exit == Some(0), "the rogue cluster was not created: {said}");
    let height = world.chain().head_number().await?;
    let look = || async { world.chain().landed_since(height + 1).await.ok()?.into_values().next() };
    let landed = until("a checkpoint of the rogue", world.clock().slots(SLOTS_TO_LAND), look).await?;
    world.lay_aside(rogue)?;
    Ok(landed)
}

async fn told(world: &World, id: u64) -> Result<(Option<i32>, String)> {
    let url = world.replica(id)?.public().url().to_owned();
    let log = world.directory().join("status-frozen.log");
    let recipe = crate::world::command("status", &["status".into(), "--url".into(), url], log)?;
    let (status, text) = crate::child::run(recipe, FOUND).await?;
    Ok((status.code(), text))
}

#[allow(clippy::too_many_arguments, reason = "a row of a table")]
async fn step(
    world: &World,
    outcome: &mut Outcome,
    at: u64,
    case: &str,
    attester: &str,
    reason: &str,
    exit: i32,
    words: &str,
) -> Result<()> {
    let arguments = ["attester", "unfreeze", attester, "--reason", reason, "--json"];
    let (found, said) = world.ollin(world.replica(at)?, &case.replace([' ', '\''], "-"), &arguments).await?;
    outcome.table.row([case.to_owned(), found.map_or_else(|| "signal".to_owned(), |code| code.to_string()), brief(&said)]);
    outcome.check(format!("{case}: exit {exit} and says {words:?}"), found == Some(exit) && said.contains(words));
    Ok(())
}

fn brief(said: &str) -> String {
    said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(100).collect()
}
