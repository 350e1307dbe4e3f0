//! What is seen of the machines from outside, and what a supervisor does.

use std::collections::BTreeSet;
use std::time::Duration;

use ollin_consensus::ClusterView;
use ollin_consensus::simulation::ProcessId;

use super::cluster::{Cluster, Step, take_panic_message};
use super::story::{Event, HostId, Lines, Sample};

/// How often the world is looked at from outside.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// Every so many looks the states are compared.
const LOOKS_PER_SAMPLE: u64 = 5;
/// How long a supervisor waits before it starts a process again.
const RESTART: Duration = Duration::from_millis(300);

impl Cluster {
    pub(super) fn look(&mut self) {
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
            self.restart_if_stopped(id, process);
            self.look_after(id);
        }
        self.after(LOOK, Step::Look);
    }

    fn sample(&mut self, id: HostId) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        let Some(log) = host.log() else { return };
        let view = log.view();
        let lines = Lines::of(&view);
        if let Some(reason) = view.halted
            && !host.halted
        {
            host.halted = true;
            self.tell(Event::Halted { host: id, reason });
        }
        let is_due = self.looks.is_multiple_of(LOOKS_PER_SAMPLE);
        if let Some(digest) = is_due.then(|| log.digest()).flatten() {
            self.tell(Event::Sampled { host: id, state: Sample { digest, lines } });
        }
    }

    /// A process that could not open its store is started again, and a machine whose disk failed.
    fn restart_if_stopped(&mut self, id: HostId, process: ProcessId) {
        let Some(host) = self.hosts.get(&id) else { return };
        let ended = self.world.is_idle(process);
        if host.disk.is_failing() && (host.halted || ended) {
            self.crash(id, 0, RESTART);
        } else if ended {
            self.kill(id);
            self.after(RESTART, Step::Start(id));
        }
    }
}

impl Lines {
    pub(super) fn of(view: &ClusterView) -> Self {
        Self { floor: view.floor, watermark: view.watermark, closed: view.closed }
    }
}
