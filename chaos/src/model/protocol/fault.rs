//! What goes wrong: ends of processes and machines, disks that forget, copies.

use super::Protocol;
use crate::model::cluster::Cluster;
use crate::model::replica::{Disk, Phase, Process, Replica, VOTER_COUNT};

impl Protocol {
    /// A process that does not run differs from a silent one in nothing that others see: an end and the next start are one step.
    pub(super) fn restart(&self, cluster: &Cluster, process: Process) -> Option<Cluster> {
        let replica = cluster.at(process);
        if !self.world.kills || !replica.runs() {
            return None;
        }
        let mut next = *cluster;
        let applied = replica.applied.min(replica.synced);
        // A process that ends within its roll call has not written its anchor anew.
        self.start_on(&mut next, process, replica.on_disk(), replica.is_up());
        next.at_mut(process).applied = applied;
        Some(next)
    }

    pub(super) fn power_cut(&self, cluster: &Cluster, process: Process) -> Option<Cluster> {
        let replica = cluster.at(process);
        if cluster.power_cuts >= self.world.power_cuts || !replica.runs() {
            return None;
        }
        let mut next = *cluster;
        next.power_cuts += 1;
        self.start_on(&mut next, process, replica.on_disk(), false);
        Some(next)
    }

    fn start_on(&self, next: &mut Cluster, process: Process, disk: Disk, anchored: bool) {
        let replica = next.at_mut(process);
        *replica = Replica::follower(disk);
        self.start(replica, anchored);
        if process.voter() == process {
            next.old_connections.remove(process);
            next.heard_of_copy.remove(process);
        }
    }

    pub(super) fn backup(&self, cluster: &Cluster, process: Process) -> Option<Cluster> {
        let copies = cluster.backups.iter().flatten().count();
        let left = usize::from(self.world.rollbacks - cluster.rollbacks);
        if copies >= left || cluster.backups[process.position()].is_some() {
            return None;
        }
        let mut next = *cluster;
        next.backups[process.position()] = Some(cluster.at(process).on_disk());
        Some(next)
    }

    pub(super) fn restore(&self, cluster: &Cluster, process: Process) -> Option<Cluster> {
        let copy = cluster.backups[process.position()]?;
        let mut next = self.replace_disk(cluster, process, copy)?;
        next.backups[process.position()] = None;
        next.rollbacks += 1;
        Some(next)
    }

    pub(super) fn wipe(&self, cluster: &Cluster, process: Process) -> Option<Cluster> {
        let copies = cluster.backups.iter().flatten().count();
        if copies >= usize::from(self.world.rollbacks - cluster.rollbacks) {
            return None;
        }
        let mut next = self.replace_disk(cluster, process, Disk::default())?;
        next.rollbacks += 1;
        Some(next)
    }

    fn replace_disk(&self, cluster: &Cluster, process: Process, disk: Disk) -> Option<Cluster> {
        if !cluster.at(process).runs() {
            return None;
        }
        let mut next = *cluster;
        // The anchor, if there is one, is ahead of the older disk.
        self.start_on(&mut next, process, disk, false);
        Some(next)
    }

    pub(super) fn backup_all(&self, cluster: &Cluster) -> Option<Cluster> {
        if !self.world.backup_of_all || cluster.rollbacks > 0 || cluster.backups[0].is_some() {
            return None;
        }
        let mut next = *cluster;
        for process in Process::VOTERS {
            next.backups[process.position()] = Some(cluster.at(process).on_disk());
        }
        Some(next)
    }

    pub(super) fn restore_all(&self, cluster: &Cluster) -> Option<Cluster> {
        if !self.world.backup_of_all {
            return None;
        }
        let mut next = *cluster;
        for process in Process::VOTERS {
            next = self.replace_disk(&next, process, cluster.backups[process.position()]?)?;
        }
        next.backups = [None; VOTER_COUNT];
        next.rollbacks += 1;
        Some(next)
    }

    pub(super) fn copy_a(&self, cluster: &Cluster) -> Option<Cluster> {
        let fresh = matches!(cluster.at(Process::CopyOfA).phase, Phase::Gone);
        if !self.world.copy || !fresh {
            return None;
        }
        let mut next = *cluster;
        let disk = cluster.at(Process::A).on_disk();
        self.start_on(&mut next, Process::CopyOfA, disk, false);
        for peer in [Process::B, Process::C].into_iter().filter(|peer| cluster.at(*peer).runs()) {
            next.old_connections.add(peer);
        }
        Some(next)
    }

    pub(super) fn move_address(&self, cluster: &Cluster) -> Option<Cluster> {
        let copied = self.world.copy && !matches!(cluster.at(Process::CopyOfA).phase, Phase::Gone);
        (copied && cluster.at_address == Process::A).then_some(Cluster { at_address: Process::CopyOfA, ..*cluster })
    }
}
