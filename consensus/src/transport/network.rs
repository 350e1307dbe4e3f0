//! openraft's network over our transport.

use std::future::Future;
use std::iter;
use std::time::Duration;

use bytes::Bytes;
use openraft::OptionalSend;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{Backoff, RPCOption, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::client::{CallError, Client};
use super::frame::{APPEND_BYTES, Appended, Place, Request, Response, TransferRefused, VoteAsked};
use super::peers::Shared;
use super::wire::Lane;
use crate::entry::{Body, Entry};
use crate::membership::Member;
use crate::raft::{LogId, Raft, Vote, VoteRecord, from_log_id, log_id};

/// How long a replica that cannot be reached is left alone.
const BACKOFF: Duration = Duration::from_millis(100);

/// The least that an append with entries may take. openraft allows a heartbeat interval, which neither a slow sync at the other
/// end nor some MiB over a long way keep; heartbeats go over another connection and are not held up.
const APPEND_WAIT: Duration = Duration::from_secs(2);

type RaftSnapshot = openraft::type_config::alias::SnapshotOf<Raft, Bytes>;
type Answer<T> = Result<T, RPCError<Raft>>;

/// Makes the ways to other replicas.
pub(crate) struct Network {
    client: Client,
    shared: Shared,
}

/// The way to one replica, for one kind of call.
pub(crate) struct Peer {
    client: Client,
    shared: Shared,
    target: u64,
    lane: Lane,
}

impl Network {
    pub(crate) fn new(client: Client, shared: Shared) -> Self {
        Self { client, shared }
    }

    fn peer(&self, target: u64, lane: Lane) -> Peer {
        Peer { client: self.client.clone(), shared: self.shared.clone(), target, lane }
    }
}

impl RaftNetworkFactory<Raft> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _node: &Member) -> Peer {
        self.peer(target, Lane::Replication)
    }

    async fn new_heartbeat_client(&mut self, target: u64, _node: &Member) -> Peer {
        self.peer(target, Lane::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: u64, _node: &Member) -> Peer {
        self.peer(target, Lane::Snapshot)
    }
}

impl Peer {
    async fn call(&self, request: Request, action: RPCTypes, option: &RPCOption) -> Answer<Response> {
        let carries_entries = matches!(&request, Request::Append { entries, .. } if !entries.is_empty());
        let wait = if carries_entries { option.soft_ttl().max(APPEND_WAIT) } else { option.soft_ttl() };
        let answer = self.client.call(self.target, self.lane, request, wait).await;
        answer.map_err(|error| match error {
            CallError::Unreachable { .. } => RPCError::Unreachable(Unreachable::new(&error)),
            CallError::Timeout { .. } => {
                RPCError::Timeout(Timeout { action, id: self.shared.me.replica, target: self.target, timeout: wait })
            }
            CallError::Broken { .. } | CallError::Refused { .. } => RPCError::Network(NetworkError::new(&error)),
        })
    }

    async fn ask_vote(
        &self,
        asked: VoteRequest<Raft>,
        request: fn(VoteAsked) -> Request,
        option: &RPCOption,
    ) -> Answer<VoteResponse<Raft>> {
        let body = VoteAsked {
            vote: VoteRecord::from(&asked.vote),
            last: place(asked.last_log_id.as_ref()),
            transfer: asked.leadership_transfer,
        };
        let Response::Vote { vote, granted, last } = self.call(request(body), RPCTypes::Vote, option).await? else {
            return Err(unexpected(RPCTypes::Vote));
        };
        Ok(VoteResponse::new(vote.into_raft(), last.map(id), granted))
    }
}

