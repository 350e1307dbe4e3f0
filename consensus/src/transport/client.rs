//! Asking another replica: connections are kept, each call has a deadline.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex as SyncMutex;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::frame::{Frame, MAX_FRAME_BYTES, Refused, Request, Response};
use super::peers::Shared;
use super::tls::{TlsIdentity, server_name};
use crate::raft::Member;

const WINDOW_BYTES: u32 = 4 << 20;
/// How long a handshake may take. It goes on when the call that began it gives up: heartbeats wait only some ten milliseconds,
/// and over a long way none of them would ever see a connection.
const DIAL: Duration = Duration::from_secs(5);
/// A connection whose other end does not answer a ping for this long is given up.
const PING: Duration = Duration::from_millis(500);
const PONG: Duration = Duration::from_secs(2);

/// Calls that may not wait for each other go over connections of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    Replication,
    Heartbeat,
    Snapshot,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// There is no connection, and none could be made.
    #[error("replica {replica} at {address} cannot be reached: {reason}")]
    Unreachable { replica: u64, address: String, reason: String },
    /// The deadline passed.
    #[error("replica {replica} did not answer within {waited_ms} ms")]
    Timeout { replica: u64, waited_ms: u128 },
    /// The connection broke, or the answer makes no sense.
    #[error("replica {replica} gave no usable answer: {reason}")]
    Broken { replica: u64, reason: String },
    /// It refused the frame.
    #[error("replica {replica}: {refused}")]
    Refused { replica: u64, refused: Refused },
}

/// A replica's way to all others.
#[derive(Clone)]
pub(crate) struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Shared,
    tls: TlsIdentity,
    /// A lock per connection and an outer one for the table: dialling one replica holds up nobody who calls another.
    connections: SyncMutex<BTreeMap<(u64, Lane), Slot>>,
}

/// One connection, or none yet. Whoever holds the lock dials.
type Slot = Arc<Mutex<Option<Connection>>>;

struct Connection {
    /// The member that was dialled: another address or fingerprint needs another connection.
    member: Member,
    send: SendRequest<Full<Bytes>>,
}

impl Client {
    pub(crate) fn new(shared: Shared, tls: TlsIdentity) -> Self {
        Self { inner: Arc::new(Inner { shared, tls, connections: SyncMutex::default() }) }
    }

    /// Asks a member, over a kept connection if there is one.
    pub(crate) async fn call(&self, to: u64, lane: Lane, request: Request, wait: Duration) -> Result<Response, CallError> {
        let slot = Arc::clone(self.inner.connections.lock().entry((to, lane)).or_default());
        let timed_out = |_| CallError::Timeout { replica: to, waited_ms: wait.as_millis() };
        timeout(wait, self.ask(&slot, to, request)).await.map_err(timed_out)?.map(|(_, response)| response)
    }

    /// Asks who answers at a member's address, over a connection of its own, and returns the boot nonce of that process and
    /// whether it has a log.
    pub(crate) async fn hello(&self, to: u64, wait: Duration) -> Result<Answered, CallError> {
        let slot = Slot::default();
        let timed_out = |_| CallError::Timeout { replica: to, waited_ms: wait.as_millis() };
        timeout(wait, self.ask(&slot, to, Request::Hello)).await.map_err(timed_out)?.map(|(answered, _)| answered)
    }

