//! Data directories that are lost, put back, or there twice.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ollin_rpc::view::DutyState;
use rand::Rng;

use super::stage::Stage;
use crate::child::{Child, Recipe, run};
use crate::clock::now_ms;
use crate::port;
use crate::rpc::Rpc;
use crate::wait::until;
use crate::world::command;

/// How long a copy has to do what it must not do.
const COPY_RUNS: Duration = Duration::from_secs(6);

/// The log of the leader or a follower is gone: it takes no part, and is healed under another id.
pub(super) async fn wiped(stage: &mut Stage<'_>) -> Result<()> {
    let victim = victim(stage).await?;
    stage.kill(victim, "log wiped")?;
    std::fs::remove_dir_all(log_of(stage, victim)?)?;
    stage.world.replica_mut(victim)?.start()?;
    healed(stage, victim).await
}

/// The log is put back to what it was before a slot landed, in the same place; by half also the proof in memory is gone, as after a
/// restart of the machine.
pub(super) async fn restored(stage: &mut Stage<'_>) -> Result<()> {
    let victim = victim(stage).await?;
    let log = log_of(stage, victim)?;
    let copy = log.with_extension("copy");
    stage.world.kill(victim)?;
    let _ = std::fs::remove_dir_all(&copy);
    copy_all(&log, &copy)?;
    stage.restart(victim).await?;
    stage.lands().await?;
    stage.back(victim).await?;
    let without_anchor = stage.random.random_bool(0.5);
    stage.kill(victim, if without_anchor { "log restored, anchor lost" } else { "log restored" })?;
    empty(&log)?;
    copy_all(&copy, &log)?;
    if without_anchor {
        empty(&anchors_of(stage, victim)?)?;
    }
    stage.world.replica_mut(victim)?.start()?;
    stage.halts(victim, "ollin cluster discard").await.context("a store that was restored")?;
    discarded(stage, victim).await?;
    healed(stage, victim).await?;
    Ok(std::fs::remove_dir_all(&copy)?)
}

/// A copy of the directory runs beside its original, and after the original has died. It says nothing and takes no part. By half it was
/// copied so that it cannot be told by its place, as an image of a whole machine is.
pub(super) async fn cloned(stage: &mut Stage<'_>) -> Result<()> {
    let victim = victim(stage).await?;
    let replica = stage.world.replica(victim)?;
    let (data, place) = (replica.directory().join("data"), replica.directory().join("copy"));
    stage.world.kill(victim)?;
    let _ = std::fs::remove_dir_all(&place);
    copy_all(&data, &place.join("data"))?;
    let unmarked = stage.random.random_bool(0.5);
    if unmarked {
        std::fs::remove_file(place.join("data/consensus/replica.marker")).context("the marker of the copy")?;
    }
    stage.restart(victim).await?;
    let (mut copy, admin) = start_copy(stage, victim, &place)?;
    stage.note(victim, if unmarked { "cloned with its marker" } else { "cloned" });
    watched(&mut copy, &admin).await?;
    let leader = stage.well().await.context("beside a copy")?;
    let at = stage.kill(victim, "the original of a copy killed")?;
    if leader == victim {
        stage.takeover(victim, at).await?;
    }
    watched(&mut copy, &admin).await?;
    stage.lands().await.context("with a copy in place of a replica")?;
    copy.kill()?;
    let said = std::fs::metadata(place.join("outlets.jsonl")).map_or(0, |record| record.len());
    ensure!(said == 0, "the copy of replica {victim} let something out: {}", place.join("outlets.jsonl").display());
    stage.restart(victim).await?;
    Ok(std::fs::remove_dir_all(&place)?)
}

/// The leader, or a follower, by half.
pub(super) async fn victim(stage: &mut Stage<'_>) -> Result<u64> {
    let leader = stage.well().await?;
    let others = stage.others(leader);
    if stage.random.random_bool(0.5) { Ok(leader) } else { stage.draw(&others) }
}

