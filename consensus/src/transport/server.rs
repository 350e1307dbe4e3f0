//! Serving other replicas.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ollin_guard::{CommandRejection, Fault, planted};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest, VoteRequest, VoteResponse,
};
use openraft::storage::Snapshot;
use tokio::sync::{OnceCell, mpsc, oneshot};

use super::client::Client;
use super::frame::{Appended, Frame, Refused, Request, Response, TransferRefused, VoteAsked};
use super::network::{id, place};
use super::peers::{Process, Shared};
use super::plausible;
use super::tls::Fingerprint;
use crate::admission::{Enlistment, Testimony};
use crate::chain::Position;
use crate::entry::Entry;
use crate::log::{MemberError, SeenSignature, UpgradeError};
use crate::membership::{EnlistRefusal, EnlistToken, MemberChanged, MemberOrder, MemberRefusal};
use crate::raft::{Raft, RaftEntryOf, VoteRecord, log_id};
use crate::recovery::{Memory, seen};
use crate::rules::{Supported, UpgradeRefusal, Upgraded};
use crate::sealed;
use crate::state::{State, StateBytesError};
use crate::store::{SharedState, StateMachine};

/// How long an earlier process has to answer before a new one takes its place.
const DIAL_BACK: Duration = Duration::from_millis(500);

type RaftHandle = openraft::Raft<Raft, StateMachine>;

/// Answers the frames of other replicas. Clones are the same one.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Shared,
    client: Client,
    state: SharedState,
    enlistment: Enlistment,
    /// To whoever puts commands of other replicas into the log.
    orders: mpsc::Sender<Order>,
    /// The versions of the rules that this program supports.
    rules: Supported,
    /// Set once Raft runs; until then only greetings are answered.
    raft: OnceCell<RaftHandle>,
}

/// What another replica asks of the log. Whoever receives it answers once.
pub(crate) enum Order {
    Enlist {
        id: u64,
        token: EnlistToken,
        rules: Supported,
        answer: oneshot::Sender<Result<Result<(), EnlistRefusal>, MemberError>>,
    },
    Members {
        order: MemberOrder,
        answer: oneshot::Sender<Result<MemberChanged, MemberError>>,
    },
    Evidence {
        seen: SeenSignature,
        answer: oneshot::Sender<Result<Result<(), CommandRejection>, MemberError>>,
    },
    Upgrade {
        answer: oneshot::Sender<Result<Upgraded, UpgradeError>>,
    },
}

/// What a server answers from.
pub(crate) struct Sources {
    pub(crate) shared: Shared,
    pub(crate) client: Client,
    pub(crate) state: SharedState,
    pub(crate) enlistment: Enlistment,
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) rules: Supported,
}

impl Server {
    pub(crate) fn new(sources: Sources) -> Self {
        let Sources { shared, client, state, enlistment, orders, rules } = sources;
        Self { inner: Arc::new(Inner { shared, client, state, enlistment, orders, rules, raft: OnceCell::new() }) }
    }

    /// From here on Raft's frames are served.
    pub(crate) fn attach(&self, raft: RaftHandle) {
        // Set once, by `open`; a second call would keep the first handle, which is the same one.
        drop(self.inner.raft.set(raft));
    }

    /// Whether `sender` is a member's certificate: nothing of anybody else need be read.
    pub fn admits(&self, sender: &Fingerprint) -> bool {
        let is_member = self.inner.shared.is_member_certificate(sender);
        if !is_member {
            self.inner.shared.note_stranger();
        }
        is_member
    }

    /// A connection from the owner of a certificate has ended, by whatever side. A leader keeps its connections: when one ends, its
    /// process may have.
    pub fn connection_ended(&self, sender: &Fingerprint) {
        if let Some(member) = self.inner.shared.member_with(sender) {
            self.inner.shared.leadership.connection_broke(member);
        }
    }

