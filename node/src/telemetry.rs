//! Logs of this process.

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::LogConfig;

/// Starts logging to standard output as configured.
///
/// # Errors
/// If the filter cannot be parsed or logging was started already.
pub(crate) fn init(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.directives).with_context(|| format!("log filter {}", config.directives))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = if config.json {
        builder.json().try_init()
    } else {
        builder.with_ansi(false).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))
}
