//! Wall clock and L1 clock.

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::error::DevL1Error;
use crate::rpc::AnvilRpc;

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How far a cached state may lie ahead of the wall clock (somebody set the clock back).
const AHEAD_AT_MOST: Duration = Duration::from_secs(60);
/// Head and wall clock agree within this many seconds once mining runs.
pub(crate) const TOLERANCE_S: u64 = 2;

/// Seconds since 1970 on this machine: the only reading of the wall clock in this crate.
pub(crate) fn unix_now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Looks at a condition until it holds, an error comes, or the time is up.
pub(crate) async fn until<T, F, C>(limit: Duration, condition: &str, mut look: F) -> Result<T, DevL1Error>
where
    F: FnMut() -> C,
    C: Future<Output = Result<Option<T>, DevL1Error>>,
{
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(DevL1Error::Timeout { waited_s: limit.as_secs(), condition: condition.to_owned() });
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Makes anvil mine a block every `interval_s` seconds of wall-clock time, whatever the age of the state it holds.
///
/// A state that lies ahead (deployed by a helper that sets a timestamp interval) is waited for: anvil gives each block at least
/// its parent's time plus one, and would stay ahead for ever.
pub(crate) async fn start(rpc: &AnvilRpc, interval_s: u64) -> Result<(), DevL1Error> {
    rpc.request::<_, bool>("anvil_removeBlockTimestampInterval", ()).await?;
    let head = rpc.head().await?;
    until(AHEAD_AT_MOST, "the wall clock to pass the time of the loaded L1 state", || async {
        Ok((unix_now_s() > head.timestamp).then_some(()))
    })
    .await?;
    rpc.request::<_, u64>("evm_setTime", (unix_now_s(),)).await?;
    rpc.request("evm_setIntervalMining", (interval_s,)).await
}

/// Waits until the head's time is the wall clock's.
pub(crate) async fn wait_until_aligned(rpc: &AnvilRpc) -> Result<(), DevL1Error> {
    until(Duration::from_secs(10), "the L1 head to agree with the wall clock", || async {
        let head = rpc.head().await?;
        Ok((head.timestamp.abs_diff(unix_now_s()) <= TOLERANCE_S).then_some(()))
    })
    .await
}
