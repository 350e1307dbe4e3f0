//! Sending: connections are kept, one for each member and lane.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use ollin_protocol::units::ReplicaId;
use parking_lot::Mutex as SyncMutex;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::WINDOW_BYTES;
use crate::transport::frame::MAX_FRAME_BYTES;
use crate::transport::tls::{Fingerprint, TlsIdentity, server_name};
use crate::transport::wire::{Freight, Lane, Parcel, WireError};

/// How long a handshake may take. It goes on when the call that began it gives up: heartbeats wait only some ten milliseconds,
/// and over a long way none of them would ever see a connection.
const DIAL: Duration = Duration::from_secs(5);
/// A connection whose other end does not answer a ping for this long is given up.
const PING: Duration = Duration::from_millis(500);
const PONG: Duration = Duration::from_secs(2);

/// The ways to all other replicas.
#[derive(Clone)]
pub(super) struct Dialer {
    inner: Arc<Inner>,
}

struct Inner {
    tls: TlsIdentity,
    /// A lock per connection and an outer one for the table: dialling one replica holds up nobody who calls another.
    connections: SyncMutex<BTreeMap<(u64, Lane), Slot>>,
}

/// One connection, or none yet. Whoever holds the lock dials.
type Slot = Arc<Mutex<Option<Connection>>>;

struct Connection {
    /// Who was dialled: another address or fingerprint needs another connection.
    target: Target,
    send: SendRequest<Full<Bytes>>,
}

#[derive(Clone, PartialEq, Eq)]
struct Target {
    name: ReplicaId,
    address: String,
    fingerprint: Fingerprint,
}

impl Dialer {
    pub(super) fn new(tls: TlsIdentity) -> Self {
        Self { inner: Arc::new(Inner { tls, connections: SyncMutex::default() }) }
    }

    pub(super) async fn carry(&self, parcel: Parcel) -> Result<Bytes, WireError> {
        let Parcel { to, name, address, fingerprint, lane, freight, frame } = parcel;
        let slot = match lane {
            Some(lane) => Arc::clone(self.inner.connections.lock().entry((to, lane)).or_default()),
            None => Slot::default(),
        };
        let path = match freight {
            Freight::Frame => "/frame",
            Freight::Snapshot => "/snapshot",
            Freight::Admission => "/admission",
        };
        let mut send = self.connection(&slot, Target { name, address, fingerprint }).await?;
        let broken = |reason: String| WireError::Broken { reason };
        let uri = format!("https://{}{path}", server_name(name.get()));
        let request = hyper::Request::post(uri).body(Full::new(frame)).map_err(|error| broken(error.to_string()))?;
        let response = send.send_request(request).await.map_err(|error| broken(error.to_string()))?;
        if !response.status().is_success() {
            return Err(broken(format!("status {}", response.status())));
        }
        let body = Limited::new(response.into_body(), MAX_FRAME_BYTES).collect().await;
        Ok(body.map_err(|error| broken(error.to_string()))?.to_bytes())
    }

    async fn connection(&self, slot: &Slot, target: Target) -> Result<SendRequest<Full<Bytes>>, WireError> {
        let mut held = Arc::clone(slot).lock_owned().await;
        if let Some(connection) = held.as_ref()
            && connection.target == target
            && !connection.send.is_closed()
        {
            return Ok(connection.send.clone());
        }
        *held = None;
        let dialer = self.clone();
        // Ends by its own deadline; the lock keeps a second one from being started for the same connection.
        let dialled = tokio::spawn(async move {
            let dialled = timeout(DIAL, dialer.dial(&target)).await.unwrap_or_else(|_| Err("no handshake in time".to_owned()));
            *held = dialled.as_ref().ok().map(|send| Connection { target, send: send.clone() });
            dialled
        });
        let dialled = dialled.await.unwrap_or_else(|error| Err(error.to_string()));
        dialled.map_err(|reason| WireError::Unreachable { reason })
    }

    async fn dial(&self, target: &Target) -> Result<SendRequest<Full<Bytes>>, String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let replica = target.name;
        let config = self.inner.tls.client(target.fingerprint).map_err(|error| text(&error))?;
        let name = ServerName::try_from(server_name(replica.get())).map_err(|error| text(&error))?;
        let stream = TcpStream::connect(&target.address).await.map_err(|error| text(&error))?;
        stream.set_nodelay(true).map_err(|error| text(&error))?;
        let tls = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| text(&error))?;
        let mut builder = Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
        builder.keep_alive_interval(PING).keep_alive_timeout(PONG).keep_alive_while_idle(true);
        let (send, connection) = builder.handshake(TokioIo::new(tls)).await.map_err(|error| text(&error))?;
        // Ends with the connection, which ends when the last sender is dropped.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%replica, %error, "connection to a replica ended");
            }
        });
        Ok(send)
    }
}
