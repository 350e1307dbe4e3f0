//! A development L1 and a cluster of real `ollin` processes on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::primitives::B256;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use ollin_chaos::{History, Wake};
use ollin_dev_l1::{Description, DevL1, Options, Profile, Prover};
use ollin_rpc::view::DutyState;

use crate::chain::{Chain, Landed};
use crate::child::{Recipe, run};
use crate::clock::{SlotClock, now_ms};
use crate::network::{self, Network};
use crate::port;
use crate::replica::{Ports, Replica};
use crate::tip_watch::TipWatch;
use crate::wait::until;

/// The admin key of every replica. Only its hash is given to them.
const ADMIN_KEY: &str = "scenario-admin-key";
/// How long a replica may take from its start to its first answer.
const REPLICA_UP: Duration = Duration::from_secs(180);

/// What a replica is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Holds the keys.
    Full,
    /// Votes and holds none.
    Witness,
}

/// A development L1, a cluster on it, and what watches both.
#[derive(Debug)]
pub struct World {
    /// Replicas first: they are dropped, hence killed, before L1.
    replicas: Vec<Replica>,
    /// Replicas that left the cluster, and those of clusters that were followed by another one on the same L1: killed, and their
    /// records still count.
    former: Vec<Replica>,
    /// `None` where all are on the loopback address.
    network: Option<Network>,
    l1: DevL1,
    clock: SlotClock,
    chain: Chain,
    directory: PathBuf,
    ready_ms: u64,
    tips: TipWatch,
    wakes: Vec<Wake>,
    created: serde_json::Value,
}

impl World {
    /// Starts a development L1 and a cluster of three replicas on it, all files under `directory`.
    ///
    /// # Errors
    /// When a program is missing or does not come up in time.
    pub async fn start(profile: Profile, prover: Prover, directory: &Path) -> Result<Self> {
        Self::start_on(None, profile, prover, directory).await
    }

    /// The same with each replica on a host of its own, and one outlet record for all: its order is then that of the writes,
    /// whatever the replicas take for the time.
    ///
    /// # Errors
    /// As [`World::start`]; when there is no network namespace to be had.
    pub async fn start_apart(profile: Profile, directory: &Path, anchors: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let network = Network::start(directory, anchors)?;
        Self::start_on(Some(network), profile, Prover::Off, directory).await
    }

    async fn start_on(mut network: Option<Network>, profile: Profile, prover: Prover, directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let listen = if network.is_some() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        let options = Options { prover, listen: listen.into(), ..Options::new(profile) };
        let l1 = ollin_dev_l1::start(options).await.context("the development L1")?;
        let facts = l1.info();
        let clock = SlotClock {
            genesis_time: facts.genesis_time,
            slot_duration: facts.slot_duration,
            ethereum_slot_duration: facts.ethereum_slot_duration,
        };
        let chain = Chain::new(facts, clock)?;
        let ready_ms = now_ms();
        let replicas = lay_out(facts, directory, network.as_mut()).await?;
        let directory = directory.to_owned();
        let tips = TipWatch::start(replicas.iter().map(|replica| replica.public().clone()).collect());
        let (former, wakes, created) = (Vec::new(), Vec::new(), serde_json::Value::Null);
        let mut world = Self { replicas, former, network, l1, clock, chain, directory, ready_ms, tips, wakes, created };
        for replica in &mut world.replicas {
            replica.start()?;
        }
        world.create_cluster().await?;
        Ok(world)
    }

    /// The development L1: what may be done to it.
    pub const fn l1(&self) -> &DevL1 {
        &self.l1
    }

    /// Its addresses, keys and times.
    pub fn facts(&self) -> &Description {
        self.l1.info()
    }

    /// The slot schedule.
    pub const fn clock(&self) -> &SlotClock {
        &self.clock
    }

    /// The reader of L1.
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Where everything of this world is kept.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// When the development L1 was ready, in milliseconds since the Unix epoch.
    pub const fn ready_ms(&self) -> u64 {
        self.ready_ms
    }

