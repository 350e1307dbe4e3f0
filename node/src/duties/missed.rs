//! Every duty of ours that was missed, with its reason, as this replica saw it.
//!
//! A slot is judged once L1 is read past its end: whose turn it was comes from L1, what was signed from the log, what landed from the
//! archiver, and what stood in the way from this process: who led in the slot, how L1 answered, what sequencer and publisher said.
//! A replica that did not lead says who did. Nothing here decides what may be signed.

mod book;
mod judge;
mod seen;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ollin_archiver::ArchiverView;
use ollin_consensus::{Phase, SigningLog};
use ollin_l1::L1Error;
use ollin_protocol::units::{ReplicaId, Slot};
use ollin_publisher::PublishReport;
use ollin_rpc::view::{FitnessWord, LeadershipSection, MissReason, MissedDuties, MissedDuty};
use ollin_sequencer::SlotReport;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use book::Book;
pub(crate) use book::read_missed;
use judge::{SlotFacts, judge};
use seen::{Look, Seen};

/// How often this replica looks.
const EVERY: Duration = Duration::from_millis(250);
/// Reports that may wait.
const REPORTS: usize = 64;
/// A slot further back than this is not judged any more: the log may have forgotten it.
const JUDGED_BACK: u64 = 32;
/// L1 slots after a slot's end before it is judged: its last block and the publisher's own verdict.
const SETTLING_L1_SLOTS: u64 = 2;
/// A head that is older than so many L1 slots counts as no answer.
const STALE_L1_SLOTS: u64 = 4;

/// What is recorded so far.
pub(crate) type MissedFeed = watch::Receiver<Arc<MissedDuties>>;

/// The record of a replica that has no duties.
pub(crate) fn nothing(replica: ReplicaId) -> MissedFeed {
    watch::channel(Arc::new(MissedDuties { replica, since: None, until: None, missed: Vec::new() })).1
}

/// Where the sequencer and the publisher tell what stood in their way.
pub(crate) struct Reports {
    pub(crate) sequencer: mpsc::Sender<SlotReport>,
    pub(crate) publisher: mpsc::Sender<PublishReport>,
}

/// What is read.
pub(crate) struct Sources {
    pub(crate) log: SigningLog,
    pub(crate) chain: Chain,
    pub(crate) leadership: watch::Receiver<LeadershipSection>,
}

/// The recorder of one replica.
pub(crate) struct Recorder {
    sources: Sources,
    book: Book,
    seen: Seen,
    sequencer: mpsc::Receiver<SlotReport>,
    publisher: mpsc::Receiver<PublishReport>,
    feed: watch::Sender<Arc<MissedDuties>>,
    /// Slots of ours that have landed, as long as a reorg may take them back.
    landed: BTreeMap<Slot, MissedDuty>,
    /// The tip that `landed` was last compared with.
    compared: Option<ollin_protocol::field::Fr>,
    /// The next slot to judge; none before the cluster is open.
    next: Option<Slot>,
}

