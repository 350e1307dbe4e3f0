//! A log that does not reach the disk: noticed by a thread of its own, for everything else may hang with it.

use std::thread;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::Leadership;
use crate::runtime;
use crate::store::{Fatal, SyncClock};

/// A sync that takes longer stops this replica's grants, and its leadership.
const STALLED: Duration = Duration::from_secs(1);
/// And longer: the process ends. Its supervisor starts another one, and the kernel says what became of the disk.
const LOST: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);

/// What the age of the oldest unfinished sync means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Well,
    Stalled,
    Lost,
}

fn verdict(age: Option<Duration>) -> Verdict {
    match age {
        Some(age) if age > LOST => Verdict::Lost,
        Some(age) if age > STALLED => Verdict::Stalled,
        Some(_) | None => Verdict::Well,
    }
}

/// Looks at the log's syncs.
pub(crate) struct Watchdog {
    pub(crate) clock: SyncClock,
    pub(crate) leadership: Leadership,
    pub(crate) fatal: Fatal,
    pub(crate) stop: CancellationToken,
}

impl Watchdog {
    /// Starts looking, until `stop`: on a thread of its own, or in the returned task where the simulation has no threads.
    pub(crate) fn start(self, in_task: bool) -> std::io::Result<BoxFuture<'static, ()>> {
        if in_task {
            return Ok(Box::pin(async move {
                loop {
                    tokio::select! {
                        biased;
                        () = self.stop.cancelled() => return,
                        () = runtime::sleep(LOOK) => if !self.look() { return },
                    }
                }
            }));
        }
        let run = move || {
            while !self.stop.is_cancelled() && self.look() {
                thread::sleep(LOOK);
            }
        };
        thread::Builder::new().name("raft-watchdog".to_owned()).spawn(run)?;
        Ok(Box::pin(std::future::ready(())))
    }

    /// One look; whether to go on.
    fn look(&self) -> bool {
        let age = self.clock.age();
        let verdict = verdict(age);
        let changed = self.leadership.inner.stalled.send_if_modified(|stalled| {
            let changed = *stalled != (verdict != Verdict::Well);
            *stalled = verdict != Verdict::Well;
            changed
        });
        let age_ms = age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        match verdict {
            Verdict::Well if changed => tracing::warn!("the log is synced again: this replica may grant"),
            Verdict::Stalled if changed => {
                metrics::counter!("ollin_log_sync_stalls_total").increment(1);
                tracing::error!(age_ms, "a sync of the log does not end: this replica grants nothing and gives up leadership");
            }
            Verdict::Lost => {
                (self.fatal)(&format!("a sync of the log has not ended for {age_ms} ms; look at the disk and its controller"));
                return false;
            }
            Verdict::Well | Verdict::Stalled => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_stops_grants_and_ten_end_the_process() {
        assert_eq!(verdict(None), Verdict::Well);
        assert_eq!(verdict(Some(Duration::from_secs(1))), Verdict::Well);
        assert_eq!(verdict(Some(Duration::from_millis(1_001))), Verdict::Stalled);
        assert_eq!(verdict(Some(Duration::from_millis(10_001))), Verdict::Lost);
    }
}
