//! What operators do: they change the members, and heal a replica that was refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ollin_consensus::simulation::{Image, ProcessId, World};
use ollin_consensus::{MemberError, MemberKind, MemberOrder, Memory, SigningLog};
use ollin_protocol::units::ReplicaId;
use parking_lot::Mutex;

use super::cluster::Cluster;
use super::duties::pause;
use super::host::{Slotted, address, fingerprint};
use super::network::world;
use super::story::{Event, HostId, Recorder};

/// Pause before an order is given again.
const AGAIN: Duration = Duration::from_millis(150);
/// How long a machine may be out before somebody looks after it.
const PATIENCE: Duration = Duration::from_millis(600);

/// A change of the members, from its first order to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new machine joins, and votes; it leaves again after so long.
    Visit(Duration),
    /// A new machine takes a replica's place.
    Replace(ReplicaId),
    /// A voter becomes a learner, and votes again after so long.
    Rest(ReplicaId, Duration),
}

/// Where operators find the processes. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Desk {
    running: Arc<Mutex<BTreeMap<HostId, (ProcessId, Slotted)>>>,
    /// Replicas that are to leave, or have left.
    leaving: Arc<Mutex<BTreeSet<ReplicaId>>>,
    /// Replicas whose store is lost for good, until they vote under another Raft id.
    lost: Arc<Mutex<BTreeSet<ReplicaId>>>,
}

/// An operator at work.
#[derive(Clone)]
struct Operator {
    desk: Desk,
    recorder: Recorder,
}

impl Desk {
    pub(super) fn started(&self, host: HostId, process: ProcessId, log: Slotted) {
        self.running.lock().insert(host, (process, log));
    }

    pub(super) fn ended(&self, host: HostId) {
        self.running.lock().remove(&host);
    }

    /// Any of the processes that have opened their log.
    fn any(&self, world: &World) -> Option<(ProcessId, SigningLog)> {
        let running: Vec<_> =
            self.running.lock().values().filter_map(|(process, log)| Some((*process, log.lock().clone()?))).collect();
        let drawn = usize::try_from(world.below(running.len() as u64)).ok()?;
        running.into_iter().nth(drawn)
    }
}

impl Operator {
    /// Gives an order until it is carried out: whoever is asked may not know the leader, or die.
    async fn order(&self, order: MemberOrder) {
        if let Some(replica) = leaving(&order) {
            self.desk.leaving.lock().insert(replica);
            self.recorder.tell(world().elapsed(), Event::Leaving { replica });
        }
        let mut said_before = None;
        loop {
            let asked = self.desk.any(&world()).map(|(process, log)| {
                let order = order.clone();
                world().spawn_in(process, async move { log.change_members(order).await })
            });
            let outcome = match asked {
                Some(asked) => asked.await,
                None => None,
            };
            let is_done = matches!(outcome, Some(Ok(_)));
            let said = match outcome {
                Some(Ok(changed)) => Some(format!("Raft id {}, at entry {}", changed.raft_id, changed.index)),
                Some(Err(MemberError::Refused(refusal))) => Some(refusal.to_string()),
                Some(Err(_)) | None => None,
            };
            if let Some(answer) = said.filter(|said| said_before.as_ref() != Some(said)) {
                said_before = Some(answer.clone());
                self.recorder.tell(world().elapsed(), Event::Ordered { order: order.clone(), is_done, answer });
            }
            if is_done {
                return;
            }
            pause(AGAIN).await;
        }
    }

    async fn add(&self, replica: ReplicaId) {
        let (address, fingerprint, kind) = (address(replica), fingerprint(replica), MemberKind::Full);
        self.order(MemberOrder::Add { replica, address, fingerprint, kind }).await;
    }

    async fn change(self, change: Change, new: ReplicaId) {
        match change {
            Change::Visit(stay) => {
                self.add(new).await;
                self.order(MemberOrder::Promote { replica: new }).await;
                pause(stay).await;
                self.order(MemberOrder::Demote { replica: new }).await;
                self.order(MemberOrder::Remove { replica: new }).await;
            }
            Change::Replace(old) => {
                self.add(new).await;
                self.order(MemberOrder::Replace { old, new }).await;
            }
            Change::Rest(replica, rest) => {
                self.order(MemberOrder::Demote { replica }).await;
                pause(rest).await;
                self.order(MemberOrder::Promote { replica }).await;
            }
        }
    }

    async fn heal(self, replica: ReplicaId) {
        self.order(MemberOrder::Renew { replica }).await;
        self.order(MemberOrder::Promote { replica }).await;
        self.desk.lost.lock().remove(&replica);
    }
}

fn leaving(order: &MemberOrder) -> Option<ReplicaId> {
    match order {
        MemberOrder::Remove { replica } | MemberOrder::Replace { old: replica, .. } => Some(*replica),
        MemberOrder::Add { .. } | MemberOrder::Renew { .. } | MemberOrder::Promote { .. } | MemberOrder::Demote { .. } => None,
    }
}

impl Cluster {
    pub(super) fn change_members(&mut self, change: Change) {
        let machines = self.hosts.values().filter(|host| !host.is_copy()).map(|host| host.id.0);
        let id = HostId(machines.max().unwrap_or(0) + 1);
        let new = ReplicaId::new(id.0);
        if !matches!(change, Change::Rest(..)) {
            self.add_host(id, new);
            self.start(id);
        }
        drop(self.world.spawn_in(ProcessId::default(), self.operator().change(change, new)));
    }

    fn operator(&self) -> Operator {
        Operator { desk: self.desk.clone(), recorder: self.recorder.clone() }
    }

    /// Looks after a machine. One that was admitted under a new Raft id starts anew; one whose store was refused loses it, and comes
    /// back as a new member; and one that waits for such a one is told to go on without it.
    pub(super) fn look_after(&mut self, id: HostId) {
        let now = self.world.elapsed();
        let Some(host) = self.hosts.get_mut(&id).filter(|host| !host.is_copy()) else { return };
        if let Some(log) = host.log() {
            if *log.admitted().borrow() {
                host.is_member = true;
                self.kill(id);
                self.start(id);
                return;
            }
            let view = log.view();
            if view.memory == Memory::Recovering {
                let lost = self.desk.lost.lock();
                for replica in view.waits_for.iter().filter(|replica| lost.contains(replica)) {
                    // It may have answered meanwhile.
                    drop(log.proceed_without(*replica));
                }
            }
        }
        let known = self.desk.leaving.lock().contains(&host.replica) || self.desk.lost.lock().contains(&host.replica);
        let is_out = (host.halted || host.refused.load(Ordering::Relaxed)) && host.is_member && !known;
        host.out_since = host.out_since.filter(|_| is_out).or(is_out.then_some(now));
        if host.out_since.is_some_and(|since| now >= since + PATIENCE) {
            self.heal_replica(id);
        }
    }

    fn heal_replica(&mut self, id: HostId) {
        self.kill(id);
        self.swap_disk(id, Image::default());
        let Some(replica) = self.hosts.get(&id).map(|host| host.replica) else { return };
        self.desk.lost.lock().insert(replica);
        self.start(id);
        drop(self.world.spawn_in(ProcessId::default(), self.operator().heal(replica)));
    }
}
