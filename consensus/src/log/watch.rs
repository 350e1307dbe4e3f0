//! The loop that derives the role from what Raft reports, and keeps the members known.

use std::sync::Arc;
use std::time::Duration;

use ollin_guard::{Fault, planted};
use openraft::async_runtime::WatchReceiver;
use openraft::{Instant as _, RaftMetrics, ServerState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::close::Closer;
use crate::entry::MembershipRecord;
use crate::membership::MemberKind;
use crate::raft::{Raft, from_log_id};
use crate::role::{Action, Event, LogIndex, Role, Term};
use crate::runtime::{self, JoinHandle};
use crate::store::{Progress, SharedState, StateMachine};
use crate::transport::{SetBy, Shared};

/// What the loop reads and what it publishes.
pub(super) struct RoleLoop {
    pub(super) raft: openraft::Raft<Raft, StateMachine>,
    pub(super) state: SharedState,
    pub(super) progress: Progress,
    pub(super) shared: Shared,
    pub(super) closer: Arc<Closer>,
    pub(super) lease: Duration,
    /// What the cluster file says that this process is for.
    pub(super) kind: MemberKind,
    /// The disk hangs: what is granted meanwhile may be nowhere but in memory here.
    pub(super) stalled: watch::Receiver<bool>,
    pub(super) role: watch::Sender<Role>,
    pub(super) term: watch::Sender<Term>,
    pub(super) stop: CancellationToken,
}

impl RoleLoop {
    /// Runs until `stop` or until the replica is halted.
    pub(super) async fn run(self) {
        let mut metrics = self.raft.metrics();
        let mut applied = self.progress.applied.subscribe();
        let mut halted = self.shared.halt.subscribe();
        let mut stalled = self.stalled.clone();
        // A lease ends without any event: it is looked at a few times in its length.
        let tick = self.lease / 4;
        let mut closing: Option<JoinHandle<()>> = None;
        let mut known = None;
        loop {
            let demanded = self.observe(&metrics.borrow_and_update(), &mut known);
            if let Some((term, demands)) = demanded
                && closing.is_none()
            {
                let closer = Arc::clone(&self.closer);
                closing = Some(runtime::spawn(async move { closer.close(term, demands).await }));
            }
            if self.shared.halt.is_halted() {
                // A doubtful state neither votes nor acknowledges.
                if let Err(error) = self.raft.shutdown().await {
                    tracing::error!(%error, "raft did not end in order");
                }
                // The replica stays up, standing by, so that its status can be asked: whoever watches the role waits on.
                self.stop.cancelled().await;
                return;
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                changed = metrics.changed() => if changed.is_err() { break },
                _ = applied.changed() => {}
                _ = halted.changed() => {}
                changed = stalled.changed() => if changed.is_err() { break },
                Some(()) = ended(closing.as_mut()) => closing = None,
                () = runtime::sleep(tick) => {}
            }
        }
        self.step(Event::Deposed);
    }

    /// Takes over what Raft reports. What it returns is to be closed before this replica acts. `known`: the entry that set the
    /// members that were taken over last; metrics come with every heartbeat, and mostly with the same members.
    fn observe(&self, metrics: &RaftMetrics<Raft>, known: &mut Option<SetBy>) -> Option<(Term, Vec<(u64, u64)>)> {
        if let Err(fatal) = &metrics.running_state
            && !self.stop.is_cancelled()
        {
            self.shared.halt.halt(format!("raft has stopped: {fatal}"));
        }
        let set_by = metrics.membership_config.log_id().as_ref().map(from_log_id);
        if *known != Some(set_by) {
            *known = Some(set_by);
            self.shared.set_members(set_by, MembershipRecord::from(metrics.membership_config.membership()).members);
        }
        self.term.send_if_modified(|term| {
            let changed = term.get() != metrics.current_term;
            *term = Term::new(metrics.current_term);
            changed
        });
        // A witness leads only to replicate and hand over (safety rule R11).
        let is_full = self.kind(metrics) == MemberKind::Full || planted(Fault::WitnessActs);
        let may_act = !self.shared.halt.is_halted() && !*self.stalled.borrow() && is_full;
        let leads = self.leads(metrics) && may_act;
        let term = Term::new(metrics.current_term);
        let demands = if leads { self.closer.demands() } else { Vec::new() };
        match metrics.last_log_index {
            Some(last) if leads && demands.is_empty() => {
                self.step(Event::Elected { term, barrier: LogIndex::new(last) });
            }
            Some(_) | None => self.step(Event::Deposed),
        }
        let applied = {
            let state = self.state.read();
            if let Err(error) = self.shared.recovery.settle(state.settled()) {
                self.shared.halt.halt(format!("the local anchor can neither be written nor removed: {error}"));
            }
            state.applied()
        };
        if let Some(applied) = applied {
            self.step(Event::Applied { term: Term::new(applied.term), index: LogIndex::new(applied.index) });
        }
        (!demands.is_empty()).then_some((term, demands))
    }

    /// A witness by the membership or by its own cluster file: the one must not act, the other holds no keys.
    fn kind(&self, metrics: &RaftMetrics<Raft>) -> MemberKind {
        let membership = metrics.membership_config.membership();
        let listed = membership.get_node(&self.shared.me.replica).map_or(MemberKind::Full, |member| member.kind);
        if self.kind == MemberKind::Witness { self.kind } else { listed }
    }

    /// A leader that has lost its quorum still reports that it leads: it counts only while a quorum has answered within the lease.
    fn leads(&self, metrics: &RaftMetrics<Raft>) -> bool {
        let own = self.shared.me.replica;
        let is_leader = metrics.state == ServerState::Leader
            && metrics.vote.committed
            && metrics.vote.leader_id.voted_for == own
            && metrics.vote.leader_id.term == metrics.current_term;
        let alone = metrics.membership_config.voter_ids().eq([own]);
        let acknowledged = metrics.last_quorum_acked.is_some_and(|acknowledged| acknowledged.elapsed() < self.lease);
        is_leader && (alone || acknowledged)
    }

    fn step(&self, event: Event) {
        self.role.send_if_modified(|role| {
            let before = *role;
            match role.step(event) {
                Some(Action::StartDuties(term)) => tracing::info!(%term, "this replica acts"),
                Some(Action::StopDuties) => tracing::info!("this replica stands by"),
                None => {}
            }
            *role != before
        });
    }
}

/// The end of a task, if there is one.
async fn ended(task: Option<&mut JoinHandle<()>>) -> Option<()> {
    task?.await.ok()
}
