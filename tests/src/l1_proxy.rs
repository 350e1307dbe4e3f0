//! An L1 endpoint between a replica and the development L1 that is down, lags, lies, or loses what it is sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::chain::parse_quantity;
use crate::rpc::quantity;

/// What the endpoint does to its callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Passes everything on.
    #[default]
    Honest,
    /// Answers nothing but an HTTP error.
    Down,
    /// Shows L1 as it was so many blocks ago.
    Lag(u64),
    /// Knows of no logs.
    NoLogs,
    /// Knows of no transaction and no receipt.
    NoTransactions,
    /// Counts one transaction more of every account.
    NonceAhead,
    /// Counts one transaction fewer.
    NonceBehind,
    /// Calls the newest block final.
    AllFinal,
    /// Gives blocks a time two minutes ahead.
    Future,
    /// Takes transactions and forgets them.
    DropSends,
    /// Refuses transactions as replacements below the price.
    Underpriced,
    /// Says of every transaction that it knows it, and forgets it.
    AlreadyKnown,
}

impl Mode {
    /// Those that say what is not so.
    pub const LIES: [Self; 6] =
        [Self::NoLogs, Self::NoTransactions, Self::NonceAhead, Self::NonceBehind, Self::AllFinal, Self::Future];

    /// The answer that is given without asking L1: a result or an error.
    fn instead(self, request: &Value) -> Option<Value> {
        let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
        let raw = || request.pointer("/params/0").and_then(Value::as_str).unwrap_or_default().to_owned();
        let error = |message: &str| json!({"error": {"code": -32000, "message": message}});
        match (self, method) {
            (Self::NoLogs, "eth_getLogs") => Some(json!({"result": []})),
            (Self::NoTransactions, "eth_getTransactionReceipt" | "eth_getTransactionByHash") => Some(json!({"result": null})),
            (Self::DropSends, "eth_sendRawTransaction") => Some(json!({"result": hash_of(&raw())})),
            (Self::Underpriced, "eth_sendRawTransaction") => Some(error("replacement transaction underpriced")),
            (Self::AlreadyKnown, "eth_sendRawTransaction") => Some(error("already known")),
            _ => None,
        }
    }

    /// Changes the question; `head` is L1's newest block.
    fn bend(self, request: &mut Value, head: u64) {
        let (tags, shown) = if let Self::Lag(blocks) = self {
            (["latest", "pending"], quantity(head.saturating_sub(blocks)))
        } else if self == Self::AllFinal {
            (["finalized", "safe"], json!("latest"))
        } else {
            return;
        };
        let bend = |value: &mut Value| {
            if value.as_str().is_some_and(|text| tags.contains(&text)) {
                *value = shown.clone();
            }
        };
        let Some(Value::Array(params)) = request.get_mut("params") else { return };
        for param in params {
            bend(param);
            param.as_object_mut().into_iter().flat_map(|fields| fields.values_mut()).for_each(bend);
        }
    }

    /// Changes the answer.
    fn colour(self, method: &str, head: u64, answer: &mut Value) {
        let Some(result) = answer.get_mut("result") else { return };
        let add = |value: &mut Value, by: u64| {
            if let Ok(number) = parse_quantity(value) {
                *value = quantity(number.saturating_add(by));
            }
        };
        match (self, method) {
            (Self::Lag(blocks), "eth_blockNumber") => *result = quantity(head.saturating_sub(blocks)),
            (Self::Lag(blocks), "eth_getTransactionReceipt") => {
                let mined = result.get("blockNumber").and_then(|number| parse_quantity(number).ok());
                if mined.is_some_and(|mined| mined > head.saturating_sub(blocks)) {
                    *result = Value::Null;
                }
            }
            (Self::NonceAhead, "eth_getTransactionCount") => add(result, 1),
            (Self::NonceBehind, "eth_getTransactionCount") => {
                if let Ok(number) = parse_quantity(result) {
                    *result = quantity(number.saturating_sub(1));
                }
            }
            (Self::Future, "eth_getBlockByNumber") => {
                if let Some(timestamp) = result.get_mut("timestamp") {
                    add(timestamp, 120);
                }
            }
            _ => {}
        }
    }
}

/// Runs until it is dropped.
#[derive(Debug)]
pub struct L1Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    _task: JoinSet<()>,
}

#[derive(Clone)]
struct Shared {
    target: String,
    client: reqwest::Client,
    mode: watch::Receiver<Mode>,
}

