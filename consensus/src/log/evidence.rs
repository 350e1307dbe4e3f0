//! Signatures of our attesters that are not ours: the attester is frozen until an operator has answered (safety rule R10).

use std::time::{Duration, Instant};

use alloy_primitives::Address;
use ollin_guard::{CommandRejection, Evidence, GuardCommand, GuardReply};
use ollin_protocol::signature::{Signature, recover};
use ollin_protocol::units::Slot;
use serde::{Deserialize, Serialize};

use super::SigningLog;
use super::error::{CommandError, MemberError};
use super::propose::elapsed_ms;
use crate::command::{Command, Reply};
use crate::runtime;
use crate::transport::{CallError, Lane, Request, Response};

/// How long the log may take to take evidence in.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long the leader has to answer.
const PASSED_ON: Duration = Duration::from_secs(8);

/// A duty, a root, and the signature of the duty's attester over that root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenSignature {
    evidence: Evidence,
    signature: Signature,
}

impl SeenSignature {
    /// Takes a signature that was seen; `None` if it is not the duty's attester's.
    pub fn verified(evidence: Evidence, signature: Signature) -> Option<Self> {
        let seen = Self { evidence, signature };
        seen.is_verified().then_some(seen)
    }

    /// What was signed, and where it was seen.
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Asked again of one that came in a frame.
    pub(crate) fn is_verified(&self) -> bool {
        recover(&self.evidence.root, &self.signature).is_ok_and(|signer| signer == self.evidence.duty.attester)
    }
}

impl SigningLog {
    /// Why a signature proves nothing about a second holder of a key, as far as this replica has applied the log: it is ours, or
    /// older than the cluster's memory. `None` if it is foreign, or this replica is behind.
    pub fn no_evidence(&self, evidence: &Evidence) -> Option<CommandRejection> {
        self.inner.state.read().guard().no_evidence(evidence)
    }

    /// Whether every attester that the cluster signs for is frozen: then nothing is granted at all.
    pub(crate) fn is_wholly_frozen(&self) -> bool {
        let state = self.inner.state.read();
        let mut signing = state.guard().attesters().filter(|(_, standing)| standing.released.is_none()).peekable();
        signing.peek().is_some() && signing.all(|(_, standing)| standing.frozen.is_some())
    }

    /// Has the log take a foreign signature as evidence, which freezes its attester. Any replica may be asked: one that does not lead
    /// passes it on to the leader, which compares it with its own state first. The guard decides once more when it is applied.
    ///
    /// # Errors
    /// [`CommandError::Rejected`] if it is no evidence; with every other error it is to be reported again.
    pub async fn report_signature(&self, seen: SeenSignature) -> Result<(), CommandError> {
        if let Some(rejection) = self.no_evidence(&seen.evidence) {
            return Err(rejection.into());
        }
        let started = runtime::now();
        if self.inner.role.borrow().active_term().is_some() {
            return self.command(foreign(&seen), started + DEADLINE).await;
        }
        let not_leader = || CommandError::NotLeader { leader: self.view().leader };
        let own = self.inner.shared.me.replica;
        let leader = self.leader_id().filter(|leader| *leader != own).ok_or_else(not_leader)?;
        match self.inner.client.call(leader, Lane::Heartbeat, Request::Evidence(seen), PASSED_ON).await {
            Ok(Response::Evidence(answer)) => Ok(answer?),
            Err(CallError::Unreachable { .. } | CallError::Refused { .. }) => Err(not_leader()),
            Ok(_) | Err(CallError::Timeout { .. } | CallError::Broken { .. }) => {
                Err(CommandError::Unknown { waited_ms: elapsed_ms(started) })
            }
        }
    }

    /// The leader's answer to another replica's report.
    pub(super) async fn take_evidence(&self, seen: SeenSignature) -> Result<Result<(), CommandRejection>, MemberError> {
        let started = runtime::now();
        if let Some(rejection) = self.no_evidence(&seen.evidence) {
            return Ok(Err(rejection));
        }
        match self.propose(foreign(&seen), started + DEADLINE).await? {
            Reply::Guard(GuardReply::Done) => Ok(Ok(())),
            Reply::Guard(GuardReply::Rejected(rejection)) => Ok(Err(rejection)),
            Reply::Guard(GuardReply::Verdicts(_))
            | Reply::Attempt(_)
            | Reply::Outcome(_)
            | Reply::Reserved(_)
            | Reply::Enlisted(_)
            | Reply::Upgraded(_) => Err(MemberError::Unknown { waited_ms: elapsed_ms(started) }),
        }
    }

    /// An operator's answer to the evidence that froze an attester: it signs again above `floor`, and at or below it is granted
    /// nothing more, not even what is bound.
    ///
    /// # Errors
    /// [`CommandError`]; the guard rejects an attester that is not frozen, and a reason of no or too many bytes.
    pub async fn unfreeze(&self, attester: Address, floor: Slot, reason: String, deadline: Instant) -> Result<(), CommandError> {
        self.command(Command::Guard(GuardCommand::Unfreeze { attester, floor, reason }), deadline).await
    }
}

fn foreign(seen: &SeenSignature) -> Command {
    let Evidence { duty, root, seen } = seen.evidence;
    Command::Guard(GuardCommand::Foreign { duty, root, seen })
}
