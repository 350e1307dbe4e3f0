//! A network that loses, delays, doubles and reorders frames.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use ollin_consensus::simulation::{ProcessId, Sleep, World};
use ollin_consensus::{Fingerprint, Freight, Parcel, Server, Serving, Wire, WireError};
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
    /// Addresses of machines that are switched off: nobody refuses a frame there.
    dark: BTreeSet<String>,
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
        let (listening, dark, outages) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let inner = Inner { listening, dark, outages, way, lost_percent: 0 };
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

    /// A process was killed: its kernel ends its connections, and refuses new ones.
    pub(super) fn unplug(&self, world: &World, process: ProcessId) {
        let gone = self.take_away(process);
        for gone in gone {
            let others: Vec<Listener> = self.inner.lock().listening.values().flatten().cloned().collect();
            for other in others.into_iter().filter(|other| other.host != gone.host) {
                let (network, from, fingerprint) = (self.clone(), gone.host, gone.fingerprint);
                drop(world.spawn_in(other.process, async move {
                    let travel = network.travel(&self::world());
                    travel.await;
                    if network.arrives(&self::world(), from, other.host) {
                        other.server.connection_ended(&fingerprint);
                    }
                }));
            }
        }
    }

    /// A machine was switched off: its process answers no more, and nobody says so.
    pub(super) fn go_dark(&self, process: ProcessId, address: &str) {
        self.take_away(process);
        self.inner.lock().dark.insert(address.to_owned());
    }

    /// A machine was switched on.
    pub(super) fn light_up(&self, address: &str) {
        self.inner.lock().dark.remove(address);
    }

    fn take_away(&self, process: ProcessId) -> Vec<Listener> {
        let mut gone = Vec::new();
        for listeners in self.inner.lock().listening.values_mut() {
            gone.extend(listeners.extract_if(.., |listener| listener.process == process));
        }
        gone
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

    /// Carries one copy of a frame there, and the answer back; `None` if one of them gets lost.
    async fn deliver(
        self,
        from: (HostId, Fingerprint),
        to: Listener,
        parcel: (Freight, Bytes),
    ) -> Option<Result<Bytes, WireError>> {
        let travel = self.travel(&world());
        travel.await;
        let answering = {
            let world = world();
            if !self.arrives(&world, from.0, to.host) {
                return None;
            }
            self.recorder.frame(world.elapsed(), from.0, to.host, &parcel.1);
            world.spawn_in(to.process, answer(to.server, from.1, parcel))
        };
        let answer = answering.await?;
        let travel = self.travel(&world());
        travel.await;
        let world = world();
        if !self.arrives(&world, to.host, from.0) {
            return None;
        }
        let answer = answer.ok_or(WireError::Broken { reason: "refused".to_owned() });
        self.recorder.frame(world.elapsed(), to.host, from.0, answer.as_deref().unwrap_or_default());
        Some(answer)
    }
}

/// What a process answers to whoever has connected: as the real listener does.
async fn answer(server: Server, sender: Fingerprint, (freight, frame): (Freight, Bytes)) -> Option<Bytes> {
    match freight {
        Freight::Admission => Some(server.testify(&sender)),
        Freight::Frame | Freight::Snapshot if server.admits(&sender) => server.answer(sender, &frame).await,
        Freight::Frame | Freight::Snapshot => server.turn_away(&sender),
    }
}

impl Wire for Plug {
    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn carry(&self, parcel: Parcel) -> BoxFuture<'_, Result<Bytes, WireError>> {
        let world = world();
        let (listener, is_dark) = {
            let inner = self.network.inner.lock();
            let listener = inner.listening.get(&parcel.address).and_then(|held| held.last().cloned());
            (listener, inner.dark.contains(&parcel.address))
        };
        // A copy of the machine may answer in its place.
        if is_dark && listener.is_none() {
            return Box::pin(std::future::pending());
        }
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
            let content = (parcel.freight, parcel.frame.clone());
            let delivery = self.network.clone().deliver((self.host, self.fingerprint), listener.clone(), content);
            let answer = answer.take();
            // In the network: a frame that has left does not die with its sender.
            drop(world.spawn_in(ProcessId::default(), async move {
                if let (Some(answered), Some(answer)) = (delivery.await, answer) {
                    drop(answer.send(answered));
                }
            }));
        }
        Box::pin(async move {
            match answered.await {
                Ok(answered) => answered,
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
