//! Keys that move from one cluster to another: released, exported, imported; both audits checked offline.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use ollin_chaos::{Emitted, History};
use ollin_guard::interchange::Interchange;
use ollin_rpc::view::{DutyWord, MissReason, MissedDuty};

use super::missed::{self, recorded};
use super::strike::slot_of;
use crate::child::run;
use crate::report::Outcome;
use crate::wait::until;
use crate::world::{World, command};

/// How long the replicas of the new cluster may take to answer.
const UP: Duration = Duration::from_secs(60);
/// How long an offline check may take.
const CHECKED: Duration = Duration::from_secs(20);
/// Slots until the new cluster has a checkpoint on L1.
const SLOTS_TO_LAND: u32 = 6;

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("duties", &["step", "exit", "says"]);
    let leader = world.settled(super::SETTLED).await?;
    let attesters: Vec<String> = world.facts().validators.iter().map(|one| one.address.to_string()).collect();
    let file = world.directory().join("duties.json").display().to_string();
    let early = world.directory().join("unreleased.json").display().to_string();

    let at = world.replica(leader)?;
    // Three keys move by an import, the last one later into the running cluster.
    let (moving, late) = attesters.split_at(attesters.len() - 1);
    let late = late.first().context("no attesters")?;
    let late_file = world.directory().join("late.json").display().to_string();
    let only: Vec<&str> = moving.iter().flat_map(|attester| ["--attester", attester.as_str()]).collect();
    let export = [&["duties", "export", "--out", early.as_str()], only.as_slice()].concat();
    step(world, at, "an export without release warns", &export, 0, "not released", &mut outcome).await?;
    for attester in &attesters {
        step(world, at, "release", &["attester", "release", attester], 0, "released", &mut outcome).await?;
    }
    let other = attesters.first().context("no attesters")?;
    let moved = ["attester", "release", other, "--last-slot", "1"];
    step(world, at, "a release is not moved", &moved, 3, "irrevocably", &mut outcome).await?;
    step(world, at, "a released attester never comes back", &["attester", "add", other], 3, "irrevocably", &mut outcome).await?;
    let follower = world.replicas().iter().find(|one| one.id() != leader).context("no follower")?;
    step(world, follower, "a follower says who leads", &["attester", "release", other], 3, "leads", &mut outcome).await?;
    step(world, at, "list", &["duties", "list", "--json"], 0, "\"released\"", &mut outcome).await?;
    let export = [&["duties", "export", "--out", file.as_str()], only.as_slice()].concat();
    step(world, at, "export", &export, 0, "stop line", &mut outcome).await?;
    let export = ["duties", "export", "--out", late_file.as_str(), "--attester", late.as_str()];
    step(world, at, "export of one", &export, 0, "stop line", &mut outcome).await?;
    let stop_line = Interchange::parse(&std::fs::read(&file)?)?.stop_line().get();
    let late_line = Interchange::parse(&std::fs::read(&late_file)?)?.stop_line().get();
    outcome.figure("stop line", stop_line.to_string());
    let stop_line = stop_line.max(late_line);
    world.slot_over(stop_line).await?;
    let last = outlets_end(&world.outlets()?);
    outcome.check(
        format!("the old cluster signed nothing after the stop line {stop_line} (last slot {last:?})"),
        last <= Some(stop_line),
    );

    let mut replicas = world.another_cluster("next").await?;
    let keystore = world.keystore_of(moving.len())?;
    for replica in &mut replicas {
        replica.set("KEY_STORE_DIRECTORY", &keystore);
        replica.start()?;
    }
    let answer = || async {
        for replica in &replicas {
            replica.admin().text("/status").await.ok()?;
        }
        Some(())
    };
    until("the new replicas' admin ports", UP, answer).await?;
    let at = replicas.first().context("no replicas")?;
    step(world, at, "an unreleased file is refused", &["duties", "import", &early], 3, "was not released", &mut outcome).await?;
    let changed = world.directory().join("changed.json");
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&changed, text.replacen("\"stop_line\": ", "\"stop_line\": 1", 1))?;
    let changed = changed.display().to_string();
    step(
        world,
        at,
        "a changed file is refused",
        &["duties", "import", &changed],
        3,
        "changed after it was written",
        &mut outcome,
    )
    .await?;
    step(world, at, "import", &["duties", "import", &file], 0, "taken over", &mut outcome).await?;
    step(world, at, "an import is taken once", &["duties", "import", &file], 3, "out of order", &mut outcome).await?;
    let (exit, said) = world.ollin(at, "create", &["cluster", "create"]).await?;
    outcome.check(format!("the cluster is created after the import: {}", brief(&said)), exit == Some(0));

    let look = || async { at.status().await?.floor.map(|slot| slot.get()) };
    let floor = until("the new cluster's floor", UP, look).await?;
    outcome.check(format!("its floor {floor} is not below the stop line {stop_line}"), floor >= stop_line);
    let height = world.chain().head_number().await?;
    world.follow_with(replicas)?;
    let look = || async { world.chain().landed_since(height).await.ok()?.into_values().next() };
    let landed = until("a checkpoint of the new cluster", world.clock().slots(SLOTS_TO_LAND), look).await;
    outcome.check("the new cluster's checkpoint is on L1", landed.is_ok());
    let first = world.replicas().iter().filter_map(|one| first_slot(&one.outlet_path())).min();
    outcome.check(
        format!("the new cluster signed nothing at or below the stop line (first slot {first:?})"),
        first > Some(stop_line),
    );
    let at = world.replicas().first().context("no replicas")?;
    step(world, at, "an import into an open cluster", &["duties", "import", &file], 3, "exists already", &mut outcome).await?;
    late_key(world, late, &file, &late_file, &mut outcome).await?;
    missed::without_quorum(world, &mut outcome).await?;
    audits(world, &mut outcome).await?;
    Ok(outcome)
}

