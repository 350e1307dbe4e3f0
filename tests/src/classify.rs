//! Whether a slot landed, was not ours to keep, or was lost.

use crate::clock::SlotClock;

/// A time without an acting leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// When the leader was killed or stopped, in milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// When another replica was seen to be active.
    pub until_ms: u64,
}

/// What is known of one slot from outside: the chain, the outlet records, the named point.
#[derive(Clone, Copy, Debug)]
pub struct SlotFacts {
    /// The slot.
    pub slot: u64,
    /// L1 block with its checkpoint.
    pub l1_block: Option<u64>,
    /// Whether something was claimed for it: a point after a claim was reached, or a guarded record is in an outlet record.
    pub claimed: bool,
}

/// What became of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotVerdict {
    /// Its checkpoint is on L1, in that block.
    Landed(u64),
    /// Nothing was claimed for it, and no leader was active before the initialise deadline.
    NotOursToKeep,
    /// It should be on L1 and is not.
    Lost,
}

impl SlotVerdict {
    /// Judges one slot. `gaps` are all times without a leader in the run.
    pub fn of(facts: SlotFacts, gaps: &[Gap], clock: &SlotClock) -> Self {
        if let Some(l1_block) = facts.l1_block {
            return Self::Landed(l1_block);
        }
        let Some(deadline_ms) = clock.initialize_deadline_ms(facts.slot) else {
            return Self::NotOursToKeep;
        };
        // A leader that fell after the deadline had its chance to claim: that slot was ours.
        let leaderless = gaps.iter().any(|gap| gap.from_ms < deadline_ms && gap.until_ms > deadline_ms);
        if !facts.claimed && leaderless { Self::NotOursToKeep } else { Self::Lost }
    }
}

impl std::fmt::Display for SlotVerdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Landed(l1_block) => write!(f, "landed in {l1_block}"),
            Self::NotOursToKeep => f.write_str("not ours to keep"),
            Self::Lost => f.write_str("LOST"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: SlotClock = SlotClock { genesis_time: 1_000, slot_duration: 12, ethereum_slot_duration: 1 };

    fn verdict(l1_block: Option<u64>, claimed: bool, gap: Option<(u64, u64)>) -> SlotVerdict {
        let deadline = CLOCK.initialize_deadline_ms(5).unwrap();
        let gaps: Vec<Gap> =
            gap.map(|(before, after)| Gap { from_ms: deadline - before, until_ms: deadline + after }).into_iter().collect();
        SlotVerdict::of(SlotFacts { slot: 5, l1_block, claimed }, &gaps, &CLOCK)
    }

    #[test]
    fn what_is_on_l1_landed_whatever_else_happened() {
        assert_eq!(verdict(Some(77), false, Some((500, 500))), SlotVerdict::Landed(77));
    }

    #[test]
    fn a_quiet_slot_must_land() {
        assert_eq!(verdict(None, false, None), SlotVerdict::Lost);
    }

    #[test]
    fn an_unclaimed_slot_without_a_leader_at_the_deadline_is_not_ours() {
        assert_eq!(verdict(None, false, Some((500, 500))), SlotVerdict::NotOursToKeep);
    }

    #[test]
    fn a_claimed_slot_is_ours_even_so() {
        assert_eq!(verdict(None, true, Some((500, 500))), SlotVerdict::Lost);
    }

    #[test]
    fn a_leader_back_before_the_deadline_makes_the_slot_ours() {
        let deadline = CLOCK.initialize_deadline_ms(5).unwrap();
        let gaps = [Gap { from_ms: deadline - 900, until_ms: deadline - 1 }];
        let facts = SlotFacts { slot: 5, l1_block: None, claimed: false };
        assert_eq!(SlotVerdict::of(facts, &gaps, &CLOCK), SlotVerdict::Lost);
    }
}
