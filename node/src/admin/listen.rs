//! Before a cluster is created: are its keys at work elsewhere (safety rule R9)?
//!
//! Heard is what came to L1: attestations in checkpoints that were proposed in the latest slots. The p2p network, where they are heard
//! first, is not taken part in yet. Silence proves nothing, for a key may not have been in any of those committees; a sound is proof.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use ollin_archiver::{AtWork, keys_at_work};
use ollin_consensus::{Duty, DutyKind, Fault, SigningLog, planted};
use ollin_l1::L1;
use ollin_protocol::units::Slot;
use ollin_rpc::{CommandRefused, CreateOrder};

use super::refused;

/// The chain of every development L1. Its keys are everybody's, and clusters on it come and go.
const DEVELOPMENT_CHAIN: u64 = 31_337;
/// Slots that are listened to at least: four epochs of mainnet.
const LISTEN_SLOTS: u64 = 128;
/// The refusal, and what accepts it.
const AT_WORK: &str = "at_work";

/// Listens, and refuses if a key of `attesters` has signed in the latest slots what this log does not bind. An import's duties are
/// bound: whoever signed those is the cluster that handed them over.
pub(super) async fn listen(
    log: &SigningLog,
    l1: &L1,
    attesters: &BTreeSet<Address>,
    begun: Slot,
    order: &CreateOrder,
) -> Result<(), CommandRefused> {
    if let Some(unknown) = order.accept.iter().find(|word| *word != AT_WORK) {
        return Err(refused("accept", format!("nothing is accepted as {unknown}; only {AT_WORK} can be")));
    }
    let slots = listened_slots(l1.constants().chain_id, order.listen_slots);
    if slots == 0 || order.accept.iter().any(|word| word == AT_WORK) {
        tracing::warn!(slots, accepted = ?order.accept, "the cluster is created without listening for its keys on L1");
        return Ok(());
    }
    let heard = keys_at_work(l1, attesters, begun.saturating_sub(slots)).await;
    let heard = heard.map_err(|error| refused("l1", format!("L1 cannot be read for the keys at work: {error}")))?;
    let bound: BTreeSet<_> = log.duties().into_iter().collect();
    let is_known =
        |one: &AtWork| bound.contains(&(Duty { slot: one.slot, kind: DutyKind::Attestation, attester: one.attester }, one.root));
    match heard.into_iter().find(|one| !is_known(one)) {
        None => Ok(()),
        Some(one) => Err(refused(AT_WORK, says(&one, slots))),
    }
}

/// How far back is listened. On the development chain only if it is asked for; elsewhere never less than the standard.
fn listened_slots(chain_id: u64, asked: Option<u64>) -> u64 {
    let least = if chain_id == DEVELOPMENT_CHAIN || planted(Fault::CreationUnlistened) { 0 } else { LISTEN_SLOTS };
    asked.unwrap_or_default().max(least)
}

fn says(one: &AtWork, slots: u64) -> String {
    let AtWork { attester, slot, l1_block, transaction, .. } = one;
    format!(
        "the key of attester {attester} is at work elsewhere: it attested in slot {slot} (L1 block {l1_block}, transaction \
         {transaction}). Two signers of one key cost its stake. Stop that one for good, take over its duties (`ollin duties import`) or \
         wait until {slots} slots have passed without it, and create the cluster then. If you know that it is stopped: \
         `ollin cluster create --accept {AT_WORK}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_but_the_development_one_is_listened_to() {
        assert_eq!(listened_slots(DEVELOPMENT_CHAIN, None), 0);
        assert_eq!(listened_slots(DEVELOPMENT_CHAIN, Some(16)), 16, "it can be asked for");
        for chain_id in [1, 11_155_111] {
            assert_eq!(listened_slots(chain_id, None), LISTEN_SLOTS);
            assert_eq!(listened_slots(chain_id, Some(3)), LISTEN_SLOTS, "never less");
            assert_eq!(listened_slots(chain_id, Some(1_000)), 1_000);
        }
    }
}
