//! SIGKILL.

use anyhow::Result;

use super::at_point::{self, bring_to};
use super::stage::Stage;
use crate::failpoint::Point;

/// A leader that leads has a second to do something before it is killed.
const INSTANT_MS: u64 = 1_000;

pub(super) async fn leader(stage: &mut Stage<'_>) -> Result<()> {
    let leader = stage.well().await?;
    stage.any_instant(INSTANT_MS).await?;
    let killed_ms = stage.kill(leader, "kill")?;
    stage.takeover(leader, killed_ms).await?;
    stage.restart(leader).await
}

pub(super) async fn at_point(stage: &mut Stage<'_>) -> Result<()> {
    stage.well().await?;
    let point = stage.draw(&[Point::ALL.as_slice(), &[Point::LogSync]].concat())?;
    let (victim, _) = bring_to(stage, point).await?;
    let killed_ms = stage.kill(victim, format!("kill at {point}"))?;
    at_point::release_l1(stage, point).await?;
    stage.takeover(victim, killed_ms).await?;
    stage.restart(victim).await
}