/// A key that comes into a running cluster: its keystores first, then the log.
async fn late_key(world: &mut World, attester: &str, other_file: &str, file: &str, outcome: &mut Outcome) -> Result<()> {
    let leader = world.settled(super::SETTLED).await?;
    let add = ["attester", "add", attester, "--after", file];
    let at = world.replica(leader)?;
    step(world, at, "an attester without a key", &add, 3, "holds no key", outcome).await?;
    let ids: Vec<u64> = world.replicas().iter().map(crate::replica::Replica::id).collect();
    let keystore = world.keystore_of(world.facts().validators.len())?;
    for id in ids {
        world.kill(id)?;
        world.replica_mut(id)?.set("KEY_STORE_DIRECTORY", &keystore);
        world.restart(id).await?;
    }
    let leader = world.settled(super::SETTLED).await?;
    let at = world.replica(leader)?;
    let other = ["attester", "add", attester, "--after", other_file];
    step(world, at, "a file without the attester", &other, 3, "does not list", outcome).await?;
    let address: alloy::primitives::Address = attester.parse()?;
    for (case, reason) in [("before it is added", MissReason::Unbound), ("up to its floor", MissReason::Floor)] {
        // Slots have gone by: another one may lead by now.
        let leader = world.settled(super::SETTLED).await?;
        if reason == MissReason::Floor {
            step(world, world.replica(leader)?, "add", &add, 0, "added", outcome).await?;
        }
        let not_signed = |missed: &MissedDuty| {
            // Slots of others land without its signature; up to its floor its own turn may have come, and that slot has none.
            let kind = reason == MissReason::Floor || missed.kind == DutyWord::Attestation;
            kind && missed.attesters.contains(&address) && missed.reason == reason
        };
        let found = recorded(world, leader, not_signed).await?;
        outcome.table.row([format!("slot {} {case}", found.slot), format!("{reason:?}"), found.detail.clone()]);
        outcome.check(format!("its duty of slot {} is missed: {reason:?}", found.slot), !found.detail.is_empty());
    }
    let signed = || async {
        let history = world.outlets().ok()?;
        let mut slots = history.emissions.iter().filter_map(|one| match &one.emitted {
            Emitted::Signature(signature) if signature.key.duty.attester == address => Some(slot_of(&one.emitted)),
            Emitted::Signature(_) | Emitted::Transaction(_) => None,
        });
        let stop_line = Interchange::parse(&std::fs::read(file).ok()?).ok()?.stop_line().get();
        slots.find(|slot| *slot > stop_line)
    };
    let slot = until("a signature of the added attester", world.clock().slots(SLOTS_TO_LAND), signed).await;
    outcome.check(format!("the added attester signs again, in slot {slot:?}"), slot.is_ok());
    Ok(())
}

/// The audits of both clusters: replicas of one agree, those of two do not.
async fn audits(world: &World, outcome: &mut Outcome) -> Result<()> {
    let data = |replica: &crate::replica::Replica| replica.directory().join("data").display().to_string();
    let former: Vec<String> = world.former().iter().map(data).collect();
    let present: Vec<String> = world.replicas().iter().map(data).collect();
    for (case, paths, exit) in [
        ("audits of the old cluster agree", former.clone(), 0),
        ("audits of the new cluster agree", present.clone(), 0),
        ("audits of two clusters do not", vec![former[0].clone(), present[0].clone()], 3),
    ] {
        let arguments = [vec!["duties".to_owned(), "verify".to_owned()], paths].concat();
        let (status, output) = run(command("verify", &arguments, world.directory().join("verify.log"))?, CHECKED).await?;
        outcome.table.row([case.to_owned(), status.to_string(), brief(&output)]);
        outcome.check(format!("{case}: exit {status}"), status.code() == Some(exit));
    }
    Ok(())
}

async fn step(
    world: &World,
    at: &crate::replica::Replica,
    case: &str,
    arguments: &[&str],
    exit: i32,
    words: &str,
    outcome: &mut Outcome,
) -> Result<()> {
    let name = case.replace([' ', '\''], "-");
    let (mut found, mut output) = world.ollin(at, &name, arguments).await?;
    if exit == 0 && output.contains("(unknown)") {
        // A busy machine held an election meanwhile. Then the command may be given again, and does the same.
        world.acting(None, super::SETTLED).await?;
        (found, output) = world.ollin(at, &name, arguments).await?;
    }
    outcome.table.row([case.to_owned(), found.map_or("signal".to_owned(), |code| code.to_string()), brief(&output)]);
    outcome.check(format!("{case}: exit {exit} and says {words:?}"), found == Some(exit) && output.contains(words));
    Ok(())
}

fn brief(output: &str) -> String {
    output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("").chars().take(100).collect()
}

fn outlets_end(history: &History) -> Option<u64> {
    let signatures = history.emissions.iter().filter(|one| matches!(one.emitted, Emitted::Signature(_)));
    signatures.map(|one| slot_of(&one.emitted)).max()
}

fn first_slot(path: &PathBuf) -> Option<u64> {
    let mut history = History::default();
    history.add_record("one", &std::fs::read(path).ok()?).ok()?;
    history.emissions.iter().map(|one| slot_of(&one.emitted)).collect::<BTreeSet<_>>().first().copied()
}
