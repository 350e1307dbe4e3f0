//! A leader whose process ended: its kernel says so at once, long before a timer.
//!
//! When a process dies its connections break, and its port refuses new ones. A follower that sees both ends the leader's lease for
//! itself and asks the others, by pre-vote, whether they would vote. Whoever has not seen the same refuses, so that a single
//! broken way does not depose a leader; and the leader itself, if it lives and hears a quorum, refuses too.
//!
//! This weakens no rule. Who may be elected, and that there is one leader in a term, is decided by votes and logs and never by
//! time; openraft's lease only keeps voters loyal to a leader that they hear. Our grants need a commit in the term that the
//! claim names, so a leader deposed by a wrong hint can grant nothing more (`SigningLog::claim`), and what it was granted before
//! is in the log of its successor. A wrong hint costs an election.

use std::time::Duration;

use openraft::RaftMetrics;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::TransferLeaderRequest;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::fitness::{Assessment, Class, Reference};
use crate::raft::{Raft, log_id};
use crate::runtime;
use crate::store::StateMachine;
use crate::transport::{CallError, Client, Shared};

/// How long the leader's address has to show that somebody is there.
const DIAL_BACK: Duration = Duration::from_millis(300);
/// Rounds of pre-votes after a hint; then the timers rule.
const ROUNDS: u32 = 8;
/// The least between two rounds, and between two campaigners.
const ROUND: Duration = Duration::from_millis(25);

/// Campaigns early when the leader's process is seen to have ended.
pub(crate) struct Suspicion {
    pub(crate) raft: openraft::Raft<Raft, StateMachine>,
    pub(crate) client: Client,
    pub(crate) shared: Shared,
    pub(crate) stalled: watch::Receiver<bool>,
    pub(crate) stop: CancellationToken,
}

impl Suspicion {
    /// Runs until `stop`.
    pub(crate) async fn run(self) {
        let Some(mut broken) = self.shared.leadership.inner.broken_taken.lock().take() else { return };
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                member = broken.recv() => match member {
                    Some(member) => self.look(member).await,
                    None => return,
                }
            }
        }
    }

    async fn look(&self, member: u64) {
        let metrics = self.metrics();
        let own = self.shared.me.replica;
        let voters: Vec<u64> = metrics.membership_config.voter_ids().collect();
        if !self.shared.recovery.may_campaign() {
            return;
        }
        if metrics.current_leader != Some(member) || member == own || !metrics.vote.committed || !voters.contains(&own) {
            return;
        }
        // A refusal is its kernel's word that nobody listens; silence may be the way there, and an answer is the leader's own.
        let Err(CallError::Unreachable { reason, .. }) = self.client.hello(member, DIAL_BACK).await else { return };
        tracing::warn!(leader = member, reason, "the leader's process has ended: campaigning without waiting for its lease");
        let others = voters.into_iter().filter(|id| *id != member);
        self.campaign(&metrics, member, others.collect()).await;
    }

    async fn campaign(&self, seen: &RaftMetrics<Raft>, leader: u64, voters: Vec<u64>) {
        let round_trip = voters.iter().filter_map(|id| self.shared.leadership.round_trip(*id)).max().unwrap_or_default();
        let round = ROUND.max(round_trip * 2);
        let last = self.shared.chain.read().last_position().map(|last| log_id(last.term, last.index));
        // Addressed to the one that is gone: here it only ends the lease, and nobody campaigns by it.
        let lease_over = TransferLeaderRequest::new(seen.vote, leader, last);
        if let Err(error) = self.raft.handle_transfer_leader(lease_over).await {
            tracing::error!(%error, "raft has stopped");
            return;
        }
        // One after the other, the best first: two that campaign at once can each win half of the votes.
        let before = self.place(&voters);
        runtime::sleep(round * before * 2).await;
        for _ in 0..ROUNDS {
            if self.metrics().vote != seen.vote || *self.stalled.borrow() || self.stop.is_cancelled() {
                return;
            }
            if let Err(error) = self.raft.trigger().elect(true).await {
                tracing::error!(%error, "raft has stopped");
                return;
            }
            runtime::sleep(round).await;
        }
    }

    /// How many voters should campaign before this replica: fitter ones, and of equals those with smaller ids.
    fn place(&self, voters: &[u64]) -> u32 {
        let own = self.shared.me.replica;
        let own_report = self.shared.leadership.own_report();
        let reports: Vec<_> = voters
            .iter()
            .filter(|id| **id != own)
            .filter_map(|id| self.shared.leadership.report_of(*id).map(|(report, _)| (*id, report)))
            .chain([(own, own_report)])
            .collect();
        let reference = Reference::of(reports.iter().map(|(_, report)| report), u64::MAX, u32::MAX);
        let rank = |id: u64| {
            let report = reports.iter().find(|(of, _)| *of == id).map(|(_, report)| report);
            let class = report.map_or(Class::Unable, |report| Assessment::of(report, &reference).class);
            (std::cmp::Reverse(class), id)
        };
        let before = voters.iter().filter(|id| **id != own && rank(**id) < rank(own)).count();
        u32::try_from(before).unwrap_or(u32::MAX)
    }

    fn metrics(&self) -> RaftMetrics<Raft> {
        self.raft.metrics().borrow_watched().clone()
    }
}
