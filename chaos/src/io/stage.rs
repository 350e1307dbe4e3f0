//! The three replicas of a life, and the script of each role.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alloy_primitives::Address;
use bytes::Bytes;
use futures::future::BoxFuture;
use ollin_consensus::simulation::{ProcessId, World};
use ollin_consensus::{Batch, ClaimRequest, Disk, DiskError, Memory, OpenError, Parts, Record, SigningLog, Table};
use ollin_guard::{Binding, Refusal};
use ollin_protocol::units::{ReplicaId, Slot};
use parking_lot::Mutex;

use super::inspect::describe;
use super::life::{Delay, FLOOR, HELPER, Place, REPLICAS, Role, SUBJECT, Script, THIRD, acts, fatal, forget, tell};
use super::told::{Ended, Grant, Told, claimed, grants};
use super::wire::{Network, Plug, cluster_file, world};
use crate::simulation::payload::{ATTESTER, build};

/// Far beyond every slot of a life.
const HORIZON: Slot = Slot::new(1_000_000);
/// How long anything may take, on the life's clock.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
/// How long one try of a claim may take.
const CLAIM: Duration = Duration::from_millis(600);
/// How long a sync takes that is not delayed.
const SYNC: Duration = Duration::from_micros(500);
/// The variant of every claim that is granted; any other one is a conflict.
const OURS: u64 = 1;
const OTHER: u64 = 2;

/// The replicas, and what runs of them.
pub(super) struct Stage {
    place: Place,
    network: Network,
    running: BTreeMap<ReplicaId, Running>,
    syncs: Arc<AtomicU64>,
    delay: Option<Delay>,
    third_is_cut_off: bool,
}

struct Running {
    process: ProcessId,
    log: SigningLog,
}

/// A disk whose sync takes simulated time, and then happens on the real one.
struct Timed {
    disk: Box<dyn Disk>,
    /// Counted and delayed, of the replica under test.
    syncs: Option<(Arc<AtomicU64>, Option<Delay>)>,
}

type Step = Result<(), Ended>;

fn stuck(what: impl Into<String>) -> Ended {
    Ended::Stuck { message: what.into() }
}

async fn pause(time: Duration) {
    let pause = world().sleep(time);
    pause.await;
}

