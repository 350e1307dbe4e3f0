//! An input changed between a claim and its resumption: what lands is what was claimed, or nothing with a reason.

use std::collections::BTreeSet;

use anyhow::Result;
use ollin_chaos::{Emitted, History};
use ollin_guard::DutyKind;
use ollin_protocol::units::SigningRoot;

use super::strike::{Meanwhile, Strike, given_up, strike};
use crate::failpoint::Point;
use crate::report::Outcome;
use crate::world::World;

/// A new inbox message with a claimed block; another base fee with a claimed bundle.
pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("input-changed", &Strike::HEADS);
    let before = strike(world, Point::CheckpointClaimed, Meanwhile::InboxMessage).await?;
    let after = strike(world, Point::BundleClaimed, Meanwhile::BaseFeeTwofold).await?;
    for (what, one) in [("an inbox message", before), ("twice the base fee", after)] {
        outcome.table.row(one.row());
        match &one.landed {
            Some(landed) => {
                let roots = attestation_roots(&world.outlets()?, one.slot);
                let held = roots == BTreeSet::from([landed.fact.attestation_root()]);
                outcome.check(format!("slot {} after {what}: the landed header is the attested one", one.slot), held);
            }
            None => {
                let reason = given_up(world, one.slot)?;
                outcome.check(format!("slot {} after {what}: given up, saying {reason:?}", one.slot), reason.is_some());
            }
        }
    }
    Ok(outcome)
}

/// Every root under which an attestation for `slot` left a replica.
fn attestation_roots(history: &History, slot: u64) -> BTreeSet<SigningRoot> {
    let roots = history.emissions.iter().filter_map(|emission| match &emission.emitted {
        Emitted::Signature(one) if one.key.duty.kind == DutyKind::Attestation && one.key.duty.slot.get() == slot => {
            Some(one.root)
        }
        Emitted::Signature(_) | Emitted::Transaction(_) => None,
    });
    roots.collect()
}
