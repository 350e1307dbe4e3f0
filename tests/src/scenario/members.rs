//! The members changed while slots go on: by the commands that an operator has, through replicas that do not lead.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ollin_rpc::view::ClusterStatus;
use serde_json::Value;

use super::failover::every_slot;
use super::leaving;
use crate::report::Outcome;
use crate::wait::until;
use crate::world::{Part, World};

/// How long a command may take, catching up included.
pub(super) const COMMAND: Duration = Duration::from_secs(90);
/// How long a replica may take to notice what became of it.
pub(super) const NOTICE: Duration = Duration::from_secs(30);
/// Exit code of a change that a rule forbids.
const REFUSED: i32 = 3;

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("members", &["command", "exit", "Raft id", "voters"]);
    let leader = world.settled(super::SETTLED).await?;
    let before = status(world, leader).await?;
    let first_slot = world.clock().slot_now().saturating_add(1);
    let follower = others(&before, leader).first().copied().context("no followers")?;
    let mut ids = Vec::new();

    ids.extend(added_promoted_demoted_removed(world, &mut outcome, follower).await?);
    // An election on a slow machine is no fault here; what is asked next depends on who leads.
    let leader = world.settled(super::SETTLED).await?;
    let follower = others(&status(world, leader).await?, leader).first().copied().context("no followers")?;
    refusals(world, &mut outcome, leader, follower).await?;
    ids.extend(replaced(world, &mut outcome, follower).await?);
    ids.extend(healed(world, &mut outcome).await?);
    ids.extend(leaving::leaders_leave(world, &mut outcome).await?);
    ids.extend(witnessed(world, &mut outcome).await?);

    let rises = ids.windows(2).all(|pair| pair[0] < pair[1]);
    outcome.check(format!("Raft ids only rise and are none of the first ones: {ids:?}"), rises && ids.iter().all(|id| *id > 3));
    let leader = world.settled(super::SETTLED).await?;
    let after = status(world, leader).await?;
    let elections = after.term.saturating_sub(before.term);
    outcome.table.row(["elections in all that".to_owned(), String::new(), elections.to_string(), String::new()]);
    let last_slot = world.clock().slot_now();
    world.slot_over(last_slot).await?;
    every_slot(world, first_slot, last_slot, &[], &mut outcome).await?;
    Ok(outcome)
}

/// The replica 4 is added, promoted, demoted and removed; removed it stays up, says so, and never campaigns.
async fn added_promoted_demoted_removed(world: &mut World, outcome: &mut Outcome, via: u64) -> Result<Vec<u64>> {
    world.lay_out_replica(4, Part::Full).await?;
    let file = world.cluster_file().display().to_string();
    let added = run(world, outcome, via, &["add", "4", "--cluster-file", &file]).await?;
    world.replica_mut(4)?.start()?;
    let promoted = run(world, outcome, via, &["promote", "4"]).await?;
    outcome.check("4 voters after the promotion", voters(&promoted) == 4);
    // Its log runs before its ports are open.
    world.caught_up(4, NOTICE).await?;
    let own = status(world, 4).await?;
    outcome.check("a replica that was added bears the id from the log", own.replica.raft_id == raft_id(&added)?);
    let demoted = run(world, outcome, via, &["demote", "4"]).await?;
    outcome.check("3 voters after the demotion", voters(&demoted) == 3);
    run(world, outcome, via, &["remove", "4"]).await?;
    for round in ["at once", "after a restart"] {
        let look = || async { status(world, 4).await.ok()?.halted.filter(|reason| reason.contains("replica 4 was removed")) };
        let says = until("the removed replica to say so", NOTICE, look).await;
        outcome.check(format!("the removed replica stays up and says so {round}: {says:?}"), says.is_ok());
        if round == "at once" {
            world.replica_mut(4)?.kill()?;
            world.replica_mut(4)?.start()?;
        }
    }
    world.dismiss(4)?;
    Ok(vec![raft_id(&added)?])
}

async fn refusals(world: &World, outcome: &mut Outcome, leader: u64, via: u64) -> Result<()> {
    let (leader, voter) = (leader.to_string(), via.to_string());
    let again = run(world, outcome, via, &["promote", &voter]).await?;
    outcome.check("to promote a voter changes nothing", again.pointer("/already") == Some(&Value::Bool(true)));
    let cases: [(&[&str], &str); 4] = [
        (&["promote", "99"], "unknown_replica"),
        (&["remove", "99"], "unknown_replica"),
        (&["replace", &leader, &voter], "voter"),
        (&["heal", &voter, "--timeout", "0"], "alive"),
    ];
    for (words, code) in cases {
        let (exit, answer) = world.cluster_command(via, words, COMMAND).await?;
        let found = answer.pointer("/error/code").and_then(Value::as_str).unwrap_or("none").to_owned();
        outcome.table.row([words.join(" "), exit.to_string(), found.clone(), String::new()]);
        outcome.check(format!("{}: exit {exit}, {found}", words.join(" ")), exit == REFUSED && found == code);
    }
    Ok(())
}

