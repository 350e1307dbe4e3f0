//! The publisher's loop of a process, around the real one's decisions: a claimed bundle goes to L1 by recorded attempts only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ollin_consensus::simulation::{ProcessId, World};
use ollin_consensus::{
    AttemptContent, AttemptError, AttemptGrant, AttemptRequest, CommandError, Outcome, PublisherState, SigningLog,
};
use ollin_guard::{Duty, DutyKind};
use ollin_protocol::units::Slot;
use ollin_publisher::decide::{Action, Facts, decide};
use ollin_publisher::fees::{AboveCap, FeeCaps, Market, next_fees};

use super::duties::{Site, pause};
use super::host::{L1_SLOT, schedule, slot_at, timestamp};
use super::l1::{Head, PUBLISHER, transaction_hash};
use super::network::world;
use super::story::Event;

/// Pause between looks.
const TICK: Duration = Duration::from_millis(100);
/// Every so many looks what was mined is followed, and lines are advanced.
const LOOKS_PER_SETTLING: u64 = 5;
/// How long a command may take before its outcome counts as unknown.
const COMMAND: Duration = Duration::from_millis(400);
/// L1 time without inclusion after which an attempt is bumped.
const STALL: Duration = Duration::from_millis(400);
/// Attempts of one slot at one nonce.
const MAX_ATTEMPTS: usize = 4;
/// Looks without a receipt of ours at a spent nonce before it counts as a foreign spend.
const FOREIGN_AFTER_LOOKS: u32 = 30;
const MARKET: Market = Market { base_fee_wei: 100, blob_base_fee_wei: 3, priority_fee_wei: 10 };

/// What a process knows of its sendings. All of it can be made again from the log.
pub(super) struct Publisher {
    site: Arc<Site>,
    log: SigningLog,
    /// L1 time at which this process last sent an attempt, by nonce and number.
    sent_at: BTreeMap<(u64, u32), u64>,
    unresolved: u32,
    looks: u64,
    /// The slot up to which it last asked to drop payloads.
    dropped: Option<Slot>,
}

/// Why a look came to nothing; the next one tries again.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Fees(#[from] AboveCap),
    #[error("L1 does not answer")]
    L1Gone,
}

impl Publisher {
    pub(super) fn new(site: Arc<Site>, log: SigningLog) -> Self {
        Self { site, log, sent_at: BTreeMap::new(), unresolved: 0, looks: 0, dropped: None }
    }

    pub(super) async fn run(mut self) {
        loop {
            pause(TICK).await;
            if self.log.role().borrow().active_term().is_none() {
                continue;
            }
            // What comes to nothing is tried again at the next look.
            drop(self.publish().await);
            self.looks += 1;
            if self.looks.is_multiple_of(LOOKS_PER_SETTLING) {
                drop(self.settle().await);
            }
        }
    }

    /// One look at the slot of the next L1 block.
    async fn publish(&mut self) -> Result<(), StepError> {
        let head = self.site.l1.head(self.site.host).ok_or(StepError::L1Gone)?;
        let now = self.site.clock.now(&world());
        let slot = slot_at((head.at + L1_SLOT).max(now));
        let Some(duty) = self.bundle(slot) else { return Ok(()) };
        if self.site.l1.tip(self.site.host).is_some_and(|tip| tip >= slot) {
            return Ok(());
        }
        let state = self.log.publisher_state(PUBLISHER);
        let count = self.site.l1.count(self.site.host).ok_or(StepError::L1Gone)?;
        let open_nonce = state.open.first().map(|attempt| attempt.request.nonce);
        let newest = state.open.last();
        let schedule = schedule();
        let facts = Facts {
            slot,
            open: &state.open,
            spent: open_nonce.is_some_and(|nonce| count > nonce),
            sent_at: newest.and_then(|attempt| self.sent_at.get(&(attempt.request.nonce, attempt.number))).copied(),
            head_time: timestamp(head.at),
            slot_start: schedule.slot_start(slot),
            slot_end: schedule.slot_end(slot),
            now: timestamp(now),
            l1_slot_duration: schedule.ethereum_slot_duration,
            stall: u64::try_from(STALL.as_millis()).unwrap_or(u64::MAX),
            max_attempts: MAX_ATTEMPTS,
        };
        match (decide(&facts), newest) {
            (Action::Wait | Action::SlotOver, _) | (Action::Send, None) => Ok(()),
            (Action::Resolve, _) => self.resolve(&state).await,
            (Action::Record, _) => {
                let nonce = open_nonce.or(state.next_nonce).unwrap_or(count);
                let grant = self.record(duty, nonce, &state).await?;
                self.send(head, grant);
                Ok(())
            }
            (Action::Send, Some(newest)) => {
                let grant = self.log.reissue_attempt(PUBLISHER, newest.request.nonce, newest.number).await?;
                self.send(head, grant);
                Ok(())
            }
        }
    }

