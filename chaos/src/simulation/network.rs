//! A network that loses, delays, doubles and reorders frames.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use ollin_consensus::simulation::{ProcessId, Sleep, World};
use ollin_consensus::{Fingerprint, Parcel, Server, Serving, Wire, WireError};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::fault::Outage;
use super::story::{HostId, Recorder};

/// One frame in a hundred arrives twice.
const DOUBLED_PERCENT: u64 = 1;

/// The network between all machines. Clones are the same one.
#[derive(Clone)]
pub(super) struct Network {
    inner: Arc<Mutex<Inner>>,
    recorder: Recorder,
}

struct Inner {
    /// Who listens at an address: whoever came last.
    listening: BTreeMap<String, Vec<Listener>>,
    /// Outages in force, by number.
    outages: BTreeMap<u64, Outage>,
    /// How long a frame takes at most.
    way: Duration,
    /// Frames that are lost, in percent.
    lost_percent: u64,
}

#[derive(Clone)]
struct Listener {
    host: HostId,
    process: ProcessId,
    fingerprint: Fingerprint,
    server: Server,
}

/// One process's access to the network.
pub(super) struct Plug {
    pub(super) network: Network,
    pub(super) host: HostId,
    pub(super) process: ProcessId,
    pub(super) address: String,
    pub(super) fingerprint: Fingerprint,
}

impl Network {
    pub(super) fn new(way: Duration, recorder: Recorder) -> Self {
        let inner = Inner { listening: BTreeMap::new(), outages: BTreeMap::new(), way, lost_percent: 0 };
        Self { inner: Arc::new(Mutex::new(inner)), recorder }
    }

    pub(super) fn cut(&self, number: u64, outage: Outage) {
        self.inner.lock().outages.insert(number, outage);
    }

    pub(super) fn mend(&self, number: u64) {
        self.inner.lock().outages.remove(&number);
    }

    pub(super) fn mend_all(&self) {
        self.inner.lock().outages.clear();
    }

    pub(super) fn set_weather(&self, way: Duration, lost_percent: u64) {
        let mut inner = self.inner.lock();
        (inner.way, inner.lost_percent) = (way, lost_percent);
    }

    /// Nobody answers any more where this process did.
    pub(super) fn unplug(&self, process: ProcessId) {
        for listeners in self.inner.lock().listening.values_mut() {
            listeners.retain(|listener| listener.process != process);
        }
    }

    /// Whether a frame that is on its way arrives.
    fn arrives(&self, world: &World, from: HostId, to: HostId) -> bool {
        let inner = self.inner.lock();
        let cut = inner.outages.values().any(|outage| outage.cuts(from, to));
        !cut && world.below(100) >= inner.lost_percent
    }

    /// How long a frame is on its way: mostly short, now and then the whole span, so that later ones overtake it.
    fn travel(&self, world: &World) -> Sleep {
        let way = u64::try_from(self.inner.lock().way.as_micros()).unwrap_or(u64::MAX);
        let span = if world.below(10) == 0 { way } else { way / 4 };
        world.sleep(Duration::from_micros(50 + world.below(span)))
    }

    /// Carries one copy of a frame there, and the answer back.
    async fn deliver(self, from: (HostId, Fingerprint), to: Listener, frame: Bytes) -> Option<Bytes> {
        let travel = self.travel(&world());
        travel.await;
        let answering = {
            let world = world();
            if !self.arrives(&world, from.0, to.host) {
                return None;
            }
            self.recorder.frame(world.elapsed(), from.0, to.host, &frame);
            let (server, sender) = (to.server, from.1);
            world.spawn_in(
                to.process,
                async move { if server.admits(&sender) { server.answer(sender, &frame).await } else { None } },
            )
        };
        let answer = answering.await??;
        let travel = self.travel(&world());
        travel.await;
        let world = world();
        if !self.arrives(&world, to.host, from.0) {
            return None;
        }
        self.recorder.frame(world.elapsed(), to.host, from.0, &answer);
        Some(answer)
    }
}

impl Wire for Plug {
    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn carry(&self, parcel: Parcel) -> BoxFuture<'_, Result<Bytes, WireError>> {
        let world = world();
        let listener = self.network.inner.lock().listening.get(&parcel.address).and_then(|held| held.last().cloned());
        let Some(listener) = listener.filter(|listener| listener.fingerprint == parcel.fingerprint) else {
            let refused = self.network.travel(&world);
            return Box::pin(async move {
                refused.await;
                Err(WireError::Unreachable { reason: "nobody listens there".to_owned() })
            });
        };
        let (answer, answered) = oneshot::channel();
        let copies = if world.below(100) < DOUBLED_PERCENT { 2 } else { 1 };
        let mut answer = Some(answer);
        for _ in 0..copies {
            let delivery = self.network.clone().deliver((self.host, self.fingerprint), listener.clone(), parcel.frame.clone());
            let answer = answer.take();
            // In the network: a frame that has left does not die with its sender.
            drop(world.spawn_in(ProcessId::default(), async move {
                if let (Some(bytes), Some(answer)) = (delivery.await, answer) {
                    drop(answer.send(bytes));
                }
            }));
        }
        Box::pin(async move {
            match answered.await {
                Ok(bytes) => Ok(bytes),
                // A lost frame is not heard of again.
                Err(_) => std::future::pending().await,
            }
        })
    }

    fn listen(&self, server: Server, stop: CancellationToken) -> BoxFuture<'_, io::Result<Serving>> {
        let Self { host, process, fingerprint, .. } = *self;
        let listener = Listener { host, process, fingerprint, server };
        self.network.inner.lock().listening.entry(self.address.clone()).or_default().push(listener);
        let serving: Serving = Box::pin(async move { stop.cancelled().await });
        Box::pin(async move { Ok(serving) })
    }
}

pub(super) fn world() -> World {
    World::current().expect("frames travel only while the world runs")
}
