//! What keeps a slot from being finished, for whoever records missed duties.

use ollin_consensus::ClaimError;
use ollin_guard::Refusal;
use ollin_protocol::units::Slot;

use crate::decide::LeaveReason;
use crate::sequencer::{Retry, SlotOutcome};

/// One obstacle in one slot. A later report of the same slot takes the place of an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotReport {
    /// The slot.
    pub slot: Slot,
    /// What kind of obstacle.
    pub hindrance: Hindrance,
    /// The same in words, with its values.
    pub detail: String,
}

/// What kept a slot from being finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// L1 was not read up to the slot.
    L1Behind,
    /// L1 did not answer.
    L1Down,
    /// The contract takes no proposal for the slot.
    NotProposable,
    /// Leadership is being handed over: nothing new is begun here.
    HandingOver,
    /// No quorum answered a claim, or this replica does not lead any more.
    NoQuorum,
    /// This replica stopped granting.
    Halted,
    /// The log refused a claim.
    Refused(Refusal),
    /// The deadline to start, or the slot, was over.
    Late,
    /// Empty checkpoints are switched off.
    NothingToBuild,
    /// The checkpoint could not be built or claimed.
    NotBuilt,
    /// L1 moved under what was claimed.
    InputChanged,
    /// Fewer attestations than L1 asks for.
    TooFewAttestations,
    /// A key failed.
    SignerFailed,
}

impl SlotReport {
    /// An obstacle that may go away; `None` for a step that is merely taken again.
    pub(crate) fn waiting(slot: Slot, retry: &Retry) -> Option<Self> {
        let hindrance = match retry {
            Retry::NotSynced | Retry::Archiver(_) => Hindrance::L1Behind,
            Retry::HandingOver => Hindrance::HandingOver,
            Retry::NotProposable(_) => Hindrance::NotProposable,
            Retry::L1(_) => Hindrance::L1Down,
            Retry::Claim(ClaimError::NotLeader { .. } | ClaimError::Unknown { .. }) => Hindrance::NoQuorum,
            Retry::Claim(ClaimError::Halted { .. }) => Hindrance::Halted,
            Retry::Claim(_) => Hindrance::NotBuilt,
            // Adopted, it is a step that is merely taken again; if it cannot be, this is what the slot was lost for.
            Retry::Adopt(conflict) => Hindrance::Refused(Refusal::clone(conflict)),
            Retry::Unanswered => return None,
        };
        Some(Self { slot, hindrance, detail: retry.to_string() })
    }

    /// Why a slot was given up; `None` if it was not ours, or is in the publisher's hands.
    pub(crate) fn concluded(slot: Slot, outcome: &SlotOutcome) -> Option<Self> {
        let hindrance = match outcome {
            SlotOutcome::BundleClaimed
            | SlotOutcome::Left(LeaveReason::NotOurs | LeaveReason::BundleClaimed | LeaveReason::Landed) => return None,
            SlotOutcome::Left(LeaveReason::TooLateToStart | LeaveReason::SlotOver) => Hindrance::Late,
            SlotOutcome::Left(LeaveReason::NothingToBuild) => Hindrance::NothingToBuild,
            SlotOutcome::Abandoned(_) => Hindrance::InputChanged,
            SlotOutcome::Refused(refusal) => Hindrance::Refused(refusal.clone()),
            SlotOutcome::NoBundle(_) => Hindrance::TooFewAttestations,
            SlotOutcome::NotBuilt(_) => Hindrance::NotBuilt,
            SlotOutcome::NotSigned(_) => Hindrance::SignerFailed,
        };
        Some(Self { slot, hindrance, detail: outcome.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Slot = Slot::new(7);

    #[test]
    fn only_what_hinders_is_reported() {
        for reason in [LeaveReason::NotOurs, LeaveReason::BundleClaimed, LeaveReason::Landed] {
            assert_eq!(SlotReport::concluded(SLOT, &SlotOutcome::Left(reason)), None);
        }
        assert_eq!(SlotReport::concluded(SLOT, &SlotOutcome::BundleClaimed), None);
        assert_eq!(SlotReport::waiting(SLOT, &Retry::Unanswered), None);
        let late = SlotReport::concluded(SLOT, &SlotOutcome::Left(LeaveReason::TooLateToStart));
        assert_eq!(late.map(|report| report.hindrance), Some(Hindrance::Late));
        let refused = SlotReport::concluded(SLOT, &SlotOutcome::Refused(Refusal::Sealed));
        assert_eq!(refused.map(|report| report.hindrance), Some(Hindrance::Refused(Refusal::Sealed)));
        let lost = Retry::Claim(ClaimError::Unknown { waited_ms: 2_000 });
        let lost = SlotReport::waiting(SLOT, &lost).map(|report| (report.hindrance, report.detail));
        assert_eq!(lost, Some((Hindrance::NoQuorum, "no quorum answered within 2000 ms".to_owned())));
    }
}
