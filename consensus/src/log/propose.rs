//! Putting a command into the log and waiting until this process has applied it.

use std::future::IntoFuture;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ollin_guard::{Fault, GuardReply, planted};
use ollin_protocol::units::ReplicaId;
use openraft::errors::ClientWriteError;
use openraft::impls::ProgressResponder;
use openraft::raft::ClientWriteResult;

use super::SigningLog;
use super::error::{AttemptError, ClaimError, CommandError, InvalidClaim, UpgradeError};
use crate::command::{Command, Envelope, Origin, Reply};
use crate::raft::{CommandBytes, Raft};
use crate::role::{Role, Term};
use crate::runtime;
use crate::state::Applied;

/// Bytes of one encoded command: the guard's limit on payloads, with room for duties.
const MAX_COMMAND_BYTES: usize = 8 << 20;
/// A fresh leader takes no write before its first quorum answer; it is asked again after this.
const RETRY: Duration = Duration::from_millis(5);

/// Why a command was not applied, or is not known to be.
#[derive(Debug)]
pub(super) enum ProposeError {
    NotLeader { leader: Option<ReplicaId> },
    Unknown { waited_ms: u64 },
    Halted { reason: String },
    TooLarge { bytes: usize },
}

/// What became of one try.
#[derive(Debug, PartialEq)]
enum Tried {
    Applied(Reply),
    /// Nothing was logged.
    NotTaken,
    /// It may or may not commit.
    Lost,
}

impl SigningLog {
    /// Proposes under the term in which this replica acts, and returns the answer once this process has applied the entry.
    pub(super) async fn propose(&self, command: Command, deadline: Instant) -> Result<Reply, ProposeError> {
        let started = runtime::now();
        let me = self.inner.shared.me;
        let sequence = self.inner.sequence.fetch_add(1, Ordering::Relaxed);
        let origin = Origin { replica: me.replica, boot: me.boot, sequence };
        let bytes = Bytes::from(Envelope { origin, command }.encode());
        if bytes.len() > MAX_COMMAND_BYTES {
            return Err(ProposeError::TooLarge { bytes: bytes.len() });
        }
        loop {
            let term = self.acting_term(deadline).await?;
            match self.try_once(&bytes, origin, term, deadline).await? {
                Tried::Applied(reply) => return Ok(reply),
                Tried::Lost => {
                    return Err(ProposeError::Unknown { waited_ms: elapsed_ms(started) });
                }
                Tried::NotTaken if runtime::now() + RETRY >= deadline => return Err(self.not_leader()),
                Tried::NotTaken => runtime::sleep(RETRY).await,
            }
        }
    }

    /// The term in which this replica acts. One that is catching up is waited for; one that does not lead is not.
    async fn acting_term(&self, deadline: Instant) -> Result<Term, ProposeError> {
        let mut role = self.inner.role.clone();
        loop {
            if let Some(reason) = self.inner.shared.halt.reason() {
                return Err(ProposeError::Halted { reason });
            }
            let current = *role.borrow_and_update();
            match current {
                Role::Active { term } => return Ok(term),
                Role::Standby => return Err(self.not_leader()),
                Role::CatchingUp { .. } => {
                    let changed = runtime::timeout_at(deadline, role.changed()).await;
                    if !matches!(changed, Ok(Ok(()))) {
                        return Err(self.not_leader());
                    }
                }
            }
        }
    }

    async fn try_once(&self, bytes: &Bytes, origin: Origin, term: Term, deadline: Instant) -> Result<Tried, ProposeError> {
        let inner = &self.inner;
        let (responder, answer) = ProgressResponder::<Raft, ClientWriteResult<Raft>>::complete_only();
        let mut installed = inner.progress.installed.subscribe();
        installed.mark_unchanged();
        let mut current = inner.term.clone();
        let mut halted = inner.shared.halt.subscribe();
        let mut stalled = inner.shared.leadership.stalled();
        let write = inner.raft.write(CommandBytes(bytes.clone())).with_leader(term.get()).responder(responder);
        // Raft's queue may stand still with its disk.
        let Ok(written) = runtime::timeout_at(deadline, write.into_future()).await else { return Ok(Tried::Lost) };
        if let Err(error) = written {
            // Raft has stopped; whether it took the command first cannot be told.
            tracing::error!(%error, "raft does not take commands any more");
            return Ok(Tried::Lost);
        }
        // openraft may leave a waiter hanging: when a snapshot takes the entry's place, or when leadership is lost. So every other
        // way out is taken here, and each of them means that nothing is known.
        let answer = tokio::select! {
            biased;
            answer = answer => answer,
            () = runtime::sleep_until(deadline) => return Ok(Tried::Lost),
            _ = installed.changed() => return Ok(Tried::Lost),
            _ = current.wait_for(|current| *current != term) => return Ok(Tried::Lost),
            _ = halted.wait_for(Option::is_some) => return Ok(Tried::Lost),
            _ = stalled.wait_for(|stalled| *stalled) => return Ok(Tried::Lost),
        };
        match answer {
            Err(_) | Ok(Err(ClientWriteError::LogEntryDiscarded(_))) => Ok(Tried::Lost),
            Ok(Err(ClientWriteError::ForwardToLeader(forward))) => match forward.leader_id {
                Some(leader) if leader != origin.replica => {
                    Err(ProposeError::NotLeader { leader: self.inner.shared.name(leader) })
                }
                Some(_) | None => Ok(Tried::NotTaken),
            },
            Ok(Err(ClientWriteError::ChangeMembershipError(_) | ClientWriteError::PreconditionFailed(_))) => Ok(Tried::NotTaken),
            Ok(Ok(response)) => {
                // The waiter is keyed by index alone: the answer counts only if it names this very proposal, and only once our own
                // state has come that far.
                let mut applied = inner.progress.applied.subscribe();
                let reached = applied.wait_for(|index| *index >= response.log_id.index);
                let applied = matches!(runtime::timeout_at(deadline, reached).await, Ok(Ok(_)));
                Ok(tried(response.data.0.as_deref().filter(|_| applied), origin))
            }
        }
    }