impl L1Proxy {
    /// An honest endpoint in front of `target`, on all addresses of the harness.
    ///
    /// # Errors
    /// When no port can be taken.
    pub async fn start(target: &str) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.context("a port for an L1 endpoint")?;
        let address = listener.local_addr()?;
        let (mode, seen) = watch::channel(Mode::default());
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build()?;
        let shared = Shared { target: target.to_owned(), client, mode: seen };
        let router = Router::new().route("/", post(answer)).with_state(shared);
        let mut task = JoinSet::new();
        task.spawn(async move {
            if let Err(fault) = axum::serve(listener, router).await {
                tracing::warn!(%fault, "an L1 endpoint ended");
            }
        });
        Ok(Self { address, mode, _task: task })
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Behaves so from now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn answer(State(shared): State<Shared>, body: Bytes) -> Response {
    let mode = *shared.mode.borrow();
    if mode == Mode::Down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    let answered = if let Value::Array(many) = request {
        shared.all(mode, many).await.map(Value::Array)
    } else {
        shared.one(mode, request).await
    };
    answered.map_or_else(|_| StatusCode::BAD_GATEWAY.into_response(), |answer| Json(answer).into_response())
}

impl Shared {
    async fn all(&self, mode: Mode, requests: Vec<Value>) -> Result<Vec<Value>> {
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            answers.push(self.one(mode, request).await?);
        }
        Ok(answers)
    }

    async fn one(&self, mode: Mode, mut request: Value) -> Result<Value> {
        if let Some(mut instead) = mode.instead(&request) {
            instead["jsonrpc"] = json!("2.0");
            instead["id"] = request.get("id").cloned().unwrap_or_default();
            return Ok(instead);
        }
        let head = if matches!(mode, Mode::Lag(_)) { self.head().await? } else { 0 };
        mode.bend(&mut request, head);
        let method = request.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut answer = self.ask(&request).await?;
        mode.colour(&method, head, &mut answer);
        Ok(answer)
    }

    async fn head(&self) -> Result<u64> {
        let answer = self.ask(&json!({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []})).await?;
        parse_quantity(answer.get("result").context("no head")?)
    }

    async fn ask(&self, request: &Value) -> Result<Value> {
        Ok(self.client.post(&self.target).json(request).send().await?.json().await?)
    }
}

/// The hash under which L1 would know a raw transaction.
fn hash_of(raw: &str) -> Value {
    let bytes = alloy::hex::decode(raw).unwrap_or_default();
    json!(alloy::primitives::keccak256(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, params: Value) -> Value {
        json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
    }

    #[test]
    fn a_lagging_endpoint_asks_and_answers_of_an_older_head() {
        let lag = Mode::Lag(3);
        let mut request = call("eth_getLogs", json!([{"fromBlock": "0x1", "toBlock": "latest"}]));
        lag.bend(&mut request, 10);
        assert_eq!(request["params"], json!([{"fromBlock": "0x1", "toBlock": "0x7"}]));
        let mut request = call("eth_call", json!([{"to": "0xab"}, "latest"]));
        lag.bend(&mut request, 10);
        assert_eq!(request["params"], json!([{"to": "0xab"}, "0x7"]));
        let mut answer = json!({"result": "0xa"});
        lag.colour("eth_blockNumber", 10, &mut answer);
        assert_eq!(answer["result"], "0x7");
        let mut answer = json!({"result": {"blockNumber": "0x8"}});
        lag.colour("eth_getTransactionReceipt", 10, &mut answer);
        assert!(answer["result"].is_null(), "not yet mined");
    }

    #[test]
    fn each_lie_is_told_of_its_own_matter_only() {
        let asked = call("eth_getTransactionCount", json!(["0xab", "latest"]));
        for mode in Mode::LIES {
            assert!(mode.instead(&asked).is_none(), "{mode:?}");
        }
        let mut answer = json!({"result": "0x5"});
        Mode::NonceAhead.colour("eth_getTransactionCount", 0, &mut answer);
        assert_eq!(answer["result"], "0x6");
        Mode::NonceBehind.colour("eth_getTransactionCount", 0, &mut answer);
        assert_eq!(answer["result"], "0x5");
        assert_eq!(Mode::NoLogs.instead(&call("eth_getLogs", json!([]))).unwrap()["result"], json!([]));
        let mut final_block = call("eth_getBlockByNumber", json!(["finalized", false]));
        Mode::AllFinal.bend(&mut final_block, 0);
        assert_eq!(final_block["params"], json!(["latest", false]));
        let mut block = json!({"result": {"timestamp": "0x10"}});
        Mode::Future.colour("eth_getBlockByNumber", 0, &mut block);
        assert_eq!(block["result"]["timestamp"], "0x88");
    }

    #[test]
    fn a_dropped_transaction_is_answered_with_its_hash_and_others_with_errors() {
        let send = call("eth_sendRawTransaction", json!(["0x02"]));
        let taken = Mode::DropSends.instead(&send).unwrap();
        assert_eq!(taken["result"], json!(alloy::primitives::keccak256([2])));
        let refused = Mode::Underpriced.instead(&send).unwrap();
        assert_eq!(refused["error"]["message"], "replacement transaction underpriced");
        assert!(Mode::Honest.instead(&send).is_none());
    }
}
