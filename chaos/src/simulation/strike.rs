//! What each fault does.

use std::time::Duration;

use ollin_consensus::simulation::{Image, MemoryDisk};

use super::cluster::{Cluster, Step};
use super::fault::{Fault, Power};
use super::host::{Given, Host};
use super::story::{Event, HostId};

/// Which contents a machine comes back with.
enum Contents {
    /// Those of so long ago.
    Backup(Duration),
    Nothing,
}

impl Cluster {
    pub(super) fn strike(&mut self, fault: Fault) {
        self.tell(Event::Struck(fault.clone()));
        match fault {
            Fault::Kill { host, down } => {
                self.kill(host);
                self.after(down, Step::Start(host));
            }
            Fault::Crash { host, kept, down } => self.crash(host, kept, down),
            Fault::PowerCut { kept, down } => {
                for host in self.ids() {
                    self.crash(host, kept, down);
                }
            }
            Fault::Pause { host, down } => self.pause(host, down),
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
            Fault::RolledBack { host, by, down, power } => self.come_back(host, &Contents::Backup(by), down, power),
            Fault::AllRolledBack { by, down } => {
                for host in self.ids() {
                    self.come_back(host, &Contents::Backup(by), down, Power::Lost);
                }
            }
            Fault::Wiped { host, down, power } => self.come_back(host, &Contents::Nothing, down, power),
            Fault::Cloned { host, by, lives, paused } => {
                if let Some(more) = paused {
                    self.pause(host, lives + more);
                }
                self.clone_host(host, by, lives);
            }
            Fault::Transfer { to } => self.transfer(to),
            Fault::L1 { host, trouble, down } => {
                self.l1.set_trouble(host, Some(trouble));
                self.after(down, Step::MendL1(host));
            }
            Fault::L1Drops { percent, down } => {
                self.l1.set_dropped(percent);
                self.after(down, Step::CalmL1);
            }
            Fault::Reorg { depth } => self.l1.reorg(&self.world, depth),
            Fault::Members(change) => self.change_members(change),
        }
    }

    /// Ends a host's process, and puts a disk with other contents in the place of its own.
    fn come_back(&mut self, id: HostId, contents: &Contents, down: Duration, power: Power) {
        let now = self.world.elapsed();
        match power {
            Power::Stays => self.kill(id),
            Power::Lost => self.power_off(id, 0),
        }
        let Some(host) = self.hosts.get(&id) else { return };
        let image = match contents {
            Contents::Backup(by) => host.backup(now, *by),
            Contents::Nothing => Image::default(),
        };
        self.swap_disk(id, image);
        self.after(down, Step::Start(id));
    }

    /// Puts other contents in the place of those that a machine's disk holds durably.
    pub(super) fn swap_disk(&mut self, id: HostId, image: Image) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        let (replica, given) = (host.replica, host.give(image));
        self.set_sync(id, self.sync);
        match given {
            Given::Less => {
                self.disks.taken(id);
                self.tell(Event::Taken { host: id, replica });
            }
            Given::Back => self.tell(Event::GivenBack { host: id, replica }),
            Given::Same => {}
        }
    }

    fn pause(&mut self, id: HostId, down: Duration) {
        if let Some(process) = self.hosts.get(&id).and_then(|host| host.process) {
            self.world.pause(process);
            self.after(down, Step::Resume(id, process));
        }
    }

    fn clone_host(&mut self, id: HostId, by: Duration, lives: Duration) {
        let now = self.world.elapsed();
        let Some((replica, image, has_more)) = self.hosts.get(&id).map(|host| {
            let image = host.backup(now, by);
            let has_more = image.promised() != host.promised();
            (host.replica, image, has_more)
        }) else {
            return;
        };
        let copy = HostId(self.hosts.keys().last().map_or(0, |last| last.0) + 10);
        self.hosts.insert(copy, Host::new(copy, replica, MemoryDisk::of(copy.to_string(), image), self.sync));
        if has_more {
            self.tell(Event::Taken { host: copy, replica });
        }
        self.start(copy);
        self.after(lives, Step::Vanish(copy));
    }

    /// A copy ends. What it has promised meanwhile, the machine that it was copied from does not hold.
    pub(super) fn vanish(&mut self, copy: HostId) {
        self.kill(copy);
        let Some(gone) = self.hosts.remove(&copy) else { return };
        let has_written = gone.began.promised() != gone.disk.image().promised();
        let original = self.hosts.values().find(|host| host.replica == gone.replica).map(|host| host.id);
        if let Some(original) = original.filter(|_| has_written) {
            self.tell(Event::Outlived { host: original, replica: gone.replica });
        }
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
}