    pub(super) async fn command(&self, command: Command, deadline: Instant) -> Result<(), CommandError> {
        let started = runtime::now();
        match self.propose(command, deadline).await? {
            Reply::Guard(GuardReply::Done) | Reply::Outcome(Ok(())) => Ok(()),
            Reply::Guard(GuardReply::Rejected(rejection)) => Err(rejection.into()),
            Reply::Outcome(Err(refusal)) => Err(refusal.into()),
            Reply::Guard(GuardReply::Verdicts(_))
            | Reply::Attempt(_)
            | Reply::Reserved(_)
            | Reply::Enlisted(_)
            | Reply::Upgraded(_) => Err(CommandError::Unknown { waited_ms: elapsed_ms(started) }),
        }
    }

    pub(super) fn not_leader(&self) -> ProposeError {
        ProposeError::NotLeader { leader: self.view().leader }
    }
}

/// What the entry at the proposal's place answers to it: nothing, if it is another's.
fn tried(applied: Option<&Applied>, origin: Origin) -> Tried {
    match applied {
        Some(answer) if answer.origin == origin || planted(Fault::WaiterByIndex) => Tried::Applied(answer.reply.clone()),
        Some(_) | None => Tried::Lost,
    }
}

pub(super) fn elapsed_ms(started: Instant) -> u64 {
    u64::try_from(runtime::elapsed(started).as_millis()).unwrap_or(u64::MAX)
}

impl From<ProposeError> for ClaimError {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader { leader } => Self::NotLeader { leader },
            ProposeError::Unknown { waited_ms } => Self::Unknown { waited_ms },
            ProposeError::Halted { reason } => Self::Halted { reason },
            ProposeError::TooLarge { bytes } => InvalidClaim::TooLarge { bytes, limit: MAX_COMMAND_BYTES }.into(),
        }
    }
}

impl From<ProposeError> for AttemptError {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader { leader } => Self::NotLeader { leader },
            ProposeError::Unknown { waited_ms } => Self::Unknown { waited_ms },
            ProposeError::Halted { reason } => Self::Halted { reason },
            ProposeError::TooLarge { bytes } => Self::Halted { reason: format!("an attempt of {bytes} bytes") },
        }
    }
}

impl From<ProposeError> for UpgradeError {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader { leader } => Self::NotLeader { leader },
            ProposeError::Unknown { waited_ms } => Self::Unknown { waited_ms },
            ProposeError::Halted { reason } => Self::Halted { reason },
            ProposeError::TooLarge { bytes } => Self::Halted { reason: format!("a command of {bytes} bytes") },
        }
    }
}

impl From<ProposeError> for CommandError {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader { leader } => Self::NotLeader { leader },
            ProposeError::Unknown { waited_ms } => Self::Unknown { waited_ms },
            ProposeError::Halted { reason } => Self::Halted { reason },
            ProposeError::TooLarge { bytes } => Self::Halted { reason: format!("a command of {bytes} bytes") },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_at_a_proposals_index_counts_only_if_it_is_the_answer_to_this_proposal() {
        let origin = Origin { replica: 1, boot: 20, sequence: 3 };
        let reply = Reply::Guard(GuardReply::Done);
        let answer = |origin| Applied { origin, reply: reply.clone() };
        assert_eq!(tried(Some(&answer(origin)), origin), Tried::Applied(reply.clone()));
        let others = [
            Origin { replica: 2, ..origin },
            // What an earlier process of this replica proposed is applied again after a restart.
            Origin { boot: 10, ..origin },
            Origin { sequence: 2, ..origin },
        ];
        for other in others {
            assert_eq!(tried(Some(&answer(other)), origin), Tried::Lost, "another proposal took its place: {other:?}");
        }
        assert_eq!(tried(None, origin), Tried::Lost);
    }
}