    async fn ask(&self, slot: &Slot, to: u64, request: Request) -> Result<(Answered, Response), CallError> {
        let shared = &self.inner.shared;
        let is_hello = matches!(request, Request::Hello);
        if let (Some(reason), false) = (shared.halt.reason(), is_hello) {
            return Err(CallError::Unreachable { replica: to, address: String::new(), reason: format!("halted here: {reason}") });
        }
        let path = if matches!(request, Request::Snapshot { .. }) { "/snapshot" } else { "/frame" };
        let mut send = self.connection(slot, to).await?;
        let broken = |reason: String| CallError::Broken { replica: to, reason };
        let body = Full::new(shared.frame(to, request).encode());
        let uri = format!("https://{}{path}", server_name(to));
        let request = hyper::Request::post(uri).body(body).map_err(|error| broken(error.to_string()))?;
        let failed = |error: hyper::Error| broken(error.to_string());
        let response = send.send_request(request).await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(broken(format!("status {}", response.status())));
        }
        let body = Limited::new(response.into_body(), MAX_FRAME_BYTES).collect().await;
        let body = body.map_err(|error| broken(error.to_string()))?.to_bytes();
        let frame = Frame::<Response>::decode(&body).map_err(|error| broken(error.to_string()))?;
        self.accept(to, frame)
    }

    fn accept(&self, to: u64, frame: Frame<Response>) -> Result<(Answered, Response), CallError> {
        let shared = &self.inner.shared;
        if let Response::Refused(refused) = frame.body {
            if let Refused::Diverged { term, index } = refused {
                let reason = format!("the logs diverge: replica {to} holds another entry {index} of term {term}");
                shared.halt.halt(reason);
            }
            return Err(CallError::Refused { replica: to, refused });
        }
        if (frame.cluster, frame.from, frame.to) != (shared.me.cluster, to, shared.me.replica) {
            let reason = format!("the answer is from replica {} for replica {}", frame.from, frame.to);
            return Err(CallError::Broken { replica: to, reason });
        }
        if let Some(position) = &frame.last {
            shared.compare(to, position).map_err(|refused| CallError::Refused { replica: to, refused })?;
        }
        shared.hear_at_address(to, frame.boot);
        Ok((Answered { boot: frame.boot, has_log: frame.last.is_some() }, frame.body))
    }

    async fn connection(&self, slot: &Slot, to: u64) -> Result<SendRequest<Full<Bytes>>, CallError> {
        let unreachable =
            |address: &str, reason: String| CallError::Unreachable { replica: to, address: address.to_owned(), reason };
        let member = self.inner.shared.member(to).ok_or_else(|| unreachable("", "not a member".to_owned()))?;
        let mut held = Arc::clone(slot).lock_owned().await;
        if let Some(connection) = held.as_ref()
            && connection.member == member
            && !connection.send.is_closed()
        {
            return Ok(connection.send.clone());
        }
        *held = None;
        let (client, address) = (self.clone(), member.address.clone());
        // Ends by its own deadline; the lock keeps a second one from being started for the same connection.
        let dialled = tokio::spawn(async move {
            let dialled =
                timeout(DIAL, client.dial(to, &member)).await.unwrap_or_else(|_| Err("no handshake in time".to_owned()));
            *held = dialled.as_ref().ok().map(|send| Connection { member, send: send.clone() });
            dialled
        });
        let dialled = dialled.await.unwrap_or_else(|error| Err(error.to_string()));
        dialled.map_err(|reason| unreachable(&address, reason))
    }

    async fn dial(&self, to: u64, member: &Member) -> Result<SendRequest<Full<Bytes>>, String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let config = self.inner.tls.client(member.fingerprint).map_err(|error| text(&error))?;
        let name = ServerName::try_from(server_name(to)).map_err(|error| text(&error))?;
        let stream = TcpStream::connect(&member.address).await.map_err(|error| text(&error))?;
        stream.set_nodelay(true).map_err(|error| text(&error))?;
        let tls = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| text(&error))?;
        let mut builder = Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
        builder.keep_alive_interval(PING).keep_alive_timeout(PONG).keep_alive_while_idle(true);
        let (send, connection) = builder.handshake(TokioIo::new(tls)).await.map_err(|error| text(&error))?;
        // Ends with the connection, which ends when the last sender is dropped.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(replica = to, %error, "connection to a replica ended");
            }
        });
        Ok(send)
    }
}

/// Who answered a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) boot: u64,
    pub(crate) has_log: bool,
}
