//! Hosts of their own: each replica in a network namespace, joined by a bridge in the harness' namespace.
//!
//! A lost link loses packets, silently, as a network does; nothing is reset. It is made by a neighbour entry that nobody has, which needs
//! no packet filter. The harness must run in a network namespace of its own ([`is_own`]): nothing outside it is seen or changed, and all
//! of it ends with the processes in it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::child::{Child, Recipe};
use crate::wait::until;

const BRIDGE: &str = "ollin0";
/// An address that no interface has: what is sent there is lost.
const NOBODY: &str = "02:00:00:00:00:01";
/// How long a namespace may take to exist.
const MADE: Duration = Duration::from_secs(10);

/// Log entries between snapshots of a replica that has a host of its own: the fewest that are allowed.
pub const SNAPSHOT_EVERY: u64 = 100;

/// The address of the harness.
const HARNESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 254);
/// The address of everything that stands for L1: another one, so that a replica that has lost L1 can still be asked.
pub const L1: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 253);

/// One replica's network namespace.
#[derive(Debug)]
struct Host {
    /// Keeps the namespace, and dies with the harness.
    holder: Child,
}

/// All hosts of a world.
#[derive(Debug)]
pub struct Network {
    hosts: BTreeMap<u64, Host>,
    logs: PathBuf,
    /// In memory, as an anchor has to be: one directory for each replica.
    anchors: PathBuf,
}

impl Network {
    /// Makes the bridge. Logs of the processes that hold namespaces lie in `logs`, the replicas' anchors under `anchors`.
    ///
    /// # Errors
    /// When the harness is not alone in its network namespace, or may not change it.
    pub fn start(logs: &Path, anchors: &Path) -> Result<Self> {
        ensure!(is_own()?, "the harness has to be in a network namespace of its own: `unshare --net`");
        ip(&["link", "set", "lo", "up"])?;
        // Of a world before this one, whose namespaces the system takes away when it likes.
        for device in std::fs::read_to_string("/proc/net/dev")?.lines().filter_map(|line| line.split_once(':')) {
            if device.0.trim().starts_with("ollin") {
                let _ = ip(&["link", "delete", device.0.trim()]);
            }
        }
        ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        for address in [HARNESS, L1] {
            ip(&["addr", "add", &format!("{address}/24"), "dev", BRIDGE])?;
        }
        ip(&["link", "set", BRIDGE, "up"])?;
        Ok(Self { hosts: BTreeMap::new(), logs: logs.to_owned(), anchors: anchors.to_owned() })
    }

    /// The address of a replica's host.
    ///
    /// # Errors
    /// When the id does not fit.
    pub fn address(id: u64) -> Result<Ipv4Addr> {
        let last = u8::try_from(id).ok().filter(|id| (1..200).contains(id));
        Ok(Ipv4Addr::new(10, 77, 0, last.with_context(|| format!("replica {id} has no address"))?))
    }

    /// Makes the host of a replica, unless it is there.
    ///
    /// # Errors
    /// When the namespace or its link cannot be made.
    pub async fn host(&mut self, id: u64) -> Result<()> {
        if self.hosts.contains_key(&id) {
            return Ok(());
        }
        let holder = Child::start(Recipe {
            name: format!("host of replica {id}"),
            program: which("unshare")?,
            arguments: ["--net", "sleep", "infinity"].map(Into::into).to_vec(),
            environment: BTreeMap::new(),
            log: self.logs.join(format!("host-{id}.log")),
        })?;
        let namespace = namespace_of(holder.pid());
        let own = std::fs::read_link("/proc/self/ns/net")?;
        let made = || std::future::ready(std::fs::read_link(&namespace).ok().filter(|link| *link != own));
        until(format!("the network namespace of replica {id}"), MADE, made).await?;
        let (outer, pid) = (format!("ollin{id}"), holder.pid().to_string());
        ip(&["link", "add", &outer, "type", "veth", "peer", "name", "eth0", "netns", &pid])?;
        ip(&["link", "set", &outer, "master", BRIDGE, "up"])?;
        let host = Host { holder };
        host.ip(&["addr", "add", &format!("{}/24", Self::address(id)?), "dev", "eth0"])?;
        host.ip(&["link", "set", "eth0", "up"])?;
        host.ip(&["link", "set", "lo", "up"])?;
        self.hosts.insert(id, host);
        Ok(())
    }

    /// The command that runs the rest of its line on a replica's host.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn prefix(&self, id: u64) -> Result<Vec<OsString>> {
        Ok(vec![which("nsenter")?.into(), self.of(id)?.entering(), "--".into()])
    }

    /// Where the anchor of a replica is kept.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn anchors(&self, id: u64) -> Result<PathBuf> {
        let directory = self.anchors.join(format!("replica-{id}"));
        std::fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        Ok(directory)
    }

    /// Loses all that the host of `from` sends to that of `to`.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn lose(&self, from: u64, to: u64) -> Result<()> {
        self.lose_to(from, Self::address(to)?)
    }

    /// Loses all that the host of `from` sends to L1.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn lose_l1(&self, from: u64) -> Result<()> {
        self.lose_to(from, L1)
    }

    /// Loses both directions between two hosts.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn cut(&self, one: u64, other: u64) -> Result<()> {
        self.lose(one, other)?;
        self.lose(other, one)
    }

    /// Loses nothing any more.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn mend(&self) -> Result<()> {
        for host in self.hosts.values() {
            host.ip(&["neigh", "flush", "dev", "eth0", "nud", "permanent"])?;
        }
        Ok(())
    }

    fn lose_to(&self, from: u64, to: Ipv4Addr) -> Result<()> {
        let to = to.to_string();
        self.of(from)?.ip(&["neigh", "replace", &to, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent"])
    }

    fn of(&self, id: u64) -> Result<&Host> {
        self.hosts.get(&id).with_context(|| format!("there is no host of replica {id}"))
    }
}

impl Host {
    fn entering(&self) -> OsString {
        format!("--net={}", namespace_of(self.holder.pid()).display()).into()
    }

    fn ip(&self, words: &[&str]) -> Result<()> {
        run(Command::new("nsenter").arg(self.entering()).args(["--", "ip"]).args(words), words)
    }
}

fn namespace_of(pid: u32) -> PathBuf {
    format!("/proc/{pid}/ns/net").into()
}

/// Whether the harness is alone in its network namespace: no route leads anywhere but to what an earlier world made.
///
/// # Errors
/// When the routes cannot be read.
pub fn is_own() -> Result<bool> {
    let routes = std::fs::read_to_string("/proc/net/route")?;
    Ok(routes.lines().skip(1).all(|line| line.starts_with("ollin")))
}

/// The program `name` on `PATH`.
///
/// # Errors
/// When there is none.
pub fn which(name: &str) -> Result<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&paths).chain(["/usr/sbin".into(), "/sbin".into()]).map(|path| path.join(name));
    found.find(|path| path.is_file()).with_context(|| format!("there is no program {name} (util-linux, iproute2) on PATH"))
}

fn ip(words: &[&str]) -> Result<()> {
    run(Command::new(which("ip")?).args(words), words)
}

fn run(command: &mut Command, words: &[&str]) -> Result<()> {
    let output = command.output().with_context(|| format!("ip {} (iproute2)", words.join(" ")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", words.join(" "), said.trim());
    Ok(())
}
