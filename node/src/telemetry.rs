//! Logs of this process.

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::LogConfig;

/// Starts logging to standard output as configured.
///
/// # Errors
/// If the filter cannot be parsed or logging was started already.
pub(crate) fn init(config: &LogConfig) -> anyhow::Result<()> {
    // Raft's own account of every step is for whoever asks for it by name.
    let directives = if config.directives.contains("openraft") {
        config.directives.clone()
    } else {
        format!("{},openraft=warn", config.directives)
    };
    let filter = EnvFilter::try_new(&directives).with_context(|| format!("log filter {directives}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = if config.json { builder.json().try_init() } else { builder.with_ansi(false).try_init() };
    started.map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))
}
