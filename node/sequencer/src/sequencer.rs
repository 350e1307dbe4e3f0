//! The loop that works slots: reads L1 and the log, decides, claims, signs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alloy_primitives::Address;
use ollin_archiver::ArchiverHandle;
use ollin_consensus::{ClaimError, ClaimRequest, Fault, Grant, Role, SigningLog, failpoint, planted};
use ollin_guard::{Duty, DutyKind, Refusal};
use ollin_keystore::{Keystore, SignError};
use ollin_l1::{L1, L1Error};
use ollin_protocol::payload::{AttestationPayload, DutyPayload};
use ollin_protocol::schedule::{Schedule, Timetable};
use ollin_protocol::signature::Signature;
use ollin_protocol::units::{BlockIndex, SigningRoot, Slot};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::bundle::{self, BundleError};
use crate::decide::{Decision, LeaveReason, SlotFacts, WaitReason, decide};
use crate::proposal::{self, AbandonReason, BuildError, L1Inputs, Origin, Proposal};
use crate::report::SlotReport;

/// Pause between looks at a slot when nothing else wakes the loop.
const TICK: Duration = Duration::from_millis(50);

/// What the sequencer needs to know besides L1 and the log.
#[derive(Clone, Debug)]
pub struct SequencerConfig {
    /// Official deadlines within a slot.
    pub timetable: Timetable,
    /// How long one claim may take before its outcome counts as unknown.
    pub claim_timeout: Duration,
    /// Whether a slot without transactions gets a checkpoint (`SEQ_BUILD_CHECKPOINT_IF_EMPTY`, or no transaction is asked for).
    pub build_if_empty: bool,
}