    /// The hosts of the replicas.
    ///
    /// # Errors
    /// When they have none of their own.
    pub fn network(&self) -> Result<&Network> {
        self.network.as_ref().context("the replicas of this world are on one host")
    }

    /// All replicas.
    pub fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// The replica `id`.
    ///
    /// # Errors
    /// When there is none.
    pub fn replica(&self, id: u64) -> Result<&Replica> {
        self.replicas.iter().find(|replica| replica.id() == id).with_context(|| format!("there is no replica {id}"))
    }

    /// The replica `id`, to change it.
    ///
    /// # Errors
    /// When there is none.
    pub fn replica_mut(&mut self, id: u64) -> Result<&mut Replica> {
        self.replicas.iter_mut().find(|replica| replica.id() == id).with_context(|| format!("there is no replica {id}"))
    }

    /// Makes the certificate and the directories of a further replica, which is neither started nor a member.
    ///
    /// # Errors
    /// When `ollin cluster certificates --extend` fails.
    pub async fn lay_out_replica(&mut self, id: u64, part: Part) -> Result<()> {
        let ports = port::free(4)?;
        let host = host_of(id, self.network.as_mut()).await?;
        let ports = Ports { host, public: ports[0], admin: ports[1], p2p: ports[2], cluster: ports[3] };
        let cluster = self.directory.join("cluster");
        let arguments = [
            "cluster".to_owned(),
            "certificates".into(),
            "--extend".into(),
            "--out".into(),
            cluster.display().to_string(),
            if part == Part::Witness { "--witness" } else { "--replica" }.into(),
            format!("{id}={host}:{}", ports.cluster),
        ];
        let log = self.directory.join(format!("certificates-{id}.log"));
        let (status, output) = run(command("cluster certificates", &arguments, log)?, Duration::from_secs(30)).await?;
        ensure!(status.success(), "ollin cluster certificates --extend: {status}\n{output}");
        let mut environment = shared_environment(self.facts(), &self.directory.join("keystore.json"), self.network.as_ref());
        if part == Part::Witness {
            // It needs neither keys nor L1.
            for name in ["KEY_STORE_DIRECTORY", "ETHEREUM_HOSTS", "BLOB_FILE_STORE_URLS", "REGISTRY_CONTRACT_ADDRESS"] {
                environment.remove(name);
            }
            environment.insert("OLLIN_WITNESS".to_owned(), "true".to_owned());
        }
        let replica = member(id, &self.directory, ports, &environment)?;
        self.replicas.push(apart(replica, &self.directory, self.network.as_ref())?);
        Ok(())
    }

    /// Ends a replica that is no member any more, and forgets it but for its outlet record.
    ///
    /// # Errors
    /// When there is none, or it cannot be killed.
    pub fn dismiss(&mut self, id: u64) -> Result<()> {
        let at =
            self.replicas.iter().position(|replica| replica.id() == id).with_context(|| format!("there is no replica {id}"))?;
        let mut replica = self.replicas.remove(at);
        replica.kill()?;
        self.former.push(replica);
        Ok(())
    }

    /// Where the cluster file is that lists every replica that ever had a certificate.
    pub fn cluster_file(&self) -> PathBuf {
        self.directory.join("cluster").join("cluster.json")
    }

