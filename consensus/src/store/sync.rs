//! Group commit: one thread, or one task of a simulation, syncs the write-ahead log for everybody who waits.

use std::sync::Arc;
use std::thread;

use ollin_guard::{Fault, planted};
use openraft::storage::IOFlushed;
use tokio::sync::{mpsc, oneshot};

use super::database::Database;
use super::durable::Durable;
use super::error::StoreError;
use super::sync_clock::SyncClock;
use crate::failpoint;
use crate::raft::Raft;
use crate::recovery::Promise;
use crate::runtime;

/// Requests that may wait for one sync.
const CAPACITY: usize = 1024;

/// What to do when the disk refuses to be synced. It must not return to a state in which the replica acts.
pub type Fatal = fn(&str);

/// The way to the syncing thread or task. It ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct SyncQueue {
    sender: mpsc::Sender<Waiter>,
    clock: SyncClock,
}

/// Somebody whose writes must be durable before they go on.
enum Waiter {
    Append(IOFlushed<Raft>),
    Barrier(oneshot::Sender<()>),
}

/// Nobody syncs any more: the process is ending.
#[derive(Debug, thiserror::Error)]
#[error("the sync queue has ended")]
pub(crate) struct SyncEnded;

impl SyncQueue {
    pub(crate) fn start(database: Arc<Database>, durable: Durable, fatal: Fatal) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let clock = SyncClock::default();
        let timed = clock.clone();
        if database.flush_in_task().is_some() {
            // Ends with the queue, as the thread does.
            drop(runtime::spawn(run_in_task(database, durable, receiver, timed, fatal)));
        } else {
            let run = move || run_on_thread(&database, &durable, receiver, &timed, fatal);
            thread::Builder::new().name("raft-sync".to_owned()).spawn(run)?;
        }
        Ok(Self { sender, clock })
    }

    /// Completes `callback` once everything written so far is durable. Returns before that.
    pub(crate) async fn append(&self, callback: IOFlushed<Raft>) -> Result<(), SyncEnded> {
        if planted(Fault::SyncSkipped) {
            callback.io_completed(Ok(()));
            return Ok(());
        }
        self.sender.send(Waiter::Append(callback)).await.map_err(|_| SyncEnded)
    }

    /// How long syncs take.
    pub(crate) fn clock(&self) -> SyncClock {
        self.clock.clone()
    }

    /// Returns once everything written so far is durable.
    pub(crate) async fn barrier(&self) -> Result<(), SyncEnded> {
        let (done, wait) = oneshot::channel();
        self.sender.send(Waiter::Barrier(done)).await.map_err(|_| SyncEnded)?;
        wait.await.map_err(|_| SyncEnded)
    }
}

fn run_on_thread(database: &Database, durable: &Durable, mut receiver: mpsc::Receiver<Waiter>, clock: &SyncClock, fatal: Fatal) {
    while let Some(first) = receiver.blocking_recv() {
        let waiters = gather(first, &mut receiver);
        let written = durable.written();
        clock.begin();
        failpoint::hold("log-sync");
        let flushed = database.flush();
        metrics::histogram!("ollin_log_sync_seconds").record(clock.end());
        if !release(flushed, durable, written, waiters, fatal) {
            return;
        }
    }
}

async fn run_in_task(
    database: Arc<Database>,
    durable: Durable,
    mut receiver: mpsc::Receiver<Waiter>,
    clock: SyncClock,
    fatal: Fatal,
) {
    while let Some(first) = receiver.recv().await {
        let waiters = gather(first, &mut receiver);
        let written = durable.written();
        let Some(flushed) = database.flush_in_task() else { return };
        clock.begin();
        let flushed = flushed.await;
        clock.end();
        if !release(flushed, &durable, written, waiters, fatal) {
            return;
        }
    }
}

/// Everybody who waits now: one sync serves them all.
fn gather(first: Waiter, receiver: &mut mpsc::Receiver<Waiter>) -> Vec<Waiter> {
    let mut waiters = vec![first];
    while waiters.len() < CAPACITY {
        let Ok(next) = receiver.try_recv() else { break };
        waiters.push(next);
    }
    waiters
}

/// A failed sync is never retried: the kernel may have dropped the dirty pages, and a second sync would report success over a
/// hole. The process ends, and what was not acknowledged was never promised.
fn release(flushed: Result<(), StoreError>, durable: &Durable, written: Promise, waiters: Vec<Waiter>, fatal: Fatal) -> bool {
    if let Err(error) = flushed
        && !planted(Fault::FailedSyncIgnored)
    {
        fatal(&format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()));
        return false;
    }
    if let Err(error) = durable.synced(written) {
        fatal(&format!("the local anchor is stale, and can neither be written nor removed: {error}"));
        return false;
    }
    for waiter in waiters {
        match waiter {
            Waiter::Append(callback) => callback.io_completed(Ok(())),
            // A caller that no longer waits has nothing to learn.
            Waiter::Barrier(done) => drop(done.send(())),
        }
    }
    true
}

/// Ends the process: after a failed sync, or during one that does not end, nothing in it may be believed.
pub(crate) fn abort_process(reason: &str) {
    tracing::error!(reason, "the store cannot be synced: aborting");
    std::process::abort();
}
