//! Who led when, as this replica saw it. Pure: the caller looks, and says when it looked.

use std::collections::BTreeMap;

use ollin_protocol::units::{ReplicaId, Slot};
use ollin_rpc::view::{LeaderChange, RECENT_SLOTS};

/// The leaders of the latest slots and the last change.
#[derive(Debug, Default)]
pub(crate) struct Leadership {
    last_seen: Option<(ReplicaId, u64)>,
    last_change: Option<LeaderChange>,
    by_slot: BTreeMap<Slot, Vec<ReplicaId>>,
}

impl Leadership {
    /// Takes note of one look at `now_ms`, in L1's `slot`. An election (`leader` is `None`) changes nothing by itself.
    pub(crate) fn note(&mut self, now_ms: u64, slot: Option<Slot>, leader: Option<ReplicaId>, term: u64) {
        let Some(leader) = leader else { return };
        if let Some((before, seen_ms)) = self.last_seen.filter(|(before, _)| *before != leader) {
            let gap_ms = now_ms.saturating_sub(seen_ms);
            self.last_change = Some(LeaderChange { from: before, to: leader, term, at_ms: now_ms, gap_ms });
        }
        self.last_seen = Some((leader, now_ms));
        if let Some(slot) = slot {
            let leaders = self.by_slot.entry(slot).or_default();
            if leaders.last() != Some(&leader) {
                leaders.push(leader);
            }
            // The current slot and as many as are shown.
            while self.by_slot.len() > RECENT_SLOTS.saturating_add(1) {
                self.by_slot.pop_first();
            }
        }
    }

    /// The last time that another replica came to lead.
    pub(crate) const fn last_change(&self) -> Option<LeaderChange> {
        self.last_change
    }

    /// Who led during `slot`, in that order.
    pub(crate) fn of_slot(&self, slot: Slot) -> Vec<ReplicaId> {
        self.by_slot.get(&slot).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn replica(id: u64) -> ReplicaId {
        ReplicaId::new(id)
    }

    const SLOT: Option<Slot> = Some(Slot::new(7));

    #[test]
    fn a_failover_is_told_from_the_last_look_at_the_old_leader() {
        let mut seen = Leadership::default();
        seen.note(1_000, SLOT, Some(replica(1)), 4);
        seen.note(1_250, SLOT, Some(replica(1)), 4);
        assert_eq!(seen.last_change(), None, "the first leader that is seen is no change");
        seen.note(1_500, SLOT, None, 5);
        seen.note(1_750, SLOT, Some(replica(3)), 6);
        let change = LeaderChange { from: replica(1), to: replica(3), term: 6, at_ms: 1_750, gap_ms: 500 };
        assert_eq!(seen.last_change(), Some(change));
        assert_eq!(seen.of_slot(Slot::new(7)), [replica(1), replica(3)]);
    }

    #[test]
    fn a_leader_elected_again_is_no_failover() {
        let mut seen = Leadership::default();
        for (term, leader) in [(4, Some(replica(2))), (5, None), (5, Some(replica(2)))] {
            seen.note(1_000, SLOT, leader, term);
        }
        assert_eq!(seen.last_change(), None);
        assert_eq!(seen.of_slot(Slot::new(7)), [replica(2)]);
    }

    #[test]
    fn only_the_slots_that_are_shown_are_kept() {
        let mut seen = Leadership::default();
        for slot in 0..100 {
            seen.note(slot, Some(Slot::new(slot)), Some(replica(1)), 1);
        }
        assert_eq!(seen.by_slot.len(), RECENT_SLOTS + 1);
        assert_eq!(seen.of_slot(Slot::new(99)), [replica(1)]);
        assert!(seen.of_slot(Slot::new(0)).is_empty());
    }
}
