//! Worlds and rounds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use ollin_chaos::{ChainFact, SignerKind, judge};
use ollin_dev_l1::Profile;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::history;
use super::stage::Stage;
use super::{Name, Report};
use crate::l1_proxy::L1Proxy;
use crate::world::World;

/// The development L1 of drills: slots of 6 s.
pub const PROFILE: Profile = Profile::Demo;
/// Rounds that share a world. Its chain is read whole at the end.
const ROUNDS_IN_WORLD: u32 = 100;

/// A drill and how often.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Which one.
    pub name: Name,
    /// Its rounds.
    pub times: u32,
    /// Everything drawn follows from it.
    pub seed: u64,
}

/// Plays drills, in their order, in as few worlds as may be: one that failed is followed by a fresh one. Histories lie under `directory`.
pub async fn play(requests: &[Request], directory: &Path) -> Vec<Report> {
    let mut reports = Vec::new();
    let mut scene: Option<Scene> = None;
    for (number, request) in requests.iter().flat_map(parts).enumerate() {
        let place = directory.join(format!("{number}-{}", request.name.word()));
        let report = match take(scene.take(), &place).await {
            Ok(mut ready) => {
                let report = ready.drill(request, &place).await;
                ready.rounds += request.times;
                if report.passed() {
                    scene = Some(ready);
                } else {
                    ready.end(Keep::Yes).await;
                }
                report
            }
            Err(fault) => nothing(request, &fault.context("the world did not start")),
        };
        reports.push(report);
    }
    if let Some(scene) = scene {
        scene.end(Keep::No).await;
    }
    reports
}

/// A request in pieces that a world can hold.
fn parts(request: &Request) -> impl Iterator<Item = Request> + use<> {
    let request = *request;
    let worlds = request.times.div_ceil(ROUNDS_IN_WORLD);
    (0..worlds).map(move |world| Request {
        times: (request.times - world * ROUNDS_IN_WORLD).min(ROUNDS_IN_WORLD),
        seed: request.seed.wrapping_add(u64::from(world)),
        ..request
    })
}

/// The former scene, or a fresh one once that has seen its rounds.
async fn take(former: Option<Scene>, place: &Path) -> Result<Scene> {
    match former {
        Some(scene) if scene.rounds < ROUNDS_IN_WORLD => return Ok(scene),
        Some(scene) => scene.end(Keep::No).await,
        None => {}
    }
    Scene::start(place.join("world")).await
}

/// A world, and what was found in it before.
struct Scene {
    world: World,
    place: PathBuf,
    anchors: PathBuf,
    rounds: u32,
    known: BTreeSet<String>,
    next_replica: u64,
    proxies: BTreeMap<u64, L1Proxy>,
}

/// Whether directories and logs stay.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Yes,
    No,
}

