//! Serving other replicas.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest, VoteRequest, VoteResponse,
};
use openraft::storage::Snapshot;
use tokio::sync::OnceCell;

use super::client::Client;
use super::frame::{Appended, Frame, Refused, Request, Response, TransferRefused, VoteAsked};
use super::network::{id, place};
use super::peers::{Process, Shared};
use super::tls::Fingerprint;
use crate::chain::Position;
use crate::entry::Entry;
use crate::raft::{Raft, RaftEntryOf, VoteRecord, log_id};
use crate::state::State;
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
    /// Set once Raft runs; until then only greetings are answered.
    raft: OnceCell<RaftHandle>,
}

impl Server {
    pub(crate) fn new(shared: Shared, client: Client, state: SharedState) -> Self {
        Self { inner: Arc::new(Inner { shared, client, state, raft: OnceCell::new() }) }
    }

    /// From here on Raft's frames are served.
    pub(crate) fn attach(&self, raft: RaftHandle) {
        // Set once, by `open`; a second call would keep the first handle, which is the same one.
        drop(self.inner.raft.set(raft));
    }

    /// Whether `sender` is a member's certificate: nothing of anybody else need be read.
    pub fn admits(&self, sender: &Fingerprint) -> bool {
        self.inner.shared.is_member_certificate(sender)
    }

    /// A connection from the owner of a certificate has ended, by whatever side. A leader keeps its connections: when one ends, its
    /// process may have.
    pub fn connection_ended(&self, sender: &Fingerprint) {
        if let Some(member) = self.inner.shared.member_with(sender) {
            self.inner.shared.leadership.connection_broke(member);
        }
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
        if frame.cluster != shared.me.cluster {
            return Err(Refused::Cluster);
        }
        if frame.to != shared.me.replica {
            return Err(Refused::Recipient { replica: shared.me.replica });
        }
        let member = shared.member(frame.from).filter(|member| member.fingerprint == sender).ok_or(Refused::Sender)?;
        let is_hello = matches!(frame.body, Request::Hello);
        if frame.from == shared.me.replica {
            // A starting process asks its own address whether somebody else is there.
            return if is_hello { Ok(Response::Hello) } else { Err(Refused::Sender) };
        }
        if let Process::Other { boot } = shared.hear(frame.from, frame.boot) {
            self.refuse_duplicate(frame.from, boot, member.address).await?;
            shared.hear_at_address(frame.from, frame.boot);
        }
        if let Some(position) = &frame.last {
            shared.compare(frame.from, position)?;
        }
        if is_hello {
            return Ok(Response::Hello);
        }
        if let Some(reason) = shared.halt.reason() {
            return Err(Refused::NotServing { reason });
        }
        let starting = || Refused::NotServing { reason: "starting".to_owned() };
        let raft = self.inner.raft.get().ok_or_else(starting)?;
        self.dispatch(raft, frame.from, frame.body).await
    }

    /// Another process was heard under this id a moment ago. If it still answers at the member's address, the new one is refused.
    async fn refuse_duplicate(&self, replica: u64, earlier: u64, address: String) -> Result<(), Refused> {
        match self.inner.client.hello(replica, DIAL_BACK).await {
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
            Request::Hello => Ok(Response::Hello),
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
        }
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
fn announced(bytes: Bytes) -> Result<openraft::type_config::alias::SnapshotOf<Raft, Bytes>, Refused> {
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
