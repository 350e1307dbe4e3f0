//! Handing leadership over: by openraft's transfer, observed to its end, and repaired if the successor does not take it.

use std::time::Duration;

use ollin_protocol::units::ReplicaId;
use openraft::RaftMetrics;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::VoteRequest;

use crate::fitness::{Assessment, Class, Reference};
use crate::log::SigningLog;
use crate::membership::MemberKind;
use crate::raft::{Raft, Vote, log_id};
use crate::runtime;

/// The least that one try may take.
const TRY: Duration = Duration::from_secs(1);
/// How long an election after a failed try may take.
const REPAIR: Duration = Duration::from_secs(2);

/// Another replica leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// Who.
    pub to: ReplicaId,
    /// How long it took until this replica heard of it.
    pub took: Duration,
}

/// Why leadership did not go where it was to go.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// Only a leader can.
    #[error("this replica does not lead (leader: {leader:?})")]
    NotLeader {
        /// Who does, as far as it knows.
        leader: Option<ReplicaId>,
    },
    /// The successor must be another voter.
    #[error("replica {to} is no other voter of this cluster")]
    NotAVoter {
        /// Who was named.
        to: ReplicaId,
    },
    /// A witness holds no keys: it may not lead.
    #[error("replica {to} is a witness: it holds no keys, and would only hand over again")]
    Witness {
        /// Who was named.
        to: ReplicaId,
    },
    /// It did not take over. This replica has stepped down, and the voters elect whom they can: itself too.
    #[error("replica {to} did not take over within {waited_ms} ms; an election was held (leader: {leader:?})")]
    NotTaken {
        /// Who was to lead.
        to: ReplicaId,
        /// How long was waited.
        waited_ms: u64,
        /// Who leads after the election, if anybody is known to.
        leader: Option<ReplicaId>,
    },
    /// Raft has stopped.
    #[error("this replica is halted: {reason}")]
    Halted {
        /// Why.
        reason: String,
    },
}

impl SigningLog {
    /// Hands over because of fitness: counted, so that the pause before the next such hand-over doubles. What an operator orders is
    /// not counted, or it would keep leadership with a replica that fails a moment later.
    ///
    /// # Errors
    /// As for [`SigningLog::hand_over`].
    pub async fn hand_over_by_fitness(&self, to: ReplicaId) -> Result<HandedOver, HandOverError> {
        self.inner().shared.leadership.note_hand_over();
        self.hand_over(to).await
    }

    /// Hands leadership over to `to` and waits, in bounded time, until another replica leads.
    ///
    /// openraft's leader proposes nothing more, nor sends heartbeats, once it has been asked to transfer, and that for the rest of
    /// its term. So a transfer that is not taken must end in an election, or the cluster would have a leader that cannot act: this
    /// replica then steps down by casting its vote of the next term, and may win the election after that itself.
    ///
    /// # Errors
    /// [`HandOverError`].
    pub async fn hand_over(&self, to: ReplicaId) -> Result<HandedOver, HandOverError> {
        let leadership = self.inner().shared.leadership.clone();
        let _turn = leadership.inner.turn.lock().await;
        let started = runtime::now();
        let metrics = self.metrics();
        let own = self.inner().shared.me.replica;
        if metrics.current_leader != Some(own) {
            return Err(HandOverError::NotLeader { leader: metrics.current_leader.and_then(|id| self.name(id)) });
        }
        let members = self.inner().shared.members();
        let mut voters = metrics.membership_config.voter_ids().filter(|id| *id != own);
        let Some(id) = voters.find(|id| members.get(id).is_some_and(|member| member.name == to)) else {
            return Err(HandOverError::NotAVoter { to });
        };
        if members.get(&id).is_some_and(|member| member.kind == MemberKind::Witness) {
            return Err(HandOverError::Witness { to });
        }
        let halted = |error: &dyn std::error::Error| HandOverError::Halted { reason: error.to_string() };
        self.inner().raft.trigger().transfer_leader(id).await.map_err(|error| halted(&error))?;
        let wait = TRY.max(self.inner().config.lease() * 2);
        if let Some(leader) = self.another_leader(wait).await {
            let took = runtime::elapsed(started);
            metrics::counter!("ollin_hand_overs_total").increment(1);
            tracing::info!(to = leader, took_ms = took.as_millis(), "leadership handed over");
            return Ok(HandedOver { to: self.name(leader).unwrap_or(to), took });
        }
        tracing::warn!(%to, "leadership was not taken over in time: an election is held");
        self.step_down(id).await;
        let leader = self.any_leader(REPAIR, metrics.current_term).await.and_then(|id| self.name(id));
        Err(HandOverError::NotTaken { to, waited_ms: millis(runtime::elapsed(started)), leader })
    }

