//! The course of a run: machines, faults, and the end of both.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use ollin_consensus::simulation::{MemoryDisk, ProcessId, SyncTimes, World};
use ollin_protocol::units::ReplicaId;

use super::duties::{Site, live};
use super::fault::Fault;
use super::host::{Disks, Host, Slotted, address, fingerprint, floor, slot_at};
use super::network::{Network, Plug};
use super::payload::{KINDS, duty};
use super::plan::Plan;
use super::story::{Event, HostId, Recorder, Sample, Story};
use super::{END, HEALED_AT};

/// How often the world is looked at from outside.
const LOOK: Duration = Duration::from_millis(100);
/// Every so many looks the states are compared.
const LOOKS_PER_SAMPLE: u64 = 5;
/// How long a supervisor waits before it starts a process again.
const RESTART: Duration = Duration::from_millis(300);

/// The machines, and what is still to come.
pub(super) struct Cluster {
    world: World,
    network: Network,
    recorder: Recorder,
    disks: Disks,
    replicas: Vec<ReplicaId>,
    hosts: BTreeMap<HostId, Host>,
    /// What happens when; equal times in the order in which they were set.
    agenda: BTreeMap<(Duration, u64), Step>,
    next: u64,
    looks: u64,
    sync: Duration,
    way: Duration,
}

enum Step {
    Look,
    Start(HostId),
    Strike(Fault),
    Resume(HostId, ProcessId),
    Mend(u64),
    Clear,
    QuickDisk(HostId),
    Vanish(HostId),
    Heal,
}

impl Cluster {
    pub(super) fn new(seed: u64, plan: &Plan) -> Self {
        let recorder = Recorder::default();
        let mut cluster = Self {
            world: World::new(seed),
            network: Network::new(plan.way, recorder.clone()),
            recorder,
            disks: Disks::default(),
            replicas: plan.hosts.iter().map(|host| ReplicaId::new(host.0)).collect(),
            hosts: BTreeMap::new(),
            agenda: BTreeMap::new(),
            next: 0,
            looks: 0,
            sync: plan.sync,
            way: plan.way,
        };
        for id in &plan.hosts {
            cluster.add_host(*id, ReplicaId::new(id.0), MemoryDisk::new(id.to_string()));
            cluster.at(Duration::ZERO, Step::Start(*id));
        }
        cluster
    }

    pub(super) fn run(mut self, plan: &Plan) -> Story {
        for (at, fault) in &plan.faults {
            self.at(*at, Step::Strike(fault.clone()));
        }
        self.at(HEALED_AT, Step::Heal);
        self.at(LOOK, Step::Look);
        while let Some(((at, _), step)) = self.agenda.pop_first() {
            if let Err(livelock) = self.world.run_until(at.min(END)) {
                self.tell(Event::Stuck { reason: livelock.to_string() });
                break;
            }
            if at >= END {
                self.conclude();
                break;
            }
            let world = self.world.clone();
            world.enter(|| self.step(step));
        }
        let story = self.recorder.take();
        // Whatever still runs ends with its world.
        let ended = catch_unwind(AssertUnwindSafe(|| self.world.clone().enter(|| drop(self))));
        assert!(ended.is_ok(), "the end of a world panicked");
        story
    }

    fn at(&mut self, time: Duration, step: Step) {
        self.next += 1;
        self.agenda.insert((time, self.next), step);
    }

    fn after(&mut self, wait: Duration, step: Step) {
        self.at(self.world.elapsed() + wait, step);
    }

    fn tell(&self, event: Event) {
        self.recorder.tell(self.world.elapsed(), event);
    }