    /// Gives a replica the cluster file that lists all that were ever laid out.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn refresh_cluster_file(&self, id: u64) -> Result<()> {
        let own = self.directory.join("cluster").join(format!("replica-{id}")).join("cluster.json");
        std::fs::copy(self.cluster_file(), &own).with_context(|| format!("cannot copy to {}", own.display()))?;
        Ok(())
    }

    /// Runs `ollin cluster WORDS... --json` at the admin port of the replica `via`; returns the exit code and the JSON that it wrote.
    ///
    /// # Errors
    /// When it does not end within `patience`, or writes no JSON.
    pub async fn cluster_command(&self, via: u64, words: &[&str], patience: Duration) -> Result<(i32, serde_json::Value)> {
        let mut arguments: Vec<String> = std::iter::once("cluster").chain(words.iter().copied()).map(Into::into).collect();
        let key_file = self.directory.join("admin-key").display().to_string();
        let url = self.replica(via)?.admin().url().to_owned();
        arguments.extend(["--json".into(), "--admin-url".into(), url, "--api-key-file".into(), key_file]);
        let log = self.directory.join(format!("{}-{}.log", words.join("-").replace('/', "_"), now_ms()));
        let (status, output) = run(command(&format!("cluster {}", words.join(" ")), &arguments, log)?, patience).await?;
        // Messages may stand before it; it may be one line or many.
        let values = |text| serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
        let json = output.find('{').and_then(|start| values(&output[start..]).find_map(Result::ok));
        Ok((status.code().unwrap_or(-1), json.with_context(|| format!("no JSON in {output:?}"))?))
    }

    /// The replica that says that it acts, but not `except`.
    pub async fn active_except(&self, except: Option<u64>) -> Option<u64> {
        for replica in self.replicas.iter().filter(|replica| Some(replica.id()) != except && replica.child().is_some()) {
            if replica.status().await.is_some_and(|status| status.replica.duty_state == DutyState::Active) {
                return Some(replica.id());
            }
        }
        None
    }

    /// Hash by height of every block that a replica has named as checkpointed.
    pub fn block_hashes(&self) -> BTreeMap<u64, B256> {
        self.tips.hashes()
    }

    /// Waits until a replica other than `except` acts; returns it and when it was seen.
    ///
    /// # Errors
    /// When none does within `patience`.
    pub async fn acting(&self, except: Option<u64>, patience: Duration) -> Result<(u64, u64)> {
        let id = until("an active leader", patience, || self.active_except(except)).await.map_err(|fault| self.explain(fault))?;
        Ok((id, now_ms()))
    }

    /// Waits until every replica runs, one acts and the others have caught up with it. Returns the leader.
    ///
    /// # Errors
    /// When a process has ended, or they are not within `patience`.
    pub async fn settled(&mut self, patience: Duration) -> Result<u64> {
        for index in 0..self.replicas.len() {
            if !self.replicas[index].alive() {
                bail!("replica {} has ended by itself:\n{}", self.replicas[index].id(), self.replicas[index].log_tail(15));
            }
        }
        let (leader, _) = self.acting(None, patience).await?;
        for replica in &self.replicas {
            self.caught_up(replica.id(), patience).await?;
        }
        Ok(leader)
    }

    /// Waits until the replica `id` knows a leader and has applied what that leader has committed.
    ///
    /// # Errors
    /// When it has not within `patience`.
    pub async fn caught_up(&self, id: u64, patience: Duration) -> Result<()> {
        let look = || async {
            let own = self.replica(id).ok()?.status().await?;
            let leader = self.replica(own.leader?.get()).ok()?.status().await?;
            let active = leader.replica.duty_state == DutyState::Active;
            (active && own.log.applied? >= leader.log.committed?).then_some(())
        };
        until(format!("replica {id} caught up"), patience, look).await.map_err(|fault| self.explain(fault))
    }

    /// Kills the replica `id` at once; returns when, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn kill(&mut self, id: u64) -> Result<u64> {
        let killed_ms = now_ms();
        self.replica_mut(id)?.kill()?;
        Ok(killed_ms)
    }

    /// Starts the replica `id` again and waits until it has caught up.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self, id: u64) -> Result<()> {
        self.replica_mut(id)?.start()?;
        self.caught_up(id, REPLICA_UP).await
    }

    /// Puts the world right after a scenario that broke off: L1 mines, nobody is stopped, dead or held at a point.
    ///
    /// # Errors
    /// When it cannot be put right.
    pub async fn recover(&mut self) -> Result<()> {
        self.l1.resume_mining().await?;
        for replica in &mut self.replicas {
            if replica.alive() && replica.failpoints().hit_any() {
                replica.kill()?;
            }
            if replica.alive() {
                replica.failpoints().clear()?;
                replica.child().map_or(Ok(()), |child| child.signal(Signal::SIGCONT))?;
            } else {
                replica.start()?;
            }
        }
        Ok(())
    }

    /// Sends `signal` to the replica `id`.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, id: u64, signal: Signal) -> Result<()> {
        self.replica(id)?.child().with_context(|| format!("replica {id} does not run"))?.signal(signal)
    }

    /// Waits until L1 can no longer take a checkpoint for `slot`.
    ///
    /// # Errors
    /// When L1 stands still.
    pub async fn slot_over(&self, slot: u64) -> Result<()> {
        let end = self.clock.slot_end(slot);
        let patience = Duration::from_secs(end.saturating_sub(now_ms() / 1000)) + Duration::from_secs(10);
        let look = || async { self.chain.head_timestamp().await.ok().filter(|now| *now >= end).map(|_| ()) };
        Ok(until(format!("end of slot {slot} on L1"), patience, look).await?)
    }

    /// Waits until `slot` has landed or is over; returns its checkpoint.
    ///
    /// # Errors
    /// When L1 stands still.
    pub async fn landed_or_over(&self, slot: u64) -> Result<Option<Landed>> {
        let end = self.clock.slot_end(slot);
        let patience = Duration::from_secs(end.saturating_sub(now_ms() / 1000)) + Duration::from_secs(10);
        let look = || async {
            let now = self.chain.head_timestamp().await.ok()?;
            // Read after the head: a checkpoint in the slot's last block is then seen.
            let landed = self.chain.landed().await.ok()?.remove(&slot);
            (landed.is_some() || now >= end).then_some(landed)
        };
        Ok(until(format!("slot {slot} landed or over"), patience, look).await?)
    }

    /// Waits for the first checkpoint on L1: before it, slots may lie at or below the new cluster's floor.
    ///
    /// # Errors
    /// When there is none within six slots.
    pub async fn first_landed(&self) -> Result<Landed> {
        let look = || async { self.chain.landed().await.ok()?.into_values().next() };
        let patience = self.clock.slots(6) + Duration::from_secs(20);
        until("the first checkpoint on L1", patience, look).await.map_err(|fault| self.explain(fault))
    }

    /// The outlet records of all replicas over all their runs.
    ///
    /// # Errors
    /// When one cannot be read or holds a line that is no record.
    pub fn outlets(&self) -> Result<History> {
        let mut history = History::default();
        for path in self.outlet_paths() {
            match std::fs::read(&path) {
                Ok(bytes) => history.add_record(&path.display().to_string(), &bytes)?,
                Err(fault) if fault.kind() == ErrorKind::NotFound => {}
                Err(fault) => return Err(fault).context("outlet record"),
            }
        }
        Ok(history)
    }

    /// Where the outlet records of all replicas are, also of those that left.
    pub fn outlet_paths(&self) -> BTreeSet<PathBuf> {
        self.former.iter().chain(&self.replicas).map(Replica::outlet_path).collect()
    }

    /// Lays out three more replicas on the same L1 with the same keys, under a directory of their own: another cluster.
    ///
    /// # Errors
    /// When their directories, certificates or keystore cannot be written.
    pub async fn another_cluster(&mut self, name: &str) -> Result<Vec<Replica>> {
        let directory = self.directory.join(name);
        std::fs::create_dir_all(&directory)?;
        let replicas = lay_out(self.l1.info(), &directory, None).await?;
        self.tips.also(replicas.iter().map(|replica| replica.public().clone()).collect());
        Ok(replicas)
    }

    /// Writes a keystore with the first `count` attesters of the deployment; returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keystore_of(&self, count: usize) -> Result<String> {
        let path = self.directory.join(format!("keystore-of-{count}.json"));
        write_keystore(self.l1.info(), count, &path)?;
        Ok(path.display().to_string())
    }

    /// The replicas of clusters that were followed by another one.
    pub fn former(&self) -> &[Replica] {
        &self.former
    }

    /// Kills the present cluster and goes on with `replicas`.
    ///
    /// # Errors
    /// When a replica cannot be killed.
    pub fn follow_with(&mut self, replicas: Vec<Replica>) -> Result<()> {
        for replica in &mut self.replicas {
            replica.kill()?;
        }
        self.former.append(&mut self.replicas);
        self.replicas = replicas;
        Ok(())
    }

    /// Kills replicas of another cluster; what they let out still counts.
    ///
    /// # Errors
    /// When one cannot be killed.
    pub fn lay_aside(&mut self, mut replicas: Vec<Replica>) -> Result<()> {
        for replica in &mut replicas {
            replica.kill()?;
        }
        self.former.append(&mut replicas);
        Ok(())
    }

    /// Runs an `ollin` command at the admin port of `replica`, with the key; returns its exit code and what it said, behind what
    /// commands of the same name said before.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn ollin(&self, replica: &Replica, name: &str, arguments: &[&str]) -> Result<(Option<i32>, String)> {
        let key_file = self.directory.join("admin-key").display().to_string();
        let at = ["--admin-url", replica.admin().url(), "--api-key-file", &key_file];
        let arguments: Vec<String> = arguments.iter().chain(&at).map(|word| (*word).to_owned()).collect();
        let log = self.directory.join(format!("{name}.log"));
        let (status, output) = run(command(name, &arguments, log)?, REPLICA_UP).await?;
        Ok((status.code(), output))
    }

    /// Tells the oracles that a replica was stopped and went on.
    pub fn woke(&mut self, wake: Wake) {
        self.wakes.push(wake);
    }

    /// What `ollin cluster create --json` printed.
    pub const fn created(&self) -> &serde_json::Value {
        &self.created
    }

    /// Every waking so far.
    pub fn wakes(&self) -> &[Wake] {
        &self.wakes
    }

    /// The end of every log, for a failure's message.
    pub fn log_tails(&self, lines: usize) -> String {
        let tails = self.replicas.iter().map(|replica| format!("-- replica {}\n{}", replica.id(), replica.log_tail(lines)));
        tails.collect::<Vec<_>>().join("\n")
    }

    /// Ends everything.
    ///
    /// # Errors
    /// When a replica cannot be killed.
    pub async fn stop(self) -> Result<()> {
        for mut replica in self.replicas {
            replica.kill()?;
        }
        self.l1.stop().await;
        Ok(())
    }

    fn explain(&self, fault: crate::wait::NotInTime) -> anyhow::Error {
        anyhow::Error::new(fault).context(self.log_tails(6))
    }

    async fn create_cluster(&mut self) -> Result<()> {
        let first = self.replicas.first().context("no replicas")?;
        let up = || async {
            // The creation asks every member; one that is still starting would refuse it.
            for replica in &self.replicas {
                replica.admin().text("/status").await.ok()?;
            }
            Some(())
        };
        until("every replica's admin port", REPLICA_UP, up).await.map_err(|fault| self.explain(fault))?;
        let key_file = self.directory.join("admin-key");
        std::fs::write(&key_file, ADMIN_KEY)?;
        let arguments = [
            "cluster".into(),
            "create".into(),
            "--json".into(),
            "--admin-url".into(),
            first.admin().url().to_owned(),
            "--api-key-file".into(),
            key_file.display().to_string(),
        ];
        let log = self.directory.join("create.log");
        let (status, output) = run(command("cluster create", &arguments, log)?, REPLICA_UP).await?;
        ensure!(status.success(), "ollin cluster create: {status}\n{output}\n{}", self.log_tails(10));
        let start = output.find('{').with_context(|| format!("ollin cluster create --json printed {output:?}"))?;
        self.created = serde_json::from_str(&output[start..]).context("what ollin cluster create printed")?;
        Ok(())
    }
}

