//! How long the log's syncs take, and how long the one under way has taken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::leadership::Samples;
use crate::runtime;

/// Written by the sync thread, read by the watchdog and by status.
#[derive(Clone, Debug, Default)]
pub(crate) struct SyncClock {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    since: Option<Instant>,
    samples: Samples,
}

impl SyncClock {
    pub(crate) fn begin(&self) {
        self.inner.lock().since = Some(runtime::now());
    }

    /// Returns how long it took.
    pub(super) fn end(&self) -> Duration {
        let mut inner = self.inner.lock();
        let took = inner.since.take().map(runtime::elapsed).unwrap_or_default();
        inner.samples.add(took);
        took
    }

    /// Age of the sync under way. Whoever waits behind it waits for it: it is the oldest.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.inner.lock().since.map(runtime::elapsed)
    }

    /// The median of the latest ones.
    pub(crate) fn median(&self) -> Option<Duration> {
        self.inner.lock().samples.median()
    }
}
