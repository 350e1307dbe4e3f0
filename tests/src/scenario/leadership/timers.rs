//! A replica that is too far away for the timers: refused at its start, warned about when it moves away later.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{others, status};
use crate::child::run;
use crate::port;
use crate::proxy::Proxy;
use crate::report::Outcome;
use crate::scenario::SETTLED;
use crate::wait::until;
use crate::world::World;

/// Each way: with a heartbeat of 50 ms a round trip may take 33 ms.
const FAR: Duration = Duration::from_millis(45);
/// A replica measures for some seconds before it refuses.
const REFUSED: Duration = Duration::from_secs(60);

pub(in crate::scenario) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("timers", &["what", "said"]);
    let leader = world.settled(SETTLED).await?;
    let [far, near] = others(world, leader)?;
    // The far replica listens elsewhere; at its address in the membership is a proxy.
    let (advertised, behind) = (world.replica(far)?.ports().cluster, port::free(1)?[0]);
    world.kill(far)?;
    let proxy = Proxy::start_at(advertised, format!("127.0.0.1:{behind}")).await?;
    world.replica_mut(far)?.set("OLLIN_CLUSTER_LISTEN", format!("127.0.0.1:{behind}"));
    world.restart(far).await?;
    let fits = status(world, leader).await?.leadership.timers.misfits;
    outcome.check(format!("timers fit replicas on one host (misfits: {fits:?})"), fits.is_empty());

    proxy.delay(FAR);
    let warned = || async {
        let status = status(world, near).await.ok()?;
        status.warnings.into_iter().find(|warning| warning.code == "timers").map(|warning| warning.message)
    };
    let warned = until("a warning about timers", SETTLED, warned).await;
    let said = warned.as_ref().map_or_else(ToString::to_string, Clone::clone);
    outcome.table.row(["a replica that runs".to_owned(), said.clone()]);
    outcome
        .check("the status warns and names what was measured", said.contains(&format!("the round trip to replica {far} takes")));

    world.kill(near)?;
    let (ended, output) = run(world.replica(near)?.recipe("refused"), REFUSED).await?;
    let line = output.lines().find(|line| line.contains("timers do not fit")).unwrap_or("nothing").to_owned();
    outcome.table.row(["a replica that starts".to_owned(), line.clone()]);
    let names = line.contains(&format!("replica {far} takes")) && line.contains("OLLIN_TIMER_PROFILE=multi-region");
    outcome.check(format!("it is refused ({ended}), with what was measured and the remedy"), !ended.success() && names);

    // The remedy.
    let replica = world.replica_mut(near)?;
    for name in ["OLLIN_HEARTBEAT_INTERVAL_MS", "OLLIN_ELECTION_TIMEOUT_MS"] {
        replica.unset(name);
    }
    replica.set("OLLIN_TIMER_PROFILE", "multi-region");
    world.restart(near).await.context("with the profile for several regions")?;
    outcome.check("with the other profile it starts", true);

    proxy.delay(Duration::ZERO);
    world.kill(near)?;
    let replica = world.replica_mut(near)?;
    replica.unset("OLLIN_TIMER_PROFILE");
    replica.set("OLLIN_HEARTBEAT_INTERVAL_MS", "50");
    replica.set("OLLIN_ELECTION_TIMEOUT_MS", "150");
    world.restart(near).await?;
    world.kill(far)?;
    drop(proxy);
    world.replica_mut(far)?.unset("OLLIN_CLUSTER_LISTEN");
    world.restart(far).await?;
    Ok(outcome)
}
