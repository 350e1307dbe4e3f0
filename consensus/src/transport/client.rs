//! Asking another replica: each call has a deadline.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use ollin_guard::{Fault, planted};
use ollin_protocol::units::ReplicaId;

use super::frame::{Frame, Refused, Request, Response};
use super::peers::Shared;
use super::plausible;
use super::wire::{Freight, Lane, Parcel, Wire, WireError};
use crate::admission::Testimony;
use crate::membership::Member;
use crate::recovery::Memory;
use crate::retired::{Retired, RetiredMark};
use crate::runtime::timeout;
use crate::sealed;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// There is no connection, and none could be made.
    #[error("replica {replica} at {address} cannot be reached: {reason}")]
    Unreachable { replica: u64, address: String, reason: String },
    /// The deadline passed.
    #[error("replica {replica} did not answer within {waited_ms} ms")]
    Timeout { replica: u64, waited_ms: u128 },
    /// The connection broke, or the answer makes no sense.
    #[error("replica {replica} gave no usable answer: {reason}")]
    Broken { replica: u64, reason: String },
    /// It refused the frame.
    #[error("replica {replica}: {refused}")]
    Refused { replica: u64, refused: Refused },
}

/// A replica's way to all others.
#[derive(Clone)]
pub(crate) struct Client {
    shared: Shared,
    wire: Arc<dyn Wire>,
    retired: RetiredMark,
}

impl Client {
    pub(crate) fn new(shared: Shared, wire: Arc<dyn Wire>, retired: RetiredMark) -> Self {
        Self { shared, wire, retired }
    }

    /// Asks a member, over a kept connection if there is one.
    pub(crate) async fn call(&self, to: u64, lane: Lane, request: Request, wait: Duration) -> Result<Response, CallError> {
        let timed_out = |_| CallError::Timeout { replica: to, waited_ms: wait.as_millis() };
        timeout(wait, self.ask(to, Some(lane), request)).await.map_err(timed_out)?.map(|(_, response)| response)
    }

    /// Greets whoever answers at a member's address, over a connection of its own.
    pub(crate) async fn hello(&self, to: u64, wait: Duration) -> Result<Answered, CallError> {
        self.ask_alone(to, Request::Hello, wait).await
    }

    /// Asks which process answers at a member's address, because of a frame that was received.
    pub(super) async fn identify(&self, to: u64, wait: Duration) -> Result<Answered, CallError> {
        self.ask_alone(to, Request::Identify, wait).await
    }

    async fn ask_alone(&self, to: u64, request: Request, wait: Duration) -> Result<Answered, CallError> {
        let timed_out = |_| CallError::Timeout { replica: to, waited_ms: wait.as_millis() };
        timeout(wait, self.ask(to, None, request)).await.map_err(timed_out)?.map(|(answered, _)| answered)
    }

    /// Asks all others who the members are: what they have applied may be later than the own log.
    pub(super) async fn learn_members(&self, wait: Duration) {
        let others = self.shared.members().into_iter().filter(|(id, _)| *id != self.shared.me.replica);
        let asked = others.map(|(_, member)| async move { testimony(self.wire.as_ref(), &member, wait).await });
        let own = |testimony: &Testimony| testimony.cluster == self.shared.me.cluster;
        for testimony in join_all(asked).await.into_iter().flatten().filter(own) {
            self.shared.hear_members(testimony.set_by, testimony.members);
        }
    }

