//! The course of a run: machines, faults, and the end of both.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use ollin_consensus::Timers;
use ollin_consensus::simulation::{MemoryDisk, ProcessId, SyncTimes, World};
use ollin_protocol::units::{ReplicaId, Slot};

use super::duties::{Site, live};
use super::evidence::Disks;
use super::fault::Fault;
use super::host::{Host, L1_SLOT, Slotted, address, fingerprint, floor, slot_at};
use super::l1::L1;
use super::look::LOOK;
use super::network::{Network, Plug};
use super::operator::Desk;
use super::payload::{KINDS, duty};
use super::plan::Plan;
use super::story::{Event, HostId, Lines, Recorder, Story};
use super::{END, HEALED_AT};

/// The machines, and what is still to come.
pub(super) struct Cluster {
    pub(super) world: World,
    pub(super) network: Network,
    pub(super) recorder: Recorder,
    pub(super) desk: Desk,
    pub(super) disks: Disks,
    pub(super) l1: L1,
    replicas: Vec<ReplicaId>,
    pub(super) hosts: BTreeMap<HostId, Host>,
    /// What happens when; equal times in the order in which they were set.
    agenda: BTreeMap<(Duration, u64), Step>,
    /// Numbers what is set.
    pub(super) next: u64,
    pub(super) looks: u64,
    pub(super) sync: Duration,
    pub(super) way: Duration,
    timers: Timers,
}

pub(super) enum Step {
    Look,
    Start(HostId),
    Strike(Fault),
    Resume(HostId, ProcessId),
    Mend(u64),
    Clear,
    QuickDisk(HostId),
    Vanish(HostId),
    MakeBlock,
    MendL1(HostId),
    CalmL1,
    Heal,
}

impl Cluster {
    pub(super) fn new(seed: u64, plan: &Plan) -> Self {
        let recorder = Recorder::default();
        let mut cluster = Self {
            world: World::new(seed),
            network: Network::new(plan.way, recorder.clone()),
            recorder,
            desk: Desk::default(),
            disks: Disks::default(),
            l1: L1::new(),
            replicas: plan.hosts.iter().map(|host| ReplicaId::new(host.0)).collect(),
            hosts: BTreeMap::new(),
            agenda: BTreeMap::new(),
            next: 0,
            looks: 0,
            sync: plan.sync,
            way: plan.way,
            timers: plan.timers,
        };
        for id in &plan.hosts {
            cluster.add_host(*id, ReplicaId::new(id.0));
            cluster.hosts.get_mut(id).into_iter().for_each(|host| host.is_member = true);
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
        self.at(L1_SLOT, Step::MakeBlock);
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
        let story = Story { slowness: plan.slowness, ..self.recorder.take() };
        // Whatever still runs ends with its world.
        let ended = catch_unwind(AssertUnwindSafe(|| self.world.clone().enter(|| drop(self))));
        assert!(ended.is_ok(), "the end of a world panicked");
        story
    }

    fn at(&mut self, time: Duration, step: Step) {
        self.next += 1;
        self.agenda.insert((time, self.next), step);
    }

    pub(super) fn after(&mut self, wait: Duration, step: Step) {
        self.at(self.world.elapsed() + wait, step);
    }

    pub(super) fn tell(&self, event: Event) {
        self.recorder.tell(self.world.elapsed(), event);
    }

    /// A machine with an empty disk.
    pub(super) fn add_host(&mut self, id: HostId, replica: ReplicaId) {
        self.hosts.insert(id, Host::new(id, replica, MemoryDisk::new(id.to_string()), self.sync));
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
            Step::Vanish(copy) => self.vanish(copy),
            Step::MakeBlock => {
                for attempt in self.l1.make_block(&self.world) {
                    self.tell(Event::Included { attempt });
                }
                self.after(L1_SLOT, Step::MakeBlock);
            }
            Step::MendL1(host) => self.l1.set_trouble(host, None),
            Step::CalmL1 => self.l1.set_dropped(0),
            Step::Heal => self.heal(),
        }
    }

    pub(super) fn with_host(&self, id: HostId, act: impl FnOnce(&Host)) {
        if let Some(host) = self.hosts.get(&id) {
            act(host);
        }
    }

