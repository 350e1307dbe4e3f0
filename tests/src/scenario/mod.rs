//! The scenarios, and the order in which they share worlds.

mod cold_restart;
mod commands;
mod dead_endpoint;
mod duties;
mod failover;
mod fee_spike;
mod follow;
mod input_changed;
mod latency;
mod leadership;
mod leaving;
mod member_kills;
mod members;
mod memory;
mod missed;
mod page;
mod parent_lost;
mod pause;
mod prune;
mod random_kills;
mod refusals;
mod reorg;
mod rogue;
mod slots;
mod status;
mod strike;
mod survivor;
mod tips;
mod upgrade;
mod withheld;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use ollin_dev_l1::{Profile, Prover};

use crate::judge;
use crate::report::Outcome;
use crate::world::World;

/// How long a world may take to have a leader and nobody behind it.
const SETTLED: Duration = Duration::from_secs(60);

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For every push.
    Push,
    /// The figures of the closing table.
    Full,
}

impl Form {
    /// `push` or `full`, whichever this is.
    pub fn pick<T>(self, push: T, full: T) -> T {
        match self {
            Self::Push => push,
            Self::Full => full,
        }
    }
}

/// What a run was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// How much is done.
    pub form: Form,
    /// Orders points and chooses instants.
    pub seed: u64,
}

/// A scenario, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Consecutive slots by three replicas, the first within a minute.
    Slots,
    /// Latency of a claim beside its floor.
    Latency,
    /// Memory of a replica that does not lead.
    Memory,
    /// The status page in a browser, over a failover.
    Page,
    /// Exit codes and reasons of `ollin status`.
    Status,
    /// The leader killed at every named point.
    Failover,
    /// The leader killed at random instants.
    RandomKills,
    /// The leader stopped, woken a slot later.
    Pause,
    /// An input changed between a claim and its resumption.
    InputChanged,
    /// Base fee raised over the attempt's cap in mid-slot.
    FeeSpike,
    /// No L1 block for the rest of a slot.
    Withheld,
    /// A dead L1 endpoint before the good one.
    DeadEndpoint,
    /// `ollin cluster transfer` while slots are worked.
    Transfer,
    /// `ollin cluster drain` of one replica and of all.
    Drain,
    /// SIGTERM in the middle of a slot.
    Sigterm,
    /// L1 lost by the leader alone.
    Unfit,
    /// A log that does not reach the disk.
    HungDisk,
    /// A replica too far away for Raft's timers.
    Timers,
    /// All replicas killed at once.
    ColdRestart,
    /// A second holder of the key signs while the cluster is down.
    Rogue,
    /// What must not start.
    Refusals,
    /// Every command: its help, its JSON, its refusal.
    Commands,
    /// A fresh checkpoint taken away by a shallow L1 reorg.
    Reorg,
    /// The parent of a claimed checkpoint gone from L1.
    ParentLost,
    /// An official node that follows L1 only, from empty.
    Follower,
    /// The leader killed at every named point of a change of the members.
    MemberKills,
    /// Replicas added, promoted, demoted, removed, replaced and healed while slots go on.
    Members,
    /// Programs exchanged one by one, and the version of the rules raised when all are.
    Upgrade,
    /// Two of three replicas lost for good: the third goes on as a new cluster.
    Survivor,
    /// A committee of four attesters, all ours.
    Committee,
    /// Keys that move from one cluster to another by an interchange file.
    Duties,
    /// A chain that L1 prunes, since nobody proves it.
    Prune,
    /// Proven and finalized tips under a prover.
    Tips,
}

impl Name {
    /// The development L1 that it needs. Neighbours with the same share one world.
    fn l1(self) -> (Profile, Prover) {
        match self {
            Self::Committee | Self::Duties => (Profile::Committee, Prover::Off),
            Self::Prune => (Profile::Prune, Prover::Off),
            Self::Tips => (Profile::Demo, Prover::On),
            Self::Slots
            | Self::Latency
            | Self::Memory
            | Self::Page
            | Self::Status
            | Self::Failover
            | Self::RandomKills
            | Self::Pause
            | Self::InputChanged
            | Self::FeeSpike
            | Self::Withheld
            | Self::DeadEndpoint
            | Self::Transfer
            | Self::Drain
            | Self::Sigterm
            | Self::Unfit
            | Self::HungDisk
            | Self::Timers
            | Self::ColdRestart
            | Self::Rogue
            | Self::Refusals
            | Self::Commands
            | Self::Follower
            | Self::Members
            | Self::Upgrade
            | Self::Survivor
            | Self::MemberKills
            | Self::Reorg
            | Self::ParentLost => (Profile::Failover, Prover::Off),
        }
    }