/// How a slot ended for this replica.
#[derive(Debug, thiserror::Error)]
pub enum SlotOutcome {
    /// Everything that the publisher needs is in the log.
    #[error("bundle claimed")]
    BundleClaimed,
    /// Left by [`decide`].
    #[error("left: {0:?}")]
    Left(LeaveReason),
    /// Given up although claimed: L1 moved under it, or its payload is not the one that execution gives.
    #[error("given up: {0}")]
    Abandoned(#[from] AbandonReason),
    /// The log refuses, for good.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The committee holds too few attesters of ours (others' attestations need the p2p network).
    #[error("no bundle: {0}")]
    NoBundle(#[from] BundleError),
    /// The checkpoint cannot be built.
    #[error("not built: {0}")]
    NotBuilt(#[from] BuildError),
    /// A key of ours failed.
    #[error("not signed: {0}")]
    NotSigned(#[from] SignError),
}

/// Why to try the same step again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Retry {
    #[error("L1 is not read up to the slot yet")]
    NotSynced,
    #[error("the contract does not take a proposal for the slot yet: {0}")]
    NotProposable(String),
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error("the archiver cannot be read: {0}")]
    Archiver(#[from] ollin_archiver::ArchiverError),
    #[error("leadership is about to go over: the next leader starts the slot")]
    HandingOver,
    #[error("another payload is bound, and is adopted if it is one for this slot: {0}")]
    Adopt(Box<Refusal>),
    #[error("the log has answered fewer claims than were asked")]
    Unanswered,
}

/// How one pass over a slot ended.
enum Pass {
    Again(Retry),
    Concluded(Box<SlotOutcome>),
}

impl Pass {
    fn concluded(outcome: impl Into<SlotOutcome>) -> Self {
        Self::Concluded(Box::new(outcome.into()))
    }
}

impl<E: Into<Retry>> From<E> for Pass {
    fn from(error: E) -> Self {
        Self::Again(error.into())
    }
}

/// Works the slots of our attesters while this replica is active.
pub struct Sequencer {
    log: SigningLog,
    keystore: Arc<Keystore>,
    l1: L1,
    archiver: ArchiverHandle,
    config: SequencerConfig,
    schedule: Schedule,
    reports: mpsc::Sender<SlotReport>,
    /// A proposal whose claim has an unknown outcome: the same root must be claimed again, never another one.
    draft: Option<(Slot, Proposal)>,
    turn: Option<Turn>,
}

/// Attestations to one checkpoint, all under one root.
struct Attestations {
    root: SigningRoot,
    signatures: BTreeMap<Address, Signature>,
}

/// Whose turn a slot is.
#[derive(Clone, Debug)]
struct Turn {
    slot: Slot,
    committee: Vec<Address>,
    proposer: Option<Address>,
}

/// The slot of now and one L1 slot, where now is the later of the clock and L1's head, both in seconds; `None` if they are more than
/// a slot apart: one of them is wrong, and nothing is to be decided by either.
pub fn latest_slot(schedule: &Schedule, clock: u64, head: u64) -> Option<Slot> {
    if clock.abs_diff(head) > schedule.slot_duration && !planted(Fault::ClockAgainstL1) {
        return None;
    }
    schedule.slot_at(clock.max(head).saturating_add(schedule.ethereum_slot_duration))
}

impl Sequencer {
    /// Wires a sequencer; [`Self::run`] starts it. What keeps a slot from being finished is told to `reports`.
    pub fn new(
        log: SigningLog,
        keystore: Arc<Keystore>,
        l1: L1,
        archiver: ArchiverHandle,
        config: SequencerConfig,
        reports: mpsc::Sender<SlotReport>,
    ) -> Self {
        let schedule = l1.schedule();
        Self { log, keystore, l1, archiver, config, schedule, reports, draft: None, turn: None }
    }

    /// Works until `shutdown`. A step that was begun ends by itself: every wait in it has a deadline.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut role = self.log.role();
        let mut view = self.archiver.view();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut concluded: Option<Slot> = None;
        let mut said: Option<(Slot, String)> = None;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = tick.tick() => {}
                changed = view.changed() => if changed.is_err() { return },
                // A slot that was left may be ours to finish in another term.
                changed = role.changed() => if changed.is_err() { return } else { concluded = None },
            }
            // The one look at the clock that admits claims: no slot later than that of the next L1 block (rule R7). Also where this
            // replica does not act: a new leader may have to close the slots that have begun.
            let head = view.borrow().l1_head.as_ref().map(|head| head.timestamp);
            if let Some(latest) = head.and_then(|head| latest_slot(&self.schedule, now_ms() / 1000, head)) {
                self.log.set_slot_horizon(latest);
            }
            if !matches!(*role.borrow(), Role::Active { .. }) {
                continue;
            }
            let Some(slot) = self.slot_to_build() else { continue };
            if concluded == Some(slot) {
                continue;
            }
            let outcome = match self.work(slot).await {
                Ok(outcome) => outcome,
                Err(Pass::Concluded(outcome)) => *outcome,
                Err(Pass::Again(retry)) => {
                    let reason = retry.to_string();
                    if said.as_ref() != Some(&(slot, reason.clone())) {
                        tracing::debug!(%slot, reason, "slot waits");
                        self.tell(SlotReport::waiting(slot, &retry));
                        said = Some((slot, reason));
                    }
                    continue;
                }
            };
            report(slot, &outcome);
            self.tell(SlotReport::concluded(slot, &outcome));
            concluded = Some(slot);
        }
    }

    /// A report that finds no room is lost: the record of missed duties then says less.
    fn tell(&self, report: Option<SlotReport>) {
        if let Some(report) = report
            && let Err(error) = self.reports.try_send(report)
        {
            tracing::debug!(%error, "a report about a slot is lost");
        }
    }

    /// The slot whose building time it is: the one of the next L1 block.
    fn slot_to_build(&self) -> Option<Slot> {
        let next_l1_block = now_ms() / 1000 + self.schedule.ethereum_slot_duration;
        self.schedule.slot_at(next_l1_block)
    }

    async fn work(&mut self, slot: Slot) -> Result<SlotOutcome, Pass> {
        let turn = self.turn(slot).await?;
        let ours = turn.proposer.filter(|address| self.keystore.holds(address));
        let facts = self.facts(slot, ours);
        match (decide(&facts), ours) {
            (Decision::Leave(reason), _) => Ok(SlotOutcome::Left(reason)),
            (Decision::Wait(WaitReason::NotSynced), _) => Err(Retry::NotSynced.into()),
            (Decision::Start, Some(_)) if !*self.log.starts().borrow() => Err(Retry::HandingOver.into()),
            (Decision::Start | Decision::Finish, Some(proposer)) => {
                self.finish(slot, proposer, &turn.committee, facts.claimed).await
            }
            (Decision::Start | Decision::Finish, None) => Ok(SlotOutcome::Left(LeaveReason::NotOurs)),
        }
    }

