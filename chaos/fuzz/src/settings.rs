//! What the environment says of a run.

use std::path::PathBuf;
use std::time::Duration;

/// The seed of every run that is not given another.
const SEED: u64 = 1;

/// How a run is done.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `None`: the short run of the tests.
    pub(crate) time: Option<Duration>,
    pub(crate) seed: u64,
    pub(crate) corpus: Option<PathBuf>,
    pub(crate) trace: Option<PathBuf>,
    only: Option<String>,
}

impl Settings {
    /// As the environment has it. A number that is none is a mistake of the person at the keyboard, and said.
    pub(crate) fn read() -> Self {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        Self {
            time: number("OLLIN_FUZZ_SECONDS").map(Duration::from_secs),
            seed: number("OLLIN_FUZZ_SEED").unwrap_or(SEED),
            corpus: path("OLLIN_FUZZ_CORPUS"),
            trace: path("OLLIN_FUZZ_TRACE"),
            only: std::env::var("OLLIN_FUZZ_TARGET").ok(),
        }
    }

    /// Whether this target is to run.
    pub(crate) fn wants(&self, target: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == target)
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, expected a number")))
}
