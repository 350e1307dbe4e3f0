//! Whether to start, finish or leave a slot: a plain function over what is known.

use std::time::Duration;

use ollin_protocol::units::Slot;

/// What is known about the slot whose building time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotFacts {
    /// The slot.
    pub slot: Slot,
    /// Time since the slot's building time began (one L1 slot before the slot itself).
    pub elapsed: Duration,
    /// Latest moment, on the same scale, at which the official timetable lets a proposer start.
    pub initialize_deadline: Duration,
    /// The slot's end on the same scale: after it no L1 block can carry the checkpoint.
    pub slot_end: Duration,
    /// The proposer of the slot is one of our attesters.
    pub ours: bool,
    /// An empty checkpoint may be built.
    pub build_if_empty: bool,
    /// The log binds a block or checkpoint proposal for the slot.
    pub claimed: bool,
    /// The log binds the slot's bundle.
    pub bundle_claimed: bool,
    /// Slot of the newest checkpoint on L1, if there is one.
    pub tip_slot: Option<Slot>,
    /// The archiver has seen the last L1 block in which the slot before could still land.
    pub synced: bool,
}

/// What to do about the slot now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is claimed and there is time: build and claim.
    Start,
    /// The log holds a claim for the slot: go on from it, whoever made it.
    Finish,
    /// Look again soon.
    Wait(WaitReason),
    /// Leave the slot for good.
    Leave(LeaveReason),
}

/// Why to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaitReason {
    /// L1 is not read up to the start of the slot.
    NotSynced,
}

/// Why a slot is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaveReason {
    /// Another proposer's slot.
    NotOurs,
    /// The bundle is claimed: the rest is the publisher's.
    BundleClaimed,
    /// L1 holds a checkpoint of this slot or a later one.
    Landed,
    /// Nothing was claimed before the initialise deadline.
    TooLateToStart,
    /// The slot is over.
    SlotOver,
    /// There are no transactions and empty checkpoints are switched off.
    NothingToBuild,
}

/// Decides. For starting a slot the official timetable binds; for finishing one that the log holds, only the slot's end does.
///
/// Source: npm @aztec/sequencer-client 4.1.2, `src/sequencer/{sequencer,timetable}.ts`.
pub fn decide(facts: &SlotFacts) -> Decision {
    if !facts.ours {
        return Decision::Leave(LeaveReason::NotOurs);
    }
    if facts.tip_slot.is_some_and(|tip| tip >= facts.slot) {
        return Decision::Leave(LeaveReason::Landed);
    }
    if facts.elapsed >= facts.slot_end {
        return Decision::Leave(LeaveReason::SlotOver);
    }
    if facts.bundle_claimed {
        return Decision::Leave(LeaveReason::BundleClaimed);
    }
    if !facts.claimed && facts.elapsed >= facts.initialize_deadline {
        return Decision::Leave(LeaveReason::TooLateToStart);
    }
    if !facts.claimed && !facts.build_if_empty {
        return Decision::Leave(LeaveReason::NothingToBuild);
    }
    if !facts.synced {
        return Decision::Wait(WaitReason::NotSynced);
    }
    if facts.claimed { Decision::Finish } else { Decision::Start }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> SlotFacts {
        SlotFacts {
            slot: Slot::new(9),
            elapsed: Duration::from_secs(1),
            initialize_deadline: Duration::from_secs(8),
            slot_end: Duration::from_secs(13),
            ours: true,
            build_if_empty: true,
            claimed: false,
            bundle_claimed: false,
            tip_slot: Some(Slot::new(8)),
            synced: true,
        }
    }

    #[test]
    fn a_slot_of_ours_starts_once_l1_is_read_up_to_it() {
        assert_eq!(decide(&facts()), Decision::Start);
        assert_eq!(decide(&SlotFacts { synced: false, ..facts() }), Decision::Wait(WaitReason::NotSynced));
    }

    #[test]
    fn after_the_initialise_deadline_only_a_claimed_slot_goes_on() {
        let late = SlotFacts { elapsed: Duration::from_secs(8), ..facts() };
        assert_eq!(decide(&late), Decision::Leave(LeaveReason::TooLateToStart));
        assert_eq!(decide(&SlotFacts { claimed: true, ..late }), Decision::Finish);
    }

    #[test]
    fn without_transactions_a_slot_needs_leave_to_be_empty() {
        let switched_off = SlotFacts { build_if_empty: false, ..facts() };
        assert_eq!(decide(&switched_off), Decision::Leave(LeaveReason::NothingToBuild));
        assert_eq!(decide(&SlotFacts { claimed: true, ..switched_off }), Decision::Finish);
    }

    #[test]
    fn nothing_is_finished_after_the_slot_or_over_a_landed_checkpoint() {
        let claimed = SlotFacts { claimed: true, ..facts() };
        assert_eq!(decide(&SlotFacts { elapsed: Duration::from_secs(13), ..claimed }), Decision::Leave(LeaveReason::SlotOver));
        assert_eq!(decide(&SlotFacts { tip_slot: Some(Slot::new(9)), ..claimed }), Decision::Leave(LeaveReason::Landed));
    }

    #[test]
    fn a_claimed_bundle_and_a_foreign_slot_are_left_alone() {
        assert_eq!(decide(&SlotFacts { bundle_claimed: true, ..facts() }), Decision::Leave(LeaveReason::BundleClaimed));
        assert_eq!(decide(&SlotFacts { ours: false, ..facts() }), Decision::Leave(LeaveReason::NotOurs));
    }
}