impl Recorder {
    /// Opens the record in `data_directory`.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub(crate) fn open(sources: Sources, data_directory: &Path) -> anyhow::Result<(Self, Reports, MissedFeed)> {
        let book = Book::open(data_directory)?;
        let next = book.until().and_then(Slot::next);
        let (to_sequencer, sequencer) = mpsc::channel(REPORTS);
        let (to_publisher, publisher) = mpsc::channel(REPORTS);
        let (feed, view) = watch::channel(Arc::new(book.view(sources.log.replica())));
        let recorder = Self {
            sources,
            book,
            seen: Seen::default(),
            sequencer,
            publisher,
            feed,
            landed: BTreeMap::new(),
            compared: None,
            next,
        };
        Ok((recorder, Reports { sequencer: to_sequencer, publisher: to_publisher }, view))
    }

    /// Records until `shutdown`.
    ///
    /// # Errors
    /// If the record cannot be written.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Some(report) = self.sequencer.recv() => self.seen.sequencer(report),
                Some(report) = self.publisher.recv() => self.seen.publisher(report),
                _ = tick.tick() => {
                    let archiver = self.sources.chain.archiver.view().borrow().clone();
                    self.look(&archiver);
                    self.taken_back(&archiver)?;
                    if let Err(error) = self.judge_next(&archiver).await? {
                        tracing::debug!(%error, "a slot is judged later");
                    }
                }
            }
        }
    }

    fn look(&mut self, archiver: &ArchiverView) {
        let (schedule, now) = (self.sources.chain.l1.schedule(), now());
        let view = self.sources.log.view();
        let stale = |timestamp: u64| now > timestamp.saturating_add(STALE_L1_SLOTS * schedule.ethereum_slot_duration);
        // A leader that no quorum answers leads nobody.
        let acts = self.sources.log.role().borrow().active_term().is_some();
        let look = Look {
            leader: view.leader.filter(|leader| *leader != view.replica || acts),
            unfit: self.unfit(),
            halted: view.halted,
            open: view.phase == Phase::Open,
            l1_answers: archiver.fault.is_none() && archiver.l1_head.as_ref().is_some_and(|head| !stale(head.timestamp)),
        };
        // A slot is worked from one L1 slot before it.
        let slots = [schedule.slot_at(now), schedule.slot_at(now.saturating_add(schedule.ethereum_slot_duration))];
        let slots: BTreeSet<Slot> = slots.into_iter().flatten().collect();
        if self.next.is_none() && look.open {
            // Slots that had begun before the cluster was open were never its own.
            self.next = slots.last().and_then(|slot| slot.next());
        }
        for slot in slots {
            self.seen.look(slot, &look);
        }
    }

    /// What makes this replica unable to lead, if something does.
    fn unfit(&self) -> Option<String> {
        let section = self.sources.leadership.borrow();
        let own = section.replicas.iter().find(|replica| replica.id == self.sources.log.replica())?;
        (own.class == Some(FitnessWord::Unable)).then(|| own.reasons.join("; "))
    }

    /// Judges one slot, if the next one is over and L1 read past its end.
    async fn judge_next(&mut self, archiver: &ArchiverView) -> anyhow::Result<Result<(), L1Error>> {
        let (Some(next), schedule) = (self.next, self.sources.chain.l1.schedule()) else { return Ok(Ok(())) };
        let Some(current) = schedule.slot_at(now()) else { return Ok(Ok(())) };
        // After a long absence the log and L1's answers about it are gone.
        let slot = next.max(current.saturating_sub(JUDGED_BACK));
        let settled = schedule.slot_end(slot).saturating_add(SETTLING_L1_SLOTS * schedule.ethereum_slot_duration);
        let is_read = archiver.synced_at.as_ref().is_some_and(|head| head.timestamp >= schedule.slot_end(slot));
        if now() < settled || !is_read || archiver.fault.is_some() {
            return Ok(Ok(()));
        }
        let facts = match self.facts(slot, archiver).await {
            Ok(facts) => facts,
            Err(error) => return Ok(Err(error)),
        };
        let missed = judge(&facts);
        if facts.signers.is_some()
            && let Some(duty) = facts.lost_to_reorg()
        {
            self.landed.insert(slot, duty);
        }
        self.record(slot, missed)?;
        self.seen.forget(slot);
        self.next = slot.next();
        Ok(Ok(()))
    }

    async fn facts(&self, slot: Slot, archiver: &ArchiverView) -> Result<SlotFacts, L1Error> {
        let Sources { log, chain: Chain { l1, keystore, .. }, .. } = &self.sources;
        let (proposer, committee) = (l1.proposer(slot).await?, l1.committee(slot).await?);
        let view = log.view();
        Ok(SlotFacts {
            slot,
            replica: log.replica(),
            proposer,
            committee,
            keys: keystore.attesters().map(|entry| entry.address).collect(),
            standings: log.attesters().into_iter().collect(),
            floor: view.floor,
            closed: log.closed(),
            bound: log.duties_in_slot(slot).into_iter().collect(),
            signers: self.signers(slot, archiver),
            seen: self.seen.of(slot),
        })
    }

    /// Who signed the checkpoint that L1 holds for `slot`; `None` if it holds none.
    fn signers(&self, slot: Slot, archiver: &ArchiverView) -> Option<Vec<alloy_primitives::Address>> {
        let mut number = archiver.tip.checkpoint;
        loop {
            let checkpoint = self.sources.chain.archiver.checkpoint(number).ok().flatten()?;
            match checkpoint.slot().cmp(&slot) {
                std::cmp::Ordering::Greater => number = number.previous()?,
                std::cmp::Ordering::Equal => return Some(checkpoint.signers),
                std::cmp::Ordering::Less => return None,
            }
        }
    }

    /// Slots of ours that had landed and that L1 holds no more.
    fn taken_back(&mut self, archiver: &ArchiverView) -> anyhow::Result<()> {
        let tip = Some(archiver.tips.checkpointed.checkpoint_hash);
        if self.compared == tip {
            return Ok(());
        }
        self.compared = tip;
        let gone: Vec<Slot> = self.landed.keys().copied().filter(|slot| self.signers(*slot, archiver).is_none()).collect();
        for slot in gone {
            if let Some(duty) = self.landed.remove(&slot) {
                self.record(slot, vec![duty])?;
            }
        }
        let keep = usize::try_from(JUDGED_BACK).unwrap_or(usize::MAX);
        while self.landed.len() > keep {
            self.landed.pop_first();
        }
        Ok(())
    }

    fn record(&mut self, slot: Slot, missed: Vec<MissedDuty>) -> anyhow::Result<()> {
        for duty in &missed {
            let MissedDuty { kind, attesters, reason, detail, .. } = duty;
            if *reason == MissReason::LedElsewhere {
                tracing::debug!(%slot, ?kind, ?reason, detail, "duty missed");
            } else {
                tracing::warn!(%slot, ?kind, attesters = attesters.len(), ?reason, detail, "duty missed");
            }
            metrics::counter!("ollin_duties_missed_total", "reason" => judge::word(*reason)).increment(1);
        }
        self.book.record(slot, missed)?;
        self.feed.send_replace(Arc::new(self.book.view(self.sources.log.replica())));
        Ok(())
    }
}

/// Wall clock, seconds since the Unix epoch. It decides when a slot is judged, never what may be signed.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
