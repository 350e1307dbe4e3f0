//! Several HTTP endpoints in order, as one transport.
//!
//! alloy's own fallback layer asks several endpoints at once and takes the first packet, also when that is an error, and with one
//! active endpoint it never moves on. Here a request goes to one endpoint at a time, in the configured order, those that are down
//! or behind last; it moves on when an endpoint cannot be reached, times out, is overloaded or talks nonsense. A JSON-RPC error
//! (a revert, say) is an answer and ends the walk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use alloy::rpc::json_rpc::{RequestPacket, ResponsePacket};
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use reqwest::StatusCode;
use tokio::time::Instant;
use tower::Service;
use url::Url;

use crate::endpoint::{Endpoint, EndpointHead, EndpointStatus, lag};
use crate::http::{HttpError, read_body, within};

/// Largest JSON-RPC answer that is read.
const ANSWER_LIMIT: usize = 64 << 20;
/// JSON-RPC codes with which providers say "too many requests" under HTTP 200 (EIP-1474: -32005).
const RATE_LIMIT_CODES: [i64; 2] = [-32005, 429];

/// One endpoint's failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointFailure {
    /// Scheme, host and port.
    pub url_redacted: String,
    /// What happened.
    pub reason: String,
}

/// Every endpoint failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no L1 endpoint answered: {}", list(.failures))]
pub struct PoolExhausted {
    /// In the order in which they were asked.
    pub failures: Vec<EndpointFailure>,
}

fn list(failures: &[EndpointFailure]) -> String {
    let parts: Vec<String> = failures.iter().map(|failure| format!("{} ({})", failure.url_redacted, failure.reason)).collect();
    parts.join(", ")
}

impl PoolExhausted {
    /// Takes the error back out of alloy's wrapping.
    pub(crate) fn of(kind: &TransportErrorKind) -> Option<Self> {
        kind.as_custom().and_then(|error| error.downcast_ref::<Self>()).cloned()
    }
}

/// The endpoints. Cheap to clone; all clones share what is known of their health.
#[derive(Clone, Debug)]
pub struct Pool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    endpoints: Vec<Endpoint>,
    client: reqwest::Client,
    request_timeout: Duration,
    /// The rollup's slot in seconds, for the judgement of lag; 0 until the rollup is known.
    slot_duration: AtomicU64,
}

impl Pool {
    /// A pool over `urls`, in order of preference; each may take `request_timeout` for a request.
    pub fn new(urls: Vec<Url>, client: reqwest::Client, request_timeout: Duration) -> Self {
        let endpoints = urls.into_iter().map(Endpoint::new).collect();
        Self { inner: Arc::new(Inner { endpoints, client, request_timeout, slot_duration: AtomicU64::new(0) }) }
    }

    /// Status of each endpoint, in the configured order.
    pub fn status(&self) -> Vec<EndpointStatus> {
        let best = self.best_head();
        let slot_duration = self.slot_duration();
        self.endpoints().iter().map(|endpoint| endpoint.status(best, slot_duration)).collect()
    }

    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        &self.inner.endpoints
    }

    pub(crate) fn set_slot_duration(&self, seconds: u64) {
        self.inner.slot_duration.store(seconds, Ordering::Relaxed);
    }

    fn slot_duration(&self) -> Option<u64> {
        Some(self.inner.slot_duration.load(Ordering::Relaxed)).filter(|seconds| *seconds > 0)
    }

    /// The best head among endpoints that are up.
    fn best_head(&self) -> Option<EndpointHead> {
        let heads = self.endpoints().iter().filter_map(|endpoint| {
            let health = endpoint.health.lock();
            health.head().filter(|_| !health.is_down())
        });
        heads.max_by_key(|head| head.number)
    }

    /// Endpoints in the order in which to ask them: those in step, those behind, those that are down. None is left out: when
    /// all are down, an attempt is better than an error.
    fn order(&self) -> Vec<&Endpoint> {
        let best = self.best_head();
        let slot_duration = self.slot_duration();
        let mut ordered: Vec<(u8, &Endpoint)> = self
            .endpoints()
            .iter()
            .map(|endpoint| {
                let health = endpoint.health.lock();
                let behind = health.head().zip(best).is_some_and(|(head, best)| lag(head, best, slot_duration).is_some());
                (if health.is_down() { 2 } else { u8::from(behind) }, endpoint)
            })
            .collect();
        ordered.sort_by_key(|(rank, _)| *rank);
        ordered.into_iter().map(|(_, endpoint)| endpoint).collect()
    }

    async fn walk(self, packet: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let mut failures = Vec::new();
        for endpoint in self.order() {
            match self.ask(endpoint, &packet).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    failures.push(EndpointFailure { url_redacted: endpoint.redacted.clone(), reason: error.to_string() });
                }
            }
        }
        Err(TransportErrorKind::custom(PoolExhausted { failures }))
    }

    /// Asks one endpoint and notes its health.
    pub(crate) async fn ask(&self, endpoint: &Endpoint, packet: &RequestPacket) -> Result<ResponsePacket, HttpError> {
        let answer = within(self.inner.request_timeout, self.exchange(endpoint, packet)).await;
        match &answer {
            Ok(_) => {
                if endpoint.health.lock().answered() {
                    tracing::info!(endpoint = %endpoint.redacted, "L1 endpoint answers again");
                }
            }
            Err(error) => {
                metrics::counter!("ollin_l1_endpoint_failures_total", "endpoint" => endpoint.redacted.clone()).increment(1);
                if endpoint.health.lock().failed(error.to_string(), Instant::now()) {
                    tracing::warn!(endpoint = %endpoint.redacted, %error, "L1 endpoint is passed over");
                }
            }
        }
        answer
    }

    async fn exchange(&self, endpoint: &Endpoint, packet: &RequestPacket) -> Result<ResponsePacket, HttpError> {
        let request = self.inner.client.post(endpoint.url.clone()).json(packet).headers(packet.headers());
        let response = request.send().await?;
        let status = response.status();
        if is_endpoint_failure(status) {
            return Err(HttpError::Status { status: status.as_u16() });
        }
        let body = read_body(response, ANSWER_LIMIT).await?;
        // A JSON-RPC error may come under HTTP 400: what counts is that the body is a JSON-RPC answer.
        let answer: ResponsePacket =
            serde_json::from_slice(&body).map_err(|_| HttpError::NoJsonRpc { status: status.as_u16() })?;
        match answer.first_error_code() {
            Some(code) if RATE_LIMIT_CODES.contains(&code) => Err(HttpError::RateLimited { code }),
            Some(_) | None => Ok(answer),
        }
    }
}

/// Statuses that speak about the endpoint or our account there, not about the request.
fn is_endpoint_failure(status: StatusCode) -> bool {
    let ours = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_server_error() || status.is_redirection() || ours.contains(&status)
}

impl Service<RequestPacket> for Pool {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        Box::pin(self.clone().walk(packet))
    }
}

#[cfg(test)]
mod tests;
