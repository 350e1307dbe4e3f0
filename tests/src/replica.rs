//! One `ollin` process with its directories and ports, over all its runs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ollin_rpc::view::ClusterStatus;

use crate::child::{Child, Recipe};
use crate::failpoint::Failpoints;
use crate::rpc::Rpc;

/// Where one replica listens.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// Its host, as the harness and the other replicas reach it.
    pub host: Ipv4Addr,
    /// Node JSON-RPC and status.
    pub public: u16,
    /// Admin JSON-RPC and full status.
    pub admin: u16,
    /// Reserved for libp2p.
    pub p2p: u16,
    /// Between the replicas.
    pub cluster: u16,
}

/// One replica.
#[derive(Debug)]
pub struct Replica {
    id: u64,
    directory: PathBuf,
    ports: Ports,
    environment: BTreeMap<String, String>,
    program: PathBuf,
    /// Runs the rest of its line on the replica's host; empty where that is the harness' own.
    prefix: Vec<OsString>,
    failpoints: Failpoints,
    public: Rpc,
    admin: Rpc,
    child: Option<Child>,
}

impl Replica {
    /// A replica that keeps everything under `directory` and is not yet started. `environment` is what all replicas share.
    ///
    /// # Errors
    /// When its directories cannot be made.
    pub fn new(program: &Path, id: u64, directory: &Path, ports: Ports, environment: &BTreeMap<String, String>) -> Result<Self> {
        let directory = directory.join(format!("replica-{id}"));
        std::fs::create_dir_all(directory.join("data")).with_context(|| format!("making {}", directory.display()))?;
        let failpoints = Failpoints::at(directory.join("failpoints"))?;
        let mut environment = environment.clone();
        let text = |path: &Path| path.display().to_string();
        environment.extend([
            ("DATA_DIRECTORY".to_owned(), text(&directory.join("data"))),
            ("AZTEC_PORT".to_owned(), ports.public.to_string()),
            ("AZTEC_ADMIN_PORT".to_owned(), ports.admin.to_string()),
            ("P2P_PORT".to_owned(), ports.p2p.to_string()),
            ("OLLIN_REPLICA_ID".to_owned(), id.to_string()),
            ("OLLIN_OUTLET_RECORD".to_owned(), text(&directory.join("outlets.jsonl"))),
            ("OLLIN_FAILPOINTS".to_owned(), text(failpoints.path())),
        ]);
        Ok(Self {
            id,
            ports,
            environment,
            program: program.to_owned(),
            prefix: Vec::new(),
            failpoints,
            public: Rpc::new(format!("http://{}:{}", ports.host, ports.public))?,
            admin: Rpc::new(format!("http://{}:{}", ports.host, ports.admin))?,
            directory,
            child: None,
        })
    }

    /// Gives its admin client the key.
    pub fn with_admin_key(self, key: &str) -> Self {
        Self { admin: self.admin.with_key(key), ..self }
    }

    /// Starts it by this command from now on.
    pub fn with_prefix(self, prefix: Vec<OsString>) -> Self {
        Self { prefix, ..self }
    }

    /// Its id in the cluster.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Where it listens.
    pub const fn ports(&self) -> Ports {
        self.ports
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Client of its public port.
    pub const fn public(&self) -> &Rpc {
        &self.public
    }

    /// Client of its admin port, with the key.
    pub const fn admin(&self) -> &Rpc {
        &self.admin
    }

    /// Its failpoints.
    pub const fn failpoints(&self) -> &Failpoints {
        &self.failpoints
    }

    /// The running process.
    pub const fn child(&self) -> Option<&Child> {
        self.child.as_ref()
    }

    /// Changes one variable from the next start on.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.insert(name.to_owned(), value.into());
    }

    /// What one variable is set to.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    /// Takes one variable away from the next start on.
    pub fn unset(&mut self, name: &str) {
        self.environment.remove(name);
    }

    /// The recipe of `ollin start` for it, with its output in `log`.
    pub fn recipe(&self, log: &str) -> Recipe {
        let own = ["start", "--node", "--archiver", "--sequencer", "--network", "local"].map(OsString::from);
        let program = OsString::from(&self.program);
        let mut words = self.prefix.iter().cloned().chain([program]).chain(own);
        Recipe {
            name: format!("replica {}", self.id),
            program: words.next().map_or_else(PathBuf::new, PathBuf::from),
            arguments: words.collect(),
            environment: self.environment.clone(),
            log: self.directory.join(log),
        }
    }

    /// Starts it, with no failpoint armed.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(&mut self) -> Result<()> {
        self.failpoints.clear()?;
        self.child = Some(Child::start(self.recipe("log"))?);
        Ok(())
    }

    /// Kills it at once.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn kill(&mut self) -> Result<()> {
        self.child.take().map_or(Ok(()), |mut child| child.kill())
    }

    /// Whether its process lives.
    pub fn alive(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.ended().is_none())
    }

    /// The exit code of its last process, if that has ended by itself.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.as_mut().and_then(Child::ended).and_then(|status| status.code())
    }

    /// What it says of the cluster on the admin port, or `None` while it does not answer.
    pub async fn status(&self) -> Option<ClusterStatus> {
        self.admin.get("/cluster/status").await.ok()
    }

    /// Where its outlet record is.
    pub fn outlet_path(&self) -> PathBuf {
        self.environment.get("OLLIN_OUTLET_RECORD").map_or_else(|| self.directory.join("outlets.jsonl"), PathBuf::from)
    }

    /// Resident memory of its process, in KiB.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resident_kib(&self) -> Result<u64> {
        let pid = self.child.as_ref().context("the replica does not run")?.pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
    }

    /// The end of its output.
    pub fn log_tail(&self, lines: usize) -> String {
        crate::child::tail(&self.directory.join("log"), lines)
    }
}
