//! Claims: the rule itself.

use ollin_protocol::units::SigningRoot;

use super::State;
use crate::planted::{clock_is_odd, in_order};
use crate::{AttesterState, Claim, CommandRejection, Duty, Fault, GuardReply, Phase, Refusal, Verdict, limit, planted};

impl State {
    /// Decides every duty of every claim, in order; one refusal does not touch the others.
    pub(super) fn claim(&mut self, claims: &[Claim]) -> GuardReply {
        if let Err(rejection) = self.check_size(claims) {
            return GuardReply::Rejected(rejection);
        }
        let mut verdicts = Vec::new();
        for claim in in_order(claims) {
            for duty in &claim.duties {
                verdicts.push(self.decide(duty, claim));
            }
        }
        GuardReply::Verdicts(verdicts)
    }

    fn decide(&mut self, duty: &Duty, claim: &Claim) -> Verdict {
        match self.refusal(duty, &claim.root) {
            Some(refusal) => Verdict::Refused(refusal),
            None => Verdict::Granted { newly_bound: self.register.bind(duty, &claim.root, &claim.payload) },
        }
    }

    /// Why `duty` may not be granted `root`, or `None`. The order of the tests is part of the answer.
    fn refusal(&self, duty: &Duty, root: &SigningRoot) -> Option<Refusal> {
        if self.phase != Phase::Open && !planted(Fault::GrantWhileSealed) || planted(Fault::WallClockInRule) && clock_is_odd() {
            return Some(Refusal::Sealed);
        }
        let Some(attester) = self.attesters.get(&duty.attester) else {
            return Some(Refusal::Unbound { attester: duty.attester });
        };
        if let Some(watermark) = self.watermark.filter(|watermark| duty.slot <= *watermark)
            && !planted(Fault::GrantBelowWatermark)
        {
            return Some(Refusal::BelowWatermark { duty: *duty, watermark });
        }
        if let Some(closed) = self.closed.filter(|closed| duty.slot <= *closed)
            && !planted(Fault::ClosedStaysClaimable)
        {
            return Some(Refusal::Closed { duty: *duty, closed });
        }
        if attester.frozen.is_some() && !planted(Fault::FrozenStaysClaimable) {
            // Also for what is bound: a bound root may never have been signed, and the evidence may be of this very duty under
            // another root. Granting it again would then make the second signature.
            return Some(Refusal::Frozen { attester: duty.attester });
        }
        if let Some(thawed) = attester.thawed.filter(|thawed| duty.slot <= *thawed && !planted(Fault::ThawedStaysClaimable)) {
            return Some(Refusal::Thawed { duty: *duty, thawed });
        }
        match self.register.bound(duty) {
            Some(bound) if bound.root == *root || planted(Fault::ConflictGranted) => None,
            Some(bound) => Some(Refusal::Conflict {
                duty: *duty,
                bound: bound.root,
                requested: *root,
                payload: bound.payload.map(<[u8]>::to_vec).filter(|_| !planted(Fault::ConflictWithoutPayload)),
            }),
            None => self.refusal_to_bind(duty, attester),
        }
    }

    /// Why nothing new may be bound for `duty`, or `None`.
    fn refusal_to_bind(&self, duty: &Duty, attester: &AttesterState) -> Option<Refusal> {
        if let Some(last_slot) = attester.released.filter(|last_slot| duty.slot > *last_slot)
            && !planted(Fault::GrantAfterRelease)
        {
            return Some(Refusal::Released { attester: duty.attester, last_slot });
        }
        let floor = self.floor_of(attester).filter(|floor| duty.slot <= *floor && !planted(Fault::NoFloor))?;
        Some(Refusal::BelowFloor { duty: *duty, floor })
    }

    /// Refuses what no honest caller sends, before anything is decided, so that state and work stay bounded.
    fn check_size(&self, claims: &[Claim]) -> Result<(), CommandRejection> {
        if claims.is_empty() || claims.len() > limit::MAX_CLAIMS {
            return Err(CommandRejection::ClaimCount { count: claims.len(), limit: limit::MAX_CLAIMS });
        }
        for (position, claim) in claims.iter().enumerate() {
            check_claim(position, claim)?;
        }
        let bytes = claims.iter().map(|claim| claim.payload.len()).sum();
        if bytes > limit::MAX_COMMAND_PAYLOAD_BYTES {
            return Err(CommandRejection::CommandPayloadSize { bytes, limit: limit::MAX_COMMAND_PAYLOAD_BYTES });
        }
        let live = self.register.len();
        let asked = claims.iter().flat_map(|claim| &claim.duties).filter(|duty| self.register.bound(duty).is_none()).count();
        if asked > 0 && live + asked > limit::MAX_LIVE_DUTIES {
            return Err(CommandRejection::Full { live, asked, limit: limit::MAX_LIVE_DUTIES });
        }
        Ok(())
    }
}

fn check_claim(position: usize, claim: &Claim) -> Result<(), CommandRejection> {
    let Claim { duties, root: _, payload } = claim;
    let (Some(first), true) = (duties.first(), duties.len() <= limit::MAX_CLAIM_DUTIES) else {
        return Err(CommandRejection::DutyCount { claim: position, count: duties.len(), limit: limit::MAX_CLAIM_DUTIES });
    };
    if payload.is_empty() || payload.len() > limit::MAX_PAYLOAD_BYTES {
        let bytes = payload.len();
        return Err(CommandRejection::PayloadSize { claim: position, bytes, limit: limit::MAX_PAYLOAD_BYTES });
    }
    match duties.iter().find(|duty| (duty.slot, duty.kind) != (first.slot, first.kind)) {
        None => Ok(()),
        Some(other) => Err(CommandRejection::MixedBatch { claim: position, first: *first, other: *other }),
    }
}