fn now_ms() -> u64 {
    u64::try_from(world().elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Stage {
    pub(super) fn new(place: Place, script: Script) -> Self {
        let delay = match script {
            Script::Whole { delay, .. } => delay,
            Script::Afterwards => None,
        };
        Self {
            place,
            network: Network::default(),
            running: BTreeMap::new(),
            syncs: Arc::default(),
            delay,
            third_is_cut_off: false,
        }
    }

    pub(super) async fn act(&mut self, script: Script) -> Step {
        match script {
            Script::Whole { role: Role::Leader, .. } => self.lead().await,
            Script::Whole { role: Role::Follower, .. } => self.follow().await,
            Script::Whole { role: Role::Recovering, .. } => self.recover().await,
            Script::Afterwards => self.ask_again().await,
        }
    }

    async fn lead(&mut self) -> Step {
        self.create(SUBJECT).await?;
        self.cut_off(THIRD);
        self.claim(0..34).await?;
        // A plain restart: the anchor speaks for it.
        self.stop(SUBJECT).await;
        self.come_back().await?;
        self.lead_again().await?;
        self.claim(34..38).await?;
        // Cut off with entries that nobody else has; the others go on without them.
        self.cut_off(SUBJECT);
        self.try_in_vain(90).await;
        self.join(THIRD);
        self.claim(38..40).await?;
        self.join(SUBJECT);
        self.level().await?;
        self.cut_off(THIRD);
        self.claim(40..42).await?;
        // Its machine restarts: it has to ask everyone.
        self.join(THIRD);
        self.kill(SUBJECT, true);
        self.start(SUBJECT).await?;
        self.whole(SUBJECT).await?;
        self.level().await?;
        self.cut_off(THIRD);
        self.lead_again().await?;
        self.claim(42..46).await?;
        self.stop(SUBJECT).await;
        Ok(())
    }

    async fn follow(&mut self) -> Step {
        self.create(HELPER).await?;
        self.cut_off(THIRD);
        self.claim(0..34).await?;
        self.kill(SUBJECT, false);
        self.come_back().await?;
        self.claim(34..38).await?;
        self.stop(SUBJECT).await;
        self.come_back().await?;
        self.claim(38..42).await?;
        // Its leader is gone: it votes for the third, or is voted for.
        self.join(THIRD);
        self.level().await?;
        self.kill(HELPER, false);
        self.claim(42..46).await?;
        self.stop(SUBJECT).await;
        Ok(())
    }

    async fn recover(&mut self) -> Step {
        self.create(HELPER).await?;
        self.claim(0..2).await?;
        self.level().await?;
        self.kill(SUBJECT, true);
        // More than is kept in front of a snapshot.
        self.claim(2..40).await?;
        self.start(SUBJECT).await?;
        self.whole(SUBJECT).await?;
        self.level().await?;
        self.cut_off(THIRD);
        self.claim(40..46).await?;
        self.join(THIRD);
        self.kill(SUBJECT, true);
        self.start(SUBJECT).await?;
        self.whole(SUBJECT).await?;
        self.level().await?;
        self.cut_off(THIRD);
        self.claim(46..50).await?;
        self.stop(SUBJECT).await;
        Ok(())
    }

    /// On what a life has left: every root that was granted is granted again, and no other.
    async fn ask_again(&mut self) -> Step {
        let told = std::fs::read(self.place.told()).map_err(|error| stuck(error.to_string()))?;
        let granted: Vec<Grant> = grants(&Told::parse_all(&told)).into_values().collect();
        let mut refused = None;
        for replica in REPLICAS {
            match self.start(replica).await {
                Ok(()) => {}
                Err(ended) if replica == SUBJECT => refused = Some(ended),
                Err(ended) => return Err(ended),
            }
        }
        // The first, the last, and some between them.
        let every = granted.len().div_ceil(6).max(1);
        let picked = granted.iter().enumerate().filter(|(at, _)| at % every == 0 || at + 1 == granted.len());
        for (_, grant) in picked {
            self.again(grant).await?;
        }
        refused.map_or(Ok(()), Err)
    }

    async fn again(&mut self, grant: &Grant) -> Step {
        let deadline = now_ms() + u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
        while now_ms() < deadline {
            for log in self.logs().into_iter().filter(acts) {
                match self.ask(&log, grant.number, OTHER).await {
                    Some(Err(Refusal::Conflict { bound, .. })) if bound == grant.root => {}
                    Some(answer) => return Err(stuck(format!("another root for claim {}: {answer:?}", grant.number))),
                    None => continue,
                }
                match self.ask(&log, grant.number, OURS).await {
                    Some(Ok(root)) if root == grant.root => return Ok(()),
                    Some(answer) => return Err(stuck(format!("the same root for claim {}: {answer:?}", grant.number))),
                    None => {}
                }
            }
            pause(LOOK).await;
        }
        Err(stuck(format!("nobody answered claim {} again", grant.number)))
    }

    /// One try; `None` without an answer.
    async fn ask(
        &self,
        log: &SigningLog,
        number: u64,
        variant: u64,
    ) -> Option<Result<ollin_protocol::units::SigningRoot, Refusal>> {
        let duty = claimed(number);
        let payload = build(duty.kind, duty.slot, variant)?;
        let request = ClaimRequest { duties: vec![duty], payload };
        log.set_slot_horizon(HORIZON);
        let deadline = world().now() + CLAIM;
        let mut answers = log.claim(vec![request], deadline).await.ok()?;
        Some(answers.pop()?.map(|grant| *grant.root()))
    }

    async fn create(&mut self, by: ReplicaId) -> Step {
        for replica in REPLICAS {
            self.start(replica).await?;
        }
        for replica in REPLICAS {
            self.whole(replica).await?;
        }
        let Some(log) = self.running.get(&by).map(|running| running.log.clone()) else { return Ok(()) };
        let (chain_id, rollup) = (31337, Address::repeat_byte(0xcc));
        let binding = Binding { chain_id, rollup, attesters: BTreeSet::from([ATTESTER]) };
        let created = log.create_cluster(binding, FLOOR).await;
        self.look()?;
        created.map_err(|error| stuck(format!("creation: {}", describe(&error))))
    }

    async fn start(&mut self, replica: ReplicaId) -> Step {
        let process = world().process();
        let opened = Arc::new(Mutex::new(None));
        let (put, network) = (Arc::clone(&opened), self.network.clone());
        let config = self.place.config(replica);
        let syncs = (replica == SUBJECT).then(|| (Arc::clone(&self.syncs), self.delay));
        drop(world().spawn_in(process, async move {
            let plug = Arc::new(Plug { network, replica, process });
            let result = match Parts::in_directories(&config, cluster_file(), plug) {
                Ok(parts) => {
                    let disk = Box::new(Timed { disk: parts.disk, syncs });
                    SigningLog::open_with(config, Parts { disk, fatal, ..parts }).await
                }
                Err(error) => Err(error),
            };
            *put.lock() = Some(result);
        }));
        let result: Result<SigningLog, OpenError> = loop {
            if let Some(result) = opened.lock().take() {
                break result;
            }
            pause(LOOK).await;
        };
        match result {
            Ok(log) => {
                log.set_slot_horizon(HORIZON);
                self.running.insert(replica, Running { process, log });
                self.look()
            }
            Err(error) => Err(Ended::Stopped { how: "refused".to_owned(), message: describe(&error) }),
        }
    }

    /// After a plain restart. If the anchor could not be written, everyone has to be asked, the third too.
    async fn come_back(&mut self) -> Step {
        self.start(SUBJECT).await?;
        let asks = |running: &Running| *running.log.memory().borrow() != Memory::Whole;
        if self.running.get(&SUBJECT).is_some_and(asks) {
            self.join(THIRD);
            self.whole(SUBJECT).await?;
            self.level().await?;
            self.cut_off(THIRD);
        }
        Ok(())
    }

    /// In order, as after a signal.
    async fn stop(&mut self, replica: ReplicaId) {
        let Some(Running { process, log }) = self.running.remove(&replica) else { return };
        let done = Arc::new(Mutex::new(false));
        let set = Arc::clone(&done);
        drop(world().spawn_in(process, async move {
            log.shutdown().await;
            *set.lock() = true;
        }));
        while !*done.lock() {
            pause(LOOK).await;
        }
        world().kill(process);
        self.network.unplug(process);
    }

    /// Without a word; with `machine`, what is in memory is gone too.
    fn kill(&mut self, replica: ReplicaId, machine: bool) {
        let Some(Running { process, log }) = self.running.remove(&replica) else { return };
        drop(log);
        world().kill(process);
        self.network.unplug(process);
        if machine {
            forget(&self.place.anchor(replica)).expect("nothing makes the removal of anchors fail");
        }
    }

    fn cut_off(&mut self, replica: ReplicaId) {
        self.third_is_cut_off |= replica == THIRD;
        self.network.cut_off(replica);
    }

    fn join(&mut self, replica: ReplicaId) {
        self.third_is_cut_off &= replica != THIRD;
        self.network.join(replica);
    }

    fn logs(&self) -> Vec<SigningLog> {
        self.running.values().map(|running| running.log.clone()).collect()
    }

    /// Ends the life if the replica under test has stopped.
    fn look(&self) -> Step {
        for log in self.logs() {
            log.set_slot_horizon(HORIZON);
        }
        let halted = self.running.get(&SUBJECT).and_then(|running| running.log.view().halted);
        halted.map_or(Ok(()), |message| Err(Ended::Stopped { how: "halted".to_owned(), message }))
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) -> Step {
        let deadline = now_ms() + u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
        while !condition(self) {
            self.look()?;
            if now_ms() > deadline {
                return Err(stuck(what));
            }
            pause(LOOK).await;
        }
        self.look()
    }

    async fn whole(&self, replica: ReplicaId) -> Step {
        let whole =
            |stage: &Self| stage.running.get(&replica).is_some_and(|running| *running.log.memory().borrow() == Memory::Whole);
        self.until(&format!("the memory of replica {replica}"), whole).await
    }

    /// Waits until all that run have applied the same.
    async fn level(&self) -> Step {
        let level = |stage: &Self| {
            let applied: BTreeSet<u64> = stage.logs().iter().map(|log| *log.applied().borrow()).collect();
            applied.len() == 1 && stage.logs().iter().any(acts)
        };
        self.until("the same state on all replicas", level).await
    }

    async fn lead_again(&self) -> Step {
        self.until("a leader", |stage| stage.logs().iter().any(acts)).await?;
        if let Some(leader) = self.logs().into_iter().find(acts)
            && leader.replica() != SUBJECT
        {
            drop(leader.hand_over(SUBJECT).await);
        }
        self.look()
    }

    /// Claims until granted, one after the other; each is told before the next is made.
    async fn claim(&mut self, numbers: std::ops::Range<u64>) -> Step {
        for number in numbers {
            self.claim_one(number).await?;
        }
        Ok(())
    }

    async fn claim_one(&mut self, number: u64) -> Step {
        let deadline = now_ms() + u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
        while now_ms() < deadline {
            self.look()?;
            for log in self.logs().into_iter().filter(acts) {
                let asked = self.ask(&log, number, OURS).await;
                self.look()?;
                match asked {
                    Some(Ok(root)) => {
                        let needed = self.third_is_cut_off || !self.running.contains_key(&HELPER);
                        let term = log.view().term.get();
                        let own = log.replica() == SUBJECT;
                        tell(&Told::Granted(Grant { number, root, term, own, needed, at_ms: now_ms() }));
                        return Ok(());
                    }
                    Some(Err(refusal)) => return Err(stuck(format!("claim {number} was refused: {refusal}"))),
                    None => {}
                }
            }
            pause(LOOK).await;
        }
        Err(stuck(format!("claim {number} was not granted")))
    }

    /// Entries on the subject's disk that will not be committed.
    async fn try_in_vain(&self, first: u64) {
        let Some(log) = self.running.get(&SUBJECT).map(|running| running.log.clone()) else { return };
        for number in first..first + 2 {
            drop(self.ask(&log, number * 4, OTHER).await);
        }
    }
}

impl Disk for Timed {
    fn place(&self) -> String {
        self.disk.place()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, DiskError> {
        self.disk.get(table, key)
    }

    fn scan(&self, table: Table, first: &[u8]) -> Box<dyn Iterator<Item = Result<Record, DiskError>> + '_> {
        self.disk.scan(table, first)
    }

    fn write(&self, batch: Batch) -> Result<(), DiskError> {
        self.disk.write(batch)
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.disk.sync()
    }

    /// The real sync comes first, and is known when the time is over.
    fn sync_in_task(&self) -> Option<BoxFuture<'_, Result<(), DiskError>>> {
        World::current()?;
        Some(Box::pin(async move {
            let synced = self.disk.sync();
            let mut time = SYNC;
            if let Some((syncs, delay)) = &self.syncs {
                let number = syncs.fetch_add(1, Ordering::Relaxed);
                if let Some(delay) = delay.filter(|delay| delay.sync == number) {
                    time = delay.time;
                    let from_ms = now_ms();
                    let to_ms = from_ms + u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                    tell(&Told::Delayed { from_ms, to_ms });
                }
            }
            pause(time).await;
            synced
        }))
    }
}
