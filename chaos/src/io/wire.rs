//! A network that does nothing to its frames, save that a machine can be cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use ollin_consensus::simulation::{ProcessId, World};
use ollin_consensus::{ClusterFile, Fingerprint, MemberKind, Parcel, ReplicaAddress, Server, Serving, Wire, WireError};
use ollin_protocol::units::ReplicaId;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

const WAY: Duration = Duration::from_millis(1);

/// The network between three replicas. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Network {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    listening: BTreeMap<String, Listener>,
    cut_off: BTreeSet<ReplicaId>,
}

#[derive(Clone)]
struct Listener {
    replica: ReplicaId,
    process: ProcessId,
    server: Server,
}

/// One process's access to the network.
pub(super) struct Plug {
    pub(super) network: Network,
    pub(super) replica: ReplicaId,
    pub(super) process: ProcessId,
}

impl Network {
    pub(super) fn cut_off(&self, replica: ReplicaId) {
        self.inner.lock().cut_off.insert(replica);
    }

    pub(super) fn join(&self, replica: ReplicaId) {
        self.inner.lock().cut_off.remove(&replica);
    }

    /// Nobody answers any more where this process did.
    pub(super) fn unplug(&self, process: ProcessId) {
        self.inner.lock().listening.retain(|_, listener| listener.process != process);
    }

    fn connects(&self, one: ReplicaId, other: ReplicaId) -> bool {
        let cut_off = &self.inner.lock().cut_off;
        one == other || !cut_off.contains(&one) && !cut_off.contains(&other)
    }

    async fn deliver(self, from: ReplicaId, to: Listener, frame: Bytes) -> Option<Bytes> {
        pause().await;
        if !self.connects(from, to.replica) {
            return None;
        }
        let (server, sender) = (to.server, fingerprint(from));
        let answering = world()
            .spawn_in(to.process, async move { if server.admits(&sender) { server.answer(sender, &frame).await } else { None } });
        let answer = answering.await??;
        pause().await;
        self.connects(from, to.replica).then_some(answer)
    }
}

impl Wire for Plug {
    fn fingerprint(&self) -> Fingerprint {
        fingerprint(self.replica)
    }

    fn carry(&self, parcel: Parcel) -> BoxFuture<'_, Result<Bytes, WireError>> {
        let listener = self.network.inner.lock().listening.get(&parcel.address).cloned();
        let Some(listener) = listener.filter(|listener| fingerprint(listener.replica) == parcel.fingerprint) else {
            return Box::pin(async {
                pause().await;
                Err(WireError::Unreachable { reason: "nobody listens there".to_owned() })
            });
        };
        let (answer, answered) = oneshot::channel();
        let delivery = self.network.clone().deliver(self.replica, listener, parcel.frame);
        // In the network: a frame that has left does not die with its sender.
        drop(world().spawn_in(ProcessId::default(), async move {
            if let Some(bytes) = delivery.await {
                drop(answer.send(bytes));
            }
        }));
        Box::pin(async move {
            match answered.await {
                Ok(bytes) => Ok(bytes),
                // A lost frame is not heard of again.
                Err(_) => std::future::pending().await,
            }
        })
    }

    fn listen(&self, server: Server, stop: CancellationToken) -> BoxFuture<'_, io::Result<Serving>> {
        let listener = Listener { replica: self.replica, process: self.process, server };
        self.network.inner.lock().listening.insert(address(self.replica), listener);
        let serving: Serving = Box::pin(async move { stop.cancelled().await });
        Box::pin(async move { Ok(serving) })
    }
}

/// The world that runs on this thread.
pub(super) fn world() -> World {
    World::current().expect("a life goes on only while its world runs")
}

async fn pause() {
    let pause = world().sleep(WAY);
    pause.await;
}

/// Certificates are not simulated: a replica's fingerprint is made of its id.
fn fingerprint(replica: ReplicaId) -> Fingerprint {
    let mut fingerprint = [0xf0; 32];
    fingerprint[24..].copy_from_slice(&replica.get().to_be_bytes());
    fingerprint
}

fn address(replica: ReplicaId) -> String {
    format!("replica-{replica}:9000")
}

/// The cluster file of the three.
pub(super) fn cluster_file() -> ClusterFile {
    let replica =
        |id| ReplicaAddress { id, address: address(id), fingerprint: hex::encode(fingerprint(id)), kind: MemberKind::Full };
    let replicas = super::life::REPLICAS.into_iter().map(replica).collect();
    ClusterFile { cluster_id: "00112233445566778899aabbccddeeff".to_owned(), replicas }
}
