//! What a process does with its log: work its slots, as the sequencer does, with payloads that differ each time they are built.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alloy_primitives::Address;
use ollin_consensus::simulation::{MemoryAnchor, MemoryDisk, World};
use ollin_consensus::{ClaimError, ClaimRequest, CreateError, Grant, OpenError, Parts, SigningLog, Timers};
use ollin_guard::{Binding, Duty, DutyKind, Refusal};
use ollin_protocol::payload::DutyPayload;
use ollin_protocol::units::{ReplicaId, Slot};
use ollin_sequencer::decide::{Decision, SlotFacts, decide};
use ollin_sequencer::latest_slot;

use super::evidence::Disks;
use super::host::{Clock, L1_SLOT, SLOT, Slotted, cluster_file, config, schedule, slot_at, start_of, timestamp};
use super::l1::L1;
use super::lead::Lead;
use super::network::{Plug, world};
use super::payload::{ATTESTER, KINDS, build, duty};
use super::publish::Publisher;
use super::story::{Event, HostId, Recorder};

/// Pause between looks at a slot.
const TICK: Duration = Duration::from_millis(50);
/// How long a claim may take before its outcome counts as unknown.
const CLAIM: Duration = Duration::from_millis(400);
/// The longest that a signer takes.
const SIGNING_MS: u64 = 30;

/// What a process stands on.
pub(super) struct Site {
    pub(super) host: HostId,
    pub(super) replica: ReplicaId,
    pub(super) replicas: Vec<ReplicaId>,
    pub(super) clock: Clock,
    pub(super) timers: Timers,
    pub(super) disk: MemoryDisk,
    pub(super) anchor: MemoryAnchor,
    pub(super) disks: Disks,
    pub(super) l1: L1,
    pub(super) recorder: Recorder,
    pub(super) log: Slotted,
    /// Set while its store is refused for what it lacks.
    pub(super) refused: Arc<AtomicBool>,
}

/// One replica's process, from its start on.
pub(super) async fn live(site: Arc<Site>, plug: Plug) {
    let parts = Parts {
        cluster: cluster_file(&site.replicas),
        disk: Box::new(site.disk.clone()),
        wire: Arc::new(plug),
        anchor: Some(Box::new(site.anchor.clone())),
        fatal: |_| world().abort_current(),
    };
    let log = match SigningLog::open_with(config(site.replica, site.timers), parts).await {
        Ok(log) => log,
        Err(error) => {
            site.refused.store(matches!(error, OpenError::Start(_)), Ordering::Relaxed);
            site.tell(Event::Stopped { host: site.host, reason: describe(&error) });
            return;
        }
    };
    site.refused.store(false, Ordering::Relaxed);
    *site.log.lock() = Some(log.clone());
    let raft_id = log.view().raft_id;
    site.disks.opened(raft_id, site.host, site.disk.clone());
    site.tell(Event::Opened { host: site.host, raft_id, memory: *log.memory().borrow() });
    drop(world().spawn(watch_role(Arc::clone(&site), log.clone())));
    drop(world().spawn(watch_memory(Arc::clone(&site), log.clone())));
    drop(world().spawn(Lead::new(Arc::clone(&site), log.clone()).run()));
    drop(world().spawn(Publisher::new(Arc::clone(&site), log.clone()).run()));
    if site.replicas.first() == Some(&site.replica) {
        drop(world().spawn(create(Arc::clone(&site), log.clone())));
    }
    let mut drafts = BTreeMap::new();
    loop {
        pause(TICK).await;
        site.work(&log, &mut drafts).await;
    }
}

/// Creates the cluster once everybody is there; asked again after a restart, it finds it created. Its floor is the slot of then: all disks
/// may have been put back to what they were before, and what was signed since lies below it.
async fn create(site: Arc<Site>, log: SigningLog) {
    let rollup = Address::repeat_byte(0xcc);
    loop {
        pause(TICK).await;
        let Some(floor) = site.latest_slot() else { continue };
        let binding = Binding { chain_id: 31337, rollup, attesters: BTreeSet::from([ATTESTER]) };
        if let Ok(()) | Err(CreateError::Exists { .. }) = log.create_cluster(binding, floor).await {
            return;
        }
    }
}

async fn watch_role(site: Arc<Site>, log: SigningLog) {
    let mut role = log.role();
    while role.changed().await.is_ok() {
        let role = *role.borrow_and_update();
        site.tell(Event::Role { host: site.host, replica: site.replica, role });
    }
}