    /// Committee and proposer, asked once a slot and not before L1 is read up to it: earlier the seed may still change.
    async fn turn(&mut self, slot: Slot) -> Result<Turn, Pass> {
        if let Some(known) = self.turn.as_ref().filter(|turn| turn.slot == slot) {
            return Ok(known.clone());
        }
        if !self.synced(slot) {
            return Err(Retry::NotSynced.into());
        }
        let turn = Turn { slot, committee: self.l1.committee(slot).await?, proposer: self.l1.proposer(slot).await? };
        self.turn = Some(turn.clone());
        Ok(turn)
    }

    /// The archiver has read the last L1 block in which the slot before could still land.
    fn synced(&self, slot: Slot) -> bool {
        let view = self.archiver.view().borrow().clone();
        let read_until = view.synced_at.as_ref().map(|head| head.timestamp.saturating_add(self.schedule.ethereum_slot_duration));
        view.fault.is_none() && read_until.is_some_and(|read| read >= self.schedule.slot_start(slot))
    }

    fn facts(&self, slot: Slot, ours: Option<Address>) -> SlotFacts {
        let build_start_ms = self.schedule.build_start(slot).saturating_mul(1000);
        let view = self.archiver.view().borrow().clone();
        let bound = |kind| ours.is_some_and(|attester| self.log.bound(&Duty { attester, slot, kind }).is_some());
        SlotFacts {
            slot,
            elapsed: Duration::from_millis(now_ms().saturating_sub(build_start_ms)),
            initialize_deadline: self.config.timetable.initialize_deadline,
            slot_end: Duration::from_secs(self.schedule.slot_duration),
            ours: ours.is_some(),
            build_if_empty: self.config.build_if_empty,
            claimed: bound(DutyKind::CheckpointProposal) || bound(DutyKind::BlockProposal { index: BlockIndex::new(0) }),
            bundle_claimed: bound(DutyKind::AttestationsAndSigners),
            tip_slot: view.tip.slot,
            synced: self.synced(slot),
        }
    }

    /// From wherever the log is to the bundle's claim.
    async fn finish(&mut self, slot: Slot, proposer: Address, committee: &[Address], claimed: bool) -> Result<SlotOutcome, Pass> {
        let inputs = self.inputs(slot, proposer).await?;
        let proposal = self.proposal(slot, proposer, &inputs)?;
        if !claimed {
            failpoint::reach("before-first-claim", slot).await;
        }
        let proposer_signature = self.claim_proposal(slot, proposer, &proposal).await?;
        let attestations = self.attest(slot, committee, &proposal, proposer_signature).await?;
        self.claim_bundle(slot, proposer, committee, &proposal, &attestations).await?;
        self.draft = None;
        Ok(SlotOutcome::BundleClaimed)
    }

    /// Reads what L1 dictates, all at the archiver's tip.
    async fn inputs(&self, slot: Slot, proposer: Address) -> Result<L1Inputs, Pass> {
        let view = self.archiver.view().borrow().clone();
        let Some(synced) = view.synced_at else {
            return Err(Retry::NotSynced.into());
        };
        let slot_start = self.schedule.slot_start(slot);
        let next_l1_block = slot_start.max(synced.timestamp.saturating_add(self.schedule.ethereum_slot_duration));
        let checkpoint = view.tip.checkpoint.saturating_add(1);
        let tip_archive = view.tip.chain.archive().root;
        let proposable = self.l1.can_propose(next_l1_block, tip_archive, proposer).await;
        match proposable {
            Ok(proposable) if proposable.slot == slot && proposable.checkpoint == checkpoint => {}
            Ok(other) => return Err(Retry::NotProposable(format!("{other:?}")).into()),
            Err(error) => return Err(Retry::NotProposable(error.to_string()).into()),
        }
        let messages = self.archiver.messages(checkpoint).map_err(Retry::from)?;
        let previous_out_hashes = view.tip.previous_out_hashes(self.schedule.epoch_of(slot));
        let constants = self.l1.constants();
        Ok(L1Inputs {
            l1_block: synced.number,
            l1_block_hash: synced.hash,
            chain_id: constants.chain_id,
            rollup_version: constants.rollup_version,
            parent: view.tip.chain.clone(),
            checkpoint,
            block: view.tip.block.saturating_add(1),
            timestamp: slot_start,
            fee_per_l2_gas: self.l1.mana_min_fee(next_l1_block).await?,
            messages: messages.ok_or(Retry::NotSynced)?,
            previous_out_hashes,
        })
    }

