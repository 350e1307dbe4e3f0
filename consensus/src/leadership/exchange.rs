//! Replicas tell each other how they are, and measure the way there.

use std::time::Duration;

use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::runtime;
use crate::transport::{Client, Lane, Request, Response, Shared};

const INTERVAL: Duration = Duration::from_millis(500);
const WAIT: Duration = Duration::from_secs(1);

/// Sends this replica's report to every other member and takes theirs, over and over, until `stop`.
pub(crate) async fn exchange(client: Client, shared: Shared, stop: CancellationToken) {
    let own = shared.me.replica;
    loop {
        let others = shared.members().into_keys().filter(|id| *id != own);
        join_all(others.map(|id| tell(&client, &shared, id))).await;
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = runtime::sleep(INTERVAL) => {}
        }
    }
}

async fn tell(client: &Client, shared: &Shared, to: u64) {
    let request = Request::Report(shared.leadership.own_report());
    let started = runtime::now();
    match client.call(to, Lane::Heartbeat, request, WAIT).await {
        Ok(Response::Report(report)) => {
            shared.leadership.note_round_trip(to, runtime::elapsed(started));
            shared.leadership.hear_report(to, report);
        }
        Ok(_) => tracing::debug!(replica = to, "an answer of another kind to a report"),
        Err(error) => tracing::debug!(replica = to, %error, "report without answer"),
    }
}
