//! The task that looks at every endpoint's head, so that a dead one returns and a lagging one is noticed.

use std::time::Duration;

use alloy::primitives::{U64, U256};
use alloy::rpc::json_rpc::{Id, Request, RequestPacket, ResponsePacket, ResponsePayload};
use serde::Deserialize;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::endpoint::{Endpoint, EndpointHead};
use crate::pool::Pool;

/// Owns the probing task; dropping it ends the task.
#[derive(Debug)]
pub(crate) struct Prober(JoinHandle<()>);

impl Prober {
    /// Probes every `interval`: each endpoint that is up, and each that is down when its back-off is over.
    pub(crate) fn start(pool: Pool, interval: Duration) -> Self {
        Self(tokio::spawn(async move {
            let mut tick = tokio::time::interval(interval);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                probe_due(&pool).await;
            }
        }))
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Probes all endpoints that are due, at the same time.
pub(crate) async fn probe_due(pool: &Pool) {
    let now = Instant::now();
    let due = pool.endpoints().iter().filter(|endpoint| endpoint.health.lock().is_due(now));
    futures::future::join_all(due.map(|endpoint| probe(pool, endpoint))).await;
}

async fn probe(pool: &Pool, endpoint: &Endpoint) {
    let Some(packet) = head_request() else { return };
    let Ok(answer) = pool.ask(endpoint, &packet).await else {
        return;
    };
    match head_of(&answer) {
        Some(head) => endpoint.health.lock().observed(head),
        None => {
            endpoint.health.lock().failed("no head in its answer".to_owned(), Instant::now());
        }
    }
}

fn head_request() -> Option<RequestPacket> {
    let request = Request::new("eth_getBlockByNumber", Id::Number(0), ("latest", false));
    request.serialize().ok().map(RequestPacket::Single)
}

/// The two fields of a block that matter here.
#[derive(Deserialize)]
struct Head {
    number: U64,
    timestamp: U256,
}

pub(crate) fn head_of(answer: &ResponsePacket) -> Option<EndpointHead> {
    let ResponsePacket::Single(response) = answer else {
        return None;
    };
    let ResponsePayload::Success(body) = &response.payload else {
        return None;
    };
    let head: Head = serde_json::from_str(body.get()).ok()?;
    Some(EndpointHead { number: head.number.to::<u64>(), timestamp: u64::try_from(head.timestamp).ok()? })
}