    /// The slot's proposal: the bound one re-executed, else the one whose claim is unknown, else a new one.
    fn proposal(&mut self, slot: Slot, proposer: Address, inputs: &L1Inputs) -> Result<Proposal, Pass> {
        let duty = Duty { attester: proposer, slot, kind: DutyKind::CheckpointProposal };
        match proposal::origin(slot, self.log.bound(&duty), self.draft.as_ref()) {
            Origin::Bound(Some(claimed)) => return proposal::reexecute(claimed, inputs).map_err(Pass::concluded),
            Origin::Bound(None) => return Err(Pass::concluded(SlotOutcome::Left(LeaveReason::Landed))),
            Origin::Draft(proposal) => return Ok(proposal),
            Origin::New => {}
        }
        let Some(entry) = self.keystore.attester(&proposer) else {
            return Err(Pass::concluded(SlotOutcome::Left(LeaveReason::NotOurs)));
        };
        let built = proposal::build(slot, entry.coinbase, entry.fee_recipient, inputs).map_err(Pass::concluded)?;
        self.draft = Some((slot, built.clone()));
        Ok(built)
    }

    /// Claims block and checkpoint in one entry, then signs both. Returns the checkpoint's signature.
    async fn claim_proposal(&self, slot: Slot, attester: Address, proposal: &Proposal) -> Result<Signature, Pass> {
        let checkpoint = &proposal.checkpoint;
        let block = Duty { attester, slot, kind: DutyKind::BlockProposal { index: checkpoint.last_block.index } };
        let whole = Duty { attester, slot, kind: DutyKind::CheckpointProposal };
        let requests = vec![
            ClaimRequest { duties: vec![block], payload: DutyPayload::Block(checkpoint.last_block.clone()) },
            ClaimRequest { duties: vec![whole], payload: DutyPayload::Checkpoint(checkpoint.clone()) },
        ];
        let mut grants = self.claim(slot, requests).await?.into_iter();
        failpoint::reach("claim-committed", slot).await;
        let (Some(block), Some(checkpoint)) = (grants.next(), grants.next()) else {
            return Err(Retry::Unanswered.into());
        };
        self.sign(block)?;
        failpoint::reach("block-signed", slot).await;
        let signature = self.sign(checkpoint)?.1;
        failpoint::reach("checkpoint-claimed", slot).await;
        Ok(signature)
    }

    /// Claims and signs the attestations of all our attesters in the committee: one entry, one payload.
    async fn attest(
        &self,
        slot: Slot,
        committee: &[Address],
        proposal: &Proposal,
        proposer_signature: Signature,
    ) -> Result<Attestations, Pass> {
        let ours = committee.iter().copied().filter(|member| self.keystore.holds(member));
        let duties: Vec<Duty> = ours.map(|attester| Duty { attester, slot, kind: DutyKind::Attestation }).collect();
        let checkpoint = &proposal.checkpoint;
        let payload = DutyPayload::Attestation(AttestationPayload {
            header: checkpoint.header,
            archive: checkpoint.archive,
            fee_asset_price_modifier: checkpoint.fee_asset_price_modifier,
            proposer_signature,
        });
        let root = payload.signing_root();
        let grants = self.claim_attestations(slot, ClaimRequest { duties, payload }).await?;
        let signed = self.keystore.sign_all(grants).into_iter();
        let signatures = signed.map(|signed| signed.map(|signed| (signed.duty.attester, signed.signature)));
        let signatures = signatures.collect::<Result<_, _>>().map_err(Pass::concluded)?;
        Ok(Attestations { root, signatures })
    }