    async fn ask(&self, to: u64, lane: Option<Lane>, request: Request) -> Result<(Answered, Response), CallError> {
        let unreachable = |address: String, reason: String| CallError::Unreachable { replica: to, address, reason };
        let is_hello = matches!(request, Request::Hello);
        if let (Some(reason), false) = (self.shared.halt.reason(), is_hello) {
            return Err(unreachable(String::new(), format!("halted here: {reason}")));
        }
        let member = self.shared.member(to).ok_or_else(|| unreachable(String::new(), "not a member".to_owned()))?;
        let freight = if matches!(request, Request::Snapshot { .. }) { Freight::Snapshot } else { Freight::Frame };
        let frame = self.shared.frame(to, request).encode();
        let address = member.address.clone();
        let name = member.name;
        let parcel = Parcel { to, name, address: member.address, fingerprint: member.fingerprint, lane, freight, frame };
        let answer = self.wire.carry(parcel).await.map_err(|error| match error {
            WireError::Unreachable { reason } => unreachable(address, reason),
            WireError::Broken { reason } => CallError::Broken { replica: to, reason },
        })?;
        let broken = |reason: String| CallError::Broken { replica: to, reason };
        let frame = Frame::<Response>::decode(&answer).map_err(|error| broken(error.to_string()))?;
        plausible::response(&frame).map_err(|nonsense| broken(nonsense.to_string()))?;
        self.accept(to, frame)
    }

    fn accept(&self, to: u64, frame: Frame<Response>) -> Result<(Answered, Response), CallError> {
        let shared = &self.shared;
        let is_theirs = (frame.cluster, frame.from, frame.to) == (shared.me.cluster, to, shared.me.replica);
        if is_theirs {
            shared.note(&frame).map_err(|refused| CallError::Refused { replica: to, refused })?;
        }
        if let Response::Refused(refused) = frame.body {
            if let Refused::Retired { id, index, later } = refused
                && id == shared.me.replica
            {
                shared.retire(index, later);
            }
            if let Refused::RetiredCluster { by } = refused
                && by == frame.cluster
                && by != shared.me.cluster
                && !planted(Fault::RetiredIgnored)
            {
                // Whoever says so was dialled and showed the certificate that our own membership records for it: a stranger cannot.
                let said_by = shared.name(to).unwrap_or(ReplicaId::new(to));
                self.retired.set(Retired { cluster: shared.me.cluster, by, said_by }, &shared.halt);
            }
            if let Refused::Superseded { id, boot } = refused
                && (id, boot) == (shared.me.replica, shared.me.boot)
            {
                shared.supersede(to);
            }
            if let Refused::Diverged { term, index } = refused {
                let reason = format!("the logs diverge: replica {to} holds another entry {index} of term {term}");
                shared.halt.halt(reason);
            }
            return Err(CallError::Refused { replica: to, refused });
        }
        if !is_theirs {
            let reason = format!("the answer is from replica {} for replica {}", frame.from, frame.to);
            return Err(CallError::Broken { replica: to, reason });
        }
        if let Some(position) = &frame.last {
            shared.compare(to, position).map_err(|refused| CallError::Refused { replica: to, refused })?;
        }
        shared.hear_at_address(to, frame.boot);
        Ok((Answered { boot: frame.boot, has_log: frame.last.is_some(), memory: frame.memory }, frame.body))
    }
}

/// Why there is no testimony.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoTestimony {
    /// Nobody shows the member's certificate at its address.
    #[error("{reason}")]
    Silent { reason: String },
    /// Somebody does, and says nothing that this program understands.
    #[error("{reason}")]
    Unreadable { reason: String },
}

/// Asks a replica what this process's certificate is to it. Needs no Raft id and no membership.
pub(crate) async fn testimony(wire: &dyn Wire, member: &Member, wait: Duration) -> Result<Testimony, NoTestimony> {
    let Member { name, address, fingerprint, .. } = member.clone();
    let (lane, freight, frame) = (None, Freight::Admission, Bytes::new());
    let parcel = Parcel { to: name.get(), name, address, fingerprint, lane, freight, frame };
    let late = |_| NoTestimony::Silent { reason: format!("no answer within {} ms", wait.as_millis()) };
    let answer = timeout(wait, wire.carry(parcel)).await.map_err(late)?.map_err(|error| match error {
        WireError::Unreachable { reason } => NoTestimony::Silent { reason },
        WireError::Broken { reason } => NoTestimony::Unreadable { reason },
    })?;
    sealed::open(&answer).map_err(|error| NoTestimony::Unreadable { reason: error.to_string() })
}

/// Who answered a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) boot: u64,
    pub(crate) has_log: bool,
    pub(crate) memory: Memory,
}
