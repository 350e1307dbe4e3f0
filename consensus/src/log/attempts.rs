//! L1 transactions: recorded before they are sent.

use std::sync::Arc;
use std::time::Instant;

use alloy_primitives::Address;
use ollin_guard::{Fault, planted};
use ollin_protocol::payload::{BundlePayload, DutyPayload};

use super::SigningLog;
use super::error::{AttemptError, CommandError};
use super::propose::elapsed_ms;
use crate::attempt::{AttemptContent, AttemptRequest, Outcome, PublisherState, RecordedAttempt};
use crate::command::{Command, Reply};
use crate::grant::AttemptGrant;
use crate::runtime;
use crate::state::State;

impl SigningLog {
    /// Records an attempt and permits its sending. Asked for again while it is the newest at its nonce, it is the same attempt.
    ///
    /// # Errors
    /// [`AttemptError`]. After [`AttemptError::Unknown`] it may still be recorded: send nothing, ask for the same again.
    pub async fn record_attempt(&self, request: AttemptRequest, deadline: Instant) -> Result<AttemptGrant, AttemptError> {
        let started = runtime::now();
        let unknown = || AttemptError::Unknown { waited_ms: elapsed_ms(started) };
        let number = match self.propose(Command::Attempt(request), deadline).await? {
            Reply::Attempt(answer) => answer?,
            Reply::Guard(_) | Reply::Outcome(_) | Reply::Reserved(_) | Reply::Enlisted(_) | Reply::Upgraded(_) => {
                return Err(unknown());
            }
        };
        let state = self.inner.state.read();
        let recorded = state.attempts().open_attempt(request.publisher, request.nonce, number);
        let recorded = recorded.filter(|recorded| recorded.request == request && !self.closing_is_demanded(&state));
        let recorded = recorded.ok_or_else(unknown)?;
        grant(&state, recorded)
    }

    /// Permits a recorded attempt to be sent again: the same bytes. Only where this replica acts, only at a nonce that is open.
    ///
    /// # Errors
    /// [`AttemptError::NotLeader`], [`AttemptError::NotOpen`], [`AttemptError::PayloadGone`] or [`AttemptError::Halted`].
    pub async fn reissue_attempt(&self, publisher: Address, nonce: u64, number: u32) -> Result<AttemptGrant, AttemptError> {
        if let Some(reason) = self.inner.shared.halt.reason() {
            return Err(AttemptError::Halted { reason });
        }
        if self.inner.role.borrow().active_term().is_none() && !planted(Fault::AttemptByFollower) {
            return Err(AttemptError::NotLeader { leader: self.view().leader });
        }
        let state = self.inner.state.read();
        if self.closing_is_demanded(&state) {
            return Err(AttemptError::NotLeader { leader: None });
        }
        let recorded = state.attempts().open_attempt(publisher, nonce, number);
        grant(&state, recorded.ok_or(AttemptError::NotOpen { nonce, number })?)
    }

    /// Records what L1 showed of a nonce.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn record_outcome(&self, outcome: Outcome, deadline: Instant) -> Result<(), CommandError> {
        self.command(Command::Outcome(outcome), deadline).await
    }

    /// What is recorded for a publisher, as far as this replica has applied the log.
    pub fn publisher_state(&self, publisher: Address) -> PublisherState {
        self.inner.state.read().attempts().publisher(publisher)
    }

    /// Every publisher with a record, as far as this replica has applied the log.
    pub fn publishers(&self) -> Vec<Address> {
        self.inner.state.read().attempts().publishers().collect()
    }
}

fn grant(state: &State, recorded: &RecordedAttempt) -> Result<AttemptGrant, AttemptError> {
    Ok(AttemptGrant::new(*recorded, bundle(state, recorded)?))
}

/// The claimed bundle, from the own state, and only if its duty is still bound to the root that the attempt was recorded with.
fn bundle(state: &State, recorded: &RecordedAttempt) -> Result<Option<Arc<BundlePayload>>, AttemptError> {
    let AttemptContent::Bundle { duty } = recorded.request.content else {
        return Ok(None);
    };
    let bound = state.guard().bound(&duty).filter(|bound| Some(bound.root) == recorded.root);
    match bound.and_then(|bound| bound.payload).map(DutyPayload::decode) {
        Some(Ok(DutyPayload::Bundle(bundle))) => Ok(Some(Arc::new(bundle))),
        Some(Ok(_) | Err(_)) | None => Err(AttemptError::PayloadGone { duty }),
    }
}
