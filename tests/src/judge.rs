//! The oracles' verdict on everything that ever left the replicas of a world.

use anyhow::Result;
use ollin_chaos::{ChainFact, SignerKind};

use crate::report::Outcome;
use crate::world::World;

/// Adds the verdict to `outcome`: one failed statement for every violation, or one that there is none over evidence that exists.
///
/// # Errors
/// When a record or L1 cannot be read.
pub async fn judge(world: &World, outcome: &mut Outcome) -> Result<()> {
    let facts: Vec<ChainFact> = world.chain().landed().await?.into_values().map(|one| one.fact).collect();
    let judgement = ollin_chaos::judge(&world.outlets()?, &facts, world.wakes(), SignerKind::Deterministic);
    for violation in &judgement.violations {
        outcome.check(violation.to_string(), false);
    }
    // A verdict over nothing is worth nothing.
    let evidence = judgement.counts.signatures > 0 && judgement.counts.checkpoints > 0;
    outcome.check(format!("oracles: no violation in {}", judgement.counts), judgement.violations.is_empty() && evidence);
    Ok(())
}
