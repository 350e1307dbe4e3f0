//! Proven and finalized tips move when somebody proves.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::report::Outcome;
use crate::wait::until;
use crate::world::World;

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("tips", &["proposed", "proven (guide)", "proven (4.1.2)", "finalized"]);
    let public = world.replicas().first().context("no replicas")?.public();
    let epochs = u32::try_from(world.facts().epoch_duration)?.saturating_mul(5);
    let patience = world.clock().slots(epochs) + Duration::from_secs(30);
    let moved = || async {
        let tips: Value = public.call("node_getL2Tips", json!([])).await.ok()?;
        let seen = Tips::read(&tips)?;
        (seen.finalized > 0).then_some(seen)
    };
    let tips = until("a finalized checkpoint", patience, moved).await?;
    let cells = [tips.proposed, tips.proven_guide, tips.proven, tips.finalized];
    outcome.table.row(cells.map(|cell| cell.to_string()));
    outcome.check("the guide's proven.number is 4.1.2's proven.block.number", tips.proven_guide == tips.proven);
    let ordered = tips.finalized <= tips.proven && tips.proven <= tips.proposed;
    outcome.check("finalized, proven and proposed tips stand in this order", ordered);
    Ok(outcome)
}

struct Tips {
    proposed: u64,
    proven_guide: u64,
    proven: u64,
    finalized: u64,
}

impl Tips {
    fn read(tips: &Value) -> Option<Self> {
        let number = |path: &str| tips.pointer(path).and_then(Value::as_u64);
        Some(Self {
            proposed: number("/proposed/number")?,
            proven_guide: number("/proven/number")?,
            proven: number("/proven/block/number")?,
            finalized: number("/finalized/block/number")?,
        })
    }
}
