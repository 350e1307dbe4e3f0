//! A chain that L1 prunes because nobody proves it: we follow the prune and go on from the proven tip.

use std::time::Duration;

use anyhow::Result;

use crate::report::Outcome;
use crate::wait::until;
use crate::world::World;

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("prune", &["L1 block", "proven", "pending before", "next checkpoint"]);
    let epochs = u32::try_from(world.facts().epoch_duration)?.saturating_mul(6);
    let patience = world.clock().slots(epochs) + Duration::from_secs(30);
    let prune = until("a prune on L1", patience, || async { world.chain().prunes().await.ok()?.pop() }).await?;
    let look = || async { world.chain().landed_since(prune.l1_block).await.ok()?.into_values().next() };
    let next = until("a checkpoint on the pruned chain", world.clock().slots(4), look).await?;
    let cells = [prune.l1_block, prune.proven, prune.pending, next.checkpoint()];
    outcome.table.row(cells.map(|cell| cell.to_string()));
    outcome.check("numbers start again after the proven tip", next.checkpoint() == prune.proven + 1);
    for replica in world.replicas() {
        let agrees = || async {
            let status = replica.status().await?;
            let newest = world.chain().landed_since(prune.l1_block).await.ok()?.into_values().next_back()?;
            (status.l2_tips.checkpointed.checkpoint.number.get() == newest.checkpoint()).then_some(())
        };
        let agreed = until("the tip after the prune", world.clock().slots(3), agrees).await;
        outcome.check(format!("replica {} stands on L1's tip", replica.id()), agreed.is_ok());
    }
    Ok(outcome)
}