    fn bundle(&self, slot: Slot) -> Option<Duty> {
        self.log.duties_in_slot(slot).into_iter().find(|duty| duty.kind == DutyKind::AttestationsAndSigners)
    }

    async fn record(&self, duty: Duty, nonce: u64, state: &PublisherState) -> Result<AttemptGrant, StepError> {
        let at_nonce = state.open.iter().filter(|attempt| attempt.request.nonce == nonce);
        let earlier: Vec<_> = at_nonce.map(|attempt| attempt.request.fees).collect();
        let request = AttemptRequest {
            slot: duty.slot,
            publisher: PUBLISHER,
            nonce,
            content: AttemptContent::Bundle { duty },
            gas_limit: 1,
            fees: next_fees(&MARKET, &earlier, &FeeCaps::default())?,
        };
        Ok(self.log.record_attempt(request, deadline()).await?)
    }

    /// The outlet: from here on L1 may see it, whenever and in whatever order.
    fn send(&mut self, head: Head, grant: AttemptGrant) {
        let attempt = *grant.attempt();
        let world = world();
        // A pause may lie between the record and this line: a transaction of a past slot is never started.
        if timestamp(self.site.clock.now(&world)) >= schedule().slot_end(attempt.request.slot) {
            return;
        }
        self.sent_at.insert((attempt.request.nonce, attempt.number), timestamp(head.at));
        self.site.tell(Event::Sent { host: self.site.host, attempt });
        let l1 = self.site.l1.clone();
        let way = Duration::from_micros(world.below(u64::try_from(l1.way().as_micros()).unwrap_or(u64::MAX)));
        drop(world.spawn_in(ProcessId::default(), async move {
            pause(way).await;
            if let Some(world) = World::current() {
                l1.arrive(&world, attempt);
            }
        }));
    }

    /// Finds out which attempt was mined at a spent nonce, and records it.
    async fn resolve(&mut self, state: &PublisherState) -> Result<(), StepError> {
        let Some(nonce) = state.open.first().map(|attempt| attempt.request.nonce) else { return Ok(()) };
        for attempt in state.open.iter().rev().filter(|attempt| attempt.request.nonce == nonce) {
            let tx_hash = transaction_hash(attempt);
            let Some(receipt) = self.site.l1.receipt(self.site.host, tx_hash) else { continue };
            self.unresolved = 0;
            let (l1_block, l1_block_hash) = (receipt.block, receipt.block_hash);
            let mined = Outcome::Mined { publisher: PUBLISHER, nonce, tx_hash, l1_block, l1_block_hash };
            return Ok(self.log.record_outcome(mined, deadline()).await?);
        }
        self.unresolved += 1;
        if self.unresolved >= FOREIGN_AFTER_LOOKS {
            self.unresolved = 0;
            self.log.record_outcome(Outcome::ForeignSpend { publisher: PUBLISHER, nonce }, deadline()).await?;
        }
        Ok(())
    }

    /// Follows what was mined until it is final, open nonces that no slot looks after, and lets go of final payloads.
    async fn settle(&mut self) -> Result<(), StepError> {
        let (l1, host) = (self.site.l1.clone(), self.site.host);
        let count = l1.count(host).ok_or(StepError::L1Gone)?;
        let finalized = l1.finalized(host).ok_or(StepError::L1Gone)?;
        let state = self.log.publisher_state(PUBLISHER);
        if state.open.first().is_some_and(|open| count > open.request.nonce) {
            self.resolve(&state).await?;
        }
        for mined in &state.mined {
            let nonce = mined.nonce;
            let outcome = match l1.receipt(host, mined.at.tx_hash) {
                Some(receipt) if receipt.block.get() <= finalized.number => Outcome::Settled { publisher: PUBLISHER, nonce },
                None if count <= nonce => Outcome::Reorged { publisher: PUBLISHER, nonce },
                Some(_) | None => continue,
            };
            self.log.record_outcome(outcome, deadline()).await?;
        }
        // What an open or unsettled attempt carries is needed.
        let unsettled = state.mined.iter().flat_map(|mined| &mined.attempts);
        let needed = state.open.iter().chain(unsettled).map(|attempt| attempt.request.slot).min();
        let line =
            slot_at(finalized.at).previous().map(|line| needed.and_then(Slot::previous).map_or(line, |needed| needed.min(line)));
        if line > self.dropped {
            self.log.drop_payloads(line.unwrap_or_default(), deadline()).await?;
            self.dropped = line;
        }
        Ok(())
    }
}

fn deadline() -> Instant {
    world().now() + COMMAND
}
