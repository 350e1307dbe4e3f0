//! The handle of the signing log.

mod admit;
mod attempts;
mod claim;
mod close;
mod create;
mod error;
mod evidence;
mod horizon;
mod members;
mod open;
mod propose;
#[cfg(test)]
mod tests;
mod upgrade;
mod watch;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use alloy_primitives::Address;
use ollin_guard::interchange::{ExportRefusal, Interchange};
use ollin_guard::{AttesterState, Bound, Duty, GuardCommand};
use ollin_protocol::payload::DutyPayload;
use ollin_protocol::units::{ReplicaId, SigningRoot, Slot};
use openraft::async_runtime::WatchReceiver;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch as channel};
use tokio_util::sync::CancellationToken;

use crate::admission::Enlistment;
use crate::audit::{AuditHead, AuditPage};
use crate::cluster_file::ClusterFile;
use crate::command::Command;
use crate::config::ConsensusConfig;
use crate::membership::MemberKind;
use crate::raft::Raft;
use crate::recovery::Memory;
use crate::role::{LogIndex, Role, Term};
use crate::runtime::{self, JoinHandle};
use crate::store::{Progress, SharedState, StateMachine, SyncClock};
use crate::transport::{Client, Order, Shared};
use crate::view::{ClusterView, MemberView};

use horizon::Horizon;

pub use claim::ClaimRequest;
pub use error::{
    AttemptError, ClaimError, CommandError, CreateError, InvalidClaim, MemberError, OpenError, ProceedError, UpgradeError,
};
pub use evidence::SeenSignature;
#[cfg(any(test, feature = "simulation"))]
pub(crate) use open::Opened;
pub use open::Parts;

/// How long the store may take to close.
const CLOSE: Duration = Duration::from_secs(5);

/// One replica of the signing log. Cheap to clone; all clones are the same replica.
#[derive(Clone)]
pub struct SigningLog {
    inner: Arc<Inner>,
}

/// Everything that the clones share. Leadership's part of the handle (`leadership.rs`) reads it too.
pub(crate) struct Inner {
    pub(crate) config: ConsensusConfig,
    cluster: ClusterFile,
    pub(crate) raft: openraft::Raft<Raft, StateMachine>,
    state: SharedState,
    progress: Progress,
    pub(crate) shared: Shared,
    pub(crate) client: Client,
    pub(crate) sync_clock: SyncClock,
    role: channel::Receiver<Role>,
    term: channel::Receiver<Term>,
    /// Numbers this process's proposals.
    sequence: Arc<AtomicU64>,
    horizon: Arc<Horizon>,
    enlistment: Enlistment,
    /// To the task that changes the members.
    orders: mpsc::Sender<Order>,
    admitted: channel::Receiver<bool>,
    stop: CancellationToken,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    closed: channel::Receiver<()>,
}

/// What a duty is bound to in this replica's applied state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundDuty {
    /// The root.
    pub root: SigningRoot,
    /// The payload; `None` if it was dropped, or imported without one.
    pub payload: Option<DutyPayload>,
}

impl SigningLog {
    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Sets the latest slot for which claims are admitted: the slot of now + one L1 slot (safety rule R7). Until it is set for the
    /// first time every claim is [`ClaimError::TooEarly`]. It is set on every tick, on every replica, whether it acts or not, and
    /// only while the clock and L1 agree: a leader that must close the slots that have begun waits for it. It need not rise.
    pub fn set_slot_horizon(&self, latest: Slot) {
        self.inner.horizon.set(latest, crate::runtime::now());
    }

    /// What `duty` is bound to, as far as this replica has applied the log.
    pub fn bound(&self, duty: &Duty) -> Option<BoundDuty> {
        self.inner.state.read().guard().bound(duty).as_ref().map(BoundDuty::from)
    }

    /// The duties that are bound in `slot`, as far as this replica has applied the log.
    pub fn duties_in_slot(&self, slot: Slot) -> Vec<Duty> {
        self.inner.state.read().guard().bound_in_slot(slot).map(|(duty, _)| *duty).collect()
    }

    /// Adds an attester, for whom nothing is bound at or below `floor`.
    ///
    /// # Errors
    /// [`CommandError`]; the guard rejects one that is bound, or was ever released.
    pub async fn add_attester(&self, attester: Address, floor: Slot, deadline: Instant) -> Result<(), CommandError> {
        self.command(Command::Guard(GuardCommand::AddAttester { attester, floor }), deadline).await
    }

