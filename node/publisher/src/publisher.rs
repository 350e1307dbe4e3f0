//! The loop that takes claimed bundles to L1.

mod outcome;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alloy::primitives::Address;
use ollin_archiver::{ArchiverHandle, ArchiverView};
use ollin_consensus::{
    AttemptContent, AttemptError, AttemptGrant, AttemptRequest, ClaimError, ClaimRequest, CommandError, RecordedAttempt, Role,
    SigningLog, Term, failpoint,
};
use ollin_guard::{Duty, DutyKind, Refusal};
use ollin_keystore::{Keystore, SignError, SignedTransaction, TransactionParts};
use ollin_l1::{L1, L1Error, L1Head, Receipt, SendError};
use ollin_protocol::payload::DutyPayload;
use ollin_protocol::propose;
use ollin_protocol::schedule::Schedule;
use ollin_protocol::units::Slot;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::decide::{Action, Facts, decide};
use crate::fees::{FeeCaps, Market, next_fees};
use crate::job::Job;
use crate::material::Material;
use crate::report::{PublishHindrance, PublishReport};
use crate::sidecar::{self, SidecarError};

/// Pause between looks when nothing else wakes the loop.
const TICK: Duration = Duration::from_millis(100);
/// Pause between looks at what was mined but is not final.
const SETTLE_EVERY: Duration = Duration::from_secs(2);
/// A slot's bundle that was mined without being taken is sent again at most this often.
const MAX_REVERTED: u32 = 2;
/// The watermark is raised every so many slots: one small entry of the log for that many slots of records.
const WATERMARK_STEP: u64 = 32;
/// Most gas of a transaction (EIP-7825).
const MAX_GAS: u64 = 16_777_216;
/// Gas beyond the simulation for checking the blobs, which a simulation cannot do: 50,000 a point and its overhead.
const GAS_PER_BLOB: u64 = 60_000;

/// What the publisher needs to know besides L1 and the log.
#[derive(Clone, Debug)]
pub struct PublisherConfig {
    /// The most to pay.
    pub caps: FeeCaps,
    /// Seconds of L1 time without inclusion after which an attempt is bumped (`L1_TX_MONITOR_STALL_TIME_MS`).
    pub stall: u64,
    /// Most attempts of one slot at one nonce (`L1_TX_MONITOR_MAX_ATTEMPTS` and the first).
    pub max_attempts: usize,
    /// How long one command to the log may take before its outcome counts as unknown.
    pub claim_timeout: Duration,
}

