//! Claims: from a request of this process to grants of this process.

use std::sync::Arc;
use std::time::Instant;

use ollin_guard::{Claim, Duty, DutyKind, Fault, GuardCommand, GuardReply, Refusal, Verdict, planted};
use ollin_protocol::payload::DutyPayload;
use ollin_protocol::units::{SigningRoot, Slot};

use super::SigningLog;
use super::error::{ClaimError, InvalidClaim};
use super::propose::{ProposeError, elapsed_ms};
use crate::command::{Command, Reply};
use crate::grant::Grant;
use crate::runtime;
use crate::state::State;

/// One payload and the duties that it is claimed for: one for a proposer's message, any number for an attestation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The duties, all of the payload's slot and kind.
    pub duties: Vec<Duty>,
    /// What is to be signed; its root is computed here, never taken from the caller.
    pub payload: DutyPayload,
}

/// A request with its root.
struct Asked {
    duties: Vec<Duty>,
    root: SigningRoot,
    payload: Arc<DutyPayload>,
}

impl SigningLog {
    /// Asks the log to bind duties to payloads, all in one entry, and returns the answers: requests in order, duties in order.
    ///
    /// A grant is made only after this process has applied the entry, from what its own state binds, and carries the payload that
    /// the log holds. A claim of the same root is granted again; it always goes through the log.
    ///
    /// # Errors
    /// [`ClaimError`]. After [`ClaimError::Unknown`] the claim may still commit: sign nothing, and claim the same payloads again.
    pub async fn claim(&self, requests: Vec<ClaimRequest>, deadline: Instant) -> Result<Vec<Result<Grant, Refusal>>, ClaimError> {
        let started = runtime::now();
        if requests.is_empty() {
            return Err(InvalidClaim::Empty.into());
        }
        let mut asked = Vec::with_capacity(requests.len());
        for request in requests {
            self.check_horizon(request.payload.slot())?;
            asked.push(check(request)?);
        }
        let claims =
            asked.iter().map(|asked| Claim { duties: asked.duties.clone(), root: asked.root, payload: asked.payload.encode() });
        let command = Command::Guard(GuardCommand::Claim(claims.collect()));
        let wanted = || Ok(Reply::Guard(GuardReply::Verdicts(all_granted(&asked))));
        let replayed = planted(Fault::GrantFromReplay) && self.grants(&asked, all_granted(&asked)).is_some();
        let answer = match if replayed { wanted() } else { self.propose(command, deadline).await } {
            Err(ProposeError::Unknown { .. }) if planted(Fault::SigningOnUnknown) => wanted(),
            answer => answer,
        };
        let verdicts = match answer? {
            Reply::Guard(GuardReply::Verdicts(verdicts)) => verdicts,
            Reply::Guard(GuardReply::Rejected(rejection)) => return Err(rejection.into()),
            Reply::Guard(GuardReply::Done)
            | Reply::Attempt(_)
            | Reply::Outcome(_)
            | Reply::Reserved(_)
            | Reply::Enlisted(_)
            | Reply::Upgraded(_) => Vec::new(),
        };
        let answers = self.grants(&asked, verdicts).ok_or(ClaimError::Unknown { waited_ms: elapsed_ms(started) })?;
        metrics::histogram!("ollin_claim_seconds").record(runtime::elapsed(started));
        Ok(answers)
    }

    fn check_horizon(&self, slot: Slot) -> Result<(), ClaimError> {
        let horizon = self.inner.horizon.latest();
        if Some(slot) <= horizon || planted(Fault::ClaimTooEarly) { Ok(()) } else { Err(ClaimError::TooEarly { slot, horizon }) }
    }

    fn grants(&self, asked: &[Asked], verdicts: Vec<Verdict>) -> Option<Vec<Result<Grant, Refusal>>> {
        let state = self.inner.state.read();
        grants(&state, self.closing_is_demanded(&state), asked, verdicts)
    }
}

/// Verdicts are hints: a grant needs the own applied state to bind exactly what was asked. `None` if they do not fit together.
fn grants(
    state: &State,
    closing_is_demanded: bool,
    asked: &[Asked],
    verdicts: Vec<Verdict>,
) -> Option<Vec<Result<Grant, Refusal>>> {
    if closing_is_demanded && !planted(Fault::GrantBeforeClosing) {
        // Somebody's memory came into doubt after the claim was proposed: nothing is granted before the closing.
        return None;
    }
    let unchecked = planted(Fault::GrantFromVerdict) || planted(Fault::SigningOnUnknown);
    let mut verdicts = verdicts.into_iter();
    let mut answers = Vec::new();
    for asked in asked {
        let mut payload = None;
        for duty in &asked.duties {
            answers.push(match verdicts.next()? {
                Verdict::Refused(refusal) => Err(refusal),
                Verdict::Granted { .. } => {
                    let bound = state.guard().bound(duty).filter(|bound| bound.root == asked.root);
                    if bound.is_none() && !unchecked {
                        return None;
                    }
                    let payload = payload.get_or_insert_with(|| held(bound.and_then(|bound| bound.payload), &asked.payload));
                    Ok(Grant::new(*duty, asked.root, Arc::clone(payload)))
                }
            });
        }
    }
    verdicts.next().is_none().then_some(answers)
}

