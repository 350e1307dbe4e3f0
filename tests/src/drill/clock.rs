//! Clocks that jump, by Debian's libfaketime.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rand::Rng;

use super::stage::Stage;

/// Jumps in seconds: below and above what fitness bears, and far.
const JUMPS_S: [i64; 8] = [-7_200, -60, -7, -3, 3, 7, 60, 7_200];

/// Whether the monotonic clock follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Monotonic {
    /// It goes on as it does.
    Alone,
    /// It jumps likewise, as no machine's does: timers come early, late, or not until it is undone.
    Faked,
}

/// One replica's clock jumps and comes back.
pub(super) async fn jump(stage: &mut Stage<'_>, monotonic: Monotonic) -> Result<()> {
    let leader = stage.well().await?;
    let leading = stage.random.random_bool(0.5);
    let others = stage.others(leader);
    let victim = if leading { leader } else { stage.draw(&others)? };
    let dial = under_faketime(stage, victim, monotonic).await?;
    if leading {
        stage.leads(victim).await?;
    }
    let jump = stage.draw(&JUMPS_S)?;
    set(&dial, jump)?;
    stage.note(victim, format!("clock {jump:+} s, {}", if leading { "leading" } else { "following" }));
    stage.lands().await.with_context(|| format!("while the clock of replica {victim} was {jump:+} s off"))?;
    set(&dial, 0)?;
    // No machine's monotonic clock goes back: Raft's engine ends where it does, and the process is started again.
    let back = if monotonic == Monotonic::Alone { stage.well().await.map(|_| ()) } else { Ok(()) };
    let replica = stage.world.replica_mut(victim)?;
    for name in ["LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE", "FAKETIME_CACHE_DURATION", "FAKETIME_DONT_FAKE_MONOTONIC"] {
        replica.unset(name);
    }
    back.with_context(|| format!("after the clock of replica {victim} was {jump:+} s off"))?;
    stage.restart(victim).await
}

/// Restarts a replica so that the file that is returned is the dial of its clock.
async fn under_faketime(stage: &mut Stage<'_>, victim: u64, monotonic: Monotonic) -> Result<PathBuf> {
    let replica = stage.world.replica_mut(victim)?;
    let dial = replica.directory().join("clock");
    set(&dial, 0)?;
    replica.set("LD_PRELOAD", library()?.display().to_string());
    replica.set("FAKETIME_TIMESTAMP_FILE", dial.display().to_string());
    replica.set("FAKETIME_CACHE_DURATION", "1");
    if monotonic == Monotonic::Alone {
        replica.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
    stage.restart(victim).await.context("under libfaketime")?;
    Ok(dial)
}

fn set(dial: &Path, seconds: i64) -> Result<()> {
    let new = dial.with_extension("new");
    std::fs::write(&new, format!("{seconds:+}\n"))?;
    std::fs::rename(new, dial).context("setting a clock")
}

/// The library of Debian's and Ubuntu's package.
fn library() -> Result<PathBuf> {
    for place in std::fs::read_dir("/usr/lib").context("/usr/lib")?.flatten() {
        let path = place.path().join("faketime/libfaketimeMT.so.1");
        if path.is_file() {
            return Ok(path);
        }
    }
    anyhow::bail!("there is no libfaketimeMT.so.1 under /usr/lib: apt-get install libfaketime")
}
