//! Consecutive slots, all of which must be on L1.

use std::collections::BTreeSet;

use anyhow::Result;
use ollin_chaos::Emitted;
use ollin_guard::DutyKind;
use ollin_protocol::attestations::required_signatures;

use crate::chain::Landed;
use crate::report::Outcome;
use crate::world::World;

/// Seconds from the development L1's readiness to the first checkpoint.
const FIRST_CHECKPOINT_S: u64 = 60;

/// `count` consecutive slots by three replicas, after the first one that landed.
pub(super) async fn play(world: &mut World, count: u64) -> Result<Outcome> {
    let mut outcome = Outcome::new("slots", &["slot", "checkpoint", "L1 block", "s into slot", "publisher"]);
    let first = world.first_landed().await?;
    let after_ready = first.timestamp.saturating_sub(world.ready_ms() / 1000);
    outcome.figure("first checkpoint after the L1's readiness", format!("{after_ready} s"));
    outcome.check(
        format!("first checkpoint within {FIRST_CHECKPOINT_S} s of the L1's readiness"),
        after_ready <= FIRST_CHECKPOINT_S,
    );
    let landed = consecutive(world, first.slot(), count, &mut outcome).await?;
    outcome.figure("consecutive slots on L1", format!("{landed}/{count}"));
    Ok(outcome)
}

/// The same with four attesters, all ours: the checkpoints carry signatures of at least `floor(2n/3) + 1` of them.
pub(super) async fn play_committee(world: &mut World, count: u64) -> Result<Outcome> {
    let mut outcome = Outcome::new("committee", &["slot", "checkpoint", "L1 block", "s into slot", "publisher"]);
    let first = world.first_landed().await?;
    let landed = consecutive(world, first.slot(), count, &mut outcome).await?;
    outcome.figure("consecutive slots on L1", format!("{landed}/{count}"));
    let needed = required_signatures(usize::try_from(world.facts().committee_size)?);
    let on_chain = world.chain().landed().await?;
    for slot in (first.slot() + 1)..=(first.slot() + count) {
        let signatures = on_chain.get(&slot).map_or(0, |one| one.signatures);
        outcome.check(format!("slot {slot} has {signatures} signatures of ours, {needed} needed"), signatures >= needed);
    }
    let history = world.outlets()?;
    let proposers = history.emissions.iter().filter_map(|emission| match &emission.emitted {
        Emitted::Signature(one) if one.key.duty.kind == DutyKind::CheckpointProposal => Some(one.key.duty.attester),
        Emitted::Signature(_) | Emitted::Transaction(_) => None,
    });
    outcome.figure("attesters that proposed", proposers.collect::<BTreeSet<_>>().len().to_string());
    Ok(outcome)
}

/// Watches the `count` slots after `slot`, one row each; returns how many landed.
async fn consecutive(world: &World, slot: u64, count: u64, outcome: &mut Outcome) -> Result<u64> {
    let mut landed = 0;
    for slot in (slot + 1)..=(slot + count) {
        let found = world.landed_or_over(slot).await?;
        outcome.table.row(match &found {
            Some(one) => row(world, one),
            None => vec![slot.to_string(), "LOST".to_owned()],
        });
        landed += u64::from(found.is_some());
        outcome.check(format!("slot {slot} is on L1"), found.is_some());
    }
    Ok(landed)
}

fn row(world: &World, one: &Landed) -> Vec<String> {
    let into = one.timestamp.saturating_sub(world.clock().slot_start(one.slot()));
    let numbers = [one.slot(), one.checkpoint(), one.l1_block(), into].map(|number| number.to_string());
    [numbers.as_slice(), &[one.publisher.to_string()]].concat()
}
