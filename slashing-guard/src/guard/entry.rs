//! The one way in: `Bind`, at most one `Import`, `Open` (safety rule R9).

use std::collections::BTreeMap;

use ollin_protocol::units::{SigningRoot, Slot};

use super::State;
use super::state::Chain;
use crate::{AttesterState, Binding, CommandRejection, Duty, Fault, Phase, limit, planted};

impl State {
    pub(super) fn bind(&mut self, binding: &Binding) -> Result<(), CommandRejection> {
        self.require_phase(&[Phase::Unbound])?;
        let Binding { chain_id, rollup, attesters } = binding;
        if attesters.is_empty() {
            return Err(CommandRejection::NoAttesters);
        }
        if attesters.len() > limit::MAX_ATTESTERS {
            return Err(CommandRejection::TooManyAttesters { count: attesters.len(), limit: limit::MAX_ATTESTERS });
        }
        self.chain = Some(Chain { chain_id: *chain_id, rollup: *rollup });
        self.attesters = attesters.iter().map(|address| (*address, AttesterState::default())).collect();
        self.phase = Phase::Bound;
        Ok(())
    }

    /// Whole or not at all: every record is checked before the first one is taken.
    pub(super) fn import(&mut self, records: &[(Duty, SigningRoot)], stop_line: Slot) -> Result<(), CommandRejection> {
        let late = planted(Fault::ImportAfterOpen) && self.phase == Phase::Open;
        self.require_phase(&[if late { Phase::Open } else { Phase::Bound }])?;
        if records.len() > limit::MAX_IMPORTED_DUTIES {
            return Err(CommandRejection::ImportTooLarge { count: records.len(), limit: limit::MAX_IMPORTED_DUTIES });
        }
        let mut imported = BTreeMap::new();
        for (duty, root) in records {
            if !self.attesters.contains_key(&duty.attester) {
                return Err(CommandRejection::Unbound { attester: duty.attester });
            }
            if duty.slot > stop_line {
                return Err(CommandRejection::ImportBeyondStopLine { duty: *duty, stop_line });
            }
            let first = *imported.entry(*duty).or_insert(*root);
            if first != *root && !planted(Fault::ImportInPart) {
                return Err(CommandRejection::ImportConflict { duty: *duty, first, second: *root });
            }
        }
        self.register.import(imported);
        self.floor = Some(stop_line);
        self.phase = Phase::Imported;
        Ok(())
    }

    pub(super) fn open(&mut self, floor: Slot) -> Result<(), CommandRejection> {
        self.require_phase(&[Phase::Bound, Phase::Imported])?;
        // The stop line of an import is a fact, the asked floor a clock's guess.
        self.floor = if planted(Fault::OpenLowersStopLine) { Some(floor) } else { self.floor.max(Some(floor)) };
        self.phase = Phase::Open;
        Ok(())
    }
}
