//! The official deadlines for starting and publishing a checkpoint.

use std::time::Duration;

use super::Schedule;

/// Below this L1 slot duration the official node assumes a test chain without propagation.
const TEST_CHAIN_BELOW: Duration = Duration::from_secs(8);

/// Deadlines of a slot, counted from [`Schedule::build_start`]. All sums are of whole milliseconds.
///
/// Source: npm @aztec/sequencer-client 4.1.2, `src/sequencer/timetable.ts`; npm @aztec/stdlib 4.1.2, `src/timetable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timetable {
    /// The latest moment to begin a checkpoint.
    pub initialize_deadline: Duration,
    /// The latest moment to wait for transactions or to create a block.
    pub create_deadline: Duration,
    /// The latest moment to assemble the checkpoint and to begin collecting attestations.
    pub assemble_deadline: Duration,
    /// The latest moment to begin publishing; attestations are collected until then.
    pub publish_deadline: Duration,
    /// When the L1 transaction is given up: one slot after the build start.
    pub transaction_deadline: Duration,
    /// Time from the last block to L1: assembling, a round trip, publishing.
    pub finalization: Duration,
    /// Where the first sub-slot begins.
    pub initialization: Duration,
    /// The least time that a block is given.
    pub minimum_execution: Duration,
    /// Length of a sub-slot; none means one block per slot.
    pub block_duration: Option<Duration>,
    /// How many blocks a checkpoint has at most.
    pub maximum_blocks: u64,
}

/// The slot is too short.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimetableError {
    /// Beginning at the build start is already too late.
    #[error("slots of {slot_ms} ms leave no time to begin: {needed_ms} ms of work are planned")]
    SlotTooShort {
        /// Length of the slot.
        slot_ms: u128,
        /// Planned work.
        needed_ms: u128,
    },
    /// No sub-slot fits.
    #[error("no block of {block_ms} ms fits a slot of {slot_ms} ms")]
    NoBlockFits {
        /// Length of a sub-slot.
        block_ms: u128,
        /// Length of the slot.
        slot_ms: u128,
    },
}

impl Timetable {
    /// The deadlines for slots of `schedule`.
    ///
    /// `publishing_allowance` is what a transaction needs to get into L1, `propagation` one way through gossip (taken as zero on
    /// chains with L1 slots below 8 s, as the official node does).
    ///
    /// # Errors
    /// [`TimetableError`] if nothing fits the slot.
    pub fn new(
        schedule: &Schedule,
        publishing_allowance: Duration,
        propagation: Duration,
        block_duration: Option<Duration>,
    ) -> Result<Self, TimetableError> {
        let slot = Duration::from_secs(schedule.slot_duration);
        let test_chain = Duration::from_secs(schedule.ethereum_slot_duration) < TEST_CHAIN_BELOW;
        let half = Duration::from_millis(500);
        let second = Duration::from_secs(1);
        let (initialization, assembly, minimum) = if test_chain { (half, half, second) } else { (second, second, second * 2) };
        let round_trip = if test_chain { Duration::ZERO } else { propagation.saturating_mul(2) };
        let minimum_execution = block_duration.map_or(minimum, |block| minimum.min(block));
        let finalization = assembly.saturating_add(round_trip).saturating_add(publishing_allowance);
        let work = initialization.saturating_add(minimum_execution * 2).saturating_add(finalization);
        let too_short = TimetableError::SlotTooShort { slot_ms: slot.as_millis(), needed_ms: work.as_millis() };
        let initialize_deadline = slot.checked_sub(work).filter(|left| !left.is_zero()).ok_or_else(|| too_short.clone())?;
        let publish_deadline = slot.checked_sub(publishing_allowance).ok_or_else(|| too_short.clone())?;
        let assemble_deadline = publish_deadline.checked_sub(round_trip).ok_or(too_short)?;
        Ok(Self {
            initialize_deadline,
            create_deadline: initialize_deadline + initialization,
            assemble_deadline,
            publish_deadline,
            transaction_deadline: slot,
            finalization,
            initialization,
            minimum_execution,
            block_duration,
            maximum_blocks: maximum_blocks(slot, initialization.saturating_add(finalization), block_duration)?,
        })
    }

    /// When block `index` (from 0) must be done; `None` past the last one, or without sub-slots.
    pub fn block_deadline(&self, index: u64) -> Option<Duration> {
        let number = u32::try_from(index.checked_add(1)?).ok()?;
        let block = self.block_duration?;
        (u64::from(number) <= self.maximum_blocks).then(|| self.initialization.saturating_add(block.saturating_mul(number)))
    }
}