/// For planted faults only: the verdicts that somebody would like to have.
fn all_granted(asked: &[Asked]) -> Vec<Verdict> {
    asked.iter().flat_map(|asked| &asked.duties).map(|_| Verdict::Granted { newly_bound: false }).collect()
}

/// The payload that the log holds under the root, which may be an earlier claim's; the asked one if it was dropped.
fn held(bound: Option<&[u8]>, asked: &Arc<DutyPayload>) -> Arc<DutyPayload> {
    let held = bound.and_then(|bytes| DutyPayload::decode(bytes).ok());
    held.map_or_else(|| Arc::clone(asked), Arc::new)
}

/// The kind of duty that a payload is for.
fn kind(payload: &DutyPayload) -> DutyKind {
    match payload {
        DutyPayload::Block(block) => DutyKind::BlockProposal { index: block.index },
        DutyPayload::Checkpoint(_) => DutyKind::CheckpointProposal,
        DutyPayload::Attestation(_) => DutyKind::Attestation,
        DutyPayload::Bundle(_) => DutyKind::AttestationsAndSigners,
        DutyPayload::GovernanceVote(_) => DutyKind::GovernanceVote,
        DutyPayload::SlashingVote(_) => DutyKind::SlashingVote,
    }
}

fn check(request: ClaimRequest) -> Result<Asked, InvalidClaim> {
    let ClaimRequest { duties, payload } = request;
    payload.check()?;
    let (kind, slot) = (kind(&payload), payload.slot());
    if let Some(duty) = duties.iter().find(|duty| duty.kind != kind || duty.slot != slot) {
        return Err(InvalidClaim::Mismatch { duty: *duty, kind, slot });
    }
    match duties.len() {
        0 => return Err(InvalidClaim::Empty),
        1 => {}
        count if kind != DutyKind::Attestation => return Err(InvalidClaim::ManyAttesters { count, kind }),
        _ => {}
    }
    Ok(Asked { duties, root: payload.signing_root(), payload: Arc::new(payload) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use alloy_primitives::Address;
    use bytes::Bytes;
    use ollin_guard::Binding;
    use ollin_protocol::field::Fr;
    use ollin_protocol::header::CheckpointHeader;
    use ollin_protocol::payload::AttestationPayload;
    use ollin_protocol::signature::Signature;

    use super::*;
    use crate::command::{Envelope, Origin};
    use crate::entry::{Body, Entry};

    const ATTESTER: Address = Address::repeat_byte(1);
    const GRANTED: Verdict = Verdict::Granted { newly_bound: true };

    fn asked(variant: u64) -> Asked {
        let proposer_signature = Signature::new([1; 32].into(), [2; 32].into(), 27).unwrap();
        let header = CheckpointHeader { slot: Slot::new(9), ..CheckpointHeader::default() };
        let archive = Fr::from_u64(variant);
        let payload = AttestationPayload { header, archive, fee_asset_price_modifier: 0, proposer_signature };
        let duty = Duty { slot: Slot::new(9), kind: DutyKind::Attestation, attester: ATTESTER };
        check(ClaimRequest { duties: vec![duty], payload: DutyPayload::Attestation(payload) }).unwrap()
    }

    /// A state that binds what `asked(1)` asks for.
    fn bound() -> State {
        let asked = asked(1);
        let binding = Binding { chain_id: 1, rollup: Address::ZERO, attesters: BTreeSet::from([ATTESTER]) };
        let claim = Claim { duties: asked.duties, root: asked.root, payload: asked.payload.encode() };
        let commands =
            [GuardCommand::Bind(binding), GuardCommand::Open { floor: Slot::new(3) }, GuardCommand::Claim(vec![claim])];
        let mut state = State::default();
        for (index, command) in (0..).zip(commands) {
            let origin = Origin { replica: 1, boot: 2, sequence: index };
            let command = Command::Guard(command);
            let body = Body::Command(Bytes::from(Envelope { origin, command }.encode()));
            state.apply(&Entry { term: 1, index, body }, None).unwrap();
        }
        state
    }

    #[test]
    fn a_verdict_alone_grants_nothing_the_own_state_must_bind_the_very_root() {
        let granted = grants(&bound(), false, &[asked(1)], vec![GRANTED]).unwrap();
        assert_eq!(granted[0].as_ref().map(|grant| *grant.root()), Ok(asked(1).root));
        assert_eq!(grants(&bound(), false, &[asked(2)], vec![GRANTED]), None, "another root is bound");
        assert_eq!(grants(&State::default(), false, &[asked(1)], vec![GRANTED]), None, "nothing is bound here");
        for verdicts in [vec![], vec![GRANTED, GRANTED]] {
            assert_eq!(grants(&bound(), false, &[asked(1)], verdicts), None, "an answer to another question");
        }
    }

    #[test]
    fn nothing_is_granted_while_a_closing_is_demanded() {
        assert_eq!(grants(&bound(), true, &[asked(1)], vec![GRANTED]), None, "its slot may be about to be closed");
    }
}
