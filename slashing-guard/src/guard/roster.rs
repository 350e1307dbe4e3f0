//! Attesters come, go, freeze and thaw (safety rules R9 and R10).

use alloy_primitives::Address;
use ollin_protocol::units::Slot;

use super::State;
use crate::{AttesterState, CommandRejection, Evidence, Fault, Phase, limit, planted};

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
        self.attesters.insert(
            attester,
            AttesterState { floor: Some(floor).filter(|_| !planted(Fault::AddedWithoutFloor)), ..AttesterState::default() },
        );
        Ok(())
    }

    /// Irrevocable: the last slot is what the next holder of the key relies on, so it is never moved, in either direction.
    pub(super) fn release_attester(&mut self, attester: Address, last_slot: Slot) -> Result<(), CommandRejection> {
        self.require_phase(&[Phase::Open])?;
        let highest = self.register.highest_slot_of(&attester);
        let state = self.attesters.get_mut(&attester).ok_or(CommandRejection::Unbound { attester })?;
        match state.released {
            Some(earlier) if earlier == last_slot => return Ok(()),
            Some(last_slot) if !planted(Fault::ReleaseRevoked) => return Err(CommandRejection::Released { attester, last_slot }),
            Some(_) | None => {}
        }
        if let Some(bound_slot) = highest.filter(|highest| *highest > last_slot) {
            return Err(CommandRejection::BoundLater { attester, bound_slot, last_slot });
        }
        state.released = Some(last_slot);
        Ok(())
    }

    /// Takes a verified signature that is not ours as proof of a second live key. The first proof is kept.
    pub(super) fn freeze(&mut self, evidence: Evidence) -> Result<(), CommandRejection> {
        if let Some(rejection) = self.no_evidence(&evidence) {
            return Err(rejection);
        }
        if let Some(state) = self.attesters.get_mut(&evidence.duty.attester)
            && !planted(Fault::EvidenceIgnored)
        {
            state.frozen.get_or_insert(evidence);
        }
        Ok(())
    }

    /// Why a signature proves nothing. What lies at or below a floor was signed before this cluster, or in a gap of its memory.
    pub(super) fn no_evidence(&self, evidence: &Evidence) -> Option<CommandRejection> {
        let Evidence { duty, root, seen: _ } = *evidence;
        let attester = duty.attester;
        if let Err(rejection) = self.require_phase(&[Phase::Open]) {
            return Some(rejection);
        }
        let Some(known) = self.attesters.get(&attester) else {
            return Some(CommandRejection::Unbound { attester });
        };
        if let Some(last_slot) = known.released.filter(|last_slot| duty.slot > *last_slot) {
            // Its next holder signs here, as agreed.
            return Some(CommandRejection::Released { attester, last_slot });
        }
        if let Some(floor) = self.floor_of(known).filter(|floor| duty.slot <= *floor) {
            return Some(CommandRejection::NoEvidence { duty, floor });
        }
        let bound = self.register.bound(&duty).filter(|bound| bound.root == root);
        bound.map(|_| CommandRejection::NotForeign { duty })
    }

    /// The floor alone would not do: what is bound below it may never have been signed here, and its duty elsewhere.
    pub(super) fn unfreeze(&mut self, attester: Address, floor: Slot, reason: &str) -> Result<(), CommandRejection> {
        self.require_phase(&[Phase::Open])?;
        let bytes = reason.len();
        if reason.trim().is_empty() || bytes > limit::MAX_REASON_BYTES {
            return Err(CommandRejection::Reason { bytes, limit: limit::MAX_REASON_BYTES });
        }
        let highest = self.register.highest_slot_of(&attester);
        let state = self.attesters.get_mut(&attester).ok_or(CommandRejection::Unbound { attester })?;
        let evidence = state.frozen.take().ok_or(CommandRejection::NotFrozen { attester })?;
        let answered = planted(Fault::AnsweredTooLow);
        let line = if answered { Some(floor) } else { Some(floor.max(evidence.duty.slot)).max(highest) };
        state.thawed = state.thawed.max(line);
        state.floor = state.floor.max(line);
        Ok(())
    }
}
