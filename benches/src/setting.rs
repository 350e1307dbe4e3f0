//! Where and how a run measures.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use crate::order::Load;
use crate::peer::{Etcd, Official, Postgres};

/// Callers at a time.
pub(crate) const CALLERS: [usize; 3] = [1, 16, 64];

/// Where everything lies, and how much is measured.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Emptied before and after; on a disk.
    pub(crate) directory: PathBuf,
    /// The official packages; without them, and in a smoke run, no peer is measured.
    pub(crate) peers: Option<Peers>,
    /// So short that the figures mean nothing: only that it runs.
    pub(crate) smoke: bool,
}

/// What the peers need.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    /// `node_modules` with the official packages.
    pub(crate) modules: PathBuf,
    /// `official.mjs`.
    pub(crate) driver: PathBuf,
}

impl Setting {
    /// Makes the directory; refuses one that is in memory, where a sync costs nothing.
    pub(crate) fn prepare(&self) -> Result<()> {
        if self.directory.exists() {
            fs::remove_dir_all(&self.directory)?;
        }
        fs::create_dir_all(&self.directory).with_context(|| self.directory.display().to_string())?;
        if statfs(&self.directory)?.filesystem_type() == TMPFS_MAGIC {
            bail!("{} is in memory: syncs would cost nothing; choose another --directory", self.directory.display());
        }
        Ok(())
    }

    pub(crate) const fn rounds(&self) -> usize {
        if self.smoke { 1 } else { 5 }
    }

    /// How often something is repeated that a full run does `full` times.
    pub(crate) const fn times(&self, full: u64) -> u64 {
        if self.smoke { 2 } else { full }
    }

    /// One measurement of a load.
    pub(crate) fn load(&self, callers: usize) -> Load {
        Load { callers, millis: if self.smoke { 100 } else { 1000 }, signs: true }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// etcd, where peers are measured.
    pub(crate) fn etcd(&self, name: &str, round_trip: Duration) -> Result<Option<Etcd>> {
        let start = |_| Etcd::start(&self.at(name), round_trip, crate::replica::payload_bytes());
        self.peers.as_ref().map(start).transpose()
    }

    /// The official signer on both its databases, where peers are measured.
    pub(crate) fn official(&self) -> Result<Option<OfficialSet>> {
        let Some(peers) = &self.peers else { return Ok(None) };
        let databases =
            [Postgres::start(&self.at("postgres"), false)?, Postgres::start(&self.at("postgres-with-standby"), true)?];
        let urls = [databases[0].url(), databases[1].url()];
        let signer = Official::start(&self.directory, &peers.driver, &peers.modules, urls)?;
        Ok(Some(OfficialSet { signer, _databases: databases }))
    }
}

/// The official signer with its databases.
pub(crate) struct OfficialSet {
    pub(crate) signer: Official,
    _databases: [Postgres; 2],
}

/// Processor, memory, kernel, file system and load of this machine, one line.
pub(crate) fn machine(directory: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cpu = field(&read("/proc/cpuinfo"), "model name");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory_kib: u64 = field(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease");
    let mounts = read("/proc/mounts");
    let place = directory.canonicalize().unwrap_or_default();
    let mount = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let mount = mount.filter(|(at, _)| place.starts_with(at)).max_by_key(|(at, _)| at.len());
    let file_system = mount.map_or("unknown", |(_, kind)| kind);
    format!("{cpu}, {cores} cores, {} GiB, Linux {}, {file_system}", memory_kib.div_ceil(1 << 20), kernel.trim())
}

/// The load average of the last minute.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