/// Why a step did not succeed; the next look tries again from the log.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("claim: {0}")]
    Claim(#[from] ClaimError),
    #[error("attempt: {0}")]
    Attempt(#[from] AttemptError),
    #[error("outcome: {0}")]
    Command(#[from] CommandError),
    #[error("signing: {0}")]
    Sign(#[from] SignError),
    #[error("sidecar: {0}")]
    Sidecar(#[from] SidecarError),
    #[error("fees: {0}")]
    Fees(#[from] crate::fees::AboveCap),
    #[error("simulation: {0}")]
    Simulation(#[from] ollin_l1::SimulationError),
    #[error("attester {attester} has no publisher key")]
    NoPublisher { attester: Address },
    #[error("the payload of {duty} is not in the log")]
    PayloadGone { duty: Duty },
    #[error("a cancellation carries no bundle")]
    NoBundle,
    #[error("the bundle's claim is refused: {0}")]
    Refused(Box<Refusal>),
    #[error("the slot is over")]
    SlotOver,
    #[error("nonce {nonce} is spent on L1 and no receipt of ours is found yet")]
    Unresolved { nonce: u64 },
    #[error("the bundle was mined {times} times without being taken")]
    Reverted { times: u32 },
}

impl StepError {
    /// Whether a recorded attempt can never be signed again: its slot was closed, its attester frozen or released, its payload dropped.
    fn is_for_good(&self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::PayloadGone { .. }
                | Self::NoBundle
                | Self::NoPublisher { .. }
                | Self::Attempt(AttemptError::PayloadGone { .. })
        )
    }

    fn hindrance(&self) -> PublishHindrance {
        match self {
            Self::L1(_) | Self::Send(SendError::Unreachable(_)) => PublishHindrance::L1Down,
            Self::Fees(_) => PublishHindrance::FeesAboveCap,
            Self::Send(_) | Self::Simulation(_) | Self::Reverted { .. } | Self::Sidecar(_) => PublishHindrance::Failed,
            Self::Claim(_) | Self::Attempt(_) | Self::Command(_) => PublishHindrance::NoQuorum,
            Self::Sign(_) | Self::NoPublisher { .. } => PublishHindrance::SignerFailed,
            Self::PayloadGone { .. } | Self::NoBundle | Self::Refused(_) => PublishHindrance::Refused,
            Self::SlotOver => PublishHindrance::Late,
            Self::Unresolved { .. } => PublishHindrance::NotMined,
        }
    }
}

/// Publishes the bundles that the log holds while this replica is active.
pub struct Publisher {
    log: SigningLog,
    keystore: Arc<Keystore>,
    l1: L1,
    archiver: ArchiverHandle,
    config: PublisherConfig,
    schedule: Schedule,
    job: Option<Job>,
    /// The last slot that is over for this process.
    concluded: Option<Slot>,
    /// The slot whose checkpoint the archiver has read from L1.
    read_on_l1: Option<Slot>,
    /// The term in which `job` and `concluded` were derived.
    term: Option<Term>,
    /// How often a spent nonce was looked up without finding a receipt of ours, by publisher.
    unresolved: BTreeMap<Address, u32>,
    /// The slot up to which this process last asked to drop payloads.
    dropped: Option<Slot>,
    /// The slot up to which this process last asked to raise the watermark.
    raised: Option<Slot>,
    /// What was last told of a bundle that cannot be taken up.
    not_ready: Option<PublishReport>,
    reports: mpsc::Sender<PublishReport>,
}

impl Publisher {
    /// Wires a publisher; [`Self::run`] starts it. Slots whose bundle did not land are told to `reports`.
    pub fn new(
        log: SigningLog,
        keystore: Arc<Keystore>,
        l1: L1,
        archiver: ArchiverHandle,
        config: PublisherConfig,
        reports: mpsc::Sender<PublishReport>,
    ) -> Self {
        let schedule = l1.schedule();
        Self {
            log,
            keystore,
            l1,
            archiver,
            config,
            schedule,
            job: None,
            concluded: None,
            term: None,
            read_on_l1: None,
            unresolved: BTreeMap::new(),
            dropped: None,
            raised: None,
            not_ready: None,
            reports,
        }
    }

    /// Publishes until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut role = self.log.role();
        let mut applied = self.log.applied();
        let mut view = self.archiver.view();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut settle_at = Instant::now();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = tick.tick() => {}
                changed = view.changed() => if changed.is_err() { return },
                changed = applied.changed() => if changed.is_err() { return },
                changed = role.changed() => {
                    if changed.is_err() { return }
                    // Another term: everything is derived from the log again. A lease lost and found in one term changes nothing.
                    let term = role.borrow().active_term();
                    if term.is_some() && term != self.term {
                        self.term = term;
                        self.job = None;
                        self.concluded = None;
                        settle_at = Instant::now();
                    }
                }
            }
            if !matches!(*role.borrow(), Role::Active { .. }) {
                continue;
            }
            let seen = view.borrow().clone();
            self.publish(&seen).await;
            if Instant::now() >= settle_at {
                self.settle_all().await;
                if let Err(error) = self.advance_lines().await {
                    tracing::debug!(%error, "payloads and records are kept for now");
                }
                settle_at = Instant::now() + SETTLE_EVERY;
            }
        }
    }

    /// One look at the slot of the next L1 block.
    async fn publish(&mut self, view: &ArchiverView) {
        let Some(head) = &view.l1_head else { return };
        let next_block = head.timestamp.saturating_add(self.schedule.ethereum_slot_duration).max(now());
        let Some(slot) = self.schedule.slot_at(next_block) else {
            return;
        };
        if let Some(job) = self.job.take_if(|job| view.tip.slot.is_some_and(|tip| tip >= job.slot)) {
            // The archiver has read it: who saw the receipt, and whether anyone did, does not matter.
            self.concluded = Some(job.slot);
        }
        if self.job.as_ref().is_some_and(|job| job.slot != slot) {
            self.missed();
        }
        if view.tip.slot.is_some_and(|tip| tip >= slot) {
            self.read_on_l1 = Some(slot);
            return;
        }
        if self.read_on_l1 == Some(slot) {
            // The archiver had read it and has it no more: L1 took it back while there may be time left (rule R22).
            tracing::warn!(%slot, "the slot's checkpoint is gone from L1: publishing it again");
            (self.read_on_l1, self.concluded) = (None, None);
            self.settle_all().await;
        }
        if self.concluded == Some(slot) {
            return;
        }
        if self.job.is_none() {
            let Some(duty) = self.bound_bundle(slot) else { return };
            failpoint::reach("bundle-claimed", slot).await;
            match self.material(duty).await {
                Ok(material) => self.job = Some(Job::new(slot, material)),
                Err(error) => self.not_ready(slot, &error),
            }
        }
        let Some(mut job) = self.job.take() else { return };
        match self.step(&mut job, head).await {
            Ok(false) => self.job = Some(job),
            Ok(true) => self.concluded = Some(slot),
            Err(error) => {
                job.hindered(error.hindrance(), error.to_string());
                self.job = Some(job);
            }
        }
    }

    fn missed(&mut self) {
        if let Some(job) = self.job.take() {
            let report = job.missed();
            tracing::warn!(slot = %report.slot, reason = report.detail, "slot missed: its bundle did not land");
            self.tell(report);
            metrics::counter!("ollin_slots_missed_total").increment(1);
        }
    }

    /// A bundle that is bound and cannot be taken up: no job begins that could report it at the slot's end.
    fn not_ready(&mut self, slot: Slot, error: &StepError) {
        let report = PublishReport { slot, hindrance: error.hindrance(), detail: error.to_string() };
        if self.not_ready.as_ref() != Some(&report) {
            tracing::warn!(%slot, %error, "the claimed bundle cannot be published yet");
            self.tell(report.clone());
            self.not_ready = Some(report);
        }
    }

    fn tell(&self, report: PublishReport) {
        if let Err(error) = self.reports.try_send(report) {
            tracing::debug!(%error, "a report about a slot is lost");
        }
    }

    fn bound_bundle(&self, slot: Slot) -> Option<Duty> {
        self.log.duties_in_slot(slot).into_iter().find(|duty| duty.kind == DutyKind::AttestationsAndSigners)
    }

    /// Takes up a claimed bundle: signs it under its own grant (the same bytes whoever does it) and makes its blobs again.
    async fn material(&self, duty: Duty) -> Result<Material, StepError> {
        let payload = |duty: Duty| self.log.bound(&duty).and_then(|bound| bound.payload);
        let publisher = self.keystore.publisher_of(&duty.attester);
        let publisher = publisher.ok_or(StepError::NoPublisher { attester: duty.attester })?;
        let checkpoint_duty = Duty { kind: DutyKind::CheckpointProposal, ..duty };
        let Some(DutyPayload::Checkpoint(checkpoint)) = payload(checkpoint_duty) else {
            return Err(StepError::PayloadGone { duty: checkpoint_duty });
        };
        let Some(payload @ DutyPayload::Bundle(_)) = payload(duty) else {
            return Err(StepError::PayloadGone { duty });
        };
        let mut verdicts = self.log.claim(vec![ClaimRequest { duties: vec![duty], payload }], self.deadline()).await?.into_iter();
        let grant =
            verdicts.next().ok_or(StepError::PayloadGone { duty })?.map_err(|refusal| StepError::Refused(Box::new(refusal)))?;
        let signed = self.keystore.sign(grant)?;
        let DutyPayload::Bundle(bundle) = signed.payload.as_ref() else {
            return Err(StepError::PayloadGone { duty });
        };
        let (bundle, sidecar) = (Arc::new(bundle.clone()), sidecar::of_checkpoint(&checkpoint)?);
        Ok(Material { duty, publisher, bundle, signature: signed.signature, sidecar })
    }

    /// One action for the job; `true` when its slot is concluded.
    async fn step(&mut self, job: &mut Job, head: &L1Head) -> Result<bool, StepError> {
        let publisher = job.material.publisher;
        let state = self.log.publisher_state(publisher);
        let open_nonce = state.open.first().map(|attempt| attempt.request.nonce);
        let count = self.l1.transaction_count(publisher).await?;
        let newest = state.open.last();
        let facts = Facts {
            slot: job.slot,
            open: &state.open,
            spent: open_nonce.is_some_and(|nonce| count > nonce),
            sent_at: newest.and_then(|attempt| job.sent_at.get(&(attempt.request.nonce, attempt.number))).copied(),
            head_time: head.timestamp,
            slot_start: self.schedule.slot_start(job.slot),
            slot_end: self.schedule.slot_end(job.slot),
            now: now(),
            l1_slot_duration: self.schedule.ethereum_slot_duration,
            stall: self.config.stall,
            max_attempts: self.config.max_attempts,
        };
        match (decide(&facts), newest) {
            (Action::Wait, _) | (Action::Send, None) => Ok(false),
            (Action::SlotOver, _) => Err(StepError::SlotOver),
            (Action::Resolve, _) => {
                let mined = self.resolve(publisher, &state.open).await?;
                Ok(self.judge(job, mined))
            }
            (Action::Record, _) => {
                let nonce = open_nonce.or(state.next_nonce).unwrap_or(count);
                self.record(job, head, nonce, &state.open).await?;
                Ok(false)
            }
            (Action::Send, Some(newest)) => {
                let grant = self.log.reissue_attempt(publisher, newest.request.nonce, newest.number).await?;
                tracing::info!(slot = %job.slot, nonce = newest.request.nonce, attempt = newest.number, "resuming a recorded attempt");
                self.send(job, head, grant).await?;
                Ok(false)
            }
        }
    }

    /// What a mined attempt means for the job: `true` if its checkpoint landed.
    fn judge(&self, job: &mut Job, mined: Option<(RecordedAttempt, Receipt)>) -> bool {
        let Some((attempt, receipt)) = mined else { return false };
        if attempt.request.slot != job.slot {
            tracing::warn!(slot = %attempt.request.slot, l1_block = %receipt.block, "an attempt of an earlier slot was mined");
            return false;
        }
        if receipt.checkpoint_proposed {
            tracing::info!(slot = %job.slot, attempt = attempt.number, l1_block = %receipt.block, "checkpoint landed");
            metrics::counter!("ollin_checkpoints_landed_total").increment(1);
            return true;
        }
        job.reverted = job.reverted.saturating_add(1);
        job.gas_limit = None;
        let reason = format!("attempt {} was mined in L1 block {} without being taken", attempt.number, receipt.block);
        job.hindered(PublishHindrance::Failed, reason);
        false
    }

    /// Simulates, records the next attempt in the log, sends it.
    async fn record(&self, job: &mut Job, head: &L1Head, nonce: u64, open: &[RecordedAttempt]) -> Result<(), StepError> {
        if job.reverted > MAX_REVERTED {
            return Err(StepError::Reverted { times: job.reverted });
        }
        let gas_limit = self.gas_limit(job, head).await?;
        let market = self.l1.market_fees().await?;
        let market = Market {
            base_fee_wei: market.base_fee_wei,
            blob_base_fee_wei: market.blob_base_fee_wei,
            priority_fee_wei: market.priority_fee_wei,
        };
        let earlier: Vec<_> =
            open.iter().filter(|attempt| attempt.request.nonce == nonce).map(|attempt| attempt.request.fees).collect();
        let request = AttemptRequest {
            slot: job.slot,
            publisher: job.material.publisher,
            nonce,
            content: AttemptContent::Bundle { duty: job.material.duty },
            gas_limit,
            fees: next_fees(&market, &earlier, &self.config.caps)?,
        };
        let grant = self.log.record_attempt(request, self.deadline()).await?;
        let recorded = grant.attempt();
        tracing::info!(slot = %job.slot, nonce, attempt = recorded.number, fees = ?recorded.request.fees, "attempt recorded");
        metrics::counter!("ollin_attempts_total").increment(1);
        failpoint::reach("attempt-recorded", job.slot).await;
        self.send(job, head, grant).await
    }

    async fn send(&self, job: &mut Job, head: &L1Head, grant: AttemptGrant) -> Result<(), StepError> {
        // A pause may lie between the record and this line: a transaction of a past slot is never started.
        if now() >= self.schedule.slot_end(job.slot) {
            return Err(StepError::SlotOver);
        }
        let (nonce, number) = (grant.attempt().request.nonce, grant.attempt().number);
        let transaction = self.sign(&job.material, grant)?;
        match self.l1.send_raw(&transaction.raw).await {
            Ok(_) | Err(SendError::AlreadyKnown) => job.sent(nonce, number, head.timestamp),
            // The pool may hold a newer attempt, or L1 counts further than one endpoint says: the next look tells.
            Err(error @ (SendError::Underpriced(_) | SendError::NonceTooLow(_))) => {
                job.sent(nonce, number, head.timestamp);
                job.hindered(PublishHindrance::NotMined, error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
        tracing::info!(slot = %job.slot, nonce, attempt = number, transaction = %transaction.hash, "attempt sent");
        failpoint::reach("attempt-sent", job.slot).await;
        Ok(())
    }

    fn sign(&self, material: &Material, grant: AttemptGrant) -> Result<SignedTransaction, StepError> {
        let contracts = self.l1.contracts();
        let parts = TransactionParts {
            chain_id: self.l1.constants().chain_id,
            multicall: contracts.multicall,
            rollup: contracts.rollup,
            attestations_and_signers_signature: material.signature,
            sidecar: material.sidecar.clone(),
        };
        Ok(self.keystore.sign_attempt(grant, parts)?)
    }

    async fn gas_limit(&self, job: &mut Job, head: &L1Head) -> Result<u64, StepError> {
        if let Some(known) = job.gas_limit {
            return Ok(known);
        }
        let material = &job.material;
        let calldata = propose::encode_bundle_calldata(self.l1.contracts().rollup, &material.bundle, &material.signature);
        let next_block = head.timestamp.saturating_add(self.schedule.ethereum_slot_duration);
        let timestamp = next_block.max(self.schedule.slot_start(job.slot));
        let simulated = self.l1.simulate_bundle(material.publisher, &calldata, timestamp).await?;
        let blobs = u64::try_from(material.sidecar.blobs.len()).unwrap_or(u64::MAX);
        let with_blobs = (simulated.gas.saturating_mul(64) / 63).saturating_add(GAS_PER_BLOB.saturating_mul(blobs));
        let limit = (with_blobs.saturating_mul(6) / 5).min(MAX_GAS);
        job.gas_limit = Some(limit);
        Ok(limit)
    }

    /// Lets go of payloads whose slot is final on L1 and which no open or unsettled attempt needs, and of records far behind.
    /// The guard clamps both by what it bound itself: an L1 that lies about finality takes nothing of the present (rule R19).
    async fn advance_lines(&mut self) -> Result<(), StepError> {
        let finalized = self.l1.finalized().await?;
        let Some(slot) = self.schedule.slot_at(finalized.timestamp).and_then(Slot::previous) else { return Ok(()) };
        let states = self.keystore.publishers().into_iter().map(|publisher| self.log.publisher_state(publisher));
        let needed =
            states.flat_map(|state| state.open.into_iter().chain(state.mined.into_iter().flat_map(|mined| mined.attempts)));
        let oldest_needed = needed.map(|attempt| attempt.request.slot).min();
        let line = oldest_needed.and_then(Slot::previous).map_or(slot, |before| before.min(slot));
        if self.dropped.is_none_or(|dropped| dropped < line) {
            self.log.drop_payloads(line, self.deadline()).await?;
            self.dropped = Some(line);
        }
        let due = self.raised.is_none_or(|raised| slot >= raised.saturating_add(WATERMARK_STEP));
        if due {
            self.log.raise_watermark(slot, self.deadline()).await?;
            self.raised = Some(slot);
        }
        Ok(())
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.config.claim_timeout
    }
}

/// Wall clock, seconds since the Unix epoch. It decides when a send is too late, never what may be sent.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
