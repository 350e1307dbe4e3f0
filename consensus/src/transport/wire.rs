//! How the bytes of frames get from one replica to another.

use std::io;

use bytes::Bytes;
use futures::future::BoxFuture;
use ollin_protocol::units::ReplicaId;
use tokio_util::sync::CancellationToken;

use super::server::Server;
use super::tls::Fingerprint;

/// Calls that may not wait for each other go over connections of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Entries and votes.
    Replication,
    /// Signs of life.
    Heartbeat,
    /// Whole states.
    Snapshot,
}

/// What a parcel holds: a snapshot may be larger than any other frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freight {
    /// An encoded frame.
    Frame,
    /// An encoded frame with a snapshot in it.
    Snapshot,
    /// Nothing: the sender asks what its certificate is to the receiver. Answered by [`Server::testify`], whoever asks.
    Admission,
}

/// An encoded frame on its way to a member.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The member's Raft id.
    pub to: u64,
    /// Its stable name, which its certificate bears.
    pub name: ReplicaId,
    /// Where it listens, `host:port`.
    pub address: String,
    /// SHA-256 of its certificate's DER: nobody else may be given the frame.
    pub fingerprint: [u8; 32],
    /// The kept connection that it goes over; `None` for a connection of its own.
    pub lane: Option<Lane>,
    /// What it holds.
    pub freight: Freight,
    /// The frame.
    pub frame: Bytes,
}

/// Why a parcel has no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// There is no connection, and none could be made: the frame did not leave.
    #[error("cannot be reached: {reason}")]
    Unreachable {
        /// Why.
        reason: String,
    },
    /// The connection broke, or the answer is no frame: the frame may have arrived.
    #[error("gave no usable answer: {reason}")]
    Broken {
        /// Why.
        reason: String,
    },
}

/// Serves arriving frames until it is stopped.
pub type Serving = BoxFuture<'static, ()>;

/// Carries frames between this replica and the others. The caller sets deadlines: a future of [`Wire::carry`] may be dropped at
/// any time, and its frame may arrive all the same.
pub trait Wire: Send + Sync + 'static {
    /// SHA-256 of this replica's own certificate.
    fn fingerprint(&self) -> Fingerprint;

    /// Carries a frame to a member, and its answer back.
    fn carry(&self, parcel: Parcel) -> BoxFuture<'_, Result<Bytes, WireError>>;

    /// Takes the address at which this replica listens. Once the returned future is polled, arriving frames are given to `server`,
    /// each with the fingerprint that its sender has proven to own; until `stop`.
    fn listen(&self, server: Server, stop: CancellationToken) -> BoxFuture<'_, io::Result<Serving>>;
}
