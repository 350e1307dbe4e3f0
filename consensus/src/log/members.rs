//! Changing the members, one change at a time; decided by [`crate::membership::rule`], carried out by joint consensus.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::join_all;
use ollin_guard::Phase;
use ollin_protocol::units::{ReplicaId, Slot};
use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError};
use openraft::raft::{ChangeMembershipRequest, Precondition};
use tokio::sync::{mpsc, oneshot};

use super::SigningLog;
use super::error::MemberError;
use super::propose::{ProposeError, elapsed_ms};
use crate::command::{Command, Reply};
use crate::entry::MembershipRecord;
use crate::failpoint;
use crate::membership::rule::{self, Answering, Health, Plan, Situation};
use crate::membership::{EnlistRefusal, EnlistToken, Member, MemberChanged, MemberOrder, MemberRefusal};
use crate::raft::{LogId, Raft, from_log_id};
use crate::recovery::Memory;
use crate::rules::Supported;
use crate::runtime;
use crate::transport::{Answered, CallError, Lane, Order, Refused, Request, Response};

/// How long one change may take: two entries and their quorums.
const DEADLINE: Duration = Duration::from_secs(15);
/// How long the leader has to answer an order that was passed on to it.
const PASSED_ON: Duration = Duration::from_secs(20);
/// How long a replica that is to come back has to say that it runs.
const GREETING: Duration = Duration::from_millis(500);
/// How often a leader looks for a joint change that the leader before it has left.
const LOOK: Duration = Duration::from_secs(1);

impl SigningLog {
    /// Changes the members. Any replica may be asked: one that does not lead passes the order on to the leader. Returns once the change
    /// is committed; a new learner is not caught up then.
    ///
    /// # Errors
    /// [`MemberError`]. After [`MemberError::Unknown`] the change may have been made: look at the members before asking again.
    pub async fn change_members(&self, order: MemberOrder) -> Result<MemberChanged, MemberError> {
        let started = runtime::now();
        let (answer, answered) = oneshot::channel();
        let asked = self.inner.orders.try_send(Order::Members { order: order.clone(), answer });
        asked.map_err(|_| MemberError::Refused(MemberRefusal::UnderWay))?;
        let unknown = || MemberError::Unknown { waited_ms: elapsed_ms(started) };
        match answered.await.map_err(|_| unknown())? {
            Err(MemberError::NotLeader { leader: Some(leader) }) if leader != self.replica() => {
                self.pass_on(leader, order, started).await
            }
            answer => answer,
        }
    }

    async fn pass_on(&self, leader: ReplicaId, order: MemberOrder, started: Instant) -> Result<MemberChanged, MemberError> {
        let not_leader = || MemberError::NotLeader { leader: Some(leader) };
        let id = self.leader_id().ok_or_else(not_leader)?;
        match self.inner.client.call(id, Lane::Heartbeat, Request::Members(order), PASSED_ON).await {
            Ok(Response::Members(answer)) => Ok(answer?),
            Err(CallError::Unreachable { .. } | CallError::Refused { .. }) => Err(not_leader()),
            Ok(_) | Err(CallError::Timeout { .. } | CallError::Broken { .. }) => {
                Err(MemberError::Unknown { waited_ms: elapsed_ms(started) })
            }
        }
    }

    pub(super) fn leader_id(&self) -> Option<u64> {
        self.inner.raft.metrics().borrow_watched().current_leader
    }

