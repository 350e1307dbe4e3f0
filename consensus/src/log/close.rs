//! The leader's answer to demands for a closing: nothing is granted until the slots that had begun are closed (safety rule R7).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use openraft::impls::ProgressResponder;
use openraft::raft::ClientWriteResult;

use super::SigningLog;
use super::horizon::Horizon;
use crate::command::{Command, Envelope, Origin};
use crate::raft::{CommandBytes, Raft};
use crate::role::Term;
use crate::runtime;
use crate::state::State;
use crate::store::{SharedState, StateMachine};
use crate::transport::Shared;

/// How long a closing may take before it is proposed anew.
const WAIT: Duration = Duration::from_secs(2);

/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(50);

impl SigningLog {
    /// Whether a process that takes part is in doubt about its memory, and no closing has settled that yet.
    pub(super) fn closing_is_demanded(&self, state: &State) -> bool {
        !self.inner.shared.recovery.demands().open(state.settled()).is_empty()
    }
}

/// Proposes closings, one at a time.
pub(super) struct Closer {
    pub(super) raft: openraft::Raft<Raft, StateMachine>,
    pub(super) state: SharedState,
    pub(super) shared: Shared,
    pub(super) horizon: Arc<Horizon>,
    /// Numbers this process's proposals.
    pub(super) sequence: Arc<AtomicU64>,
    /// Whether it was said that the present is not known.
    pub(super) waits: AtomicBool,
}

impl Closer {
    /// The demands that are open: while there are any, this replica acts for nobody.
    pub(super) fn demands(&self) -> Vec<(u64, u64)> {
        self.shared.recovery.demands().open(self.state.read().settled())
    }

    /// Proposes under `term` what settles `demands`, and waits until it is applied here or comes to nothing; then whoever asked
    /// looks again. Nothing is proposed while the present is not known.
    pub(super) async fn close(&self, term: Term, demands: Vec<(u64, u64)>) {
        self.propose(term, demands).await;
        // What came of it is seen in the state; where nothing did, it is tried again, and not at once.
        if !self.demands().is_empty() {
            runtime::sleep(PAUSE).await;
        }
    }

    async fn propose(&self, term: Term, demands: Vec<(u64, u64)>) {
        let highest = self.state.read().guard().highest_slot();
        let Some(slot) = self.horizon.closing(highest, runtime::now()) else {
            if !self.waits.swap(true, Ordering::Relaxed) {
                tracing::warn!(?demands, "a closing is demanded, but clock and L1 do not say which slot it is: waiting");
            }
            return;
        };
        let me = self.shared.me;
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let origin = Origin { replica: me.replica, boot: me.boot, sequence };
        tracing::warn!(%slot, %term, ?demands, "closing the slots that have begun: a replica's memory may have a gap");
        let bytes = Envelope { origin, command: Command::Close { slot, settles: demands } }.encode();
        let (responder, answer) = ProgressResponder::<Raft, ClientWriteResult<Raft>>::complete_only();
        let write = self.raft.write(CommandBytes(Bytes::from(bytes))).with_leader(term.get()).responder(responder);
        if let Err(error) = write.await {
            tracing::error!(%error, "raft does not take commands any more");
            return;
        }
        // However it ends, and if it does not: what counts is the state.
        drop(runtime::timeout(WAIT, answer).await);
    }
}
