//! The loop that follows L1.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ollin_l1::{L1, L1Head};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::error::ArchiverError;
use crate::record::StoreBinding;
use crate::store::Store;
use crate::sync::Synchronizer;
use crate::view::{ArchiverHandle, ArchiverView};

/// Pause between looks at L1. Source: npm @aztec/archiver 4.1.2, `ARCHIVER_POLLING_INTERVAL_MS`.
const POLL: Duration = Duration::from_millis(500);
/// The same where L1 blocks come every second or two: half a second would be half a block.
const POLL_FAST: Duration = Duration::from_millis(200);
/// L1 slots up to this many seconds count as fast.
const FAST_L1_SLOT: u64 = 2;

/// How many L1 slots a head below the one that was read is not believed: an endpoint that is behind looks like a reorg.
const LOWER_HEAD_L1_SLOTS: u64 = 2;

/// Follows L1. Owns the store; others read through an [`ArchiverHandle`].
#[derive(Debug)]
pub struct Archiver {
    synchronizer: Synchronizer,
    l1: L1,
    store: Arc<Store>,
    view: watch::Sender<Arc<ArchiverView>>,
    poll: Duration,
    /// Since when L1's head has been below the one that was read.
    lower_since: Option<Instant>,
}

impl Archiver {
    /// Opens the store in `directory`, or creates it, for the rollup that `l1` found.
    ///
    /// # Errors
    /// [`ArchiverError`]: in use, of another rollup, or damaged.
    pub fn open(directory: &Path, l1: L1) -> Result<Self, ArchiverError> {
        let constants = l1.constants();
        let binding = StoreBinding {
            chain_id: constants.chain_id,
            rollup: l1.contracts().rollup,
            rollup_version: constants.rollup_version,
            genesis_archive_root: constants.genesis_archive_root,
        };
        let store = Arc::new(Store::open(directory, &binding)?);
        let synchronizer = Synchronizer::new(l1.clone(), store.clone())?;
        let view = watch::Sender::new(Arc::new(ArchiverView::new(synchronizer.tip().clone())));
        let poll = if l1.schedule().ethereum_slot_duration <= FAST_L1_SLOT { POLL_FAST } else { POLL };
        Ok(Self { synchronizer, l1, store, view, poll, lower_since: None })
    }

    /// Looks at L1 this often instead of the default (500 ms, or 200 ms where L1 blocks come every one or two seconds).
    #[must_use]
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.poll = interval;
        self
    }

    /// A reader of this archiver.
    pub fn handle(&self) -> ArchiverHandle {
        ArchiverHandle { store: self.store.clone(), view: self.view.subscribe() }
    }

    /// Follows L1 until `shutdown`. A pass that was begun is dropped at its next wait: the store holds whole checkpoints only.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(self.poll);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = tick.tick() => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.look() => {}
            }
        }
    }

    /// One look at L1, and a pass if there is something new.
    async fn look(&mut self) {
        let seen = self.view.borrow().clone();
        let head = match self.l1.head().await {
            Ok(head) => head,
            Err(error) => return self.publish_error(&seen, seen.l1_head, error.to_string()),
        };
        let is_done = seen.synced_at.is_some_and(|synced| synced.hash == head.hash) && seen.last_error.is_none();
        if is_done {
            return;
        }
        if let Some(read) = seen.synced_at.filter(|read| read.number > head.number)
            && self.is_too_early_for_lower_head()
        {
            let error = format!("L1 endpoint is behind: its head is {}, {} was read before", head.number, read.number);
            return self.publish_error(&seen, seen.l1_head, error);
        }
        self.lower_since = None;
        match self.synchronizer.pass(&head).await {
            Ok(passed) => {
                let synced_at = if passed.fault.is_none() { Some(head) } else { seen.synced_at };
                report_fault(&seen, passed.fault.as_deref());
                metrics::gauge!("ollin_archiver_checkpoint").set(gauge(passed.tips.checkpointed.checkpoint.get()));
                metrics::gauge!("ollin_archiver_proven_checkpoint").set(gauge(passed.tips.proven.checkpoint.get()));
                metrics::gauge!("ollin_archiver_l1_block").set(gauge(head.number.get()));
                self.view.send_replace(Arc::new(ArchiverView {
                    l1_head: Some(head),
                    synced_at,
                    tips: passed.tips,
                    tip: self.synchronizer.tip().clone(),
                    inbox_in_progress: passed.inbox_in_progress,
                    invalid: passed.invalid,
                    fault: passed.fault,
                    last_error: None,
                }));
            }
            Err(error) => self.publish_error(&seen, Some(head), error.to_string()),
        }
    }

    /// A reorg may lower L1's height, but not for long.
    fn is_too_early_for_lower_head(&mut self) -> bool {
        let since = *self.lower_since.get_or_insert_with(Instant::now);
        let patience = self.l1.schedule().ethereum_slot_duration.saturating_mul(LOWER_HEAD_L1_SLOTS).max(2);
        since.elapsed() < Duration::from_secs(patience)
    }

    /// Keeps what was known, with the reason why it is not newer. The reason is logged when it changes.
    fn publish_error(&self, seen: &ArchiverView, l1_head: Option<L1Head>, error: String) {
        if seen.last_error.as_ref() != Some(&error) {
            tracing::warn!(error, "L1 not read to its head");
        }
        metrics::counter!("ollin_archiver_failed_passes_total").increment(1);
        self.view.send_replace(Arc::new(ArchiverView { l1_head, last_error: Some(error), ..seen.clone() }));
    }
}

fn report_fault(seen: &ArchiverView, fault: Option<&str>) {
    match (seen.fault.as_deref(), fault) {
        (before, Some(now)) if before != Some(now) => tracing::error!(fault = now, "archiver stands still"),
        (Some(before), None) => tracing::info!(fault = before, "archiver goes on: L1 dropped the checkpoint"),
        (_, Some(_)) | (None, None) => {}
    }
}

/// A height as a gauge takes it: whole up to 2^32, which no chain here reaches.
fn gauge(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
