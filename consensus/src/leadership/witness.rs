//! A witness that was elected gives leadership to a full replica (safety rule R11).

use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use tokio_util::sync::CancellationToken;

use crate::log::SigningLog;
use crate::membership::MemberKind;
use crate::runtime;

/// Pause before another look while it leads: its successor may still lack entries.
const AGAIN: Duration = Duration::from_millis(20);

/// Hands over whenever this replica leads as a witness; until `stop`.
pub(crate) async fn hand_over_as_witness(log: SigningLog, stop: CancellationToken) {
    let mut metrics = log.inner().raft.metrics();
    loop {
        let own = log.inner().shared.me.replica;
        let member = metrics.borrow_and_update().membership_config.membership().get_node(&own).cloned();
        let is_witness = log.is_witness() || member.is_some_and(|member| member.kind == MemberKind::Witness);
        let leads = is_witness && log.leaderless().is_none();
        // Not before the successor holds what this replica holds: that is what it was elected for.
        if leads
            && let Some(to) = log.best_successor()
            && log.peers().iter().any(|peer| peer.id == to && peer.lag == Some(0))
        {
            tracing::info!(%to, "a witness was elected: it hands over");
            if let Err(error) = log.hand_over(to).await {
                tracing::warn!(%error, "a witness still leads");
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = metrics.changed(), if !leads => if changed.is_err() { return },
            () = runtime::sleep(AGAIN), if leads => {}
        }
    }
}