    /// Its name on the command line.
    pub fn word(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    async fn play(self, world: &mut World, request: Request) -> Result<Outcome> {
        match self {
            Self::Slots => slots::play(world, request.form.pick(5, 20)).await,
            Self::Committee => slots::play_committee(world, request.form.pick(2, 8)).await,
            Self::Latency => latency::play(world).await,
            Self::Memory => memory::play(world).await,
            Self::Page => page::play(world).await,
            Self::Status => status::play(world).await,
            Self::Failover => failover::play(world, request.seed, request.form.pick(1, 2)).await,
            Self::RandomKills => random_kills::play(world, request.seed, request.form.pick(2, 10)).await,
            Self::Pause => pause::play(world).await,
            Self::InputChanged => input_changed::play(world).await,
            Self::FeeSpike => fee_spike::play(world).await,
            Self::Withheld => withheld::play(world).await,
            Self::DeadEndpoint => dead_endpoint::play(world).await,
            Self::Transfer => leadership::play_transfer(world, request.seed, request.form.pick(3, 10)).await,
            Self::Drain => leadership::play_drain(world).await,
            Self::Sigterm => leadership::play_sigterm(world).await,
            Self::Unfit => leadership::play_unfit(world).await,
            Self::HungDisk => leadership::play_hung_disk(world).await,
            Self::Timers => leadership::play_timers(world).await,
            Self::ColdRestart => cold_restart::play(world).await,
            Self::Rogue => rogue::play(world).await,
            Self::Refusals => refusals::play(world).await,
            Self::Commands => commands::play(world).await,
            Self::Follower => follow::play(world, request.form.pick(2, 10)).await,
            Self::Members => members::play(world).await,
            Self::Upgrade => upgrade::play(world).await,
            Self::Survivor => survivor::play(world).await,
            Self::MemberKills => member_kills::play(world).await,
            Self::Reorg => reorg::play(world).await,
            Self::ParentLost => parent_lost::play(world).await,
            Self::Duties => duties::play(world).await,
            Self::Prune => prune::play(world).await,
            Self::Tips => tips::play(world).await,
        }
    }
}

/// Plays `names` in their order and prints each outcome as it comes. Worlds keep their files under `directory`; those of worlds
/// in which everything held are removed.
pub async fn play_all(names: &[Name], request: Request, directory: &Path) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for group in names.chunk_by(|one, next| one.l1() == next.l1()) {
        let place = directory.join(group[0].word());
        let start = Instant::now();
        let (profile, prover) = group[0].l1();
        match World::start(profile, prover, &place).await {
            Ok(world) => outcomes.extend(play_group(group, world, request, place).await),
            Err(fault) => {
                let fault = fault.context("the world did not start");
                outcomes.extend(group.iter().map(|name| failed(*name, &fault, start)));
            }
        }
    }
    outcomes
}

async fn play_group(names: &[Name], mut world: World, request: Request, place: PathBuf) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for name in names {
        println!("\n{} (profile {})", name.word(), world.facts().profile.name());
        let start = Instant::now();
        let outcome = match play_one(*name, &mut world, request).await {
            Ok(mut outcome) => {
                outcome.figure("time", format!("{} s", start.elapsed().as_secs()));
                print!("{outcome}");
                outcome
            }
            Err(fault) => {
                let outcome = failed(*name, &fault, start);
                if let Err(fault) = world.recover().await {
                    println!("putting the world right: {fault:#}");
                }
                outcome
            }
        };
        outcomes.push(outcome);
    }
    if let Err(fault) = world.stop().await {
        println!("ending the world: {fault:#}");
    }
    if outcomes.iter().all(Outcome::passed) {
        if let Err(fault) = std::fs::remove_dir_all(&place) {
            println!("removing {}: {fault}", place.display());
        }
    } else {
        println!("logs, outlet records and data directories are kept in {}", place.display());
    }
    outcomes
}

/// Lets the world settle, plays the scenario, and has the oracles judge everything that ever left the replicas.
async fn play_one(name: Name, world: &mut World, request: Request) -> Result<Outcome> {
    world.settled(SETTLED).await.context("before the scenario")?;
    world.first_landed().await.context("before the scenario")?;
    let mut outcome = name.play(world, request).await?;
    judge::judge(world, &mut outcome).await?;
    Ok(outcome)
}

fn failed(name: Name, fault: &anyhow::Error, start: Instant) -> Outcome {
    let mut outcome = Outcome::new(&name.word(), &[]);
    outcome.check(format!("{fault:#}"), false);
    outcome.figure("time", format!("{} s", start.elapsed().as_secs()));
    print!("{outcome}");
    outcome
}
