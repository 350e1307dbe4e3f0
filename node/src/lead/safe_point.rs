//! Moments in a slot at which leadership may go over without anything half done.

use std::time::{SystemTime, UNIX_EPOCH};

use ollin_consensus::DutyKind;

use super::LeadershipParts;
use crate::chain::Chain;

/// What is known of the slot that is being worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SlotFacts {
    /// The log binds a proposal for it.
    claimed: bool,
    /// The log holds an attempt for it: it is on its way to L1, and the successor finds it by its nonce.
    attempted: bool,
    /// L1 holds its checkpoint.
    landed: bool,
}

/// Between the first claim and the recorded attempt a hand-over would make the successor execute the slot again. Before, nothing
/// is begun (and nothing will be: starts are forbidden meanwhile); after, L1 does the rest.
fn safe(facts: SlotFacts) -> bool {
    !facts.claimed || facts.attempted || facts.landed
}

/// Whether now is such a moment. The slot is that of the next L1 block, as the sequencer counts: a claimed slot that is not
/// finished stops being in the way when it is over.
pub(super) fn is_safe(parts: &LeadershipParts) -> bool {
    // Who reads no L1 begins nothing.
    let Some(Chain { l1, archiver, .. }) = &parts.chain else { return true };
    let schedule = l1.schedule();
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let Some(slot) = schedule.slot_at(now_s.saturating_add(schedule.ethereum_slot_duration)) else {
        return true;
    };
    let proposal = |kind: DutyKind| matches!(kind, DutyKind::BlockProposal { .. } | DutyKind::CheckpointProposal);
    let log = &parts.log;
    let attempts = log
        .publishers()
        .into_iter()
        .map(|publisher| log.publisher_state(publisher))
        .flat_map(|state| state.open.into_iter().chain(state.mined.into_iter().flat_map(|mined| mined.attempts)));
    safe(SlotFacts {
        claimed: log.duties_in_slot(slot).iter().any(|duty| proposal(duty.kind)),
        attempted: attempts.into_iter().any(|attempt| attempt.request.slot == slot),
        landed: archiver.view().borrow().tip.slot.is_some_and(|tip| tip >= slot),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_in_the_way_from_its_first_claim_to_its_recorded_attempt() {
        let facts = |claimed, attempted, landed| SlotFacts { claimed, attempted, landed };
        assert!(safe(facts(false, false, false)), "nothing is begun");
        assert!(!safe(facts(true, false, false)));
        assert!(safe(facts(true, true, false)));
        assert!(safe(facts(true, false, true)), "another replica's attempt landed");
    }
}
