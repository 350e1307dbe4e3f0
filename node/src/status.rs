//! The cluster as this replica sees it, gathered for the HTTP ports.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy_primitives::Address;
use ollin_archiver::{ArchiverView, Tip};
use ollin_consensus::{ClusterView, Evidence, MemberKind, Memory, Phase, Role, SigningLog, Supported};
use ollin_guard::DutyKind;
use ollin_protocol::units::{L1BlockNumber, Slot};
use ollin_rpc::view::{
    BlockRef, CheckpointRef, CheckpointTip, ClusterStatus, DutyState, DutyWord, FrozenAttester, L1Endpoint, L1Section, L2Tips,
    LeadershipSection, LogPosition, Member, P2pSection, PublisherBalance, RECENT_SLOTS, ReleasedSlot, ReplicaSection, RoleWord,
    RulesSection, Warning,
};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use crate::config::P2pConfig;
use crate::leadership::Leadership;

/// How often the status is gathered.
const EVERY: Duration = Duration::from_millis(250);
/// How often balances are read from L1.
const BALANCES_EVERY: Duration = Duration::from_secs(10);
/// A member that was silent for this long counts as unreachable.
const SILENT_MS: u64 = 3_000;
/// So many of the latest slots are read again each time: a follower may still be applying their entries.
const SETTLING_SLOTS: u64 = 2;
/// Below this a publisher is warned about: 0.1 ether, as the operators' guide asks.
const LOW_BALANCE_WEI: u128 = 100_000_000_000_000_000;

/// Where the status is read from.
pub(crate) struct Sources {
    pub(crate) log: SigningLog,
    /// None on a witness that reads nothing of L1.
    pub(crate) chain: Option<Chain>,
    /// Codes only: the messages name files, and warnings are public.
    pub(crate) keystore_warnings: Vec<&'static str>,
    pub(crate) p2p: P2pConfig,
    pub(crate) leadership: watch::Receiver<LeadershipSection>,
}

/// What the servers read.
pub(crate) struct Feeds {
    pub(crate) l2_tips: watch::Receiver<L2Tips>,
    pub(crate) cluster: watch::Receiver<ClusterStatus>,
    pub(crate) ready: watch::Receiver<bool>,
}

/// The feed and what it feeds.
pub(crate) struct Started {
    pub(crate) feed: StatusFeed,
    pub(crate) views: Feeds,
}

/// Gathers the status at a fixed pace.
pub(crate) struct StatusFeed {
    sources: Sources,
    started_ms: u64,
    l2_tips: watch::Sender<L2Tips>,
    cluster: watch::Sender<ClusterStatus>,
    ready: watch::Sender<bool>,
    balances: BTreeMap<Address, u128>,
    balances_at: Option<Instant>,
    landed: BTreeMap<Slot, L1BlockNumber>,
    released: BTreeMap<Slot, Vec<DutyWord>>,
    leadership: Leadership,
}

impl StatusFeed {
    /// Makes a feed whose receivers hold a first status already.
    pub(crate) fn start(sources: Sources) -> Started {
        let (l2_tips, l2_tips_view) = watch::channel(L2Tips::default());
        let (cluster, cluster_view) = watch::channel(ClusterStatus::default());
        let (ready, ready_view) = watch::channel(false);
        let mut feed = Self {
            sources,
            started_ms: now_ms(),
            l2_tips,
            cluster,
            ready,
            balances: BTreeMap::new(),
            balances_at: None,
            landed: BTreeMap::new(),
            released: BTreeMap::new(),
            leadership: Leadership::default(),
        };
        feed.gather();
        Started { feed, views: Feeds { l2_tips: l2_tips_view, cluster: cluster_view, ready: ready_view } }
    }

