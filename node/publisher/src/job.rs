//! What this process keeps about one slot's bundle while it publishes it. All of it can be made again from the log.

use std::collections::BTreeMap;

use ollin_protocol::units::Slot;

use crate::material::Material;
use crate::report::PublishHindrance;

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
    /// The last reason that was logged: each is said once.
    said: Option<String>,
    /// What kind of reason it was.
    pub(crate) hindrance: PublishHindrance,
}

impl Job {
    pub(crate) fn new(slot: Slot, material: Material) -> Self {
        Self {
            slot,
            material,
            sent_at: BTreeMap::new(),
            gas_limit: None,
            reverted: 0,
            said: None,
            hindrance: PublishHindrance::NotMined,
        }
    }

    /// Logs a reason for not landing yet, once.
    pub(crate) fn say(&mut self, reason: String) {
        if self.said.as_ref() != Some(&reason) {
            tracing::warn!(slot = %self.slot, publisher = %self.material.publisher, reason, "not published yet");
            self.said = Some(reason);
        }
    }

    /// The last reason, for the closing line of a missed slot.
    pub(crate) fn last_reason(&self) -> String {
        self.said.clone().unwrap_or_else(|| "no attempt was mined in the slot".to_owned())
    }
}