/// Stops a replica, lays its store aside as the documentation says, and starts it.
async fn discarded(stage: &mut Stage<'_>, victim: u64) -> Result<()> {
    stage.world.kill(victim)?;
    let data = stage.world.replica(victim)?.directory().join("data");
    let words = ["cluster", "discard", "--data-directory", &data.display().to_string(), "--confirm", &victim.to_string()];
    let log = stage.world.replica(victim)?.directory().join("discard.log");
    let recipe = command("cluster discard", &words.map(Into::into), log)?;
    let (status, said) = run(recipe, super::stage::WELL).await?;
    ensure!(status.success(), "ollin cluster discard: {status}, {said}");
    stage.world.replica_mut(victim)?.start()
}

/// An emptied replica takes no part, and one command brings it back under another id.
pub(super) async fn healed(stage: &mut Stage<'_>, victim: u64) -> Result<()> {
    let (next, _) = stage.world.acting(Some(victim), super::stage::WELL).await?;
    let name = victim.to_string();
    stage.halts(victim, &format!("ollin cluster heal {name}")).await?;
    let before = stage.status(next).await?;
    let old = before.members.iter().find(|member| member.id.get() == victim).map(|member| member.raft_id);
    stage.order(&["heal", &name]).await?;
    stage.back(victim).await.context("after healing")?;
    let new = stage.status(victim).await?.replica.raft_id;
    ensure!(old < Some(new), "replica {victim} goes on under Raft id {new}, it had {old:?}");
    Ok(())
}

/// Nothing of a copy acts, for a while; it may also have ended.
async fn watched(copy: &mut Child, admin: &Rpc) -> Result<()> {
    let end = now_ms() + u64::try_from(COPY_RUNS.as_millis())?;
    let look = || {
        let ended = copy.ended().is_some();
        async move {
            let status = admin.get::<ollin_rpc::view::ClusterStatus>("/cluster/status").await.ok();
            let acts = status.is_some_and(|status| status.replica.duty_state == DutyState::Active);
            (acts || ended || now_ms() >= end).then_some(acts)
        }
    };
    let acts = until("the time of a copy", COPY_RUNS * 4, look).await?;
    ensure!(!acts, "a copy acts");
    Ok(())
}

/// Starts what was copied as the same replica, on the same host, at other ports, with a record and an anchor of its own.
fn start_copy(stage: &Stage<'_>, victim: u64, place: &Path) -> Result<(Child, Rpc)> {
    let replica = stage.world.replica(victim)?;
    let mut recipe: Recipe = replica.recipe("copy.log");
    let ports = port::free(4)?;
    let anchors = anchors_of(stage, victim)?.with_extension("copy");
    std::fs::create_dir_all(&anchors)?;
    let text = |path: &Path| path.display().to_string();
    recipe.environment.extend([
        ("DATA_DIRECTORY".to_owned(), text(&place.join("data"))),
        ("OLLIN_OUTLET_RECORD".to_owned(), text(&place.join("outlets.jsonl"))),
        ("OLLIN_ANCHOR_DIRECTORY".to_owned(), text(&anchors)),
        ("AZTEC_PORT".to_owned(), ports[0].to_string()),
        ("AZTEC_ADMIN_PORT".to_owned(), ports[1].to_string()),
        ("P2P_PORT".to_owned(), ports[2].to_string()),
        ("OLLIN_CLUSTER_LISTEN".to_owned(), format!("0.0.0.0:{}", ports[3])),
    ]);
    let admin = replica.admin().at(format!("http://{}:{}", replica.ports().host, ports[1]));
    Ok((Child::start(recipe)?, admin))
}

pub(super) fn log_of(stage: &Stage<'_>, id: u64) -> Result<std::path::PathBuf> {
    Ok(stage.world.replica(id)?.directory().join("data").join("consensus"))
}

fn anchors_of(stage: &Stage<'_>, id: u64) -> Result<std::path::PathBuf> {
    let set = stage.world.replica(id)?.variable("OLLIN_ANCHOR_DIRECTORY").context("no directory of anchors is set")?;
    Ok(set.into())
}

/// Removes what is in a directory, and not the directory.
fn empty(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() { std::fs::remove_dir_all(&path)? } else { std::fs::remove_file(&path)? }
    }
    Ok(())
}

/// Copies a directory's content into another one, which is made if need be.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).with_context(|| format!("copying to {}", target.display()))?;
        }
    }
    Ok(())
}