    fn add_host(&mut self, id: HostId, replica: ReplicaId, disk: MemoryDisk) {
        self.disks.add(id, disk.clone());
        self.hosts.insert(id, Host::new(id, replica, disk, self.sync));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Look => self.look(),
            Step::Start(host) => self.start(host),
            Step::Strike(fault) => self.strike(fault),
            Step::Resume(host, process) => {
                if self.hosts.get(&host).is_some_and(|host| host.process == Some(process)) {
                    self.world.resume(process);
                }
            }
            Step::Mend(number) => self.network.mend(number),
            Step::Clear => self.network.set_weather(self.way, 0),
            Step::QuickDisk(host) => self.set_sync(host, self.sync),
            Step::Vanish(host) => {
                self.kill(host, 0);
                self.hosts.remove(&host);
            }
            Step::Heal => self.heal(),
        }
    }

    fn with_host(&self, id: HostId, act: impl FnOnce(&Host)) {
        if let Some(host) = self.hosts.get(&id) {
            act(host);
        }
    }

    fn set_sync(&self, id: HostId, sync: Duration) {
        self.with_host(id, |host| host.disk.set_sync_times(SyncTimes { least: sync / 8, most: sync }));
    }

    fn start(&mut self, id: HostId) {
        let world = self.world.clone();
        let Some(host) = self.hosts.get_mut(&id).filter(|host| host.process.is_none()) else { return };
        let process = world.process();
        host.process = Some(process);
        host.halted = false;
        host.log = Slotted::default();
        let replica = host.replica;
        let site = Arc::new(Site {
            host: id,
            replica,
            replicas: self.replicas.clone(),
            clock: host.clock.clone(),
            disks: self.disks.clone(),
            recorder: self.recorder.clone(),
            log: Arc::clone(&host.log),
        });
        let plug = Plug {
            network: self.network.clone(),
            host: id,
            process,
            address: address(replica),
            fingerprint: fingerprint(replica),
        };
        let disk = host.disk.clone();
        self.tell(Event::Started { host: id, replica });
        drop(world.spawn_in(process, live(site, disk, plug)));
    }

    /// Ends a host's process. Its disk keeps what was durable and the first `kept` batches of the rest.
    fn kill(&mut self, id: HostId, kept: usize) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        let Some(process) = host.process.take() else { return };
        drop(host.log.lock().take());
        self.world.kill(process);
        self.network.unplug(process);
        let lost_batches = host.disk.unsynced().saturating_sub(kept);
        host.disk.crash(kept);
        self.tell(Event::Killed { host: id, lost_batches });
    }

    fn crash(&mut self, id: HostId, kept: usize, down: Duration) {
        self.kill(id, kept);
        self.after(down, Step::Start(id));
    }

    /// Ends a host's process, and puts another disk in its place.
    fn replace_disk(&mut self, id: HostId, disk: MemoryDisk, down: Duration) {
        self.kill(id, 0);
        self.disks.doubt(id);
        let sync = self.sync;
        if let Some(host) = self.hosts.get_mut(&id) {
            host.disk = disk;
        }
        self.set_sync(id, sync);
        self.after(down, Step::Start(id));
    }

    fn strike(&mut self, fault: Fault) {
        let now = self.world.elapsed();
        self.tell(Event::Struck(fault.clone()));
        match fault {
            Fault::Crash { host, kept, down } => self.crash(host, kept, down),
            Fault::PowerCut { kept, down } => {
                for host in self.ids() {
                    self.crash(host, kept, down);
                }
            }
            Fault::Pause { host, down } => {
                if let Some(process) = self.hosts.get(&host).and_then(|host| host.process) {
                    self.world.pause(process);
                    self.after(down, Step::Resume(host, process));
                }
            }
            Fault::Cut { outage, down } => {
                let number = self.next;
                self.network.cut(number, outage);
                self.after(down, Step::Mend(number));
            }
            Fault::Weather { lost_percent, late, down } => {
                self.network.set_weather(late, lost_percent);
                self.after(down, Step::Clear);
            }
            Fault::SlowDisk { host, sync, down } => {
                self.set_sync(host, sync);
                self.after(down, Step::QuickDisk(host));
            }
            Fault::FailingDisk { host, .. } => self.with_host(host, |host| host.disk.fail("no medium")),
            Fault::WrongClock { host, by_ms } => self.with_host(host, |host| host.clock.set_wrong_by(by_ms)),
            Fault::RolledBack { host, by, down } => self.roll_back(host, now, by, down),
            Fault::AllRolledBack { by, down } => {
                for host in self.ids() {
                    self.roll_back(host, now, by, down);
                }
            }
            Fault::Wiped { host, down } => self.replace_disk(host, MemoryDisk::new(host.to_string()), down),
            Fault::Cloned { host, by, lives } => self.clone_host(host, now, by, lives),
            Fault::Transfer { to } => self.transfer(to),
        }
    }

    fn ids(&self) -> Vec<HostId> {
        self.hosts.keys().copied().collect()
    }

    fn roll_back(&mut self, id: HostId, now: Duration, by: Duration, down: Duration) {
        let Some(image) = self.hosts.get(&id).map(|host| host.backup(now, by)) else { return };
        self.replace_disk(id, MemoryDisk::of(id.to_string(), image), down);
    }

    fn clone_host(&mut self, id: HostId, now: Duration, by: Duration, lives: Duration) {
        let Some((replica, image)) = self.hosts.get(&id).map(|host| (host.replica, host.backup(now, by))) else { return };
        let copy = HostId(self.hosts.keys().last().map_or(0, |last| last.0) + 10);
        self.hosts.insert(copy, Host::new(copy, replica, MemoryDisk::of(copy.to_string(), image), self.sync));
        self.start(copy);
        self.after(lives, Step::Vanish(copy));
    }

    /// Whoever leads is asked to hand over.
    fn transfer(&mut self, to: HostId) {
        let Some(to) = self.hosts.get(&to).map(|host| host.replica) else { return };
        for host in self.hosts.values() {
            if let (Some(log), Some(process)) = (host.log(), host.process)
                && log.role().borrow().active_term().is_some()
            {
                drop(self.world.spawn_in(process, async move { drop(log.hand_over(to).await) }));
            }
        }
    }

    fn heal(&mut self) {
        self.network.mend_all();
        self.network.set_weather(self.way, 0);
        let copies: Vec<HostId> = self.ids().into_iter().filter(|id| !self.replicas.contains(&ReplicaId::new(id.0))).collect();
        for copy in copies {
            self.step(Step::Vanish(copy));
        }
        for id in self.ids() {
            self.set_sync(id, self.sync);
            self.with_host(id, |host| {
                host.clock.set_wrong_by(0);
                host.process.into_iter().for_each(|process| self.world.resume(process));
            });
            self.start(id);
        }
        self.tell(Event::Healed);
    }

    /// What an operator's eyes and a supervisor do.
    fn look(&mut self) {
        self.looks += 1;
        let now = self.world.elapsed();
        let panicked: BTreeSet<ProcessId> = self.world.take_panics().into_iter().collect();
        for id in self.ids() {
            let Some(host) = self.hosts.get_mut(&id) else { continue };
            host.back_up(now);
            let Some(process) = host.process else { continue };
            if panicked.contains(&process) {
                let message = take_panic_message();
                self.tell(Event::Panicked { host: id, message });
            }
            if self.world.is_dead(process) {
                self.tell(Event::Stopped { host: id, reason: "the disk cannot be synced".to_owned() });
                self.crash(id, 0, RESTART);
                continue;
            }
            self.sample(id);
            self.restart_if_stopped(id);
        }
        self.after(LOOK, Step::Look);
    }

    fn sample(&mut self, id: HostId) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        let Some(log) = host.log() else { return };
        let view = log.view();
        if let Some(reason) = view.halted
            && !host.halted
        {
            host.halted = true;
            self.tell(Event::Halted { host: id, reason });
        }
        let is_due = self.looks.is_multiple_of(LOOKS_PER_SAMPLE);
        if let Some((index, digest)) = is_due.then(|| log.digest()).flatten() {
            let state = Sample { index: index.get(), digest, floor: view.floor, watermark: view.watermark };
            self.tell(Event::Sampled { host: id, state });
        }
    }

    /// A process that could not open its store, or whose disk failed, is started again.
    fn restart_if_stopped(&mut self, id: HostId) {
        let Some(host) = self.hosts.get(&id) else { return };
        let ended = host.process.is_some_and(|process| self.world.is_idle(process));
        if ended || host.halted && host.disk.is_failing() {
            self.crash(id, 0, RESTART);
        }
    }

    /// What the acting replica holds at the end.
    fn conclude(&mut self) {
        let first = floor().get();
        let last = slot_at(END).get() + 10;
        for host in self.hosts.values() {
            let Some(log) = host.log().filter(|log| log.role().borrow().active_term().is_some()) else { continue };
            let slots = (first..=last).map(ollin_protocol::units::Slot::new);
            let duties = slots.flat_map(|slot| KINDS.map(|kind| duty(kind, slot)));
            let bound = duties.filter_map(|duty| log.bound(&duty).map(|bound| (duty, bound.root))).collect();
            let watermark = self.world.enter(|| log.view().watermark);
            self.tell(Event::Final { host: host.id, bound, watermark });
        }
    }
}

thread_local! {
    static PANIC: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

/// From here on panics of simulated tasks are kept for the story, and not printed.
pub fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|panic| PANIC.set(panic.to_string())));
}

fn take_panic_message() -> String {
    PANIC.take()
}
