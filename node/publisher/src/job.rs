//! What this process keeps about one slot's bundle while it publishes it. All of it can be made again from the log.

use std::collections::BTreeMap;

use ollin_protocol::units::Slot;

use crate::material::Material;
use crate::report::{Obstacle, PublishHindrance, PublishReport};

/// One slot's bundle on its way to L1.
pub(crate) struct Job {
    pub(crate) slot: Slot,
    pub(crate) material: Material,
    /// L1 time at which this process last sent an attempt, by nonce and number.
    pub(crate) sent_at: BTreeMap<(u64, u32), u64>,
    /// Gas of the whole bundle as last simulated.
    pub(crate) gas_limit: Option<u64>,
    /// Bundles of this slot that were mined without the checkpoint being taken.
    pub(crate) reverted: u32,
    /// Why it has not landed yet.
    obstacle: Obstacle,
}

impl Job {
    pub(crate) fn new(slot: Slot, material: Material) -> Self {
        Self { slot, material, sent_at: BTreeMap::new(), gas_limit: None, reverted: 0, obstacle: Obstacle::default() }
    }

    /// Notes why it has not landed yet, and logs it once.
    pub(crate) fn hindered(&mut self, hindrance: PublishHindrance, reason: String) {
        if self.obstacle.note(hindrance, reason.clone()) {
            tracing::warn!(slot = %self.slot, publisher = %self.material.publisher, reason, "not published yet");
        }
    }

    /// Notes that an attempt was sent at this L1 time; from here on it only has to be mined.
    pub(crate) fn sent(&mut self, nonce: u64, number: u32, at: u64) {
        self.sent_at.insert((nonce, number), at);
        let detail = format!("attempt {number} at nonce {nonce} was sent, and no block of the slot took it");
        self.obstacle.note(PublishHindrance::NotMined, detail);
    }

    /// The closing report of a missed slot.
    pub(crate) fn missed(self) -> PublishReport {
        let (hindrance, detail) = self.obstacle.told();
        PublishReport { slot: self.slot, hindrance, detail }
    }
}
