//! The leader killed at every named point, in an order drawn from the seed.

use anyhow::Result;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::strike::{Meanwhile, Strike, slot_of, strike};
use crate::chain::Landed;
use crate::classify::{Gap, SlotFacts, SlotVerdict};
use crate::failpoint::Point;
use crate::report::{Outcome, median};
use crate::world::World;

/// Milliseconds from a kill to the next grant, in the median.
const NEXT_GRANT_MS: u64 = 350;

/// Every named point `times` times.
pub(super) async fn play(world: &mut World, seed: u64, times: usize) -> Result<Outcome> {
    let mut order: Vec<Point> = Point::ALL.iter().flat_map(|point| std::iter::repeat_n(*point, times)).collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed));
    let mut outcome = Outcome::new("failover", &Strike::HEADS);
    outcome.figure("seed", seed.to_string());
    let mut strikes = Vec::new();
    for point in order {
        match strike(world, point, Meanwhile::Nothing).await {
            Ok(one) => {
                println!("  {}", one.row().join("  "));
                one.report(&mut outcome);
                strikes.push(one);
            }
            Err(fault) => {
                outcome.check(format!("kill at {point}: {fault:#}"), false);
                world.recover().await?;
            }
        }
    }
    times_of(&strikes, &mut outcome);
    let gaps: Vec<Gap> = strikes.iter().map(|one| one.gap).collect();
    if let (Some(first), Some(last)) = (strikes.first(), strikes.last()) {
        every_slot(world, first.slot, last.slot, &gaps, &mut outcome).await?;
    }
    Ok(outcome)
}

/// The median, and the worst, of the times to the next leader and to its first grant.
pub(super) fn times_of(strikes: &[Strike], outcome: &mut Outcome) {
    let active: Vec<u64> = strikes.iter().map(|one| one.gap.until_ms.saturating_sub(one.gap.from_ms)).collect();
    // A slot whose attempt was out when the leader fell may need nothing more from the successor.
    let granted: Vec<u64> =
        strikes.iter().filter(|one| one.point != Point::AttemptSent).filter_map(|one| one.next_grant_ms).collect();
    let show = |numbers: &[u64]| {
        let (middle, worst) = (median(numbers).unwrap_or(0), numbers.iter().max().copied().unwrap_or(0));
        format!("median {middle} ms, worst {worst} ms, of {}", numbers.len())
    };
    outcome.figure("kill to active", show(&active));
    outcome.figure("kill to next grant", show(&granted));
    let held = median(&granted).is_some_and(|middle| middle <= NEXT_GRANT_MS);
    outcome.check(format!("a kill is followed by the next grant within {NEXT_GRANT_MS} ms in the median"), held);
}

/// Judges every slot from `first` to `last`: landed, not ours to keep, or lost.
pub(super) async fn every_slot(world: &World, first: u64, last: u64, gaps: &[Gap], outcome: &mut Outcome) -> Result<()> {
    let landed = world.chain().landed().await?;
    let history = world.outlets()?;
    let mut counts = [0_u64; 3];
    for slot in first..=last {
        let claimed = history.emissions.iter().any(|one| slot_of(&one.emitted) == slot);
        let facts = SlotFacts { slot, l1_block: landed.get(&slot).map(Landed::l1_block), claimed };
        let verdict = SlotVerdict::of(facts, gaps, world.clock());
        match verdict {
            SlotVerdict::Landed(_) => counts[0] += 1,
            SlotVerdict::NotOursToKeep => {
                counts[1] += 1;
                println!("  slot {slot} {verdict}");
            }
            SlotVerdict::Lost => {
                counts[2] += 1;
                outcome.check(format!("slot {slot} {verdict}"), false);
            }
        }
    }
    outcome.figure(
        format!("slots {first}..={last}"),
        format!("{} landed, {} not ours to keep, {} lost", counts[0], counts[1], counts[2]),
    );
    outcome.check(format!("every slot that was ours to keep in {first}..={last} is on L1"), counts[2] == 0);
    Ok(())
}
