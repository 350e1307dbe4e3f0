//! One task of the simulation.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::world::ProcessId;

/// Ids of tasks that can run, sorted: the world draws from them, and the order in which a channel wakes its waiters, which tokio
/// draws from a generator of its own, makes no difference.
pub(super) type Ready = Arc<Mutex<BTreeSet<u64>>>;

/// A future on its way.
pub(super) struct Task {
    pub(super) process: ProcessId,
    pub(super) future: BoxFuture<'static, ()>,
    pub(super) wake: Arc<TaskWake>,
}

/// Puts a task among the ready ones, once.
pub(super) struct TaskWake {
    id: u64,
    queued: AtomicBool,
    ready: Ready,
}

/// The end of a task: its output, or `None` if it panicked or was killed.
#[derive(Debug)]
pub struct Joined<T> {
    output: oneshot::Receiver<T>,
}

impl Task {
    /// A task that is ready to run, and its end.
    pub(super) fn new<F>(id: u64, process: ProcessId, ready: &Ready, future: F) -> (Self, Joined<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (done, output) = oneshot::channel();
        let future = Box::pin(async move {
            // Nobody has to wait for it.
            drop(done.send(future.await));
        });
        let wake = Arc::new(TaskWake { id, queued: AtomicBool::new(false), ready: Arc::clone(ready) });
        wake.wake_by_ref();
        (Self { process, future, wake }, Joined { output })
    }

    pub(super) fn poll(&mut self) -> Poll<()> {
        self.wake.queued.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.wake));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

impl Wake for TaskWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.lock().insert(self.id);
        }
    }
}

impl<T> Future for Joined<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.output).poll(context).map(Result::ok)
    }
}
