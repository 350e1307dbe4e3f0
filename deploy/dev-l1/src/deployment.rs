//! One deployment of the real contracts, by the official script on a throw-away anvil.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256, address};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::process::Command;

use crate::account::Account;
use crate::anvil::{Anvil, Genesis};
use crate::clock::{unix_now_s, until};
use crate::error::{DevL1Error, tail};
use crate::packages::Packages;
use crate::parameters::Parameters;
use crate::rpc::AnvilRpc;

/// How far in the past a deployment lies: the first two epochs, which have no committee, are then long over.
const AGE_S: u64 = 3600;
/// anvil sometimes strands a transaction of a batch and forge then waits for ever: a fresh try is the cure.
const TRIES: u32 = 3;
const FORGE_LIMIT: Duration = Duration::from_secs(120);
const MULTICALL_LIMIT: Duration = Duration::from_secs(20);
const RESULT_PREFIX: &str = "JSON DEPLOY RESULT:";

/// The account that the pre-signed transaction is from, and what it pays.
const MULTICALL_DEPLOYER: Address = address!("05f32b3cc3888453ff71b01135b34ff8e41263f2");
/// Where Multicall3 is on every chain.
const MULTICALL: Address = address!("cA11bde05977b3631167028862bE2a173976CA11");
/// The chain-independent transaction that creates Multicall3 (repository mds1/multicall3, MIT licence, README "New Deployments").
const MULTICALL_TRANSACTION: &str = include_str!("../fixtures/multicall3.hex");

/// forge asks its compiler for a version even when nothing is to be compiled; if it asked for more, this would fail loudly.
const STUB_SOLC: &str = "#!/bin/sh\n\
    [ \"$1\" = --version ] || { echo 'this stub compiles nothing' >&2; exit 1; }\n\
    echo 'solc, the solidity compiler commandline interface'\n\
    echo 'Version: 0.8.30+commit.73712a01.Linux.g++'\n";

/// The addresses that the script prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deployment {
    pub(crate) registry_address: Address,
    pub(crate) rollup_address: Address,
    pub(crate) inbox_address: Address,
    pub(crate) rollup_version: u64,
}

/// A deployment and the state of the chain that holds it, as `anvil_dumpState` gives it.
#[derive(Clone, Debug)]
pub(crate) struct DeployedState {
    pub(crate) deployment: Deployment,
    pub(crate) state: String,
}

/// Deploys; about ten seconds. `scratch` is on a file system that allows execution.
pub(crate) async fn deploy(packages: &Packages, parameters: &Parameters, scratch: &Path) -> Result<DeployedState, DevL1Error> {
    let project = Project::copy(packages, scratch).await?;
    let mut detail = String::new();
    for number in 1..=TRIES {
        tracing::info!("deploying the L1 contracts (try {number} of {TRIES}, about 10 s)");
        let anvil =
            Anvil::start(&packages.anvil(), (Ipv4Addr::LOCALHOST, 0).into(), Genesis::At(unix_now_s().saturating_sub(AGE_S)))
                .await?;
        create_multicall(anvil.rpc()).await?;
        match project.run_script(packages, parameters, &anvil).await? {
            Ok(deployment) => {
                let state = anvil.rpc().request("anvil_dumpState", ()).await?;
                anvil.stop().await;
                return Ok(DeployedState { deployment, state });
            }
            Err(reason) => detail = reason,
        }
        anvil.stop().await;
    }
    Err(DevL1Error::Forge { tries: TRIES, detail })
}

/// Multicall3 must exist: publishers send through it.
async fn create_multicall(rpc: &AnvilRpc) -> Result<(), DevL1Error> {
    let fee = U256::from(10).pow(U256::from(17));
    rpc.request::<_, ()>("anvil_setBalance", (MULTICALL_DEPLOYER, fee)).await?;
    let transaction: Bytes = MULTICALL_TRANSACTION.trim().parse().map_err(|_| DevL1Error::Constant { what: "Multicall3" })?;
    rpc.request::<_, B256>("eth_sendRawTransaction", (transaction,)).await?;
    // anvil mines on arrival, but a moment after it has answered.
    until(MULTICALL_LIMIT, "the creation of Multicall3", || async {
        let code: Bytes = rpc.request("eth_getCode", (MULTICALL, "latest")).await?;
        Ok((!code.is_empty()).then_some(()))
    })
    .await
}

/// A copy of the contracts' foundry project: forge writes into it.
struct Project {
    directory: TempDir,
}