/// The replica 5 takes a voter's place in one joint change. It was started before it was a member.
async fn replaced(world: &mut World, outcome: &mut Outcome, old: u64) -> Result<Vec<u64>> {
    world.lay_out_replica(5, Part::Full).await?;
    world.replica_mut(5)?.start()?;
    let waits = || async { status(world, 5).await.ok()?.halted.filter(|reason| reason.contains("is no member")) };
    let says = until("the stranger to say that it waits", NOTICE, waits).await;
    outcome.check(format!("a replica that is no member says so: {says:?}"), says.is_ok());
    let via = others(&status(world, old).await?, old).first().copied().context("no other replica")?;
    let (file, name) = (world.cluster_file().display().to_string(), old.to_string());
    let replaced = run(world, outcome, via, &["replace", &name, "5", "--cluster-file", &file]).await?;
    let names: Vec<u64> =
        replaced.pointer("/voters").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64).collect();
    outcome.check(
        format!("one change: 5 is in, {old} is out: {names:?}"),
        names.contains(&5) && !names.contains(&old) && names.len() == 3,
    );
    let gone = || async { status(world, old).await.ok()?.halted.filter(|reason| reason.contains("was removed")) };
    let says = until("the replaced replica to say so", NOTICE, gone).await;
    outcome.check(format!("the replaced replica says so: {says:?}"), says.is_ok());
    world.dismiss(old)?;
    world.caught_up(5, NOTICE).await?;
    Ok(vec![raft_id(&replaced)?])
}

/// A follower's disk is lost: it says what heals it, and one command on another replica brings it back under a new Raft id.
async fn healed(world: &mut World, outcome: &mut Outcome) -> Result<Vec<u64>> {
    let leader = world.settled(super::SETTLED).await?;
    let victim = others(&status(world, leader).await?, leader).first().copied().context("no followers")?;
    let old_id = status(world, victim).await?.replica.raft_id;
    world.replica_mut(victim)?.kill()?;
    std::fs::remove_dir_all(world.replica(victim)?.directory().join("data").join("consensus"))?;
    // All that its own file lists may have been replaced meanwhile: without its store it would know nobody to ask.
    world.refresh_cluster_file(victim)?;
    world.replica_mut(victim)?.start()?;
    let remedy = format!("ollin cluster heal {victim}");
    let refused = || async { status(world, victim).await.ok()?.halted.filter(|reason| reason.contains(&remedy)) };
    let says = until("the emptied replica to say what heals it", NOTICE, refused).await;
    outcome.check(format!("an emptied replica takes no part and names the command: {says:?}"), says.is_ok());
    let name = victim.to_string();
    let healed = run(world, outcome, leader, &["heal", &name]).await?;
    outcome.check("3 voters after the healing", voters(&healed) == 3);
    world.caught_up(victim, NOTICE).await?;
    let new_id = status(world, victim).await?.replica.raft_id;
    outcome.check(
        format!("the healed replica goes on under Raft id {new_id} instead of {old_id}"),
        new_id == raft_id(&healed)? && new_id > old_id,
    );
    Ok(vec![new_id])
}

/// A witness, without a keystore, takes a voter's place: the cluster goes on, and the witness may not lead.
async fn witnessed(world: &mut World, outcome: &mut Outcome) -> Result<Vec<u64>> {
    let leader = world.settled(super::SETTLED).await?;
    let old = others(&status(world, leader).await?, leader).first().copied().context("no followers")?;
    world.lay_out_replica(6, Part::Witness).await?;
    world.replica_mut(6)?.start()?;
    let (file, name) = (world.cluster_file().display().to_string(), old.to_string());
    let replaced = run(world, outcome, leader, &["replace", &name, "6", "--cluster-file", &file]).await?;
    world.dismiss(old)?;
    world.caught_up(6, NOTICE).await?;
    let look = || async {
        let shown = status(world, leader).await.ok()?;
        shown.members.into_iter().find(|member| member.id.get() == 6 && member.voter && member.witness)
    };
    let shown = until("the witness to be shown as one", NOTICE, look).await;
    outcome.check(format!("the witness votes, and is shown as what it is: {:?}", shown.as_ref().err()), shown.is_ok());
    let (exit, answer) = world.cluster_command(leader, &["transfer", "--to", "6"], COMMAND).await?;
    outcome.check(format!("leadership is not transferred to a witness: exit {exit}, {answer}"), exit == REFUSED);
    let signed = std::fs::metadata(world.replica(6)?.outlet_path()).map_or(0, |file| file.len());
    outcome.check("nothing has left the witness", signed == 0);
    Ok(vec![raft_id(&replaced)?])
}

/// Runs a command that must succeed, and notes it.
pub(super) async fn run(world: &World, outcome: &mut Outcome, via: u64, words: &[&str]) -> Result<Value> {
    let (exit, answer) = world.cluster_command(via, words, COMMAND).await?;
    outcome.table.row([
        words.iter().take(3).copied().collect::<Vec<_>>().join(" "),
        exit.to_string(),
        answer.pointer("/raft_id").map_or_else(String::new, ToString::to_string),
        answer.pointer("/voters").map_or_else(String::new, ToString::to_string),
    ]);
    ensure!(exit == 0, "ollin cluster {}: exit {exit}, {answer}\n{}", words.join(" "), world.log_tails(6));
    Ok(answer)
}

/// What a replica shows. One question may get lost on a busy machine; a replica that shows nothing for long is a fault.
pub(super) async fn status(world: &World, id: u64) -> Result<ClusterStatus> {
    let replica = world.replica(id)?;
    Ok(until(format!("the status of replica {id}"), NOTICE, || replica.status()).await?)
}

/// The other voters, as a replica shows them.
pub(super) fn others(status: &ClusterStatus, own: u64) -> Vec<u64> {
    status.members.iter().filter(|member| member.voter && member.id.get() != own).map(|member| member.id.get()).collect()
}

pub(super) fn voters(answer: &Value) -> usize {
    answer.pointer("/voters").and_then(Value::as_array).map_or(0, Vec::len)
}

pub(super) fn raft_id(answer: &Value) -> Result<u64> {
    answer.pointer("/raft_id").and_then(Value::as_u64).context("no Raft id in the answer")
}