async fn watch_memory(site: Arc<Site>, log: SigningLog) {
    let mut memory = log.memory();
    memory.mark_unchanged();
    while memory.changed().await.is_ok() {
        let memory = *memory.borrow_and_update();
        site.tell(Event::Memory { host: site.host, memory });
    }
}

impl Site {
    pub(super) fn tell(&self, event: Event) {
        self.recorder.tell(world().elapsed(), event);
    }

    /// The slot that clock and L1 agree on.
    fn latest_slot(&self) -> Option<Slot> {
        let head = self.l1.head(self.host)?;
        latest_slot(&schedule(), timestamp(self.clock.now(&world())), timestamp(head.at))
    }

    /// One look at the slot whose building time it is.
    async fn work(&self, log: &SigningLog, drafts: &mut BTreeMap<Duty, DutyPayload>) {
        let now = self.clock.now(&world());
        let slot = slot_at(now + L1_SLOT);
        if let Some(latest) = self.latest_slot() {
            log.set_slot_horizon(latest);
        }
        if log.role().borrow().active_term().is_none() {
            return;
        }
        let bound = log.duties_in_slot(slot);
        let holds = |wanted: fn(DutyKind) -> bool| bound.iter().any(|duty| wanted(duty.kind));
        let facts = SlotFacts {
            slot,
            elapsed: (now + L1_SLOT).saturating_sub(start_of(slot)),
            initialize_deadline: SLOT / 2,
            slot_end: SLOT + L1_SLOT,
            ours: true,
            build_if_empty: true,
            claimed: holds(|kind| matches!(kind, DutyKind::BlockProposal { .. } | DutyKind::CheckpointProposal)),
            bundle_claimed: holds(|kind| kind == DutyKind::AttestationsAndSigners),
            tip_slot: self.l1.tip(self.host),
            synced: self.l1.head(self.host).is_some(),
        };
        if matches!(decide(&facts), Decision::Start | Decision::Finish) {
            self.propose(log, slot, drafts).await;
        }
    }

    /// Claims and signs the slot's duties in order, until one is not granted.
    async fn propose(&self, log: &SigningLog, slot: Slot, drafts: &mut BTreeMap<Duty, DutyPayload>) {
        drafts.retain(|duty, _| duty.slot == slot);
        for kind in KINDS {
            let duty = duty(kind, slot);
            let bound = log.bound(&duty).and_then(|bound| bound.payload);
            let drafted = || drafts.get(&duty).cloned().or_else(|| build(kind, slot, world().random()));
            let Some(payload) = bound.or_else(drafted) else { return };
            // An unknown claim may have committed: the same root is claimed again, never another one.
            drafts.insert(duty, payload.clone());
            let request = ClaimRequest { duties: vec![duty], payload };
            let deadline = world().now() + CLAIM;
            let answers = log.claim(vec![request], deadline).await;
            match answers.map(|mut answers| answers.pop()) {
                Ok(Some(Ok(grant))) => self.sign(log, grant).await,
                Ok(Some(Err(refusal))) => {
                    if let Refusal::Conflict { payload: Some(payload), .. } = &refusal
                        && let Ok(adopted) = DutyPayload::decode(payload)
                    {
                        drafts.insert(duty, adopted);
                    }
                    return self.not_granted(duty, &refusal);
                }
                Ok(None) => return,
                Err(ClaimError::NotLeader { .. }) => return,
                Err(error) => return self.not_granted(duty, &error),
            }
        }
    }

    async fn sign(&self, log: &SigningLog, grant: Grant) {
        let takes = Duration::from_millis(world().below(SIGNING_MS));
        pause(takes).await;
        let (duty, root) = (*grant.duty(), *grant.root());
        let applied = log.bound(&duty).is_some_and(|bound| bound.root == root);
        let evidence = self.disks.evidence(&root, &log.applied_voters(), applied);
        self.tell(Event::Signed { host: self.host, replica: self.replica, duty, root, evidence });
    }

    fn not_granted(&self, duty: Duty, why: &dyn std::error::Error) {
        self.tell(Event::NotGranted { host: self.host, duty, why: describe(why) });
    }
}

pub(super) async fn pause(duration: Duration) {
    let sleep = World::current().map(|world| world.sleep(duration));
    if let Some(sleep) = sleep {
        sleep.await;
    }
}

/// An error with its causes.
pub(super) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