    /// Gives an attester up after `last_slot`, irrevocably: whoever takes the key over signs above it.
    ///
    /// # Errors
    /// [`CommandError`]; the guard rejects a last slot below a bound one, and any other than that of an earlier release.
    pub async fn release_attester(&self, attester: Address, last_slot: Slot, deadline: Instant) -> Result<(), CommandError> {
        self.command(Command::Guard(GuardCommand::ReleaseAttester { attester, last_slot }), deadline).await
    }

    /// What this replica holds of its attesters, or of some, for the next holder of their keys.
    ///
    /// # Errors
    /// [`ExportRefusal`].
    pub fn export(&self, only: Option<&BTreeSet<Address>>) -> Result<Interchange, ExportRefusal> {
        Interchange::of(self.inner.state.read().guard(), only)
    }

    /// The last slot in which nothing more is granted, since the cluster's memory had a gap.
    pub fn closed(&self) -> Option<Slot> {
        self.inner.state.read().guard().closed()
    }

    /// Every attester ever bound, with its standing.
    pub fn attesters(&self) -> Vec<(Address, AttesterState)> {
        let state = self.inner.state.read();
        state.guard().attesters().map(|(address, standing)| (*address, *standing)).collect()
    }

    /// Every bound duty with its root, as far as this replica has applied the log.
    pub fn duties(&self) -> Vec<(Duty, SigningRoot)> {
        let state = self.inner.state.read();
        state.guard().duties().map(|(duty, root)| (*duty, *root)).collect()
    }

    /// The audit's head, as far as this replica has applied the log.
    pub fn audit_head(&self) -> AuditHead {
        self.inner.state.read().audit().head()
    }

    /// The audit's records from `number` on, as far as the state keeps them.
    pub fn audit_page(&self, number: u64) -> AuditPage {
        self.inner.state.read().audit().page(number)
    }

