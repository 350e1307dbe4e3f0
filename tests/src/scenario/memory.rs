//! Memory of replicas that do not lead.

use anyhow::Result;

use crate::report::Outcome;
use crate::world::World;

/// Resident MiB of an idle replica.
const LIMIT_MIB: u64 = 150;

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("memory", &["replica", "leads", "resident MiB"]);
    let leader = world.settled(super::SETTLED).await?;
    let mut worst = 0;
    for replica in world.replicas() {
        let mib = replica.resident_kib()? / 1024;
        let leads = replica.id() == leader;
        outcome.table.row([replica.id().to_string(), leads.to_string(), mib.to_string()]);
        if !leads {
            worst = worst.max(mib);
        }
    }
    outcome.figure("idle replica", format!("{worst} MiB"));
    outcome.check(format!("an idle replica has less than {LIMIT_MIB} MiB ({worst})"), worst < LIMIT_MIB);
    Ok(outcome)
}