impl Scene {
    async fn start(place: PathBuf) -> Result<Self> {
        let anchors = PathBuf::from(format!("/dev/shm/ollin-drill-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&anchors);
        let world = World::start_apart(PROFILE, &place, &anchors).await?;
        world.first_landed().await?;
        Ok(Self { world, place, anchors, rounds: 0, known: BTreeSet::new(), next_replica: 4, proxies: BTreeMap::new() })
    }

    async fn drill(&mut self, request: Request, place: &Path) -> Report {
        println!("\n{} x {}, seed {}", request.name.word(), request.times, request.seed);
        let start = Instant::now();
        let first_slot = self.world.clock().slot_now() + 1;
        let random = StdRng::seed_from_u64(request.seed);
        let mut stage = Stage {
            world: &mut self.world,
            random,
            faults: Vec::new(),
            takeovers_ms: Vec::new(),
            next_replica: &mut self.next_replica,
            proxies: &mut self.proxies,
        };
        let mut stuck = Vec::new();
        for round in 1..=request.times {
            let started = Instant::now();
            let ended = request.name.round(&mut stage).await;
            let done = stage.faults.last().map_or_else(String::new, |fault| format!("replica {}: {}", fault.replica, fault.what));
            println!("  {round}/{} {:.1} s  {done}", request.times, started.elapsed().as_secs_f64());
            if let Err(fault) = ended {
                println!("  FAILED {fault:#}");
                stuck.push(format!("round {round}, {done}: {fault:#}"));
                if let Err(fault) = stage.put_right().await {
                    stuck.push(format!("putting the world right: {fault:#}"));
                    break;
                }
            }
        }
        if let Err(fault) = after(&mut stage).await {
            stuck.push(format!("after the last round: {fault:#}"));
        }
        let (faults, takeovers_ms) = (std::mem::take(&mut stage.faults), std::mem::take(&mut stage.takeovers_ms));
        let mut report = Report {
            name: request.name.word(),
            faults: faults.len(),
            violations: Vec::new(),
            stuck,
            takeovers_ms,
            slots: (0, 0),
            seconds: 0,
        };
        match self.judged(&faults, place).await {
            Ok((violations, landed)) => {
                let last_slot = self.world.clock().slot_now().saturating_sub(1);
                report.violations = violations;
                report.slots = (
                    (last_slot + 1).saturating_sub(first_slot),
                    u64::try_from(landed.range(first_slot..=last_slot.max(first_slot)).count()).unwrap_or(0),
                );
            }
            Err(fault) => report.stuck.push(format!("judging: {fault:#}")),
        }
        report.seconds = start.elapsed().as_secs();
        report
    }

    /// Writes the history and has the oracles judge it. Returns what was not known of this world, and the slots on L1.
    async fn judged(&mut self, faults: &[history::Fault], place: &Path) -> Result<(Vec<String>, BTreeSet<u64>)> {
        let landed = self.world.chain().landed().await?;
        let facts: Vec<ChainFact> = landed.values().map(|one| one.fact).collect();
        history::write(&self.world, &facts, faults, &place.join("history"))?;
        let judgement = judge(&self.world.outlets()?, &facts, self.world.wakes(), SignerKind::Deterministic);
        println!("  history: {}; {}", place.join("history").display(), judgement.counts);
        let evidence = judgement.counts.signatures > 0 && judgement.counts.checkpoints > 0;
        anyhow::ensure!(evidence, "nothing left the replicas: a verdict over nothing is worth nothing");
        let found = judgement.violations.iter().map(ToString::to_string);
        let fresh: Vec<String> = found.filter(|one| self.known.insert(one.clone())).collect();
        for violation in &fresh {
            println!("  VIOLATION {violation}");
        }
        Ok((fresh, landed.into_keys().collect()))
    }

    async fn end(self, keep: Keep) {
        if let Err(fault) = self.world.stop().await {
            println!("ending the world: {fault:#}");
        }
        // Nothing of it is of use to a later world.
        let _ = std::fs::remove_dir_all(&self.anchors);
        match keep {
            Keep::Yes => println!("logs and data directories are kept in {}", self.place.display()),
            Keep::No => {
                if let Err(fault) = std::fs::remove_dir_all(&self.place) {
                    println!("removing {}: {fault}", self.place.display());
                }
            }
        }
    }
}

/// All replicas are back, and a slot that begins now lands.
async fn after(stage: &mut Stage<'_>) -> Result<()> {
    stage.well().await.context("a replica does not come back")?;
    stage.lands().await.map(|_| ())
}

fn nothing(request: Request, fault: &anyhow::Error) -> Report {
    println!("  FAILED {fault:#}");
    Report {
        name: request.name.word(),
        faults: 0,
        violations: Vec::new(),
        stuck: vec![format!("{fault:#}")],
        takeovers_ms: Vec::new(),
        slots: (0, 0),
        seconds: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_rounds_are_ten_worlds_with_seeds_of_their_own() {
        let request = Request { name: Name::LeaderKill, times: 950, seed: 7 };
        let parts: Vec<(u32, u64)> = parts(&request).map(|part| (part.times, part.seed)).collect();
        assert_eq!(parts.len(), 10);
        assert_eq!(parts.iter().map(|(times, _)| times).sum::<u32>(), 950);
        assert_eq!(parts[9], (50, 16));
    }
}