impl Project {
    async fn copy(packages: &Packages, scratch: &Path) -> Result<Self, DevL1Error> {
        let file_error = |action| move |source| DevL1Error::File { action, path: scratch.to_owned(), source };
        std::fs::create_dir_all(scratch).map_err(file_error("create"))?;
        let directory = TempDir::with_prefix_in("deploy-", scratch).map_err(file_error("create a directory in"))?;
        // With its timestamps, or forge would want to compile.
        let copied = Command::new("cp")
            .args(["-a", "--reflink=auto"])
            .arg(packages.contracts())
            .arg(directory.path().join("l1-contracts"))
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|source| DevL1Error::Spawn { program: "cp".to_owned(), source })?;
        if !copied.status.success() {
            let reason = std::io::Error::other(String::from_utf8_lossy(&copied.stderr).trim().to_owned());
            return Err(DevL1Error::File { action: "copy", path: packages.contracts(), source: reason });
        }
        let project = Self { directory };
        project.write_stub_solc().map_err(file_error("write into"))?;
        Ok(project)
    }

    fn write_stub_solc(&self) -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let path = self.directory.path().join("solc");
        std::fs::write(&path, STUB_SOLC)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
    }

    /// One try; the inner error says why it failed.
    async fn run_script(
        &self,
        packages: &Packages,
        parameters: &Parameters,
        anvil: &Anvil,
    ) -> Result<Result<Deployment, String>, DevL1Error> {
        let project = self.directory.path().join("l1-contracts");
        // What an earlier try broadcast, to a chain that is gone.
        let _ = std::fs::remove_dir_all(project.join("broadcast"));
        let run = Command::new(packages.forge())
            .args(["script", "script/deploy/DeployAztecL1Contracts.s.sol", "--sig", "run()", "--broadcast"])
            .args(["--private-key", &Account::at(Account::DEPLOYER)?.private_key.to_string()])
            .args(["--rpc-url", anvil.url().as_str()])
            .current_dir(&project)
            .envs(&parameters.variables)
            .env("FOUNDRY_SOLC", self.directory.path().join("solc"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .output();
        match tokio::time::timeout(FORGE_LIMIT, run).await {
            Err(_) => Ok(Err(format!("no result within {} s", FORGE_LIMIT.as_secs()))),
            Ok(Err(source)) => Err(DevL1Error::Spawn { program: packages.forge().display().to_string(), source }),
            Ok(Ok(output)) => Ok(read_result(&output)),
        }
    }
}

/// The script's last word.
fn read_result(output: &Output) -> Result<Deployment, String> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("forge ended ({}): {}", output.status, tail(&String::from_utf8_lossy(&output.stderr), 12)));
    }
    let line = stdout.lines().find_map(|line| line.trim().strip_prefix(RESULT_PREFIX));
    let json = line.ok_or_else(|| format!("forge printed no '{RESULT_PREFIX}' line: {}", tail(&stdout, 5)))?;
    serde_json::from_str(json.trim()).map_err(|error| format!("forge's result is not understood: {error}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn output(code: i32, stdout: &str, stderr: &str) -> Output {
        Output { status: ExitStatus::from_raw(code << 8), stdout: stdout.into(), stderr: stderr.into() }
    }

    #[test]
    fn the_result_is_found_among_other_lines() {
        let stdout = r#"== Logs ==
              JSON DEPLOY RESULT: {"registryAddress":"0x610178dA211FEF7D417bC0e6FeD39F05609AD788","rollupAddress":"0x4ed7c70F96B99c776995fB64377f0d4aB3B0e1C1","inboxAddress":"0xe61FDeDBcb68e8966c869E51eAb9020cFAAdf066","rollupVersion":4210401087,"coinIssuerAddress":"0x2279B7A0a67DB372996a5FaB50D91eAA73d2eBe6"}
            done"#;
        let deployment = read_result(&output(0, stdout, "")).unwrap();
        assert_eq!(deployment.rollup_version, 4_210_401_087);
        assert_eq!(deployment.registry_address, address!("610178dA211FEF7D417bC0e6FeD39F05609AD788"));
    }

    #[test]
    fn a_failure_carries_the_end_of_forges_errors() {
        let reason = read_result(&output(1, "", "noise\nError: out of gas\n")).unwrap_err();
        assert!(reason.contains("out of gas") && reason.contains("exit status: 1"), "{reason}");
        assert!(read_result(&output(0, "nothing\n", "")).is_err());
        assert!(read_result(&output(0, "JSON DEPLOY RESULT: {}", "")).is_err());
    }
}