    /// Serves orders, one after the other, and finishes what an earlier leader has left; until the log stops.
    pub(super) async fn serve_orders(self, mut orders: mpsc::Receiver<Order>) {
        let stop = self.inner.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                order = orders.recv() => match order {
                    // Whoever asked may have gone; the outcome is in the log.
                    Some(Order::Enlist { id, token, rules, answer }) => drop(answer.send(self.enlist((id, token), rules).await)),
                    Some(Order::Upgrade { answer }) => drop(answer.send(self.raise_rules().await)),
                    Some(Order::Evidence { seen, answer }) => drop(answer.send(self.take_evidence(seen).await)),
                    Some(Order::Members { order, answer }) => {
                        let changed = tokio::select! {
                            biased;
                            () = stop.cancelled() => return,
                            changed = self.carry_out(&order) => changed,
                        };
                        if let Err(error) = &changed {
                            tracing::warn!(?order, %error, "members not changed");
                        }
                        drop(answer.send(changed));
                    }
                    None => return,
                },
                () = runtime::sleep(LOOK) => self.finish_joint().await,
            }
        }
    }

    /// Who does not support the rules in force would stop at once, and might count as a voter until it is noticed (safety rule R13).
    async fn enlist(&self, (id, token): (u64, EnlistToken), rules: Supported) -> Result<Result<(), EnlistRefusal>, MemberError> {
        let started = runtime::now();
        if self.inner.role.borrow().active_term().is_none() {
            return Err(self.not_leader().into());
        }
        let version = self.rules();
        if !rules.includes(version) {
            return Ok(Err(EnlistRefusal::Rules { version, supported: rules }));
        }
        match self.propose(Command::Enlist { id, token }, started + DEADLINE).await? {
            Reply::Enlisted(answer) => Ok(answer),
            Reply::Guard(_) | Reply::Attempt(_) | Reply::Outcome(_) | Reply::Reserved(_) | Reply::Upgraded(_) => {
                Err(MemberError::Unknown { waited_ms: elapsed_ms(started) })
            }
        }
    }

    async fn carry_out(&self, order: &MemberOrder) -> Result<MemberChanged, MemberError> {
        let started = runtime::now();
        let deadline = started + DEADLINE;
        if self.inner.role.borrow().active_term().is_none() {
            return Err(self.not_leader().into());
        }
        let answers = self.answers_of(order).await;
        let (situation, set_by) = self.situation();
        let situation = Situation { answers, ..situation };
        let plan = rule::plan(order, &situation)?;
        let warnings = plan.warnings(&situation);
        failpoint::reach("order-taken", Slot::new(0)).await;
        let (change, keep, subject) = match plan {
            Plan::Learner { member, dropped } => {
                let replica = member.name;
                let id = match self.propose(Command::ReserveId { replica }, deadline).await? {
                    Reply::Reserved(id) => id,
                    Reply::Guard(_) | Reply::Attempt(_) | Reply::Outcome(_) | Reply::Enlisted(_) | Reply::Upgraded(_) => {
                        return Err(MemberError::Unknown { waited_ms: elapsed_ms(started) });
                    }
                };
                failpoint::reach("id-reserved", Slot::new(0)).await;
                let changes = [ChangeMembers::AddNodes(BTreeMap::from([(id, member)])), ChangeMembers::RemoveNodes(dropped)];
                (changes.to_vec(), true, (id, replica))
            }
            Plan::Voters { added, removed, dropped, keep } => {
                let id = added.iter().chain(&removed).next().copied().unwrap_or_default();
                let subject = situation.members.get(&id).map_or(self.replica(), |member| member.name);
                let mut changes = vec![ChangeMembers::AddVoterIds(added), ChangeMembers::RemoveVoters(removed)];
                if !dropped.is_empty() {
                    changes.push(ChangeMembers::RemoveNodes(dropped));
                }
                (changes, keep, (id, subject))
            }
            Plan::Dropped(dropped) => {
                let id = dropped.iter().next_back().copied().unwrap_or_default();
                let subject = situation.members.get(&id).map_or(self.replica(), |member| member.name);
                (vec![ChangeMembers::RemoveNodes(dropped)], true, (id, subject))
            }
            Plan::Already(raft_id) => {
                let index = set_by.map_or(0, |set_by| set_by.index);
                let (replica, voters) = (order.subject(), self.voter_names());
                return Ok(MemberChanged { replica, raft_id, index, voters, already: true, warnings });
            }
        };
        // Decided on this membership: if another one came between, nothing is changed.
        let request = ChangeMembershipRequest::new(ChangeMembers::Batch(change), keep);
        let request = request.with_preconditions([Precondition::LastMembershipLogId { last_membership_log_id: set_by }]);
        let index = self.change(request, deadline).await?;
        failpoint::reach("members-changed", Slot::new(0)).await;
        let (raft_id, replica) = subject;
        let voters = self.voter_names();
        tracing::info!(?order, raft_id, index, ?voters, "members changed");
        Ok(MemberChanged { replica, raft_id, index, voters, already: false, warnings })
    }

    /// Has Raft make a change, in one or two steps, and returns the index of the last one.
    async fn change(&self, request: ChangeMembershipRequest<Raft>, deadline: Instant) -> Result<u64, MemberError> {
        let started = runtime::now();
        let changed = self.inner.raft.change_membership_with_payload(request);
        let Ok(changed) = runtime::timeout_at(deadline, changed).await else {
            return Err(MemberError::Unknown { waited_ms: elapsed_ms(started) });
        };
        let error = match changed {
            Ok(outcome) => return Ok(outcome.uniform.log_id.index),
            Err(openraft::errors::RaftError::Fatal(fatal)) => return Err(MemberError::Halted { reason: fatal.to_string() }),
            Err(openraft::errors::RaftError::APIError(error)) => error,
        };
        Err(match error {
            ClientWriteError::PreconditionFailed(_)
            | ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_)) => MemberRefusal::UnderWay.into(),
            // The first of two steps may have been made: whoever leads next finishes it.
            ClientWriteError::ForwardToLeader(_)
            | ClientWriteError::ChangeMembershipError(_)
            | ClientWriteError::LogEntryDiscarded(_) => {
                tracing::warn!(%error, "a change of the members did not end");
                MemberError::Unknown { waited_ms: elapsed_ms(started) }
            }
        })
    }

    /// A leader that finds a joint membership, left by the one before it, finishes it. Its removed voters stay as learners.
    async fn finish_joint(&self) {
        let (situation, set_by) = self.situation();
        let acts = self.inner.role.borrow().active_term().is_some();
        if !acts || !situation.committed || situation.configurations.len() < 2 {
            return;
        }
        let request = ChangeMembershipRequest::new(ChangeMembers::AddVoterIds(BTreeSet::new()), true);
        let request = request.with_preconditions([Precondition::LastMembershipLogId { last_membership_log_id: set_by }]);
        match self.change(request, runtime::now() + DEADLINE).await {
            Ok(index) => tracing::info!(index, "a change of the members that an earlier leader began is finished"),
            Err(error) => tracing::warn!(%error, "a joint change of the members is not finished yet"),
        }
    }

    /// What this replica knows as leader, and the entry that set the membership.
    pub(super) fn situation(&self) -> (Situation, Option<LogId>) {
        let inner = &self.inner;
        let metrics = inner.raft.metrics().borrow_watched().clone();
        let MembershipRecord { configurations, members } = metrics.membership_config.membership().into();
        let set_by = *metrics.membership_config.log_id();
        let committed = set_by.as_ref().map(from_log_id) <= metrics.cluster_committed.as_ref().map(from_log_id);
        let matched = metrics.replication.unwrap_or_default();
        let next = |index: Option<u64>| index.map_or(0, |index| index + 1);
        let health = |id: u64| {
            let matched = matched.get(&id).and_then(Option::as_ref).map(|matched| matched.index);
            let behind = matched.map(|matched| next(metrics.last_log_index).saturating_sub(next(Some(matched))));
            let silent = inner.shared.last_heard(id).map(|heard| u64::try_from(heard.as_millis()).unwrap_or(u64::MAX));
            Health { behind, silent_ms: silent }
        };
        let state = inner.state.read();
        let situation = Situation {
            open: state.guard().phase() == Phase::Open,
            health: members.keys().map(|id| (*id, health(*id))).collect(),
            untaken: members.keys().copied().filter(|id| state.roster().is_open(*id)).collect(),
            retired: state.roster().retired_replicas(),
            configurations,
            members,
            committed,
            leader: inner.shared.me.replica,
            answers: BTreeMap::new(),
        };
        (situation, set_by)
    }

    /// Who answers now at the address of a replica that is to come back: its silence alone does not say what runs there.
    pub(super) async fn answers_of(&self, order: &MemberOrder) -> BTreeMap<u64, Answering> {
        let (MemberOrder::Renew { replica } | MemberOrder::Promote { replica }) = order else { return BTreeMap::new() };
        let own = self.inner.shared.me.replica;
        let members = self.inner.shared.members().into_iter();
        let asked = members.filter(|(id, member)| member.name == *replica && *id != own).map(|(id, _)| async move {
            let answering = match self.inner.client.hello(id, GREETING).await {
                Ok(Answered { memory: Memory::Recovering, .. }) => Answering::Recovers,
                Ok(_) => Answering::Serves,
                Err(CallError::Refused { refused: Refused::Halted { reason, has_id }, .. }) => {
                    Answering::Halted { reason, has_id }
                }
                Err(_) => return None,
            };
            Some((id, answering))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    fn voter_names(&self) -> Vec<ReplicaId> {
        let metrics = self.inner.raft.metrics().borrow_watched().clone();
        let membership = metrics.membership_config.membership();
        let names = membership.voter_ids().filter_map(|id| membership.get_node(&id).map(|member: &Member| member.name));
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl From<ProposeError> for MemberError {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader { leader } => Self::NotLeader { leader },
            ProposeError::Unknown { waited_ms } => Self::Unknown { waited_ms },
            ProposeError::Halted { reason } => Self::Halted { reason },
            ProposeError::TooLarge { bytes } => Self::Halted { reason: format!("a command of {bytes} bytes") },
        }
    }
}
