//! An L1 that is down, lags, lies, drops, underprices or reorganises: for the leader alone, or for all.

use anyhow::{Context, Result};
use rand::Rng;

use super::stage::{Stage, WELL};
use crate::l1_proxy::{L1Proxy, Mode};
use crate::network::L1;

/// What is drawn of a kind of harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    Down,
    Lag,
    Lie,
    Drop,
    Underprice,
}

/// The endpoint of the leader, or by a third those of all, does harm for one to two slots.
pub(super) async fn endpoint(stage: &mut Stage<'_>, harm: Harm) -> Result<()> {
    behind_proxies(stage).await?;
    let leader = stage.well().await?;
    let mode = match harm {
        Harm::Down => Mode::Down,
        Harm::Lag => Mode::Lag(stage.random.random_range(2..=12)),
        Harm::Lie => stage.draw(&Mode::LIES)?,
        Harm::Drop => stage.draw(&[Mode::DropSends, Mode::AlreadyKnown])?,
        Harm::Underprice => Mode::Underpriced,
    };
    let all = stage.random.random_bool(0.33);
    stage.any_instant(3_000).await?;
    for (id, proxy) in stage.proxies.iter() {
        if all || *id == leader {
            proxy.set(mode);
        }
    }
    stage
        .note(if all { 0 } else { leader }, format!("L1 endpoint: {mode:?}{}", if all { ", of all" } else { ", of the leader" }));
    let slots = stage.random.random_range(1..=2);
    let now = stage.world.clock().slot_now();
    stage.world.slot_over(now + slots).await?;
    for proxy in stage.proxies.values() {
        proxy.set(Mode::Honest);
    }
    stage.lands().await.with_context(|| format!("after an L1 endpoint that was {mode:?}"))?;
    stage.well().await.map(|_| ())
}

/// A checkpoint that has just landed is taken away again; by half the leader dies with it.
pub(super) async fn reorg(stage: &mut Stage<'_>) -> Result<()> {
    let leader = stage.well().await?;
    let landed = stage.lands().await?;
    let dies = stage.random.random_bool(0.5);
    if dies {
        stage.world.kill(leader)?;
    }
    let depth = stage.world.chain().head_number().await?.saturating_sub(landed.l1_block()).saturating_add(1);
    stage.world.l1().reorg(depth).await?;
    let at = stage.note(leader, format!("reorg of {depth} blocks{}", if dies { ", leader killed" } else { "" }));
    if dies {
        stage.takeover(leader, at).await?;
        stage.restart(leader).await?;
    }
    stage.lands().await.map(|_| ())
}

/// Gives every replica an L1 endpoint of its own, unless they have them.
async fn behind_proxies(stage: &mut Stage<'_>) -> Result<()> {
    let ids: Vec<u64> = stage.world.replicas().iter().map(crate::replica::Replica::id).collect();
    for id in ids {
        if stage.proxies.contains_key(&id) {
            continue;
        }
        let proxy = L1Proxy::start(stage.world.facts().rpc_url.as_str()).await?;
        let url = format!("http://{L1}:{}", proxy.port());
        stage.world.replica_mut(id)?.set("ETHEREUM_HOSTS", url);
        stage.proxies.insert(id, proxy);
        stage.world.kill(id)?;
        stage.world.acting(Some(id), WELL).await?;
        stage.restart(id).await?;
    }
    Ok(())
}
