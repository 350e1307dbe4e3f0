//! Lost links. Nothing is reset: packets are lost, as between hosts.

use anyhow::{Context, Result};
use rand::Rng;

use super::stage::Stage;

/// The leader loses both others, both ways; by half also L1. The others go on, and it stands by.
pub(super) async fn whole(stage: &mut Stage<'_>) -> Result<()> {
    let leader = stage.well().await?;
    let without_l1 = stage.random.random_bool(0.5);
    stage.any_instant(1_000).await?;
    let network = stage.world.network()?;
    for other in stage.others(leader) {
        network.cut(leader, other)?;
    }
    if without_l1 {
        network.lose_l1(leader)?;
    }
    let at = stage.note(leader, if without_l1 { "cut off from replicas and L1" } else { "cut off from replicas" });
    stage.takeover(leader, at).await?;
    stage.stands_by(leader).await?;
    stage.lands().await.context("while the old leader was cut off")?;
    mended(stage).await
}

/// What the leader sends to one or both others is lost, or what it is sent.
pub(super) async fn one_way(stage: &mut Stage<'_>) -> Result<()> {
    let leader = stage.well().await?;
    let mute = stage.random.random_bool(0.5);
    let mut others = stage.others(leader);
    if stage.random.random_bool(0.5) {
        let kept = stage.draw(&others)?;
        others.retain(|other| *other != kept);
    }
    stage.any_instant(1_000).await?;
    let network = stage.world.network()?;
    for other in &others {
        if mute { network.lose(leader, *other)? } else { network.lose(*other, leader)? }
    }
    stage.note(leader, format!("{} {others:?}", if mute { "not heard by" } else { "does not hear" }));
    stage.lands().await.context("while the leader was half cut off")?;
    mended(stage).await
}

/// Two replicas lose each other, both ways.
pub(super) async fn bridge(stage: &mut Stage<'_>) -> Result<()> {
    let leader = stage.well().await?;
    let bridge = stage.draw(&[leader].into_iter().chain(stage.others(leader)).collect::<Vec<_>>())?;
    let ends = stage.others(bridge);
    stage.any_instant(1_000).await?;
    for (position, one) in ends.iter().enumerate() {
        for other in ends.iter().skip(position + 1) {
            stage.world.network()?.cut(*one, *other)?;
        }
    }
    stage.note(bridge, format!("bridge between {ends:?}, replica {leader} leading"));
    stage.lands().await.context("while two replicas did not see each other")?;
    mended(stage).await
}

async fn mended(stage: &mut Stage<'_>) -> Result<()> {
    stage.world.network()?.mend()?;
    stage.well().await.context("after the network was mended").map(|_| ())
}