    /// Gathers until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = tick.tick() => {}
            }
            if self.balances_at.is_none_or(|read| read.elapsed() >= BALANCES_EVERY) {
                self.read_balances().await;
            }
            self.gather();
        }
    }

    async fn read_balances(&mut self) {
        self.balances_at = Some(Instant::now());
        let Some(Chain { l1, keystore, .. }) = &self.sources.chain else { return };
        for publisher in keystore.publishers() {
            if let Ok(balance) = l1.balance(publisher).await {
                self.balances.insert(publisher, balance.saturating_to());
            }
        }
    }

    fn gather(&mut self) {
        let archiver = self.sources.chain.as_ref().map(|chain| chain.archiver.view().borrow().clone());
        let archiver = archiver.as_deref();
        let view = self.sources.log.view();
        let role = *self.sources.log.role().borrow();
        if let Some(archiver) = archiver {
            self.note_landed(archiver);
        }
        let head = archiver.and_then(|archiver| archiver.l1_head.as_ref()).map(|head| head.timestamp);
        self.note_released(head.and_then(|head| self.slot_at(head, 0)));
        // A slot is worked on before its first L1 block: what is led now is the slot of the next one.
        let led = head.and_then(|head| self.slot_at(head, 1));
        self.leadership.note(now_ms(), led, view.leader, view.term.get());
        let status = self.status(&view, role, archiver);
        let is_read = archiver.is_none_or(|archiver| archiver.fault.is_none() && archiver.synced_at.is_some());
        let ready = view.phase == Phase::Open && view.halted.is_none() && is_read;
        metrics::gauge!("ollin_role_active").set(if role.active_term().is_some() { 1.0 } else { 0.0 });
        self.l2_tips.send_replace(status.l2_tips);
        self.ready.send_replace(ready);
        self.cluster.send_replace(status);
    }

    fn note_landed(&mut self, archiver: &ArchiverView) {
        if let Some(slot) = archiver.tip.slot.filter(|slot| !self.landed.contains_key(slot))
            && let Some(chain) = &self.sources.chain
            && let Ok(Some(checkpoint)) = chain.archiver.checkpoint(archiver.tip.checkpoint)
        {
            self.landed.insert(slot, checkpoint.l1_block);
        }
        // A reorg or prune takes slots back.
        self.landed.retain(|landed, _| archiver.tip.slot.is_some_and(|tip| *landed <= tip));
        while self.landed.len() > RECENT_SLOTS {
            self.landed.pop_first();
        }
    }

    fn status(&self, view: &ClusterView, role: Role, archiver: Option<&ArchiverView>) -> ClusterStatus {
        let l1 = self.l1_section(archiver);
        let keystore = self.sources.chain.as_ref().map(|chain| &chain.keystore);
        let leads = view.leader == Some(view.replica);
        ClusterStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_id: Some(view.cluster_id.clone()),
            phase: if view.phase == Phase::Open { "open" } else { "sealed" }.to_owned(),
            rules: RulesSection { version: view.rules.get(), supported: versions(view.supported) },
            replica: ReplicaSection {
                id: view.replica,
                raft_id: view.raft_id,
                role: role_word(view, leads),
                duty_state: match role {
                    Role::Standby => DutyState::Standby,
                    Role::CatchingUp { .. } => DutyState::CatchingUp,
                    Role::Active { .. } => DutyState::Active,
                },
                started_ms: self.started_ms,
            },
            leader: view.leader,
            term: view.term.get(),
            log: LogPosition {
                last: view.last_log.map(|index| index.get()),
                committed: view.committed.map(|index| index.get()),
                applied: view.applied.map(|index| index.get()),
            },
            floor: view.floor,
            closed: view.closed,
            watermark: view.watermark,
            members: members(view, leads),
            attesters: keystore.into_iter().flat_map(|keystore| keystore.attesters()).map(|entry| entry.address).collect(),
            warnings: self.warnings(view, archiver, &l1),
            l1,
            l2_tips: archiver.map(tips).unwrap_or_default(),
            publishers: self.publishers(),
            released: self.released(),
            halted: view.halted.clone(),
            frozen: view.frozen.iter().map(frozen).collect(),
            p2p: self.p2p_section(),
            last_failover: self.leadership.last_change(),
            leadership: self.sources.leadership.borrow().clone(),
        }
    }

    fn publishers(&self) -> Vec<PublisherBalance> {
        self.balances
            .iter()
            .map(|(address, balance_wei)| PublisherBalance { address: *address, balance_wei: *balance_wei })
            .collect()
    }

    /// The slot of a time and so many L1 blocks.
    fn slot_at(&self, timestamp: u64, l1_blocks: u64) -> Option<Slot> {
        let schedule = self.sources.chain.as_ref()?.l1.schedule();
        schedule.slot_at(timestamp.saturating_add(schedule.ethereum_slot_duration.saturating_mul(l1_blocks)))
    }

    /// Slots that are over: what was claimed in them, never what is claimed in the current one (rule R25).
    fn note_released(&mut self, current: Option<Slot>) {
        let Some(current) = current else { return };
        for slot in (1..=SETTLING_SLOTS).map(|ago| current.saturating_sub(ago)).filter(|slot| *slot < current) {
            let mut kinds: Vec<_> = self.sources.log.duties_in_slot(slot).iter().map(|duty| duty_word(duty.kind)).collect();
            kinds.sort_unstable();
            kinds.dedup();
            if !kinds.is_empty() {
                self.released.insert(slot, kinds);
            }
        }
        while self.released.len() > RECENT_SLOTS {
            self.released.pop_first();
        }
    }

    fn released(&self) -> Vec<ReleasedSlot> {
        let row = |(slot, kinds): (&Slot, &Vec<DutyWord>)| ReleasedSlot {
            slot: *slot,
            kinds: kinds.clone(),
            landed_l1_block: self.landed.get(slot).copied(),
            led_by: self.leadership.of_slot(*slot),
        };
        self.released.iter().map(row).collect()
    }

    fn p2p_section(&self) -> P2pSection {
        let P2pConfig { ip, port } = &self.sources.p2p;
        let set = ip.is_some() || port.is_some();
        let checked = if set { "settings checked, not yet in use: " } else { "" };
        P2pSection { in_use: false, reason: Some(format!("{checked}{}", P2pConfig::REASON)) }
    }

    fn l1_section(&self, archiver: Option<&ArchiverView>) -> L1Section {
        let endpoints = self.sources.chain.as_ref().map(|chain| chain.l1.endpoints()).unwrap_or_default();
        let endpoints = endpoints.into_iter().map(|endpoint| L1Endpoint {
            url: Some(endpoint.url_redacted),
            healthy: endpoint.healthy,
            head: endpoint.head,
            error: endpoint.last_error,
        });
        let head = archiver.and_then(|archiver| archiver.l1_head.as_ref());
        let skew = head.map(|head| i64::try_from(now_ms() / 1000).unwrap_or(i64::MAX).saturating_sub_unsigned(head.timestamp));
        L1Section {
            endpoints: endpoints.collect(),
            head: head.map(|head| head.number),
            head_timestamp: head.map(|head| head.timestamp),
            clock_skew_s: skew,
        }
    }

    fn warnings(&self, view: &ClusterView, archiver: Option<&ArchiverView>, l1: &L1Section) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut warn = |code: &str, message: String| warnings.push(Warning { code: code.to_owned(), message });
        if view.halted.is_some() {
            // It does not follow the cluster any more: what it knows of it is of no use.
        } else if view.phase != Phase::Open {
            warn("not_created", "the cluster is not created: run `ollin cluster create` once, on one replica".to_owned());
        } else if view.leader.is_none() {
            warn("no_leader", "no leader is known: an election is under way, or no quorum is reachable".to_owned());
        }
        if view.memory == Memory::Recovering && view.halted.is_none() && view.phase == Phase::Open || !view.waits_for.is_empty() {
            let waits: Vec<String> = view.waits_for.iter().map(ToString::to_string).collect();
            let message = format!(
                "this replica recovers and takes no part until replicas {} have answered: start them, or, if one is down for good, \
                 `ollin cluster proceed-without N` on this replica",
                waits.join(", ")
            );
            warn("recovering", message);
        }
        if view.memory == Memory::Doubtful {
            warn("doubtful", "the cluster may have forgotten something: the slots that have begun are being closed".to_owned());
        }
        for Evidence { duty, root, seen } in &view.frozen {
            let attester = duty.attester;
            let message = format!(
                "attester {attester} is frozen, for its key has signed elsewhere: {duty}, root {root} ({seen}). Somebody else holds \
                 the key. When that copy is gone for good: `ollin attester unfreeze {attester} --reason TEXT` at the leader"
            );
            warn("frozen", message);
        }
        for code in &self.sources.keystore_warnings {
            warn(code, "something about the keystore's files wants a look: the log of this replica's start says what".to_owned());
        }
        if let Some(reason) = archiver.and_then(|archiver| archiver.fault.as_ref()) {
            warn("archiver", reason.clone());
        }
        let slot_s = self.sources.chain.as_ref().map_or(u64::MAX, |chain| chain.l1.schedule().slot_duration);
        if let Some(skew) = l1.clock_skew_s.filter(|skew| skew.unsigned_abs() > slot_s) {
            warn("clock_skew", format!("error: clock and L1 head are {skew} s apart, more than a slot of {slot_s} s"));
        }
        let leadership = self.sources.leadership.borrow();
        if leadership.draining {
            warn(
                "drained",
                "this replica is drained: it does not lead while another one can. `ollin cluster drain --undo` ends that"
                    .to_owned(),
            );
        }
        for misfit in &leadership.timers.misfits {
            warn("timers", format!("raft's timers ({}) do not fit: {misfit}", leadership.timers.profile));
        }
        let passed_over = l1.endpoints.iter().filter(|endpoint| !endpoint.healthy).count();
        if passed_over > 0 {
            warn("l1_endpoint", format!("{passed_over} of {} L1 endpoints are passed over", l1.endpoints.len()));
        }
        for (publisher, balance) in self.balances.iter().filter(|(_, balance)| **balance < LOW_BALANCE_WEI) {
            warn("publisher_balance", format!("publisher {publisher} holds {balance} wei, less than 0.1 ether"));
        }
        warnings
    }
}

