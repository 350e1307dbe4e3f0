//! What the disk and the ways to the other replicas need, when a replica starts.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use ollin_protocol::units::ReplicaId;

use crate::log::SigningLog;
use crate::runtime;
use crate::transport::{Lane, Request};

/// Tries of each measurement. The best counts, for it shows what disk and network can do; how they do on the whole is the status'
/// to tell.
const TRIES: usize = 7;
/// So often all is measured again before timers are refused: a busy host is no slow network.
pub(crate) const ROUNDS: usize = 10;
/// Pause between two rounds.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);
/// A record of the log is about this large.
const RECORD_BYTES: usize = 4096;
const WAIT: Duration = Duration::from_secs(1);
const FILE: &str = "sync-measured";

/// How long a small sync takes on the disk under `directory`; `None` if it cannot be told.
pub(crate) async fn measure_sync(directory: &Path) -> Option<Duration> {
    let path = directory.join(FILE);
    match tokio::task::spawn_blocking(move || syncs(&path)).await {
        Ok(Ok(samples)) => best(samples),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the disk could not be measured");
            None
        }
        Err(_) => None,
    }
}

fn syncs(path: &Path) -> std::io::Result<Vec<Duration>> {
    let mut file = std::fs::File::create(path)?;
    let mut samples = Vec::new();
    for _ in 0..TRIES {
        file.write_all(&[7; RECORD_BYTES])?;
        let started = runtime::now();
        file.sync_data()?;
        samples.push(runtime::elapsed(started));
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok(samples)
}

impl SigningLog {
    /// The round trips to all members that answer.
    pub(crate) async fn measure_round_trips(&self) -> Vec<(ReplicaId, Duration)> {
        let shared = &self.inner().shared;
        let own = shared.me.replica;
        let others = shared.members().into_keys().filter(|id| *id != own);
        let trips = join_all(others.map(|id| async move { (shared.name(id), best(self.trips(id).await)) })).await;
        trips.into_iter().filter_map(|(name, took)| name.zip(took)).collect()
    }

    /// The first call makes the connection, and does not count.
    async fn trips(&self, to: u64) -> Vec<Duration> {
        let mut samples = Vec::new();
        for attempt in 0..=TRIES {
            let started = runtime::now();
            if self.inner().client.call(to, Lane::Heartbeat, Request::Hello, WAIT).await.is_err() {
                break;
            }
            if attempt > 0 {
                samples.push(runtime::elapsed(started));
            }
        }
        samples
    }
}

fn best(samples: Vec<Duration>) -> Option<Duration> {
    samples.into_iter().min()
}