/// A program of this build: beside the harness' own binary.
///
/// # Errors
/// When it was not built.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().context("the harness has no directory")?.join(name);
    ensure!(path.is_file(), "{} was not built: cargo build --features ollin/failpoints", path.display());
    Ok(path)
}

/// The last JSON object that begins a line of `output`.
pub fn last_json(output: &str) -> Option<serde_json::Value> {
    let lines = output.match_indices("\n{").map(|(at, _)| at + 1).chain(output.starts_with('{').then_some(0));
    let start = lines.max()?;
    serde_json::Deserializer::from_str(&output[start..]).into_iter().next()?.ok()
}

/// The recipe of an `ollin` command that ends by itself.
///
/// # Errors
/// When `ollin` was not built.
pub fn command(name: &str, arguments: &[String], log: PathBuf) -> Result<Recipe> {
    Ok(Recipe {
        name: format!("ollin {name}"),
        program: program("ollin")?,
        arguments: arguments.iter().map(Into::into).collect(),
        environment: BTreeMap::new(),
        log,
    })
}

/// Writes certificates, keystore and directories of three replicas.
async fn lay_out(facts: &Description, directory: &Path, mut network: Option<&mut Network>) -> Result<Vec<Replica>> {
    let free = port::free(12)?;
    let mut ports = Vec::new();
    for (id, chunk) in (1..).zip(free.chunks_exact(4)) {
        let host = host_of(id, network.as_deref_mut()).await?;
        ports.push(Ports { host, public: chunk[0], admin: chunk[1], p2p: chunk[2], cluster: chunk[3] });
    }
    let cluster = directory.join("cluster");
    let mut arguments = vec!["cluster".to_owned(), "certificates".into(), "--out".into(), cluster.display().to_string()];
    for (id, ports) in (1..).zip(&ports) {
        let id: u64 = id;
        arguments.extend(["--replica".into(), format!("{id}={}:{}", ports.host, ports.cluster)]);
    }
    let log = directory.join("certificates.log");
    let (status, output) = run(command("cluster certificates", &arguments, log)?, Duration::from_secs(30)).await?;
    ensure!(status.success(), "ollin cluster certificates: {status}\n{output}");
    let keystore = directory.join("keystore.json");
    write_keystore(facts, facts.validators.len(), &keystore)?;
    let network = network.as_deref();
    let environment = shared_environment(facts, &keystore, network);
    let members = (1..).zip(&ports).map(|(id, ports)| apart(member(id, directory, *ports, &environment)?, directory, network));
    members.collect()
}