    /// The answer to a sender that is not admitted because it is no member any more; `None` for any other stranger.
    pub fn turn_away(&self, sender: &Fingerprint) -> Option<Bytes> {
        let retired = self.inner.state.read().roster().retired_certificate(sender).map(|(id, retired)| (id, retired.index));
        let (id, index) = retired?;
        let of_earlier_cluster = self.inner.state.read().lineage().ended_by(index);
        let refused = if of_earlier_cluster { self.retired_cluster() } else { Refused::Retired { id, index, later: None } };
        Some(self.inner.shared.frame(id, Response::Refused(refused)).encode())
    }

    /// What a certificate is to this replica, encoded.
    pub fn testify(&self, sender: &Fingerprint) -> Bytes {
        let has_log = self.inner.shared.chain.read().last_position().is_some();
        let testimony = Testimony::of(self.inner.shared.me.cluster, &self.inner.state.read(), has_log, sender);
        sealed::seal(&testimony).into()
    }

    /// Answers an encoded frame of the owner of a certificate. `None` if it is no frame.
    pub async fn answer(&self, sender: Fingerprint, frame: &[u8]) -> Option<Bytes> {
        let frame = Frame::<Request>::decode(frame).ok()?;
        let from = frame.from;
        let response = self.receive(sender, frame).await.unwrap_or_else(Response::Refused);
        if let Response::Refused(refused) = &response {
            tracing::debug!(from, %refused, "frame refused");
        }
        Some(self.inner.shared.frame(from, response).encode())
    }

    async fn receive(&self, sender: Fingerprint, frame: Frame<Request>) -> Result<Response, Refused> {
        let shared = &self.inner.shared;
        if frame.cluster != shared.me.cluster && !planted(Fault::OtherClusterServed) {
            let is_retired = self.inner.state.read().lineage().has_retired(&frame.cluster);
            return Err(if is_retired { self.retired_cluster() } else { Refused::Cluster });
        }
        if frame.to != shared.me.replica {
            return Err(Refused::Recipient { replica: shared.me.replica });
        }
        let member = shared.member(frame.from).filter(|member| member.fingerprint == sender || planted(Fault::StrangerServed));
        let member = member.ok_or_else(|| {
            shared.note_stranger();
            self.refuse_stranger(frame.from, &sender)
        })?;
        plausible::request(&frame).map_err(|nonsense| Refused::Request { reason: nonsense.to_string() })?;
        let is_hello = matches!(frame.body, Request::Hello);
        if frame.from == shared.me.replica {
            // A starting process asks its own address whether somebody else is there.
            return if is_hello { Ok(Response::Hello) } else { Err(Refused::Sender) };
        }
        if matches!(frame.body, Request::Identify) {
            // A halted replica is not to be taken for one that is there.
            return shared.halt.reason().map_or(Ok(Response::Hello), |reason| Err(self.halted(reason)));
        }
        if let Process::Other { boot } = shared.hear(frame.from, frame.boot) {
            self.refuse_duplicate(frame.from, boot, member.address).await?;
            shared.replace(frame.from, frame.boot);
        }
        if let Some(position) = &frame.last {
            shared.compare(frame.from, position)?;
        }
        // A halted replica is not to be taken for one that is there.
        if let Some(reason) = shared.halt.reason() {
            return Err(self.halted(reason));
        }
        shared.note(&frame)?;
        if is_hello {
            return Ok(Response::Hello);
        }
        if matches!(frame.body, Request::RollCall) {
            let membership = self.inner.state.read().membership().clone();
            return Ok(Response::RollCall(seen(&shared.recovery, frame.from, membership)));
        }
        if is_of_raft(&frame.body) {
            if !self.inner.enlistment.is_done() {
                return Err(Refused::NotServing { reason: "its store has no Raft id yet".to_owned() });
            }
            if shared.recovery.memory() == Memory::Recovering && !planted(Fault::AnswersWhileRecovering) {
                let reason = format!("recovering, it waits for the answers of {:?}", shared.recovery.missing());
                return Err(Refused::NotServing { reason });
            }
            self.admit_sender(&frame).await?;
        }
        let starting = || Refused::NotServing { reason: "starting".to_owned() };
        let raft = self.inner.raft.get().ok_or_else(starting)?;
        self.dispatch(raft, frame.from, frame.body).await
    }

