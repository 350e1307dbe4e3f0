//! Attesters come, go and freeze (safety rules R9 and R10).

use alloy_primitives::Address;
use ollin_protocol::units::{SigningRoot, Slot};

use super::State;
use crate::{AttesterState, CommandRejection, Duty, Evidence, Phase, limit};

impl State {
    pub(super) fn add_attester(&mut self, attester: Address, floor: Slot) -> Result<(), CommandRejection> {
        self.require_phase(&[Phase::Open])?;
        if let Some(known) = self.attesters.get(&attester) {
            return Err(match known.released {
                Some(last_slot) => CommandRejection::Released { attester, last_slot },
                None => CommandRejection::AlreadyBound { attester },
            });
        }
        if self.attesters.len() >= limit::MAX_ATTESTERS {
            let count = self.attesters.len() + 1;
            return Err(CommandRejection::TooManyAttesters { count, limit: limit::MAX_ATTESTERS });
        }
        self.attesters.insert(attester, AttesterState { floor: Some(floor), ..AttesterState::default() });
        Ok(())
    }

    /// Irrevocable: the last slot is what the next holder of the key relies on, so it is never moved, in either direction.
    pub(super) fn release_attester(&mut self, attester: Address, last_slot: Slot) -> Result<(), CommandRejection> {
        self.require_phase(&[Phase::Open])?;
        let highest = self.register.highest_slot_of(&attester);
        let state = self.attesters.get_mut(&attester).ok_or(CommandRejection::Unbound { attester })?;
        match state.released {
            Some(earlier) if earlier == last_slot => return Ok(()),
            Some(last_slot) => return Err(CommandRejection::Released { attester, last_slot }),
            None => {}
        }
        if let Some(bound_slot) = highest.filter(|highest| *highest > last_slot) {
            return Err(CommandRejection::BoundLater { attester, bound_slot, last_slot });
        }
        state.released = Some(last_slot);
        Ok(())
    }

    /// Takes a verified signature that is not ours as proof of a second live key. The first proof is kept.
    pub(super) fn freeze(&mut self, duty: &Duty, root: &SigningRoot) -> Result<(), CommandRejection> {
        self.require_phase(&[Phase::Open])?;
        let attester = duty.attester;
        let known = self.attesters.get(&attester).ok_or(CommandRejection::Unbound { attester })?;
        if let Some(last_slot) = known.released.filter(|last_slot| duty.slot > *last_slot) {
            // Its next holder signs here, as agreed.
            return Err(CommandRejection::Released { attester, last_slot });
        }
        if let Some(floor) = self.floor_of(known).filter(|floor| duty.slot <= *floor) {
            return Err(CommandRejection::NoEvidence { duty: *duty, floor });
        }
        if self.register.bound(duty).is_some_and(|bound| bound.root == *root) {
            return Err(CommandRejection::NotForeign { duty: *duty });
        }
        if let Some(state) = self.attesters.get_mut(&attester) {
            state.frozen.get_or_insert(Evidence { duty: *duty, root: *root });
        }
        Ok(())
    }
}
