//! One run of one catcher, with a fault planted or without.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use ollin_guard::Fault;
use tokio::process::Command;

use super::artifacts::Artifacts;
use super::exhibit::{Catcher, Seeds};

/// A fault may make a test wait for what never comes; the patience of the tests themselves is 30 s a wait.
const PATIENCE: Duration = Duration::from_secs(100);
/// Lines of output that are shown.
const SHOWN: usize = 12;

/// What a catcher did.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) passed: bool,
    pub(crate) output: String,
}

/// What that means.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Red, for the named reason.
    Caught(String),
    /// Green all the same.
    Missed(String),
    /// Red, for another reason than the named one.
    OtherReason(String),
    /// Red without the fault too.
    RedWithout(String),
    /// It could not be run.
    NotRun(String),
}

impl Outcome {
    /// Judges a run under a fault: it must be red and say so in the named words.
    pub(crate) fn of(trial: Trial, says: &str) -> Self {
        match trial {
            Trial { passed: true, output } => Self::Missed(output),
            Trial { output, .. } if output.contains(says) => Self::Caught(output),
            Trial { output, .. } => Self::OtherReason(output),
        }
    }

    pub(crate) const fn is_caught(&self) -> bool {
        matches!(self, Self::Caught(_))
    }

    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Caught(_) => "caught",
            Self::Missed(_) => "NOT CAUGHT",
            Self::OtherReason(_) => "OTHER REASON",
            Self::RedWithout(_) => "RED WITHOUT",
            Self::NotRun(_) => "NOT RUN",
        }
    }

    /// The end of what the catcher said.
    pub(crate) fn details(&self) -> String {
        let (Self::Caught(text) | Self::Missed(text) | Self::OtherReason(text) | Self::RedWithout(text) | Self::NotRun(text)) =
            self;
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let told = lines.iter().position(|line| line.contains("panicked at")).unwrap_or(lines.len().saturating_sub(SHOWN));
        lines.iter().skip(told).take(SHOWN).copied().collect::<Vec<_>>().join("\n")
    }
}

/// Runs a catcher. What it prints is kept; what it does not do in time is red.
pub(crate) async fn run(catcher: &Catcher, fault: Option<Fault>, artifacts: &Artifacts) -> anyhow::Result<Trial> {
    let mut command = match catcher {
        Catcher::Test(suite, test, _) => {
            let binary = artifacts.binary(*suite)?;
            let mut command = Command::new(&binary.executable);
            command.args([test, "--exact", "--nocapture", "--test-threads=1"]).current_dir(&binary.directory);
            command
        }
        Catcher::Seeds(Seeds { end }, _) => {
            let mut command = Command::new(std::env::current_exe().context("this program")?);
            command.args(["simulate", "--threads=1", "--max-failures=1", "--seeds", &format!("0..{end}")]);
            command
        }
    };
    command.env_remove("OLLIN_PLANTED").env_remove("RUST_BACKTRACE").stdin(Stdio::null()).kill_on_drop(true);
    if let Some(fault) = fault {
        command.env("OLLIN_PLANTED", fault.name());
    }
    let Ok(ended) = tokio::time::timeout(PATIENCE, command.output()).await else {
        return Ok(Trial { passed: false, output: format!("did not end within {} s", PATIENCE.as_secs()) });
    };
    let ended = ended.with_context(|| format!("{command:?}"))?;
    let output = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if matches!(catcher, Catcher::Test(..)) {
        ensure!(output.contains("running 1 test"), "there is no such test: {}", catcher.name());
    }
    Ok(Trial { passed: ended.status.success(), output })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_red_for_the_named_reason_is_caught() {
        let trial = |passed, output: &str| Trial { passed, output: output.to_owned() };
        assert!(Outcome::of(trial(false, "seed 3: S1: two roots"), "S1:").is_caught());
        assert!(!Outcome::of(trial(true, "S1:"), "S1:").is_caught());
        assert_eq!(Outcome::of(trial(false, "no such file"), "S1:").word(), "OTHER REASON");
    }

    #[test]
    fn what_is_shown_begins_with_the_panic() {
        let said = "running 1 test\n\nthread 'x' panicked at a.rs:1:2:\nassertion failed\ntest x ... FAILED";
        assert!(Outcome::Caught(said.to_owned()).details().starts_with("thread 'x' panicked"));
    }
}
