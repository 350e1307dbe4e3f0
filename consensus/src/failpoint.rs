//! Named points at which a test build stops on demand, so that a scenario can kill or pause a replica exactly there.
//!
//! Without the cargo feature `failpoints` every call compiles to nothing. With it, `$OLLIN_FAILPOINTS` names a directory: the
//! file `NAME.arm` arms a point, reaching it renames the file to `NAME.hit` and blocks until `NAME.go` exists. A point apart from any
//! slot takes as many milliseconds as `NAME.slow` holds, each time.

use ollin_protocol::units::Slot;

/// Marks that a replica reached `point` while working for `slot`.
#[cfg(not(feature = "failpoints"))]
pub async fn reach(_point: &'static str, _slot: Slot) {}

/// Marks that a replica reached `point` while working for `slot`; blocks if a scenario armed it.
#[cfg(feature = "failpoints")]
pub async fn reach(point: &'static str, slot: Slot) {
    let Some(go) = armed::hit(point, slot) else { return };
    while !go.exists() {
        tokio::time::sleep(armed::LOOK).await;
    }
    tracing::warn!(point, %slot, "failpoint released");
}

/// The same on a thread of its own, apart from any slot.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn hold(_point: &'static str) {}

/// The same on a thread of its own, apart from any slot.
#[cfg(feature = "failpoints")]
pub(crate) fn hold(point: &'static str) {
    if let Some(each) = armed::slow(point) {
        std::thread::sleep(each);
    }
    let Some(go) = armed::hit(point, Slot::new(0)) else { return };
    while !go.exists() {
        std::thread::sleep(armed::LOOK);
    }
    tracing::warn!(point, "failpoint released");
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use ollin_protocol::units::Slot;

    pub(super) const LOOK: Duration = Duration::from_millis(5);

    /// How long a point takes each time.
    pub(super) fn slow(point: &'static str) -> Option<Duration> {
        let directory = std::env::var_os("OLLIN_FAILPOINTS").map(PathBuf::from)?;
        let each = std::fs::read_to_string(directory.join(format!("{point}.slow"))).ok()?;
        each.trim().parse().map(Duration::from_millis).ok()
    }

    /// Turns an armed point into a hit one; returns the file that releases it.
    pub(super) fn hit(point: &'static str, slot: Slot) -> Option<PathBuf> {
        let directory = std::env::var_os("OLLIN_FAILPOINTS").map(PathBuf::from)?;
        let armed = directory.join(format!("{point}.arm"));
        if !armed.exists() {
            return None;
        }
        let time_ms = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_millis()).unwrap_or_default();
        let line = format!("{{\"point\":\"{point}\",\"slot\":{slot},\"time_ms\":{time_ms}}}\n");
        // The content is in place before the rename: whoever sees the `.hit` can read it.
        std::fs::write(&armed, line).ok()?;
        std::fs::rename(&armed, directory.join(format!("{point}.hit"))).ok()?;
        tracing::warn!(point, %slot, "failpoint reached");
        Some(directory.join(format!("{point}.go")))
    }
}
