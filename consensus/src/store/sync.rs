//! Group commit: one thread syncs the write-ahead log for everybody who waits.

use std::sync::Arc;
use std::thread;

use openraft::storage::IOFlushed;
use tokio::sync::{mpsc, oneshot};

use super::database::Database;
use crate::raft::Raft;

/// Requests that may wait for one sync.
const CAPACITY: usize = 1024;

/// What to do when the disk refuses to be synced. It must not return to a state in which the replica acts.
pub(crate) type Fatal = fn(&str);

/// The way to the sync thread. The thread ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct SyncQueue {
    sender: mpsc::Sender<Waiter>,
}

/// Somebody whose writes must be durable before they go on.
enum Waiter {
    Append(IOFlushed<Raft>),
    Barrier(oneshot::Sender<()>),
}

/// The sync thread is gone: the process is ending.
#[derive(Debug, thiserror::Error)]
#[error("the sync thread has ended")]
pub(crate) struct SyncEnded;

impl SyncQueue {
    pub(crate) fn start(database: Arc<Database>, fatal: Fatal) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        thread::Builder::new().name("raft-sync".to_owned()).spawn(move || run(&database, receiver, fatal))?;
        Ok(Self { sender })
    }

    /// Completes `callback` once everything written so far is durable. Returns before that.
    pub(crate) async fn append(&self, callback: IOFlushed<Raft>) -> Result<(), SyncEnded> {
        self.sender.send(Waiter::Append(callback)).await.map_err(|_| SyncEnded)
    }

    /// Returns once everything written so far is durable.
    pub(crate) async fn barrier(&self) -> Result<(), SyncEnded> {
        let (done, wait) = oneshot::channel();
        self.sender.send(Waiter::Barrier(done)).await.map_err(|_| SyncEnded)?;
        wait.await.map_err(|_| SyncEnded)
    }
}

/// A failed sync is never retried: the kernel may have dropped the dirty pages, and a second sync would report success over a
/// hole. The process ends, and what was not acknowledged was never promised.
fn run(database: &Database, mut receiver: mpsc::Receiver<Waiter>, fatal: Fatal) {
    let mut waiters = Vec::new();
    while let Some(first) = receiver.blocking_recv() {
        waiters.push(first);
        while waiters.len() < CAPACITY {
            let Ok(next) = receiver.try_recv() else { break };
            waiters.push(next);
        }
        let started = std::time::Instant::now();
        if let Err(error) = database.flush() {
            fatal(&format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()));
            return;
        }
        metrics::histogram!("ollin_log_sync_seconds").record(started.elapsed());
        for waiter in waiters.drain(..) {
            match waiter {
                Waiter::Append(callback) => callback.io_completed(Ok(())),
                // A caller that no longer waits has nothing to learn.
                Waiter::Barrier(done) => drop(done.send(())),
            }
        }
    }
}

/// Ends the process: after a failed sync nothing in it may be believed.
pub(crate) fn abort_process(reason: &str) {
    tracing::error!(reason, "the store cannot be synced: aborting");
    std::process::abort();
}
