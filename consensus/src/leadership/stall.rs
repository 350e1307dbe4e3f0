//! A leader whose disk hangs gives its leadership to one whose disk does not.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::log::SigningLog;
use crate::runtime;

/// Pause before another try.
const AGAIN: Duration = Duration::from_millis(500);

/// Hands over whenever the watchdog finds the disk stalled while this replica leads; until `stop`.
pub(crate) async fn hand_over_when_stalled(log: SigningLog, stop: CancellationToken) {
    let mut stalled = log.inner().shared.leadership.stalled();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            seen = stalled.wait_for(|stalled| *stalled) => if seen.is_err() { return },
        }
        if log.leaderless().is_none()
            && let Some(to) = log.best_successor()
            && let Err(error) = log.hand_over_by_fitness(to).await
        {
            tracing::error!(%error, "leadership stays with a replica whose disk does not answer");
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = runtime::sleep(AGAIN) => {}
        }
    }
}
