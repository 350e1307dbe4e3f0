//! Where cargo has put the compiled tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::exhibit::Suite;

/// As `tests/run` builds everything.
const CARGO: [&str; 7] =
    ["test", "--workspace", "--locked", "--features", "ollin/failpoints", "--no-run", "--message-format=json"];

/// The compiled tests of the workspace, by kind and name of their target.
pub(crate) struct Artifacts {
    binaries: BTreeMap<(String, String), Binary>,
}

/// A compiled set of tests.
pub(crate) struct Binary {
    pub(crate) executable: PathBuf,
    /// Its package, where cargo would start it.
    pub(crate) directory: PathBuf,
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Artifacts {
    /// Reads what cargo has said, or asks it now.
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?,
            None => {
                let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
                let built = Command::new(cargo).args(CARGO).current_dir(root).stderr(Stdio::inherit()).output();
                let built = built.context("cargo cannot be run; give its messages with --artifacts")?;
                ensure!(built.status.success(), "cargo {} failed", CARGO.join(" "));
                String::from_utf8(built.stdout).context("cargo's messages")?
            }
        };
        Self::parse(&text)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut binaries = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with('{')) {
            let message: Message = serde_json::from_str(line).context("a message of cargo")?;
            let is_test = message.reason == "compiler-artifact" && message.profile.is_some_and(|profile| profile.test);
            let (Some(target), Some(executable), Some(manifest), true) =
                (message.target, message.executable, message.manifest_path, is_test)
            else {
                continue;
            };
            let directory = manifest.parent().map(Path::to_owned).unwrap_or_default();
            let kind = target.kind.into_iter().next().unwrap_or_default();
            binaries.insert((kind, target.name), Binary { executable, directory });
        }
        ensure!(!binaries.is_empty(), "cargo's messages name no compiled test");
        Ok(Self { binaries })
    }

    /// The compiled tests of a suite.
    pub(crate) fn binary(&self, suite: Suite) -> anyhow::Result<&Binary> {
        let (kind, name) = suite.target();
        self.binaries.get(&(kind.to_owned(), name.to_owned())).with_context(|| format!("cargo built no tests of {kind} {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_tests_are_found_among_cargos_messages() {
        let text = r#"
            noise
{"reason":"compiler-artifact","manifest_path":"/w/slashing-guard/Cargo.toml","target":{"kind":["lib"],"name":"ollin_guard"},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","manifest_path":"/w/slashing-guard/Cargo.toml","target":{"kind":["test"],"name":"guard"},"profile":{"test":true},"executable":"/t/guard-1"}
{"reason":"build-finished","success":true}"#;
        let artifacts = Artifacts::parse(text).unwrap();
        let found = artifacts.binary(Suite::GuardTests).unwrap();
        assert_eq!(
            (found.executable.as_path(), found.directory.as_path()),
            (Path::new("/t/guard-1"), Path::new("/w/slashing-guard"))
        );
        assert!(artifacts.binary(Suite::Guard).is_err(), "a library is no set of tests");
        assert!(Artifacts::parse("").is_err());
    }
}