    pub(super) fn set_sync(&self, id: HostId, sync: Duration) {
        self.with_host(id, |host| host.disk.set_sync_times(SyncTimes { least: sync / 8, most: sync }));
    }

    pub(super) fn start(&mut self, id: HostId) {
        let world = self.world.clone();
        let Some(host) = self.hosts.get_mut(&id).filter(|host| host.process.is_none()) else { return };
        let process = world.process();
        host.process = Some(process);
        host.halted = false;
        host.log = Slotted::default();
        let replica = host.replica;
        // Whoever came later knows the first ones and itself.
        let mut replicas = self.replicas.clone();
        replicas.extend((!replicas.contains(&replica)).then_some(replica));
        let site = Arc::new(Site {
            host: id,
            replica,
            replicas,
            clock: host.clock.clone(),
            timers: self.timers,
            disk: host.disk.clone(),
            anchor: host.anchor.clone(),
            disks: self.disks.clone(),
            l1: self.l1.clone(),
            recorder: self.recorder.clone(),
            log: Arc::clone(&host.log),
            refused: Arc::clone(&host.refused),
        });
        self.desk.started(id, process, Arc::clone(&site.log));
        let plug = Plug {
            network: self.network.clone(),
            host: id,
            process,
            address: address(replica),
            fingerprint: fingerprint(replica),
        };
        self.network.light_up(&plug.address);
        self.tell(Event::Started { host: id, replica });
        drop(world.spawn_in(process, live(site, plug)));
    }

    /// Ends a host's process. What it has written stays, and the machine's memory.
    pub(super) fn kill(&mut self, id: HostId) {
        let Some(process) = self.end_process(id) else { return };
        self.network.unplug(&self.world, process);
        self.tell(Event::Killed { host: id, lost_batches: 0 });
    }

    /// Switches a machine off. Its disk keeps what was durable and the first `kept` batches of the rest.
    pub(super) fn power_off(&mut self, id: HostId, kept: usize) {
        let process = self.end_process(id);
        let Some(host) = self.hosts.get(&id) else { return };
        let lost_batches = host.disk.unsynced().saturating_sub(kept);
        host.disk.crash(kept);
        host.anchor.reboot();
        if let Some(process) = process {
            self.network.go_dark(process, &address(host.replica));
            self.tell(Event::Killed { host: id, lost_batches });
        }
    }

    fn end_process(&mut self, id: HostId) -> Option<ProcessId> {
        let host = self.hosts.get_mut(&id)?;
        let process = host.process.take()?;
        drop(host.log.lock().take());
        self.desk.ended(id);
        self.world.kill(process);
        Some(process)
    }

    pub(super) fn crash(&mut self, id: HostId, kept: usize, down: Duration) {
        self.power_off(id, kept);
        self.after(down, Step::Start(id));
    }

    pub(super) fn ids(&self) -> Vec<HostId> {
        self.hosts.keys().copied().collect()
    }

    fn heal(&mut self) {
        self.network.mend_all();
        self.l1.heal();
        self.network.set_weather(self.way, 0);
        let copies: Vec<HostId> = self.hosts.values().filter(|host| host.is_copy()).map(|host| host.id).collect();
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

    /// What the acting replica holds at the end. One that was deposed a moment ago may not have heard of it: the highest term counts.
    fn conclude(&mut self) {
        let first = floor().get();
        let last = slot_at(END).get() + 10;
        let acting = self.hosts.values().filter_map(|host| {
            let log = host.log()?;
            let term = log.role().borrow().active_term()?;
            Some((term, host.id, log))
        });
        let Some((_, host, log)) = acting.max_by_key(|(term, host, _)| (*term, *host)) else { return };
        let slots = (first..=last).map(Slot::new);
        let duties = slots.flat_map(|slot| KINDS.map(|kind| duty(kind, slot)));
        let bound = duties.filter_map(|duty| log.bound(&duty).map(|bound| (duty, bound.root))).collect();
        let lines = Lines::of(&self.world.enter(|| log.view()));
        self.tell(Event::Final { host, bound, lines });
        self.tell(Event::Landed { slots: self.l1.landed() });
    }
}

thread_local! {
    static PANIC: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

/// From here on panics of simulated tasks are kept for the story, and not printed.
pub fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|panic| PANIC.set(panic.to_string())));
}

pub(super) fn take_panic_message() -> String {
    PANIC.take()
}