    fn halted(&self, reason: String) -> Refused {
        Refused::Halted { reason, has_id: self.inner.enlistment.is_done() }
    }

    fn retired_cluster(&self) -> Refused {
        Refused::RetiredCluster { by: self.inner.shared.me.cluster }
    }

    /// A state under rules that this program does not support is not taken over: this replica stops before it (safety rule R13).
    fn require_rules(&self, state: &[u8]) -> Result<(), Refused> {
        let version = State::rules_of(state).map_err(|error| Refused::Request { reason: error.to_string() })?;
        let supported = self.inner.rules;
        if supported.includes(version) {
            return Ok(());
        }
        let reason = StateBytesError::Rules { version, supported }.to_string();
        self.inner.shared.halt.halt(reason.clone());
        Err(Refused::NotServing { reason })
    }

    /// Who is no member: unknown, or gone.
    fn refuse_stranger(&self, from: u64, sender: &Fingerprint) -> Refused {
        let retired = self.inner.state.read().roster().retirement(from).copied();
        let Some(retired) = retired.filter(|retired| retired.fingerprint == *sender) else {
            return Refused::Sender;
        };
        let members = self.inner.shared.members();
        let later = members.iter().rfind(|(_, member)| member.name == retired.replica).map(|(id, _)| *id);
        Refused::Retired { id: from, index: retired.index, later }
    }

