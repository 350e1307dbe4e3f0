//! A log that does not reach the disk: leadership goes at once, the process after ten seconds.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::failpoint::Point;
use crate::report::Outcome;
use crate::scenario::SETTLED;
use crate::wait::until;
use crate::world::World;

/// The watchdog's second, an election, and what a loaded machine adds.
const HANDED: Duration = Duration::from_secs(6);
/// The watchdog's ten seconds, and what a loaded machine adds.
const ENDED: Duration = Duration::from_secs(16);

pub(in crate::scenario) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("hung-disk", &["what", "ms"]);
    let leader = world.settled(SETTLED).await?;
    let points = world.replica(leader)?.failpoints();
    points.arm(Point::LogSync)?;
    points.reached(Point::LogSync, world.clock().slots(2)).await?;
    let started = Instant::now();
    let slot = world.clock().slot_now() + 1;
    let millis = |since: Instant| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (next, _) = world.acting(Some(leader), HANDED).await?;
    outcome.table.row(["a sync hangs, to another leader".to_owned(), millis(started).to_string()]);
    outcome.check(
        format!("replica {next} leads within {} s of a hanging sync of replica {leader}", HANDED.as_secs()),
        next != leader,
    );
    let replica = world.replica_mut(leader)?;
    let ended =
        until("the end of the replica whose disk hangs", ENDED, || std::future::ready((!replica.alive()).then_some(()))).await;
    outcome.table.row(["a sync hangs, to the end of the process".to_owned(), millis(started).to_string()]);
    outcome.check(format!("replica {leader} ends within {} s", ENDED.as_secs()), ended.is_ok());
    let said = world.replica(leader)?.log_tail(20);
    outcome.check(
        "it says why, and where to look",
        said.contains("a sync of the log has not ended") && said.contains("look at the disk"),
    );
    outcome.check(format!("slot {slot} is on L1"), world.landed_or_over(slot).await?.is_some());
    world.replica_mut(leader)?.kill()?;
    world.restart(leader).await?;
    outcome.check(format!("replica {leader} comes back and catches up"), true);
    Ok(outcome)
}