    async fn claim_bundle(
        &self,
        slot: Slot,
        proposer: Address,
        committee: &[Address],
        proposal: &Proposal,
        attestations: &Attestations,
    ) -> Result<(), Pass> {
        let checkpoint = &proposal.checkpoint;
        let bundle = bundle::assemble(
            checkpoint,
            &attestations.root,
            committee,
            proposer,
            &attestations.signatures,
            proposal.blob_input.clone(),
        )
        .map_err(Pass::concluded)?;
        let duty = Duty { attester: proposer, slot, kind: DutyKind::AttestationsAndSigners };
        // The publisher claims it again to sign it: the grant made here is not needed.
        self.claim(slot, vec![ClaimRequest { duties: vec![duty], payload: DutyPayload::Bundle(bundle) }]).await?;
        Ok(())
    }

    /// Claims attestations. What the log refuses to one attester (not bound yet, released, frozen, below its own floor) costs that one's
    /// signature and no other's: whether enough are left is decided when the bundle is assembled.
    async fn claim_attestations(&self, slot: Slot, request: ClaimRequest) -> Result<Vec<Grant>, Pass> {
        let deadline = Instant::now() + self.config.claim_timeout;
        let (mut granted, mut refused) = (Vec::new(), None);
        for verdict in self.log.claim(vec![request], deadline).await? {
            match verdict {
                Ok(grant) => granted.push(grant),
                Err(conflict @ Refusal::Conflict { .. }) => return Err(Retry::Adopt(Box::new(conflict)).into()),
                Err(refusal) => {
                    tracing::warn!(%slot, %refusal, "an attestation is not granted");
                    refused = refused.or(Some(refusal));
                }
            }
        }
        match refused.filter(|_| granted.is_empty()) {
            Some(refusal) => Err(Pass::concluded(SlotOutcome::Refused(refusal))),
            None => Ok(granted),
        }
    }

    /// Claims, and turns refusals into the next step: adopt a bound payload, or leave the slot.
    async fn claim(&self, slot: Slot, requests: Vec<ClaimRequest>) -> Result<Vec<Grant>, Pass> {
        let deadline = Instant::now() + self.config.claim_timeout;
        let verdicts = self.log.claim(requests, deadline).await?;
        verdicts
            .into_iter()
            .map(|verdict| match verdict {
                Ok(grant) => Ok(grant),
                Err(conflict @ Refusal::Conflict { .. }) => {
                    tracing::warn!(%slot, "another payload is bound for the duty: adopting it");
                    Err(Retry::Adopt(Box::new(conflict)).into())
                }
                Err(refusal) => Err(Pass::concluded(SlotOutcome::Refused(refusal))),
            })
            .collect()
    }

    fn sign(&self, grant: Grant) -> Result<(Address, Signature), Pass> {
        let signed = self.keystore.sign(grant).map_err(Pass::concluded)?;
        Ok((signed.duty.attester, signed.signature))
    }
}

fn report(slot: Slot, outcome: &SlotOutcome) {
    match outcome {
        SlotOutcome::BundleClaimed => tracing::info!(%slot, "bundle claimed"),
        SlotOutcome::Left(
            LeaveReason::NotOurs | LeaveReason::Landed | LeaveReason::BundleClaimed | LeaveReason::NothingToBuild,
        ) => {
            tracing::debug!(%slot, reason = %outcome, "slot left");
        }
        SlotOutcome::Left(LeaveReason::TooLateToStart | LeaveReason::SlotOver)
        | SlotOutcome::Abandoned(_)
        | SlotOutcome::Refused(_)
        | SlotOutcome::NoBundle(_)
        | SlotOutcome::NotBuilt(_)
        | SlotOutcome::NotSigned(_) => tracing::warn!(%slot, reason = %outcome, "slot missed"),
    }
}

/// Wall clock, milliseconds since the Unix epoch. It decides when to begin, never whether a root may be signed.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_slot_follows_the_later_of_clock_and_l1_and_is_unknown_while_they_disagree() {
        let schedule = Schedule { genesis_time: 1000, slot_duration: 72, epoch_duration: 32, ethereum_slot_duration: 12 };
        let latest = |clock, head| latest_slot(&schedule, clock, head).map(Slot::get);
        assert_eq!(latest(1000, 1000), Some(0));
        assert_eq!(latest(1060, 1000), Some(1), "the next L1 block may be in the next slot");
        assert_eq!(latest(1000, 1060), Some(1), "L1 is ahead of the clock");
        assert_eq!(latest(1072, 1000), Some(1));
        assert_eq!(latest(1073, 1000), None, "L1 lags, or the clock jumped");
        assert_eq!(latest(1000, 1073), None);
    }
}