/// The address of a replica's host, which is made if need be.
async fn host_of(id: u64, network: Option<&mut Network>) -> Result<Ipv4Addr> {
    let Some(network) = network else { return Ok(Ipv4Addr::LOCALHOST) };
    network.host(id).await?;
    Network::address(id)
}

/// Puts a replica on its host, where there is one.
fn apart(mut replica: Replica, directory: &Path, network: Option<&Network>) -> Result<Replica> {
    let Some(network) = network else { return Ok(replica) };
    replica.set("OLLIN_OUTLET_RECORD", directory.join("outlets.jsonl").display().to_string());
    // Drills run for hours beside other work. Partitions are seen by timers, deaths are not.
    replica.set("OLLIN_HEARTBEAT_INTERVAL_MS", "100");
    replica.set("OLLIN_ELECTION_TIMEOUT_MS", "300");
    replica.set("OLLIN_SNAPSHOT_EVERY", network::SNAPSHOT_EVERY.to_string());
    replica.set("OLLIN_ANCHOR_DIRECTORY", network.anchors(replica.id())?.display().to_string());
    let prefix = network.prefix(replica.id())?;
    Ok(replica.with_prefix(prefix))
}

/// A replica whose certificate is in the world's `cluster` directory.
fn member(id: u64, directory: &Path, ports: Ports, environment: &BTreeMap<String, String>) -> Result<Replica> {
    let mut replica = Replica::new(&program("ollin")?, id, directory, ports, environment)?.with_admin_key(ADMIN_KEY);
    replica.set("OLLIN_CLUSTER_DIRECTORY", directory.join("cluster").join(format!("replica-{id}")).display().to_string());
    Ok(replica)
}

