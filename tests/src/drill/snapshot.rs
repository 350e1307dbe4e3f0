//! A snapshot that is installed while its sender dies.

use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use rand::Rng;

use super::directory::log_of;
use super::stage::{Stage, WELL};
use crate::clock::now_ms;
use crate::network::SNAPSHOT_EVERY;
use crate::wait::until;

/// Beyond this the log's beginning is gone everywhere: two times the distance of snapshots are kept behind the last one.
const PURGED: u64 = SNAPSHOT_EVERY * 3 + 10;
/// A slot has half a dozen entries.
const GROWS: Duration = Duration::from_secs(900);

/// A follower's log is wiped and it is healed, which only a snapshot can do; the leader is killed meanwhile.
pub(super) async fn failover(stage: &mut Stage<'_>) -> Result<()> {
    let leader = stage.well().await?;
    let grown = || async { stage.status(leader).await.ok()?.log.applied.filter(|applied| *applied > PURGED) };
    until("a log whose beginning is gone", GROWS, grown).await?;
    let leader = stage.well().await?;
    let others = stage.others(leader);
    let victim = stage.draw(&others)?;
    stage.world.kill(victim)?;
    std::fs::remove_dir_all(log_of(stage, victim)?)?;
    stage.world.replica_mut(victim)?.start()?;
    stage.halts(victim, &format!("ollin cluster heal {victim}")).await?;
    let at = now_ms() + stage.random.random_range(0..=800);
    let name = victim.to_string();
    let words = ["heal", name.as_str()];
    let command = stage.world.cluster_command(leader, &words, WELL * 2);
    let death = async {
        let due = || std::future::ready((now_ms() >= at).then_some(()));
        until("the instant of a death", WELL, due).await?;
        stage.world.signal(leader, Signal::SIGKILL)
    };
    // Whether it was answered before the death or not: it is given again below.
    let (_, death) = tokio::join!(command, death);
    death?;
    stage.note(leader, format!("killed while replica {victim} is healed by a snapshot"));
    // Until the newcomer has caught up, the killed one may be needed.
    stage.world.replica_mut(leader)?.kill()?;
    stage.world.replica_mut(leader)?.start()?;
    stage.back(leader).await?;
    if stage.status(victim).await?.halted.is_some() {
        stage.order(&words).await?;
    }
    stage.back(victim).await
}