    /// The voter to hand over to: the best by class, then by place in the log. `None` if no other voter answers.
    pub fn best_successor(&self) -> Option<ReplicaId> {
        let peers = self.peers();
        let reports = peers.iter().filter_map(|peer| peer.report.as_ref().map(|(report, _)| report));
        let reference = Reference::of(reports, u64::MAX, u32::MAX);
        let fresh = |age: &Duration| age.as_secs() < 3;
        let voters = peers.iter().filter(|peer| peer.voter && !peer.witness);
        let candidates = voters.map(|peer| {
            let report = peer.report.as_ref().filter(|(_, age)| fresh(age));
            let class = report.map(|(report, _)| Assessment::of(report, &reference).class);
            // One that has not reported yet comes before one that says it is unable.
            let rank = class.map_or(1_u8, |class| if class == Class::Unable { 0 } else { 2 + class as u8 });
            (rank, std::cmp::Reverse(peer.lag.unwrap_or(u64::MAX)), std::cmp::Reverse(peer.id))
        });
        candidates.max().map(|(_, _, std::cmp::Reverse(id))| id)
    }

    /// Ends this replica's leadership without a successor: it casts its vote of the next term for `other`, as it could if that one
    /// had asked, and so becomes a follower. `other` gains nothing from it that it could not have asked for: a vote request of it
    /// is still judged by its log.
    async fn step_down(&self, other: u64) {
        let metrics = self.metrics();
        if metrics.current_leader != Some(self.inner().shared.me.replica) {
            return;
        }
        let last = self.inner().shared.chain.read().last_position().map(|last| log_id(last.term, last.index));
        let mut request = VoteRequest::new(Vote::new(metrics.current_term.saturating_add(1), other), last);
        request.leadership_transfer = true;
        match runtime::timeout(TRY, self.inner().raft.vote(request)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "raft has stopped"),
            Err(_) => tracing::warn!("stepping down waits for the disk"),
        }
    }

    fn name(&self, id: u64) -> Option<ReplicaId> {
        self.inner().shared.name(id)
    }

    async fn another_leader(&self, wait: Duration) -> Option<u64> {
        let own = self.inner().shared.me.replica;
        self.leader_that(wait, |metrics| metrics.current_leader.filter(|leader| *leader != own)).await
    }

    async fn any_leader(&self, wait: Duration, after: u64) -> Option<u64> {
        self.leader_that(wait, |metrics| metrics.current_leader.filter(|_| metrics.current_term > after)).await
    }

    async fn leader_that(&self, wait: Duration, found: impl Fn(&RaftMetrics<Raft>) -> Option<u64>) -> Option<u64> {
        let deadline = runtime::now() + wait;
        let mut metrics = self.inner().raft.metrics();
        loop {
            if let Some(leader) = found(&metrics.borrow_watched()) {
                return Some(leader);
            }
            if !matches!(runtime::timeout_at(deadline, metrics.changed()).await, Ok(Ok(()))) {
                return None;
            }
        }
    }

    fn metrics(&self) -> RaftMetrics<Raft> {
        self.inner().raft.metrics().borrow_watched().clone()
    }

    /// Whether a slot may be begun here. Not while a hand-over is being prepared; what was begun is finished.
    pub fn starts(&self) -> tokio::sync::watch::Receiver<bool> {
        self.inner().shared.leadership.inner.starts.subscribe()
    }

    /// Permits or forbids beginning slots here.
    pub fn set_starts(&self, permitted: bool) {
        self.inner().shared.leadership.inner.starts.send_replace(permitted);
    }

    /// Whether this replica campaigns when it hears no leader. An unfit one leaves that to better ones for a while.
    pub fn set_campaigns(&self, campaigns: bool) {
        self.inner().shared.recovery.set_campaigns(&self.inner().raft, campaigns);
    }

    /// How long ago a frame of the leader arrived, or one of anybody if none is known. `None` while this replica leads.
    pub fn leaderless(&self) -> Option<Duration> {
        let metrics = self.metrics();
        match metrics.current_leader {
            Some(leader) if leader == self.inner().shared.me.replica => None,
            Some(leader) => Some(self.inner().shared.last_heard(leader).unwrap_or(Duration::MAX)),
            None => Some(Duration::MAX),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