/// The environment that all replicas share.
fn shared_environment(facts: &Description, keystore: &Path, network: Option<&Network>) -> BTreeMap<String, String> {
    // The development L1 gives its addresses as the harness reaches it.
    let seen = |url: &dyn std::fmt::Display| match network {
        Some(_) => url.to_string().replace("127.0.0.1", &network::L1.to_string()),
        None => url.to_string(),
    };
    let pairs = [
        ("KEY_STORE_DIRECTORY", keystore.display().to_string()),
        ("LOG_LEVEL", "info".to_owned()),
        ("ETHEREUM_HOSTS", seen(&facts.rpc_url)),
        ("P2P_IP", "127.0.0.1".to_owned()),
        ("REGISTRY_CONTRACT_ADDRESS", facts.registry.to_string()),
        ("L1_CHAIN_ID", facts.chain_id.to_string()),
        ("ETHEREUM_SLOT_DURATION", facts.ethereum_slot_duration.to_string()),
        ("BLOB_FILE_STORE_URLS", seen(&facts.blob_url)),
        ("SEQ_BUILD_CHECKPOINT_IF_EMPTY", "true".to_owned()),
        ("SEQ_MIN_TX_PER_BLOCK", "0".to_owned()),
        ("AZTEC_ADMIN_API_KEY_HASH", admin_key_hash()),
        ("RUST_BACKTRACE", "1".to_owned()),
        // Test machines are slow and shared. A death is seen without timers.
        ("OLLIN_HEARTBEAT_INTERVAL_MS", "50".to_owned()),
        ("OLLIN_ELECTION_TIMEOUT_MS", "150".to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// SHA-256 of the key's text, in hex: what the official node stores.
fn admin_key_hash() -> String {
    use sha2::{Digest, Sha256};
    alloy::hex::encode(Sha256::digest(ADMIN_KEY))
}

fn write_keystore(facts: &Description, count: usize, path: &Path) -> Result<()> {
    std::fs::write(path, keystore_json(facts, count)?)?;
    Ok(std::fs::set_permissions(path, Permissions::from_mode(0o600))?)
}

/// A keystore with the first `count` attesters of the deployment and a publisher of its own.
fn keystore_json(facts: &Description, count: usize) -> Result<String> {
    let publisher = facts.publisher_keys.first().context("the development L1 names no publisher account")?;
    let attesters: Vec<B256> = facts.validators.iter().take(count).map(|account| account.private_key).collect();
    let coinbase = facts.validators.first().context("the development L1 names no validator")?.address;
    let keystore = serde_json::json!({
        "schemaVersion": 1,
        "validators": [{
            "attester": attesters,
            "publisher": [publisher.private_key],
            "coinbase": coinbase,
            "feeRecipient": format!("{:#066x}", 0x0111_u32),
        }],
    });
    Ok(serde_json::to_string_pretty(&keystore)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_said_last_is_told_from_what_was_said_before() {
        let output = "a warning\n{\n  \"n\": {\n  \"of\": 1 }\n}\nanother\n{\"n\":2}\nthe end\n";
        assert_eq!(last_json(output), Some(serde_json::json!({ "n": 2 })));
        assert_eq!(last_json("{\"n\":1}\n"), Some(serde_json::json!({ "n": 1 })));
        assert_eq!(last_json("nothing {here}"), None);
    }
}