    /// Hands an order to the log, and waits for its answer. An outcome that is not known is no answer.
    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<Result<T, MemberError>>) -> Order) -> Result<T, MemberError> {
        let (send, answer) = oneshot::channel();
        let taken = self.inner.orders.try_send(order(send));
        taken.map_err(|_| MemberError::Refused(MemberRefusal::UnderWay))?;
        answer.await.map_err(|_| MemberError::Halted { reason: "stopping".to_owned() })?
    }

    /// A frame of Raft counts only from the process that answers at the member's address (safety rule R8): not votes alone, for the
    /// entries of a paused leader whose address a copy has taken would still find a quorum. And until the own log has come as far as
    /// the others' had when this process started, only a log that has is voted for (R6).
    async fn admit_sender(&self, frame: &Frame<Request>) -> Result<(), Refused> {
        let shared = &self.inner.shared;
        if let Request::TransferLeader { .. } | Request::Yield = frame.body
            && !shared.recovery.admits(None)
        {
            return Err(Refused::Request { reason: "recovering: the own log is behind".to_owned() });
        }
        if let Request::Vote(asked) | Request::PreVote(asked) = &frame.body
            && !shared.recovery.admits(asked.last)
        {
            let reason = "recovering: the candidate's log is shorter than one that was heard of".to_owned();
            return Err(Refused::Request { reason });
        }
        let is_vote = matches!(frame.body, Request::Vote(_) | Request::PreVote(_));
        let unasked = planted(Fault::NoDialBack) || planted(Fault::DialBackOfVotesOnly) && !is_vote;
        if unasked || shared.is_confirmed(frame.from, frame.boot) {
            return Ok(());
        }
        let answered = self.inner.client.identify(frame.from, DIAL_BACK).await;
        let confirmed = answered.is_ok_and(|answered| answered.boot == frame.boot);
        if confirmed { Ok(()) } else { Err(Refused::Unconfirmed { replica: frame.from }) }
    }

    /// Another process was heard under this id a moment ago. If it still answers at the member's address, the new one is refused.
    async fn refuse_duplicate(&self, replica: u64, earlier: u64, address: String) -> Result<(), Refused> {
        match self.inner.client.identify(replica, DIAL_BACK).await {
            Ok(answered) if answered.boot == earlier => {
                tracing::error!(replica, address, "a second process with this replica id was refused");
                Err(Refused::Duplicate { replica, address })
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn dispatch(&self, raft: &RaftHandle, from: u64, request: Request) -> Result<Response, Refused> {
        let refused = |error: &dyn std::error::Error| Refused::Request { reason: error.to_string() };
        match request {
            // Answered before Raft is asked.
            Request::Hello | Request::RollCall | Request::Identify => Ok(Response::Hello),
            Request::Append { vote, prev, prev_chain, entries, commit } => {
                if let (Some((term, index)), Some(chain)) = (prev, prev_chain) {
                    self.inner.shared.compare(from, &Position { term, index, chain })?;
                }
                let entries: Result<Vec<RaftEntryOf>, _> = entries.into_iter().map(Entry::into_raft).collect();
                let entries = entries.map_err(|error| refused(&error))?;
                let (vote, prev_log_id, leader_commit) = (vote.into_raft(), prev.map(id), commit.map(id));
                let request = AppendEntriesRequest { vote, prev_log_id, entries, leader_commit };
                let answer = raft.append_entries(request).await.map_err(|error| refused(&error))?;
                Ok(Response::Append(match answer {
                    AppendEntriesResponse::Success => Appended::Success,
                    AppendEntriesResponse::PartialSuccess(last) => Appended::PartialSuccess(place(last.as_ref())),
                    AppendEntriesResponse::Conflict => Appended::Conflict,
                    AppendEntriesResponse::HigherVote(vote) => Appended::HigherVote((&vote).into()),
                }))
            }
            Request::Vote(asked) => Ok(voted(&raft.vote(vote_request(asked)).await.map_err(|error| refused(&error))?)),
            Request::PreVote(asked) => Ok(voted(&raft.pre_vote(vote_request(asked)).await.map_err(|error| refused(&error))?)),
            Request::Snapshot { vote, state } => {
                self.require_rules(&state)?;
                let snapshot = announced(state)?;
                let answer = raft.install_full_snapshot(vote.into_raft(), snapshot).await.map_err(|error| refused(&error))?;
                Ok(Response::Snapshot { vote: (&answer.vote).into() })
            }
            Request::TransferLeader { vote, to, last } => {
                let request = TransferLeaderRequest::new(vote.into_raft(), to, last.map(id));
                let answer = raft.handle_transfer_leader(request).await.map_err(|error| refused(&error))?;
                Ok(Response::TransferLeader(answer.map_err(|error| match error {
                    TransferLeaderError::VoteChanged { expected, actual } => {
                        TransferRefused::VoteChanged { expected: (&expected).into(), actual: (&actual).into() }
                    }
                    TransferLeaderError::LogNotFlushed { expected, actual } => {
                        TransferRefused::LogNotFlushed { expected: place(expected.as_ref()), actual: place(actual.as_ref()) }
                    }
                })))
            }
            Request::Yield => {
                if self.inner.state.read().guard().phase() == ollin_guard::Phase::Open {
                    return Err(Refused::Request { reason: "the cluster exists already".to_owned() });
                }
                raft.trigger().transfer_leader(from).await.map_err(|error| refused(&error))?;
                Ok(Response::Yield)
            }
            Request::Report(report) => {
                self.inner.shared.leadership.hear_report(from, report);
                Ok(Response::Report(self.inner.shared.leadership.own_report()))
            }
            Request::Ask(ask) => self.inner.shared.leadership.serve(ask).await.map(Response::Answer),
            Request::Found => {
                if self.inner.shared.chain.read().last_position().is_some() {
                    return Err(Refused::Request { reason: "the cluster exists already".to_owned() });
                }
                self.inner.enlistment.found().map_err(|error| refused(&error))?;
                Ok(Response::Found)
            }
            Request::Enlist { token, rules } => {
                let answer = self.order(|answer| Order::Enlist { id: from, token, rules, answer }).await;
                answer.map(Response::Enlist).map_err(|error| refused(&error))
            }
            Request::Evidence(seen) => {
                if !seen.is_verified() {
                    return Err(Refused::Request { reason: "the signature is not the attester's".to_owned() });
                }
                let answer = self.order(|answer| Order::Evidence { seen, answer }).await;
                answer.map(Response::Evidence).map_err(|error| refused(&error))
            }
            Request::Upgrade => {
                let (answer, answered) = oneshot::channel();
                let taken = self.inner.orders.try_send(Order::Upgrade { answer });
                taken.map_err(|_| refused(&UpgradeRefusal::UnderWay))?;
                match answered.await {
                    Ok(Ok(upgraded)) => Ok(Response::Upgrade(Ok(upgraded))),
                    Ok(Err(UpgradeError::Refused(refusal))) => Ok(Response::Upgrade(Err(refusal))),
                    Ok(Err(error @ (UpgradeError::NotLeader { .. } | UpgradeError::Halted { .. }))) => Err(refused(&error)),
                    // The asker must not take it for a refusal.
                    Ok(Err(UpgradeError::Unknown { .. })) | Err(_) => Ok(Response::Hello),
                }
            }
            Request::Members(order) => match self.order(|answer| Order::Members { order, answer }).await {
                Ok(changed) => Ok(Response::Members(Ok(changed))),
                Err(MemberError::Refused(refusal)) => Ok(Response::Members(Err(refusal))),
                Err(error @ (MemberError::NotLeader { .. } | MemberError::Halted { .. })) => Err(refused(&error)),
                // The asker must not take it for a refusal.
                Err(error @ MemberError::Unknown { .. }) => {
                    tracing::warn!(%error, "the outcome of a change of the members is not known");
                    Ok(Response::Hello)
                }
            },
        }
    }
}

/// Whether a request is Raft's own: it votes, acknowledges or changes the log.
fn is_of_raft(request: &Request) -> bool {
    match request {
        Request::Append { .. }
        | Request::Vote(_)
        | Request::PreVote(_)
        | Request::Snapshot { .. }
        | Request::TransferLeader { .. }
        | Request::Yield => true,
        Request::Hello
        | Request::Identify
        | Request::RollCall
        | Request::Found
        | Request::Enlist { .. }
        | Request::Members(_)
        | Request::Evidence(_)
        | Request::Upgrade
        | Request::Report(_)
        | Request::Ask(_) => false,
    }
}

fn vote_request(asked: VoteAsked) -> VoteRequest<Raft> {
    let mut request = VoteRequest::new(asked.vote.into_raft(), asked.last.map(id));
    request.leadership_transfer = asked.transfer;
    request
}

fn voted(answer: &VoteResponse<Raft>) -> Response {
    let vote = VoteRecord::from(&answer.vote);
    Response::Vote { vote, granted: answer.vote_granted, last: place(answer.last_log_id.as_ref()) }
}

/// A snapshot names its own place and members: nothing beside it has to be believed.
pub(super) fn announced(bytes: Bytes) -> Result<openraft::type_config::alias::SnapshotOf<Raft, Bytes>, Refused> {
    let refused = |error: &dyn std::error::Error| Refused::Request { reason: error.to_string() };
    let state = State::decode(&bytes).map_err(|error| refused(&error))?;
    let last_log_id = state.applied().map(|applied| log_id(applied.term, applied.index));
    if last_log_id.is_none() {
        return Err(Refused::Request { reason: "an empty snapshot".to_owned() });
    }
    let last_membership = state.membership().clone().into_raft().map_err(|error| refused(&error))?;
    let meta = crate::raft::SnapshotMeta { last_log_id, last_membership };
    Ok(Snapshot { meta, snapshot: bytes })
}
