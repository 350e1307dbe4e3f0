//! Named points at which a test build stops on demand, so that a scenario can kill or pause a replica exactly there.
//!
//! Without the cargo feature `failpoints` every call compiles to nothing. With it, `$OLLIN_FAILPOINTS` names a directory: the
//! file `NAME.arm` arms a point, reaching it renames the file to `NAME.hit` and blocks until `NAME.go` exists.

use ollin_protocol::units::Slot;

/// Marks that a replica reached `point` while working for `slot`.
#[cfg(not(feature = "failpoints"))]
pub async fn reach(_point: &'static str, _slot: Slot) {}

/// Marks that a replica reached `point` while working for `slot`; blocks if a scenario armed it.
#[cfg(feature = "failpoints")]
pub async fn reach(point: &'static str, slot: Slot) {
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    let Some(directory) = std::env::var_os("OLLIN_FAILPOINTS").map(PathBuf::from) else {
        return;
    };
    let armed = directory.join(format!("{point}.arm"));
    if !armed.exists() {
        return;
    }
    let time_ms = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_millis()).unwrap_or_default();
    let line = format!("{{\"point\":\"{point}\",\"slot\":{slot},\"time_ms\":{time_ms}}}\n");
    // The content is in place before the rename: whoever sees the `.hit` can read it.
    if std::fs::write(&armed, line).is_err() || std::fs::rename(&armed, directory.join(format!("{point}.hit"))).is_err() {
        return;
    }
    tracing::warn!(point, %slot, "failpoint reached");
    let go = directory.join(format!("{point}.go"));
    while !go.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tracing::warn!(point, %slot, "failpoint released");
}
