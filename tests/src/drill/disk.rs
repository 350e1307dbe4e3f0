//! Disks that are slow, stand still, or are full.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::Rng;

use super::directory::{log_of, victim};
use super::stage::{Stage, WELL};
use crate::clock::now_ms;
use crate::failpoint::Point;
use crate::network::which;
use crate::wait::until;

/// How long a sync stands still: below a watchdog's first bound, above it, above its last.
const FROZEN_MS: [u64; 3] = [600, 4_000, 14_000];
/// What each sync takes on a slow disk.
const SLOW_MS: [u64; 3] = [50, 300, 900];
/// Enough for a log and an archive, and for a replica that may lead; in memory.
const SMALL_DISK: &str = "size=224m";

/// A sync of the log stands still, and goes on; or the process ends before that.
pub(super) async fn frozen(stage: &mut Stage<'_>) -> Result<()> {
    let victim = victim(stage).await?;
    let for_ms = stage.draw(&FROZEN_MS)?;
    let points = stage.world.replica(victim)?.failpoints().clone();
    points.arm(Point::LogSync)?;
    points.reached(Point::LogSync, WELL).await?;
    let at = stage.note(victim, format!("disk frozen for {for_ms} ms"));
    let over = || std::future::ready((now_ms() >= at + for_ms).then_some(()));
    until("the end of a frozen disk", Duration::from_millis(for_ms) * 2, over).await?;
    points.release(Point::LogSync)?;
    stage.lands().await?;
    back(stage, victim).await
}

/// Every sync of the log takes long, until a slot has landed.
pub(super) async fn slow(stage: &mut Stage<'_>) -> Result<()> {
    let victim = victim(stage).await?;
    let each_ms = stage.draw(&SLOW_MS)?;
    let points = stage.world.replica(victim)?.failpoints().clone();
    points.slow(Point::LogSync, each_ms)?;
    stage.note(victim, format!("every sync takes {each_ms} ms"));
    let landed = stage.lands().await;
    points.clear()?;
    landed?;
    back(stage, victim).await
}

/// A replica on a small disk of its own runs out of space, and has some again.
pub(super) async fn full(stage: &mut Stage<'_>) -> Result<()> {
    let victim = victim(stage).await?;
    let leading = stage.random.random_bool(0.5);
    let data = on_small_disk(stage, victim).await?;
    if leading {
        stage.leads(victim).await?;
    }
    let ballast = data.join("ballast");
    fill(&ballast)?;
    stage.note(victim, if leading { "disk full, leading" } else { "disk full, following" });
    let landed = stage.lands().await;
    std::fs::remove_file(&ballast)?;
    landed.with_context(|| format!("while the disk of replica {victim} was full"))?;
    stage.restart(victim).await.context("with space on its disk again")
}

/// A replica that has ended is started again; all come back.
async fn back(stage: &mut Stage<'_>, victim: u64) -> Result<()> {
    if !stage.world.replica_mut(victim)?.alive() {
        stage.world.replica_mut(victim)?.start()?;
    }
    stage.back(victim).await?;
    stage.world.replica(victim)?.failpoints().clear()
}

/// Gives a replica a small disk instead of the one it had, and heals it there. Returns where it is.
async fn on_small_disk(stage: &mut Stage<'_>, victim: u64) -> Result<PathBuf> {
    let data = log_of(stage, victim)?.parent().context("a log lies in a directory")?.to_owned();
    stage.world.kill(victim)?;
    if is_mounted(&data)? {
        let unmounted = std::process::Command::new(which("umount")?).arg(&data).status()?;
        ensure!(unmounted.success(), "umount {}: {unmounted}", data.display());
    }
    let mounted =
        std::process::Command::new(which("mount")?).args(["-t", "tmpfs", "-o", SMALL_DISK, "none"]).arg(&data).status()?;
    ensure!(mounted.success(), "mount {}: {mounted}", data.display());
    stage.world.replica_mut(victim)?.start()?;
    super::directory::healed(stage, victim).await?;
    Ok(data)
}

fn is_mounted(directory: &Path) -> Result<bool> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let here = directory.display().to_string();
    Ok(mounts.lines().any(|line| line.split(' ').nth(1) == Some(here.as_str())))
}

/// Writes until there is no space.
fn fill(path: &Path) -> Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create(path)?;
    let piece = vec![7; 1 << 20];
    // A last piece is written in part.
    for piece in [piece.as_slice(), &[7; 512]] {
        loop {
            match file.write(piece) {
                Ok(1..) => {}
                Ok(0) => break,
                Err(fault) if fault.kind() == std::io::ErrorKind::StorageFull => break,
                Err(fault) => return Err(fault).context("filling a disk"),
            }
        }
    }
    Ok(())
}