    /// Forgets records at or below `slot`, and refuses every claim there; applied as far as the guard's rules allow.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn raise_watermark(&self, slot: Slot, deadline: Instant) -> Result<(), CommandError> {
        self.command(Command::Guard(GuardCommand::RaiseWatermark { slot }), deadline).await
    }

    /// Binds nothing new at or below `slot`.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn raise_floor(&self, slot: Slot, deadline: Instant) -> Result<(), CommandError> {
        self.command(Command::Guard(GuardCommand::RaiseFloor { slot }), deadline).await
    }

    /// Forgets payloads at or below `slot`; applied as far as the guard's rules allow.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn drop_payloads(&self, slot: Slot, deadline: Instant) -> Result<(), CommandError> {
        self.command(Command::Guard(GuardCommand::DropPayloads { slot }), deadline).await
    }

    /// Whether this replica acts. Being `Active` permits work; only a grant permits a signature.
    pub fn role(&self) -> channel::Receiver<Role> {
        self.inner.role.clone()
    }

    /// The last applied index, 0 before the first.
    pub fn applied(&self) -> channel::Receiver<u64> {
        self.inner.progress.applied.subscribe()
    }

    /// Set when this replica, whose store had no Raft id, was added: it must be opened anew to take it.
    pub fn admitted(&self) -> channel::Receiver<bool> {
        self.inner.admitted.clone()
    }

    /// Whether its cluster file says that this process is a witness.
    pub(crate) fn is_witness(&self) -> bool {
        self.inner.cluster.replica(self.inner.config.replica).is_some_and(|own| own.kind == MemberKind::Witness)
    }

    /// How far this process's memory can be relied on: until it is [`Memory::Whole`] or [`Memory::Doubtful`] it takes no part.
    pub fn memory(&self) -> channel::Receiver<Memory> {
        self.inner.shared.recovery.watch_memory()
    }

    /// An operator's word that a replica that the roll call waits for is down, and stays so: it is no longer waited for, and the
    /// slots that have begun are closed instead (safety rule R7).
    ///
    /// # Errors
    /// [`ProceedError`]: this process waits for nobody, or not for that one.
    pub fn proceed_without(&self, replica: ReplicaId) -> Result<(), ProceedError> {
        let recovery = &self.inner.shared.recovery;
        if recovery.memory() != Memory::Recovering {
            return Err(ProceedError::NotRecovering { replica: self.inner.config.replica });
        }
        let missing = self.waits_for();
        let Some((id, _)) = missing.iter().find(|(_, name)| **name == replica) else {
            return Err(ProceedError::NotMissing { replica, missing: missing.into_values().collect() });
        };
        recovery.excuse(*id);
        Ok(())
    }

    /// Whom the roll call waits for: Raft ids and names.
    fn waits_for(&self) -> BTreeMap<u64, ReplicaId> {
        let members = self.inner.shared.members();
        let name = |id: u64| members.get(&id).map_or(ReplicaId::new(id), |member| member.name);
        self.inner.shared.recovery.missing().into_iter().map(|id| (id, name(id))).collect()
    }

    /// This replica's stable name.
    pub fn replica(&self) -> ReplicaId {
        self.inner.config.replica
    }

    /// What this replica knows of the cluster.
    pub fn view(&self) -> ClusterView {
        let inner = &self.inner;
        let metrics = inner.raft.metrics().borrow_watched().clone();
        let state = inner.state.read();
        let voters: BTreeSet<u64> = metrics.membership_config.voter_ids().collect();
        let member = |(id, member): (u64, crate::membership::Member)| {
            let matched = metrics.replication.as_ref().and_then(|replication| replication.get(&id));
            let lag = matched.map(|matched| {
                let next = |index: Option<u64>| index.map_or(0, |index| index + 1);
                next(metrics.last_log_index).saturating_sub(next(matched.as_ref().map(|id| id.index)))
            });
            let heard = inner.shared.last_heard(id).filter(|_| id != inner.shared.me.replica);
            MemberView {
                id: member.name,
                raft_id: id,
                kind: member.kind,
                address: member.address,
                voter: voters.contains(&id),
                lag,
                rules: self.supported_by(id),
                last_heard_ms: heard.map(|heard| u64::try_from(heard.as_millis()).unwrap_or(u64::MAX)),
            }
        };
        ClusterView {
            cluster_id: inner.cluster.cluster_id.clone(),
            replica: inner.config.replica,
            raft_id: inner.shared.me.replica,
            phase: state.guard().phase(),
            rules: state.rules(),
            supported: inner.config.rules,
            leader: metrics.current_leader.and_then(|id| inner.shared.name(id)),
            term: Term::new(metrics.current_term),
            last_log: metrics.last_log_index.map(LogIndex::new),
            committed: metrics.cluster_committed.map(|id| LogIndex::new(id.index)),
            applied: state.applied().map(|applied| LogIndex::new(applied.index)),
            floor: state.guard().floor(),
            closed: state.guard().closed(),
            memory: inner.shared.recovery.memory(),
            waits_for: self.waits_for().into_values().collect(),
            watermark: state.guard().watermark(),
            members: inner.shared.members().into_iter().map(member).collect(),
            frozen: state.guard().attesters().filter_map(|(_, standing)| standing.frozen).collect(),
            halted: inner.shared.halt.reason(),
            binding: state.guard().binding(),
        }
    }

    /// What the log has led to here, for those who compare replicas.
    #[cfg(any(test, feature = "simulation"))]
    pub fn digest(&self) -> Option<crate::simulation::StateDigest> {
        crate::simulation::StateDigest::of(&self.inner.state.read())
    }

    /// The voters' Raft ids, as far as this replica has applied the log; two sets while one configuration gives way to another.
    #[cfg(any(test, feature = "simulation"))]
    pub fn applied_voters(&self) -> Vec<BTreeSet<u64>> {
        self.inner.state.read().membership().membership.configurations.clone()
    }

    /// Hands leadership over if it can, stops Raft and the listener, and closes the store. In bounded time.
    pub async fn shutdown(&self) {
        self.hand_over_at_shutdown().await;
        self.stop().await;
    }

    async fn hand_over_at_shutdown(&self) {
        if self.inner.shared.halt.is_halted() || self.leaderless().is_some() {
            return;
        }
        let Some(to) = self.best_successor() else { return };
        if let Err(error) = self.hand_over(to).await {
            tracing::warn!(%error, "leadership was not handed over");
        }
    }

    async fn stop(&self) {
        let inner = &self.inner;
        inner.stop.cancel();
        if let Err(error) = inner.raft.shutdown().await {
            tracing::warn!(%error, "raft did not end in order");
        }
        let tasks = std::mem::take(&mut *inner.tasks.lock());
        for task in tasks {
            if let Err(error) = task.await {
                tracing::warn!(%error, "a task of the signing log did not end in order");
            }
        }
        let mut closed = inner.closed.clone();
        // `changed` fails when the store is closed; nothing is ever sent.
        if runtime::timeout(CLOSE, closed.changed()).await.is_err() {
            tracing::warn!("the store is still in use after the signing log has stopped");
        }
    }
}

impl From<&Bound<'_>> for BoundDuty {
    fn from(bound: &Bound<'_>) -> Self {
        let payload = bound.payload.and_then(|bytes| {
            let decoded = DutyPayload::decode(bytes);
            // Imported or foreign records may hold bytes of another making; the root alone still binds.
            decoded.inspect_err(|error| tracing::error!(%error, root = %bound.root, "a bound payload cannot be read")).ok()
        });
        Self { root: bound.root, payload }
    }
}