/// How many sub-slots fit, one more being left for the others' re-execution.
fn maximum_blocks(slot: Duration, reserved: Duration, block: Option<Duration>) -> Result<u64, TimetableError> {
    let Some(block) = block else { return Ok(1) };
    let none = TimetableError::NoBlockFits { block_ms: block.as_millis(), slot_ms: slot.as_millis() };
    let available = slot.checked_sub(reserved).and_then(|left| left.checked_sub(block)).unwrap_or_default();
    let count = available.as_millis().checked_div(block.as_millis()).unwrap_or_default();
    u64::try_from(count).ok().filter(|count| *count > 0).ok_or(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    const fn schedule(slot_duration: u64, ethereum_slot_duration: u64) -> Schedule {
        Schedule { genesis_time: 0, slot_duration, epoch_duration: 32, ethereum_slot_duration }
    }

    #[test]
    fn mainnet_has_four_blocks_and_publishes_halfway() {
        let table = Timetable::new(&schedule(72, 12), seconds(36), seconds(2), Some(seconds(6))).unwrap();
        assert_eq!(table.finalization, seconds(41));
        assert_eq!(table.maximum_blocks, 4);
        let deadlines: Vec<_> = (0..5).map(|index| table.block_deadline(index)).collect();
        assert_eq!(deadlines, [Some(seconds(7)), Some(seconds(13)), Some(seconds(19)), Some(seconds(25)), None]);
        assert_eq!((table.initialize_deadline, table.create_deadline), (seconds(26), seconds(27)));
        assert_eq!((table.assemble_deadline, table.publish_deadline), (seconds(32), seconds(36)));
    }

    #[test]
    fn the_package_defaults_have_eight_blocks() {
        let table = Timetable::new(&schedule(72, 12), seconds(12), seconds(2), Some(seconds(6))).unwrap();
        assert_eq!((table.finalization, table.maximum_blocks), (seconds(17), 8));
        assert_eq!((table.block_deadline(0), table.block_deadline(7)), (Some(seconds(7)), Some(seconds(49))));
        assert_eq!(
            (table.initialize_deadline, table.assemble_deadline, table.publish_deadline),
            (seconds(50), seconds(56), seconds(60))
        );
    }

    #[test]
    fn a_single_block_has_the_same_deadlines_and_no_sub_slots() {
        let table = Timetable::new(&schedule(72, 12), seconds(12), seconds(2), None).unwrap();
        assert_eq!((table.maximum_blocks, table.block_deadline(0)), (1, None));
        assert_eq!(
            (table.initialize_deadline, table.assemble_deadline, table.publish_deadline),
            (seconds(50), seconds(56), seconds(60))
        );
    }

    #[test]
    fn six_second_slots_over_one_second_l1_slots_begin_within_two_seconds() {
        let table = Timetable::new(&schedule(6, 1), seconds(1), seconds(2), None).unwrap();
        assert_eq!((table.maximum_blocks, table.initialize_deadline), (1, seconds(2)));
        assert_eq!((table.initialization, table.minimum_execution), (Duration::from_millis(500), seconds(1)));
        assert_eq!(
            (table.finalization, table.assemble_deadline, table.publish_deadline),
            (Duration::from_millis(1500), seconds(5), seconds(5))
        );
    }

    #[test]
    fn a_short_block_lowers_the_minimum_execution() {
        let table = Timetable::new(&schedule(72, 12), seconds(12), seconds(2), Some(Duration::from_millis(1500))).unwrap();
        assert_eq!(table.minimum_execution, Duration::from_millis(1500));
        assert_eq!(table.initialize_deadline, seconds(51));
    }

    #[test]
    fn a_slot_without_time_is_refused() {
        let error = Timetable::new(&schedule(22, 12), seconds(12), seconds(2), None).unwrap_err();
        assert_eq!(error, TimetableError::SlotTooShort { slot_ms: 22_000, needed_ms: 22_000 });
        assert!(Timetable::new(&schedule(6, 1), seconds(9), seconds(2), None).is_err());
        assert!(matches!(
            Timetable::new(&schedule(72, 12), seconds(12), seconds(2), Some(seconds(40))),
            Err(TimetableError::NoBlockFits { .. })
        ));
        assert!(Timetable::new(&schedule(72, 12), seconds(12), seconds(2), Some(Duration::ZERO)).is_err());
    }
}
