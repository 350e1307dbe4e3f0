//! The installed anvil, forge and contracts.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::error::{DevL1Error, tail};

/// Where `deploy/setup/l1-packages` put things; every file of it may be used but not changed.
#[derive(Clone, Debug)]
pub(crate) struct Packages {
    directory: PathBuf,
}

impl Packages {
    /// Runs the setup script, which installs on the first run and afterwards only answers.
    ///
    /// `OLLIN_L1_PACKAGES` names the directory where there is neither script nor npm: in a container.
    pub(crate) async fn install(cache: &Path) -> Result<Self, DevL1Error> {
        if let Some(directory) = std::env::var_os("OLLIN_L1_PACKAGES").filter(|value| !value.is_empty()) {
            return Ok(Self { directory: directory.into() });
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../setup/l1-packages");
        let spawn_error = |source| DevL1Error::Spawn { program: script.display().to_string(), source };
        let mut child = Command::new(&script)
            .env("OLLIN_CACHE", cache)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(spawn_error)?;
        let mut errors = String::new();
        if let Some(stderr) = child.stderr.take() {
            let mut lines = BufReader::new(stderr).lines();
            while let Some(line) = lines.next_line().await.map_err(spawn_error)? {
                tracing::info!("{line}");
                errors.push_str(&line);
                errors.push('\n');
            }
        }
        let output = child.wait_with_output().await.map_err(spawn_error)?;
        let directory = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if !output.status.success() || !directory.is_dir() {
            return Err(DevL1Error::Packages { script, detail: tail(&errors, 5) });
        }
        Ok(Self { directory })
    }

    /// Names the installed versions; part of a cached deployment's key.
    pub(crate) fn versions(&self) -> String {
        self.directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    pub(crate) fn anvil(&self) -> PathBuf {
        self.module("@foundry-rs/anvil-linux-amd64/bin/anvil")
    }

    pub(crate) fn forge(&self) -> PathBuf {
        self.module("@foundry-rs/forge-linux-amd64/bin/forge")
    }

    /// The foundry project of the L1 contracts, with its build results.
    pub(crate) fn contracts(&self) -> PathBuf {
        self.module("@aztec/l1-artifacts/l1-contracts")
    }

    fn module(&self, path: &str) -> PathBuf {
        self.directory.join("node_modules").join(path)
    }
}
