//! Receiving: connections of members, and of nobody else.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::WINDOW_BYTES;
use crate::transport::frame::{MAX_FRAME_BYTES, MAX_SNAPSHOT_BYTES};
use crate::transport::server::Server;
use crate::transport::tls::{Fingerprint, fingerprint};

const HANDSHAKE: Duration = Duration::from_secs(5);
const READ: Duration = Duration::from_secs(30);
/// Connections at a time: three lanes for each of many members, with room for reconnecting ones.
const CONNECTIONS: usize = 128;

/// Accepts connections until `stop`, then ends them all.
pub(super) async fn serve(listener: TcpListener, acceptor: TlsAcceptor, server: Server, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                        tracing::warn!("too many connections of replicas: one is dropped");
                        continue;
                    };
                    let (acceptor, server) = (acceptor.clone(), server.clone());
                    connections.spawn(async move {
                        serve_connection(stream, acceptor, server).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
    connections.shutdown().await;
}

async fn serve_connection(stream: TcpStream, acceptor: TlsAcceptor, server: Server) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Ok(Ok(tls)) = timeout(HANDSHAKE, acceptor.accept(stream)).await else {
        tracing::debug!("a connection was refused: no TLS with a certificate of this cluster's CA");
        return;
    };
    let Some(certificate) = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first()) else {
        return;
    };
    let sender = fingerprint(certificate);
    let answering = server.clone();
    let service = service_fn(move |request| {
        let server = answering.clone();
        async move { Ok::<_, Infallible>(answer(&server, sender, request).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .keep_alive_interval(Duration::from_secs(5))
        .max_concurrent_streams(64);
    if let Err(error) = builder.serve_connection(TokioIo::new(tls), service).await {
        tracing::debug!(%error, "connection of a replica ended");
    }
    server.connection_ended(&sender);
}

async fn answer(server: &Server, sender: Fingerprint, request: hyper::Request<Incoming>) -> hyper::Response<Full<Bytes>> {
    let limit = match (request.method(), request.uri().path()) {
        (&Method::POST, "/frame") => MAX_FRAME_BYTES,
        (&Method::POST, "/snapshot") => MAX_SNAPSHOT_BYTES,
        // Its body is not read.
        (&Method::POST, "/admission") => return hyper::Response::new(Full::new(server.testify(&sender))),
        _ => return status(StatusCode::NOT_FOUND),
    };
    // Before the body is read: the CA's signature alone buys no memory.
    if !server.admits(&sender) {
        return server
            .turn_away(&sender)
            .map_or_else(|| status(StatusCode::FORBIDDEN), |frame| hyper::Response::new(Full::new(frame)));
    }
    let Ok(Ok(body)) = timeout(READ, Limited::new(request.into_body(), limit).collect()).await else {
        return status(StatusCode::PAYLOAD_TOO_LARGE);
    };
    match server.answer(sender, &body.to_bytes()).await {
        Some(frame) => hyper::Response::new(Full::new(frame)),
        None => status(StatusCode::BAD_REQUEST),
    }
}

fn status(code: StatusCode) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::default());
    *response.status_mut() = code;
    response
}