fn role_word(view: &ClusterView, leads: bool) -> RoleWord {
    let voter = view.members.iter().any(|member| member.raft_id == view.raft_id && member.voter);
    match (leads, voter) {
        (true, _) => RoleWord::Leader,
        (false, true) => RoleWord::Follower,
        (false, false) => RoleWord::Learner,
    }
}

fn versions(supported: Supported) -> (u16, u16) {
    (supported.oldest().get(), supported.newest().get())
}

fn frozen(evidence: &Evidence) -> FrozenAttester {
    let Evidence { duty, root, seen } = evidence;
    let kind = duty_word(duty.kind);
    FrozenAttester { attester: duty.attester, slot: duty.slot, kind, root: *root.get(), seen: seen.to_string() }
}

fn members(view: &ClusterView, leads: bool) -> Vec<Member> {
    let reachable = |id, heard: Option<u64>| {
        if id == view.raft_id { Some(true) } else { leads.then(|| heard.is_some_and(|ago| ago < SILENT_MS)) }
    };
    let member = |member: &ollin_consensus::MemberView| Member {
        id: member.id,
        raft_id: member.raft_id,
        address: Some(member.address.clone()),
        voter: member.voter,
        witness: member.kind == MemberKind::Witness,
        reachable: reachable(member.raft_id, member.last_heard_ms),
        rules: member.rules.map(versions),
        lag: member.lag,
    };
    view.members.iter().map(member).collect()
}

fn tips(archiver: &ArchiverView) -> L2Tips {
    let block = |tip: &Tip| BlockRef { number: tip.block, hash: tip.block_hash.to_word() };
    let checkpoint = |tip: &Tip| CheckpointTip {
        block: block(tip),
        checkpoint: CheckpointRef { number: tip.checkpoint, hash: tip.checkpoint_hash.to_word() },
    };
    let tips = &archiver.tips;
    L2Tips {
        proposed: block(&tips.proposed),
        proven: checkpoint(&tips.proven),
        finalized: checkpoint(&tips.finalized),
        checkpointed: checkpoint(&tips.checkpointed),
    }
}

fn duty_word(kind: DutyKind) -> DutyWord {
    match kind {
        DutyKind::BlockProposal { .. } => DutyWord::BlockProposal,
        DutyKind::CheckpointProposal => DutyWord::CheckpointProposal,
        DutyKind::Attestation => DutyWord::Attestation,
        DutyKind::AttestationsAndSigners => DutyWord::AttestationsAndSigners,
        DutyKind::GovernanceVote => DutyWord::GovernanceVote,
        DutyKind::SlashingVote => DutyWord::SlashingVote,
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
