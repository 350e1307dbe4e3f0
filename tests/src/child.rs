//! A child process with a log file, that dies with the harness.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::until;

/// What to run, and under which name its output is kept.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Name in messages.
    pub name: String,
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment beside `PATH` and `HOME`.
    pub environment: BTreeMap<String, String>,
    /// File that standard output and error are appended to.
    pub log: PathBuf,
}

/// A running child.
#[derive(Debug)]
pub struct Child {
    recipe: Recipe,
    process: Process,
    ended: Option<ExitStatus>,
}

impl Child {
    /// Starts `recipe`. `setpriv` asks the kernel to kill the child when the harness' thread ends, however that happens.
    ///
    /// # Errors
    /// When the program or `setpriv` (util-linux) cannot be started.
    pub fn start(recipe: Recipe) -> Result<Self> {
        if !recipe.program.is_file() {
            bail!("{}: there is no program {}", recipe.name, recipe.program.display());
        }
        let log = OpenOptions::new().create(true).append(true).open(&recipe.log);
        let log = log.with_context(|| format!("opening {}", recipe.log.display()))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&recipe.program).args(&recipe.arguments);
        command.env_clear().envs(kept_environment()).envs(&recipe.environment);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = command.spawn().with_context(|| format!("starting {} by setpriv (util-linux)", recipe.name))?;
        Ok(Self { recipe, process, ended: None })
    }

    /// Its process id (`setpriv` becomes the program, so this is the program's own).
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The file with its output.
    pub fn log(&self) -> &Path {
        &self.recipe.log
    }

    /// Sends `signal`.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid()).context("process id")?;
        kill(Pid::from_raw(pid), signal).with_context(|| format!("{signal} to {}", self.recipe.name))
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.process.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Kills it at once and waits until the kernel has taken it away.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn kill(&mut self) -> Result<()> {
        if self.ended().is_some() {
            return Ok(());
        }
        self.process.kill().with_context(|| format!("killing {}", self.recipe.name))?;
        self.ended = Some(self.process.wait()?);
        Ok(())
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it is still alive after `patience`.
    pub async fn end(&mut self, patience: Duration) -> Result<ExitStatus> {
        let name = format!("end of {}", self.recipe.name);
        let ended = until(name, patience, || std::future::ready(self.ended())).await?;
        Ok(ended)
    }

    /// Asks it to end, and kills it if it has not within `patience`.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub async fn terminate(&mut self, patience: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.ended() {
            return Ok(status);
        }
        self.signal(Signal::SIGTERM)?;
        if self.end(patience).await.is_err() {
            self.kill()?;
        }
        self.ended.context("a killed process has a status")
    }

    /// The last `lines` lines of its output.
    pub fn tail(&self, lines: usize) -> String {
        tail(&self.recipe.log, lines)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A stopped process ends on SIGKILL too.
        if self.kill().is_err() {
            tracing::warn!(name = self.recipe.name, pid = self.pid(), "child could not be ended");
        }
    }
}

/// The last `lines` lines of the file at `path`; empty if it cannot be read.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Runs `recipe` to its end and returns its status with what it wrote.
///
/// # Errors
/// When it does not end within `patience`.
pub async fn run(recipe: Recipe, patience: Duration) -> Result<(ExitStatus, String)> {
    let log = recipe.log.clone();
    let mut child = Child::start(recipe)?;
    let status = child.end(patience).await?;
    Ok((status, std::fs::read_to_string(log)?))
}

/// The variables that every child inherits; nothing else, so that a developer's shell cannot change a result.
fn kept_environment() -> impl Iterator<Item = (&'static str, OsString)> {
    ["PATH", "HOME", "TMPDIR", "OLLIN_CACHE"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(directory: &Path, script: &str) -> Recipe {
        Recipe {
            name: "shell".into(),
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: BTreeMap::from([("COLOUR".into(), "green".into())]),
            log: directory.join("log"),
        }
    }

    #[tokio::test]
    async fn status_and_output_of_a_child_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let recipe = shell(directory.path(), "echo $COLOUR; exit 7");
        let (status, output) = run(recipe, Duration::from_secs(10)).await.unwrap();
        assert_eq!((status.code(), output.as_str()), (Some(7), "green\n"));
    }

    #[tokio::test]
    async fn a_child_that_ignores_the_request_to_end_is_killed() {
        let directory = tempfile::tempdir().unwrap();
        let recipe = shell(directory.path(), "trap '' TERM; echo up; while :; do sleep 0.05; done");
        let mut child = Child::start(recipe).unwrap();
        let log = child.log().to_owned();
        let up = || std::future::ready(std::fs::read_to_string(&log).ok().filter(|text| text.contains("up")));
        until("the shell's word", Duration::from_secs(10), up).await.unwrap();
        let status = child.terminate(Duration::from_millis(100)).await.unwrap();
        assert_eq!(status.code(), None, "ended by a signal");
    }
}
