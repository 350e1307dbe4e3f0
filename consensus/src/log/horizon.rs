//! The latest slot for which claims are admitted, and how fresh that knowledge is (safety rule R7).

use std::time::{Duration, Instant};

use ollin_guard::{Fault, planted};
use ollin_protocol::units::Slot;
use parking_lot::RwLock;

/// A horizon that was set longer ago says nothing of the present.
const FRESH: Duration = Duration::from_secs(5);

/// Set on every tick by whoever reads the clock; read by claims and closings. The lock is held for one read or write.
#[derive(Debug, Default)]
pub(super) struct Horizon {
    set: RwLock<Option<(Slot, Instant)>>,
}

impl Horizon {
    pub(super) fn set(&self, latest: Slot, now: Instant) {
        *self.set.write() = Some((latest, now));
    }

    /// The latest admissible slot, as it was last set.
    pub(super) fn latest(&self) -> Option<Slot> {
        self.set.read().map(|(latest, _)| latest)
    }

    /// The slot up to which everything must be closed that may have begun: the latest admissible one, or the highest that anything
    /// is bound in, with a slot's margin for other replicas' clocks. `None` while the horizon is not known, or old.
    pub(super) fn closing(&self, highest_bound: Option<Slot>, now: Instant) -> Option<Slot> {
        let (latest, at) = (*self.set.read())?;
        let fresh = now.saturating_duration_since(at) <= FRESH || planted(Fault::ClosesByOldClock);
        let highest_bound = highest_bound.filter(|_| !planted(Fault::ClosesTooLow));
        fresh.then(|| Slot::new(latest.max(highest_bound.unwrap_or(latest)).get().saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_covers_every_slot_that_a_claim_was_admitted_for() {
        let (horizon, now) = (Horizon::default(), Instant::now());
        assert_eq!(horizon.closing(Some(Slot::new(7)), now), None, "without a clock nothing is closed");
        horizon.set(Slot::new(10), now);
        assert_eq!(horizon.latest(), Some(Slot::new(10)));
        assert_eq!(horizon.closing(None, now), Some(Slot::new(11)));
        assert_eq!(horizon.closing(Some(Slot::new(7)), now), Some(Slot::new(11)));
        assert_eq!(horizon.closing(Some(Slot::new(30)), now), Some(Slot::new(31)), "another replica's clock was ahead");
        assert_eq!(horizon.closing(None, now + FRESH * 2), None, "this process was paused, or the clock is not read any more");
    }
}
