//! The lines that only rise: floor, closed slot, watermark, and the slot up to which payloads are dropped.

use ollin_protocol::units::Slot;

use super::State;
use crate::{CommandRejection, Fault, Phase, limit, planted};

impl State {
    pub(super) fn raise_floor(&mut self, slot: Slot) -> Result<(), CommandRejection> {
        self.require_phase(&[Phase::Open])?;
        self.floor = if planted(Fault::FloorFalls) { Some(slot) } else { self.floor.max(Some(slot)) };
        Ok(())
    }

    /// A floor lets bound roots stay claimable. After a gap in memory that is not enough: what is bound now may be an entry that had
    /// lost against one that was signed and forgotten.
    pub(super) fn close(&mut self, slot: Slot) -> Result<(), CommandRejection> {
        self.require_phase(&[Phase::Open])?;
        self.closed = self.closed.max(Some(slot));
        self.floor = self.floor.max(self.closed);
        Ok(())
    }

    pub(super) fn raise_watermark(&mut self, slot: Slot) -> Result<(), CommandRejection> {
        self.require_phase(&[Phase::Open])?;
        let Some(slot) = self.at_most_below_highest(slot, limit::KEEP_SLOTS) else {
            return Ok(());
        };
        self.watermark = self.watermark.max(Some(slot));
        // Nothing can be bound where every claim is refused: the floor follows, so that the watermark is never above it.
        self.floor = self.floor.max(self.watermark);
        self.register.forget(slot);
        Ok(())
    }

    pub(super) fn drop_payloads(&mut self, slot: Slot) -> Result<(), CommandRejection> {
        self.require_phase(&[Phase::Open])?;
        if let Some(slot) = self.at_most_below_highest(slot, limit::KEEP_PAYLOAD_SLOTS) {
            self.register.drop_payloads(slot);
        }
        Ok(())
    }

    /// `asked`, or `keep` slots below the highest bound one if that is lower; `None` if there is no such slot.
    ///
    /// The slots come from what L1 reports as final, and L1 may lie: the clamp is by what we bound ourselves (safety rule R19).
    fn at_most_below_highest(&self, asked: Slot, keep: u64) -> Option<Slot> {
        if planted(Fault::WatermarkFromLyingL1) {
            return Some(asked);
        }
        let highest = self.register.highest_slot()?.get();
        Some(asked.min(Slot::new(highest.checked_sub(keep)?)))
    }
}
