//! Keeping in touch: every replica greets every other one, whoever leads.
//!
//! So connections are there before an election needs them, replicas that never replicate to each other compare their histories,
//! and each knows which of the others are alive. Whoever has turned a stranger away asks the members who they are.

use std::time::Duration;

use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::frame::Request;
use super::peers::Shared;
use super::wire::Lane;
use crate::runtime;

const INTERVAL: Duration = Duration::from_secs(1);
const WAIT: Duration = Duration::from_millis(500);

/// Greets all members over and over, until `stop` or until this replica is halted: then the others take it for silent.
pub(crate) async fn greet(client: Client, shared: Shared, stop: CancellationToken) {
    let own = shared.me.replica;
    while !shared.halt.is_halted() {
        let others = shared.members().into_keys().filter(|id| *id != own);
        let greetings = others.flat_map(|id| [Lane::Replication, Lane::Heartbeat].map(|lane| (id, lane))).map(|(id, lane)| {
            let client = &client;
            async move {
                if let Err(error) = client.call(id, lane, Request::Hello, WAIT).await {
                    tracing::debug!(replica = id, %error, "greeting without answer");
                }
            }
        });
        join_all(greetings).await;
        if shared.take_stranger() {
            client.learn_members(WAIT).await;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = runtime::sleep(INTERVAL) => {}
        }
    }
}
