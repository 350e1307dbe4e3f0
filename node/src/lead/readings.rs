//! What this replica reports of itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::statvfs::statvfs;
use ollin_archiver::ArchiverView;
use ollin_consensus::fitness::{Leaving, Report};
use ollin_l1::L1;
use tokio::sync::watch;

use crate::chain::Chain;

/// How often the disk's free space is read.
const DISK_EVERY: Duration = Duration::from_secs(5);

/// Reads L1's endpoints, the archiver, the clock and the disk.
pub(super) struct Readings {
    /// L1 and what was read of it; a witness may read nothing.
    chain: Option<(L1, watch::Receiver<Arc<ArchiverView>>)>,
    directory: PathBuf,
    head: Option<u64>,
    head_delay_ms: Option<i64>,
    disk_free: Option<u64>,
    disk_read: Option<Instant>,
}

impl Readings {
    pub(super) fn new(chain: Option<&Chain>, directory: PathBuf) -> Self {
        let chain = chain.map(|chain| (chain.l1.clone(), chain.archiver.view()));
        Self { chain, directory, head: None, head_delay_ms: None, disk_free: None, disk_read: None }
    }

    /// Waits until the archiver has looked at L1 again.
    pub(super) async fn changed(&mut self) {
        let changed = match &mut self.chain {
            Some((_, archiver)) => archiver.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            // There is none, or it ended: then the supervisor ends the process.
            std::future::pending::<()>().await;
        }
    }

    /// The report of now.
    pub(super) fn report(&mut self, leaving: Leaving) -> Report {
        if self.disk_read.is_none_or(|read| read.elapsed() >= DISK_EVERY) {
            self.disk_read = Some(Instant::now());
            self.disk_free = free_bytes(&self.directory);
        }
        let own = Report { can_grant: true, leaving, disk_free: self.disk_free, ..Report::default() };
        let Some((l1, archiver)) = &mut self.chain else { return own };
        let view = Arc::clone(&archiver.borrow_and_update());
        if let Some(head) = &view.l1_head {
            let number = head.number.get();
            // The first head may be old; each further one was made a moment ago, and tells of the clock.
            if self.head.is_some_and(|known| known < number) {
                self.head_delay_ms = Some(delay_ms(head.timestamp));
            }
            self.head = self.head.max(Some(number));
        }
        let endpoints = l1.endpoints();
        let count = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        Report {
            l1_endpoints: count(endpoints.len()),
            l1_endpoints_up: count(endpoints.iter().filter(|endpoint| endpoint.healthy).count()),
            l1_head: view.l1_head.as_ref().map(|head| head.number.get()),
            l1_head_delay_ms: self.head_delay_ms,
            archiver_block: view.synced_at.as_ref().map(|head| head.number.get()),
            archiver_fault: view.fault.is_some(),
            ..own
        }
    }
}

fn delay_ms(timestamp_s: u64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    i64::try_from(now).unwrap_or(i64::MAX).saturating_sub_unsigned(timestamp_s.saturating_mul(1000))
}

fn free_bytes(directory: &PathBuf) -> Option<u64> {
    let stat = statvfs(directory).inspect_err(|error| tracing::warn!(%error, "free disk space cannot be read")).ok()?;
    Some(stat.blocks_available().saturating_mul(stat.fragment_size()))
}
