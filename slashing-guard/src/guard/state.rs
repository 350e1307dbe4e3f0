//! The guard's fields and what must hold between them.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use ollin_protocol::units::Slot;
use serde::{Deserialize, Serialize};

use crate::register::Register;
use crate::{AttesterState, Binding, CommandRejection, Phase, SnapshotError, limit};

/// Everything that a guard remembers. The order of the fields is the snapshot's format.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(super) chain: Option<Chain>,
    pub(super) floor: Option<Slot>,
    pub(super) closed: Option<Slot>,
    pub(super) watermark: Option<Slot>,
    pub(super) attesters: BTreeMap<Address, AttesterState>,
    pub(crate) register: Register,
}

/// The chain that duties are bound on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chain {
    pub(super) chain_id: u64,
    pub(super) rollup: Address,
}

impl State {
    pub(super) const fn new() -> Self {
        Self {
            phase: Phase::Unbound,
            chain: None,
            floor: None,
            closed: None,
            watermark: None,
            attesters: BTreeMap::new(),
            register: Register::new(),
        }
    }

    pub(super) fn binding(&self) -> Option<Binding> {
        let Chain { chain_id, rollup } = self.chain?;
        let attesters =
            self.attesters.iter().filter(|(_, state)| state.released.is_none()).map(|(address, _)| *address).collect();
        Some(Binding { chain_id, rollup, attesters })
    }

    /// The slot at or below which nothing new is bound for an attester: the cluster's floor or its own, whichever is higher.
    pub(super) fn floor_of(&self, attester: &AttesterState) -> Option<Slot> {
        self.floor.max(attester.floor)
    }

    pub(super) fn require_phase(&self, allowed: &[Phase]) -> Result<(), CommandRejection> {
        if allowed.contains(&self.phase) { Ok(()) } else { Err(CommandRejection::OutOfOrder { phase: self.phase }) }
    }

    /// Whether some sequence of commands can have led here. A snapshot that fails this was not written by a guard.
    pub(crate) fn check(&self) -> Result<(), SnapshotError> {
        let Self { phase, chain, floor, closed, watermark, attesters, register } = self;
        let bound = *phase != Phase::Unbound;
        let rules = [
            (bound == chain.is_some(), "a chain is bound in every phase but the first"),
            (bound != attesters.is_empty(), "attesters are bound in every phase but the first"),
            (matches!(phase, Phase::Imported | Phase::Open) == floor.is_some(), "there is a floor exactly after import or open"),
            (watermark <= floor, "the watermark is not above the floor"),
            (closed <= floor, "the closed slot is not above the floor"),
            (attesters.len() <= limit::MAX_ATTESTERS, "the number of attesters is bounded"),
            (matches!(phase, Phase::Imported | Phase::Open) || register.is_empty(), "nothing is bound before import or open"),
            (register.lowest_slot().is_none_or(|slot| Some(slot) > *watermark), "records are above the watermark"),
            (register.duties().all(|duty| self.may_hold(duty)), "every record is of a bound attester, not after its release"),
            (
                attesters.iter().all(|(address, state)| self.is_sound(address, state)),
                "evidence is the attester's own, and it thaws at or below its floor",
            ),
            (register.payloads_are_sound(), "every payload is of a bound root and within its limit"),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, rule)) => Err(SnapshotError::Inconsistent { rule }),
        }
    }

    fn may_hold(&self, duty: &crate::Duty) -> bool {
        self.attesters.get(&duty.attester).is_some_and(|state| state.released.is_none_or(|last| duty.slot <= last))
    }

    fn is_sound(&self, address: &Address, state: &AttesterState) -> bool {
        let standing = state.released.is_some() || state.frozen.is_some() || state.floor.is_some();
        (self.phase == Phase::Open || !standing)
            && state.thawed <= state.floor
            && state.frozen.is_none_or(|evidence| evidence.duty.attester == *address)
    }
}
