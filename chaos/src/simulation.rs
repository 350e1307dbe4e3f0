//! A whole cluster in one thread, on a seeded network, disks, clocks and L1.
//!
//! What runs is the real thing: guard, state machine, store, role, transport rules and openraft of `ollin-consensus`, and the
//! decisions of sequencer and publisher. What is simulated is under it (tasks, time, randomness, disk, wire) and around it (L1,
//! the building of payloads). A seed gives the whole course; [`run`] judges it.

mod cluster;
mod duties;
mod evidence;
mod fault;
mod host;
mod l1;
mod lead;
mod look;
mod network;
mod operator;
pub(crate) mod payload;
mod plan;
mod publish;
mod story;
mod strike;
pub mod verdict;

use std::time::Duration;

use ollin_protocol::units::Slot;

pub use fault::{Fault, Outage, Power};
pub use l1::Trouble;
pub use operator::Change;
pub use plan::{Plan, Switches};
pub use story::{Event, HostId, Lines, Story, Told};
pub use verdict::{Finding, judge_story};

use cluster::Cluster;
pub use cluster::keep_panics_quiet;

/// When faults begin: by then the cluster is created.
pub const CALM_AT_FIRST: Duration = Duration::from_millis(1500);
/// When everything is healed.
pub const HEALED_AT: Duration = Duration::from_secs(7);
/// When the run ends.
pub const END: Duration = Duration::from_secs(10);

/// What one seed led to.
#[derive(Debug)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// Everything that happened.
    pub story: Story,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// Runs and judges one seed.
pub fn run(seed: u64, switches: Switches) -> Run {
    let plan = Plan::draw(seed, switches);
    let story = Cluster::new(seed, &plan).run(&plan);
    let findings = judge_story(&story);
    Run { seed, story, findings }
}

/// The slots whose whole time, from the beginning of their building on, lies between two moments of a right clock.
pub(crate) fn whole_slots_between(from: Duration, to: Duration) -> impl Iterator<Item = Slot> {
    let first = host::slot_at(from + host::L1_SLOT).get() + 1;
    (first..host::slot_at(to).get()).map(Slot::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_course_to_the_last_frame_and_breaks_nothing() {
        let mut signatures = 0;
        for seed in 0..4 {
            let [first, again] = [(), ()].map(|()| run(seed, Switches::default()));
            assert_eq!(first.findings, [], "seed {seed}");
            signatures += first.story.signatures();
            let told = first.story.events.iter().zip(&again.story.events);
            let parted = told.into_iter().find(|(first, again)| first != again);
            assert!(parted.is_none(), "seed {seed} had two courses: {parted:?}");
            let frames = [&first, &again].map(|run| (run.story.events.len(), run.story.frame_count, run.story.frames));
            assert_eq!(frames[0], frames[1], "seed {seed} had two courses");
        }
        assert!(signatures > 0, "nothing was signed: this proves nothing");
    }
}