impl RaftNetworkV2<Raft> for Peer {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Raft>,
        option: RPCOption,
    ) -> Answer<AppendEntriesResponse<Raft>> {
        let prev = place(rpc.prev_log_id.as_ref());
        let prev_chain = prev
            .and_then(|(term, index)| self.shared.chain.read().at(index).filter(|held| held.term == term).map(|held| held.chain));
        let total = rpc.entries.len();
        let entries = within_limit(rpc.entries.iter().map(Entry::from));
        let sent = entries.len();
        let last_sent = entries.last().map(|entry| log_id(entry.term, entry.index)).or(rpc.prev_log_id);
        let vote = VoteRecord::from(&rpc.vote);
        let commit = place(rpc.leader_commit.as_ref());
        let request = Request::Append { vote, prev, prev_chain, entries, commit };
        let Response::Append(appended) = self.call(request, RPCTypes::AppendEntries, &option).await? else {
            return Err(unexpected(RPCTypes::AppendEntries));
        };
        Ok(match appended {
            Appended::Success if sent < total => AppendEntriesResponse::PartialSuccess(last_sent),
            Appended::Success => AppendEntriesResponse::Success,
            Appended::PartialSuccess(last) => AppendEntriesResponse::PartialSuccess(last.map(id)),
            Appended::Conflict => AppendEntriesResponse::Conflict,
            Appended::HigherVote(vote) => AppendEntriesResponse::HigherVote(vote.into_raft()),
        })
    }

    async fn vote(&mut self, rpc: VoteRequest<Raft>, option: RPCOption) -> Answer<VoteResponse<Raft>> {
        self.ask_vote(rpc, Request::Vote, &option).await
    }

    /// The trait's own body would grant.
    async fn pre_vote(&mut self, rpc: VoteRequest<Raft>, option: RPCOption) -> Answer<VoteResponse<Raft>> {
        self.ask_vote(rpc, Request::PreVote, &option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: RaftSnapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Raft>, StreamingError<Raft>> {
        let request = Request::Snapshot { vote: VoteRecord::from(&vote), state: snapshot.snapshot };
        let answer = tokio::select! {
            biased;
            answer = self.call(request, RPCTypes::InstallSnapshot, &option) => answer?,
            closed = cancel => return Err(closed.into()),
        };
        let Response::Snapshot { vote } = answer else {
            return Err(unexpected(RPCTypes::InstallSnapshot).into());
        };
        Ok(SnapshotResponse::new(vote.into_raft()))
    }

    async fn transfer_leader(
        &mut self,
        asked: TransferLeaderRequest<Raft>,
        option: RPCOption,
    ) -> Answer<TransferLeaderResponse<Raft>> {
        let vote = VoteRecord::from(asked.from_leader());
        let request = Request::TransferLeader { vote, to: *asked.to_node_id(), last: place(asked.last_log_id()) };
        let Response::TransferLeader(answer) = self.call(request, RPCTypes::TransferLeader, &option).await? else {
            return Err(unexpected(RPCTypes::TransferLeader));
        };
        Ok(answer.map_err(|refused| match refused {
            TransferRefused::VoteChanged { expected, actual } => {
                TransferLeaderError::VoteChanged { expected: expected.into_raft(), actual: actual.into_raft() }
            }
            TransferRefused::LogNotFlushed { expected, actual } => {
                TransferLeaderError::LogNotFlushed { expected: expected.map(id), actual: actual.map(id) }
            }
        }))
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(iter::repeat(BACKOFF)))
    }
}

/// As many entries as fit into an append, and at least one.
fn within_limit(entries: impl Iterator<Item = Entry>) -> Vec<Entry> {
    let mut bytes = 0;
    let mut taken = Vec::new();
    for entry in entries {
        if let Body::Command(command) = &entry.body {
            bytes += command.len();
        }
        if bytes > APPEND_BYTES && !taken.is_empty() {
            break;
        }
        taken.push(entry);
    }
    taken
}

pub(super) fn place(id: Option<&LogId>) -> Option<Place> {
    id.map(from_log_id)
}

pub(super) fn id((term, index): Place) -> LogId {
    log_id(term, index)
}

fn unexpected(asked: RPCTypes) -> RPCError<Raft> {
    RPCError::Network(NetworkError::from_string(format!("an answer of another kind to {asked}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_append_is_cut_where_it_would_grow_too_large_but_never_to_nothing() {
        let entry = |index| Entry { term: 1, index, body: Body::Command(Bytes::from(vec![0; APPEND_BYTES / 2])) };
        assert_eq!(within_limit((0..5).map(entry)).len(), 2);
        let large = Entry { term: 1, index: 0, body: Body::Command(Bytes::from(vec![0; APPEND_BYTES + 1])) };
        assert_eq!(within_limit([large.clone(), large].into_iter()).len(), 1);
    }
}
