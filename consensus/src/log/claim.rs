//! Claims: from a request of this process to grants of this process.

use std::sync::Arc;
use std::time::Instant;

use ollin_guard::{Claim, Duty, DutyKind, GuardCommand, GuardReply, Refusal, Verdict};
use ollin_protocol::payload::DutyPayload;
use ollin_protocol::units::{SigningRoot, Slot};

use super::SigningLog;
use super::error::{ClaimError, InvalidClaim};
use super::propose::elapsed_ms;
use crate::command::{Command, Reply};
use crate::grant::Grant;
use crate::runtime;

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
        let verdicts = match self.propose(command, deadline).await? {
            Reply::Guard(GuardReply::Verdicts(verdicts)) => verdicts,
            Reply::Guard(GuardReply::Rejected(rejection)) => return Err(rejection.into()),
            Reply::Guard(GuardReply::Done) | Reply::Attempt(_) | Reply::Outcome(_) | Reply::Reserved(_) | Reply::Enlisted(_) => {
                Vec::new()
            }
        };
        let answers = self.grants(&asked, verdicts).ok_or(ClaimError::Unknown { waited_ms: elapsed_ms(started) })?;
        metrics::histogram!("ollin_claim_seconds").record(runtime::elapsed(started));
        Ok(answers)
    }

    fn check_horizon(&self, slot: Slot) -> Result<(), ClaimError> {
        let horizon = self.inner.horizon.latest();
        if Some(slot) <= horizon { Ok(()) } else { Err(ClaimError::TooEarly { slot, horizon }) }
    }

    /// Verdicts are hints: a grant needs the own applied state to bind exactly what was asked. `None` if they do not fit together.
    fn grants(&self, asked: &[Asked], verdicts: Vec<Verdict>) -> Option<Vec<Result<Grant, Refusal>>> {
        let state = self.inner.state.read();
        if self.closing_is_demanded(&state) {
            // Somebody's memory came into doubt after the claim was proposed: nothing is granted before the closing.
            return None;
        }
        let mut verdicts = verdicts.into_iter();
        let mut answers = Vec::new();
        for asked in asked {
            let mut payload = None;
            for duty in &asked.duties {
                answers.push(match verdicts.next()? {
                    Verdict::Refused(refusal) => Err(refusal),
                    Verdict::Granted { .. } => {
                        let bound = state.guard().bound(duty).filter(|bound| bound.root == asked.root)?;
                        let payload = payload.get_or_insert_with(|| held(bound.payload, &asked.payload));
                        Ok(Grant::new(*duty, asked.root, Arc::clone(payload)))
                    }
                });
            }
        }
        verdicts.next().is_none().then_some(answers)
    }
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
