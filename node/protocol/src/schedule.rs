//! Slots and epochs in time, and the deadlines within a slot. Times are given, never read.

mod timetable;

pub use timetable::{Timetable, TimetableError};

use crate::units::{Epoch, Slot};

/// The rollup's clock. Seconds of L1 time; arithmetic saturates.
///
/// Source: npm @aztec/l1-artifacts 4.1.2, `TimeLib`; npm @aztec/stdlib 4.1.2, `src/epoch-helpers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Start of slot 0: `Rollup.getGenesisTime()`.
    pub genesis_time: u64,
    /// Seconds of a slot: `Rollup.getSlotDuration()`.
    pub slot_duration: u64,
    /// Slots of an epoch: `Rollup.getEpochDuration()`.
    pub epoch_duration: u64,
    /// Seconds of an L1 slot.
    pub ethereum_slot_duration: u64,
}

impl Schedule {
    /// The slot that contains `timestamp`; `None` before genesis (and for a slot duration of zero).
    pub fn slot_at(&self, timestamp: u64) -> Option<Slot> {
        timestamp.checked_sub(self.genesis_time)?.checked_div(self.slot_duration).map(Slot::new)
    }

    /// First second of the slot: the timestamp of its headers.
    pub const fn slot_start(&self, slot: Slot) -> u64 {
        self.genesis_time.saturating_add(slot.get().saturating_mul(self.slot_duration))
    }

    /// First second behind the slot.
    pub const fn slot_end(&self, slot: Slot) -> u64 {
        self.slot_start(slot).saturating_add(self.slot_duration)
    }

    /// When the proposer of the slot may begin: one L1 slot before it.
    pub const fn build_start(&self, slot: Slot) -> u64 {
        self.slot_start(slot).saturating_sub(self.ethereum_slot_duration)
    }

    /// The epoch of the slot (an epoch duration of zero counts as one).
    pub fn epoch_of(&self, slot: Slot) -> Epoch {
        Epoch::new(slot.get() / self.epoch_duration.max(1))
    }

    /// First slot of the epoch.
    pub const fn epoch_start(&self, epoch: Epoch) -> Slot {
        Slot::new(epoch.get().saturating_mul(self.epoch_duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAINNET: Schedule = Schedule { genesis_time: 1000, slot_duration: 72, epoch_duration: 32, ethereum_slot_duration: 12 };

    #[test]
    fn a_slot_ends_where_the_next_one_starts() {
        let slot = Slot::new(41);
        assert_eq!(MAINNET.slot_start(slot), 1000 + 41 * 72);
        assert_eq!(MAINNET.slot_end(slot), MAINNET.slot_start(Slot::new(42)));
        assert_eq!(MAINNET.build_start(slot), MAINNET.slot_start(slot) - 12);
        assert_eq!(MAINNET.slot_at(MAINNET.slot_end(slot) - 1), Some(slot));
        assert_eq!(MAINNET.slot_at(MAINNET.slot_end(slot)), Some(Slot::new(42)));
    }

    #[test]
    fn there_is_no_slot_before_genesis_and_none_without_a_duration() {
        assert_eq!(MAINNET.slot_at(999), None);
        assert_eq!(MAINNET.slot_at(1000), Some(Slot::new(0)));
        assert_eq!(Schedule { slot_duration: 0, ..MAINNET }.slot_at(2000), None);
    }

    #[test]
    fn epochs_are_runs_of_slots() {
        assert_eq!(MAINNET.epoch_of(Slot::new(31)), Epoch::new(0));
        assert_eq!(MAINNET.epoch_of(Slot::new(32)), Epoch::new(1));
        assert_eq!(MAINNET.epoch_start(Epoch::new(2)), Slot::new(64));
    }

    #[test]
    fn absurd_slots_saturate() {
        assert_eq!(MAINNET.slot_end(Slot::new(u64::MAX)), u64::MAX);
    }
}
