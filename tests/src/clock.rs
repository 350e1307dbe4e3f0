//! The slot schedule of a deployment on the wall clock, in milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch: the unit of the outlet records.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// When slots begin and end.
///
/// Written out here rather than taken from `ollin-protocol`: what judges the sequencer's timing must not share its arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotClock {
    /// `Rollup.getGenesisTime()`: second at which slot 0 begins.
    pub genesis_time: u64,
    /// Seconds in a slot.
    pub slot_duration: u64,
    /// Seconds between L1 blocks.
    pub ethereum_slot_duration: u64,
}

impl SlotClock {
    /// Slot that contains the second `timestamp`, or `None` before genesis.
    pub fn slot_at(&self, timestamp: u64) -> Option<u64> {
        timestamp.checked_sub(self.genesis_time)?.checked_div(self.slot_duration)
    }

    /// Slot of the wall clock.
    pub fn slot_now(&self) -> u64 {
        self.slot_at(now_ms() / 1000).unwrap_or(0)
    }

    /// Second at which `slot` begins.
    pub fn slot_start(&self, slot: u64) -> u64 {
        self.genesis_time.saturating_add(slot.saturating_mul(self.slot_duration))
    }

    /// Second at which `slot` is over.
    pub fn slot_end(&self, slot: u64) -> u64 {
        self.slot_start(slot.saturating_add(1))
    }

    /// Millisecond at which work for `slot` may begin: one L1 slot before it.
    pub fn build_start_ms(&self, slot: u64) -> u64 {
        self.slot_start(slot).saturating_sub(self.ethereum_slot_duration).saturating_mul(1000)
    }

    /// Millisecond after which the official timetable starts no checkpoint for `slot`, or `None` where a slot is too short.
    ///
    /// `D - (i + 2m + a + 2p + P)` after the build start, with `i = a = 0.5`, `m = 1`, `p = 0` where L1 slots are shorter than
    /// 8 s and `i = a = 1`, `m = p = 2` elsewhere; `P` is one L1 slot.
    /// Source: npm @aztec/sequencer-client 4.1.2, `src/sequencer/timetable.ts`.
    pub fn initialize_deadline_ms(&self, slot: u64) -> Option<u64> {
        let fixed_ms = if self.ethereum_slot_duration < 8 { 500 + 2_000 + 500 } else { 1_000 + 4_000 + 1_000 + 4_000 };
        let used_ms = self.ethereum_slot_duration.checked_mul(1000)?.checked_add(fixed_ms)?;
        let allowance_ms = self.slot_duration.checked_mul(1000)?.checked_sub(used_ms)?;
        self.build_start_ms(slot).checked_add(allowance_ms)
    }

    /// The length of `slots` slots.
    pub fn slots(&self, slots: u32) -> Duration {
        Duration::from_secs(self.slot_duration) * slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: SlotClock = SlotClock { genesis_time: 1_000, slot_duration: 12, ethereum_slot_duration: 1 };

    #[test]
    fn a_slot_holds_its_first_second_and_not_its_last() {
        assert_eq!(CLOCK.slot_at(999), None);
        assert_eq!(CLOCK.slot_at(1_000), Some(0));
        assert_eq!(CLOCK.slot_at(CLOCK.slot_start(7)), Some(7));
        assert_eq!(CLOCK.slot_at(CLOCK.slot_end(7)), Some(8));
    }

    #[test]
    fn the_initialize_deadline_is_that_of_the_official_timetable() {
        // Official node: slot 6 s, L1 slot 1 s: 2 s; slot 12 s, L1 slot 1 s: 8 s after the build start.
        let six = SlotClock { slot_duration: 6, ..CLOCK };
        assert_eq!(six.initialize_deadline_ms(3), Some(six.build_start_ms(3) + 2_000));
        assert_eq!(CLOCK.initialize_deadline_ms(3), Some(CLOCK.build_start_ms(3) + 8_000));
        let main = SlotClock { genesis_time: 0, slot_duration: 72, ethereum_slot_duration: 12 };
        assert_eq!(main.initialize_deadline_ms(3), Some(main.build_start_ms(3) + 50_000));
        let short = SlotClock { slot_duration: 3, ..CLOCK };
        assert_eq!(short.initialize_deadline_ms(3), None);
    }
}
