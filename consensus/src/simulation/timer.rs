//! Deadlines on the simulated clock.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use parking_lot::Mutex;

/// Who waits for which time; equal times in the order in which they were asked for.
#[derive(Clone, Debug)]
pub(super) struct Timers {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    now: Instant,
    next: u64,
    waiting: BTreeMap<(Instant, u64), Waker>,
}

/// Ends at its deadline on the simulated clock.
#[derive(Debug)]
pub struct Sleep {
    deadline: Instant,
    timers: Timers,
    registered: Option<u64>,
}

impl Timers {
    pub(super) fn new(now: Instant) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { now, next: 0, waiting: BTreeMap::new() })) }
    }

    pub(super) fn now(&self) -> Instant {
        self.inner.lock().now
    }

    pub(super) fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep { deadline, timers: self.clone(), registered: None }
    }

    /// Moves the clock to the next deadline that is not after `limit`, or to `limit`, and wakes who waited. False at `limit`.
    pub(super) fn advance(&self, limit: Instant) -> bool {
        let mut woken = Vec::new();
        {
            let mut inner = self.inner.lock();
            let Some(next) = inner.waiting.keys().next().map(|(deadline, _)| *deadline).filter(|next| *next <= limit) else {
                inner.now = inner.now.max(limit);
                return false;
            };
            inner.now = inner.now.max(next);
            while let Some(first) = inner.waiting.first_entry()
                && first.key().0 <= next
            {
                woken.push(first.remove());
            }
        }
        woken.into_iter().for_each(Waker::wake);
        true
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let timers = self.timers.clone();
        let mut inner = timers.inner.lock();
        if inner.now >= self.deadline {
            return Poll::Ready(());
        }
        let id = *self.registered.get_or_insert_with(|| {
            inner.next += 1;
            inner.next
        });
        inner.waiting.insert((self.deadline, id), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.registered {
            self.timers.inner.lock().waiting.remove(&(self.deadline, id));
        }
    }
}
