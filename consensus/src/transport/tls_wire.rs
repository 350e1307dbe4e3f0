//! Frames over HTTP/2 and mutual TLS.

mod dialer;
mod listener;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::server::Server;
use super::tls::{Fingerprint, TlsError, TlsIdentity};
use super::wire::{Parcel, Serving, Wire, WireError};
use dialer::Dialer;

const WINDOW_BYTES: u32 = 4 << 20;

/// The wire between real replicas.
pub(crate) struct TlsWire {
    listen: SocketAddr,
    fingerprint: Fingerprint,
    acceptor: TlsAcceptor,
    dialer: Dialer,
}

impl TlsWire {
    /// A wire that will listen at `listen` and shows the certificate in `tls`.
    pub(crate) fn new(listen: SocketAddr, tls: TlsIdentity) -> Result<Self, TlsError> {
        let acceptor = TlsAcceptor::from(Arc::new(tls.server()?));
        Ok(Self { listen, fingerprint: tls.fingerprint(), acceptor, dialer: Dialer::new(tls) })
    }
}

impl Wire for TlsWire {
    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn carry(&self, parcel: Parcel) -> BoxFuture<'_, Result<Bytes, WireError>> {
        Box::pin(self.dialer.carry(parcel))
    }

    fn listen(&self, server: Server, stop: CancellationToken) -> BoxFuture<'_, io::Result<Serving>> {
        Box::pin(async move {
            let listener = TcpListener::bind(self.listen).await?;
            let serving: Serving = Box::pin(listener::serve(listener, self.acceptor.clone(), server, stop));
            Ok(serving)
        })
    }
}
