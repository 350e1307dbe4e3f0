//! Drills: faults on real replicas, as often as is asked for, each followed by a recovery; the oracles judge what left the processes.
//!
//! A scenario shows that a promise is kept; a drill counts how often a fault did not break it. A drill is a list of rounds drawn from a
//! seed: wait until all is well, do the harm (`stage` has the parts), wait until the cluster acts again, undo it, wait until all
//! replicas are back. What a round must show is only that the cluster comes back; what may never happen is the oracles' matter. Slots
//! that a fault cost are counted and no fault.
//!
//! Replicas have hosts of their own ([`crate::network`]), so the harness must be alone in its namespaces: the program `chaos-drill` sees to it.

mod at_point;
mod change;
mod clock;
mod directory;
mod disk;
mod history;
mod kill;
mod l1;
mod partition;
mod report;
mod run;
mod snapshot;
mod stage;

pub use report::{Report, close};
pub use run::{PROFILE, Request, play};

use anyhow::Result;
use clap::ValueEnum;

use stage::Stage;

/// A drill, in the order in which they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// The leader is killed (SIGKILL) at any instant.
    LeaderKill,
    /// The leader is killed at a named point of a slot, or in a sync of its log.
    KillAtPoint,
    /// The leader is stopped (SIGSTOP) at a named point and goes on later.
    StopAtPoint,
    /// The leader is cut off from the other replicas, with or without L1.
    PartitionWhole,
    /// What the leader sends, or what it is sent, is lost.
    PartitionOneWay,
    /// Two replicas lose each other, and the third one sees both.
    PartitionBridge,
    /// A replica's wall clock jumps.
    ClockWall,
    /// A replica's wall clock and monotonic clock jump together.
    ClockAll,
    /// A replica's log is wiped.
    DirectoryWiped,
    /// A replica's log is put back to an older copy of it.
    DirectoryRestored,
    /// A copy of a replica's directory is started beside it, and in its place.
    DirectoryCloned,
    /// A sync of a replica's log takes seconds.
    DiskFrozen,
    /// Every sync of a replica's log is slow.
    DiskSlow,
    /// A replica's disk is full.
    DiskFull,
    /// A replica is added, promoted, demoted and removed, and one is killed in the midst.
    Members,
    /// Leadership is transferred, and its giver or taker killed in the midst.
    Transfer,
    /// Every replica is restarted, one after the other.
    RollingRestart,
    /// A wiped follower is healed by a snapshot while the leader is killed.
    SnapshotFailover,
    /// L1 is down.
    L1Down,
    /// L1 lags.
    L1Lag,
    /// L1 lies: no logs, no transactions, other nonces, a wrong finality, wrong times.
    L1Lie,
    /// L1 takes transactions, or knows them already, and forgets them.
    L1Drop,
    /// L1 refuses transactions as replacements below the price.
    L1Underprice,
    /// L1 takes a fresh checkpoint away.
    L1Reorg,
}

/// How much of everything is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For every push: a few minutes.
    Push,
    /// With the long tests.
    Full,
    /// Before a release: what the bounds rest on.
    Release,
}

impl Name {
    /// How many rounds of it a form holds.
    pub const fn rounds(self, form: Form) -> u32 {
        match (form, self) {
            (Form::Push, Self::LeaderKill) => 5,
            (Form::Push, Self::KillAtPoint | Self::Transfer) => 2,
            // These take half a minute and more a round, or are in the scenarios.
            (Form::Push, Self::DirectoryWiped | Self::DiskSlow | Self::SnapshotFailover | Self::L1Underprice) => 0,
            (Form::Push, _) => 1,
            (Form::Full, Self::LeaderKill) => 30,
            (Form::Full, Self::KillAtPoint) => 16,
            (Form::Full, _) => 4,
            (Form::Release, Self::LeaderKill) => 1_000,
            (Form::Release, Self::KillAtPoint | Self::StopAtPoint) => 200,
            (Form::Release, _) => 50,
        }
    }

    /// Its name on the command line.
    pub fn word(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What it does, in one line.
    pub fn about(self) -> String {
        let help = self.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string));
        help.unwrap_or_default()
    }

    async fn round(self, stage: &mut Stage<'_>) -> Result<()> {
        match self {
            Self::LeaderKill => kill::leader(stage).await,
            Self::KillAtPoint => kill::at_point(stage).await,
            Self::StopAtPoint => at_point::stop(stage).await,
            Self::PartitionWhole => partition::whole(stage).await,
            Self::PartitionOneWay => partition::one_way(stage).await,
            Self::PartitionBridge => partition::bridge(stage).await,
            Self::ClockWall => clock::jump(stage, clock::Monotonic::Alone).await,
            Self::ClockAll => clock::jump(stage, clock::Monotonic::Faked).await,
            Self::DirectoryWiped => directory::wiped(stage).await,
            Self::DirectoryRestored => directory::restored(stage).await,
            Self::DirectoryCloned => directory::cloned(stage).await,
            Self::DiskFrozen => disk::frozen(stage).await,
            Self::DiskSlow => disk::slow(stage).await,
            Self::DiskFull => disk::full(stage).await,
            Self::Members => change::members(stage).await,
            Self::Transfer => change::transfer(stage).await,
            Self::RollingRestart => change::rolling_restart(stage).await,
            Self::SnapshotFailover => snapshot::failover(stage).await,
            Self::L1Down => l1::endpoint(stage, l1::Harm::Down).await,
            Self::L1Lag => l1::endpoint(stage, l1::Harm::Lag).await,
            Self::L1Lie => l1::endpoint(stage, l1::Harm::Lie).await,
            Self::L1Drop => l1::endpoint(stage, l1::Harm::Drop).await,
            Self::L1Underprice => l1::endpoint(stage, l1::Harm::Underprice).await,
            Self::L1Reorg => l1::reorg(stage).await,
        }
    }
}
