//! A cluster of replica processes on this machine.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ollin_consensus::certificates::{self, NewReplica};
use ollin_protocol::units::ReplicaId;

use crate::order::{Answer, Load, Look, Order, SlotTime, Spec, Timed};
use crate::proxy::Proxy;

const PATIENCE: Duration = Duration::from_secs(60);

/// What a cluster is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) replicas: u64,
    pub(crate) attesters: u64,
    /// Added to every round trip between two replicas.
    pub(crate) round_trip: Duration,
    /// Added to every sync.
    pub(crate) sync_delay: Duration,
    /// Every connection goes through a proxy that counts, also without a delay.
    pub(crate) counted: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self { replicas: 3, attesters: 500, round_trip: Duration::ZERO, sync_delay: Duration::ZERO, counted: false }
    }
}

/// The processes. They end with it: their standard input closes.
pub(crate) struct Fleet {
    pub(crate) directory: PathBuf,
    members: BTreeMap<u64, Member>,
    proxies: Vec<Proxy>,
    cluster_id: String,
}

struct Member {
    spec: Spec,
    running: Option<Running>,
}

struct Running {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Fleet {
    /// Starts a cluster and creates it; returns once one replica leads and all are whole.
    pub(crate) fn start(directory: &Path, shape: Shape) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let ports = free_ports(usize::try_from(shape.replicas)?)?;
        let listens: Vec<(u64, u16)> = (1..).zip(ports).collect();
        let mut proxies = Vec::new();
        let mut announced = Vec::new();
        for (id, port) in &listens {
            let behind = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
            let mut address = behind;
            if shape.counted || !shape.round_trip.is_zero() {
                let proxy = Proxy::start(0, behind, shape.round_trip / 2)?;
                address = proxy.address();
                proxies.push(proxy);
            }
            announced.push(NewReplica::full(ReplicaId::new(*id), address.to_string()));
        }
        let cluster = certificates::create(&directory.join("certificates"), &announced)?;
        let keystore = keystore(directory, shape.attesters)?;
        // More than a heartbeat of the profile for one region can bear.
        let multi_region = shape.round_trip > Duration::from_millis(15);
        let member = |(id, port): (u64, u16)| {
            let spec = Spec {
                id,
                directory: directory.join(format!("replica-{id}")),
                certificates: directory.join(format!("certificates/replica-{id}")),
                keystore: keystore.clone(),
                port,
                multi_region,
                sync_delay_us: u64::try_from(shape.sync_delay.as_micros()).unwrap_or(u64::MAX),
            };
            (id, Member { spec, running: None })
        };
        let members = listens.into_iter().map(member).collect();
        let mut fleet = Self { directory: directory.to_owned(), members, proxies, cluster_id: cluster.cluster_id };
        for id in fleet.ids() {
            fleet.begin(id)?;
        }
        for id in fleet.ids() {
            fleet.begun(id)?;
        }
        fleet.ask(1, &Order::Create)?;
        fleet.settled()?;
        Ok(fleet)
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        self.members.keys().copied().collect()
    }

    /// Bytes that its proxies have carried.
    pub(crate) fn carried(&self) -> u64 {
        self.proxies.iter().map(Proxy::carried).sum()
    }

    pub(crate) fn data(&self, id: u64) -> PathBuf {
        self.directory.join(format!("replica-{id}/data"))
    }

    fn member(&mut self, id: u64) -> Result<&mut Member> {
        self.members.get_mut(&id).with_context(|| format!("there is no replica {id}"))
    }

    fn running(&mut self, id: u64) -> Result<&mut Running> {
        self.member(id)?.running.as_mut().with_context(|| format!("replica {id} does not run"))
    }

    /// Starts a replica's process.
    pub(crate) fn begin(&mut self, id: u64) -> Result<()> {
        let member = self.member(id)?;
        fs::create_dir_all(&member.spec.directory)?;
        let log = File::options().create(true).append(true).open(member.spec.directory.join("log"))?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["replica", &serde_json::to_string(&member.spec)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("a replica's process")?;
        let orders = child.stdin.take().context("its standard input")?;
        let answers = BufReader::new(child.stdout.take().context("its standard output")?);
        member.running = Some(Running { child, orders, answers });
        Ok(())
    }

    /// Waits until it has opened its log.
    pub(crate) fn begun(&mut self, id: u64) -> Result<()> {
        let begun = self.answer(id)?;
        ensure!(matches!(begun, Answer::Done), "replica {id} began with {begun:?}");
        Ok(())
    }

    pub(crate) fn tell(&mut self, id: u64, order: &Order) -> Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        let running = self.running(id)?;
        running.orders.write_all(&line).with_context(|| format!("replica {id} takes no orders"))
    }

    pub(crate) fn answer(&mut self, id: u64) -> Result<Answer> {
        let mut line = String::new();
        self.running(id)?.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "replica {id} has ended: see {}", self.directory.join(format!("replica-{id}/log")).display());
        let answer = serde_json::from_str(&line)?;
        if let Answer::Failed(reason) = answer {
            bail!("replica {id}: {reason}");
        }
        Ok(answer)
    }

    /// The next answers of several replicas, each with the moment at which it came.
    pub(crate) fn answers(&mut self, of: &[u64]) -> Result<Vec<(u64, Instant, Answer)>> {
        let listening = self.members.iter_mut().filter(|(id, _)| of.contains(id));
        let listening = listening.filter_map(|(id, member)| Some((*id, member.running.as_mut()?)));
        std::thread::scope(|scope| {
            let hear = |(id, running): (u64, &'_ mut Running)| {
                let mut line = String::new();
                running.answers.read_line(&mut line)?;
                let heard = Instant::now();
                let answer = serde_json::from_str(&line).with_context(|| format!("replica {id} answered {line:?}"))?;
                Ok((id, heard, answer))
            };
            let threads: Vec<_> = listening.map(|one| scope.spawn(move || hear(one))).collect();
            threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?).collect()
        })
    }

    pub(crate) fn ask(&mut self, id: u64, order: &Order) -> Result<Answer> {
        self.tell(id, order)?;
        self.answer(id)
    }

    pub(crate) fn look(&mut self, id: u64) -> Result<Look> {
        let Answer::Look(look) = self.ask(id, &Order::Look)? else { bail!("replica {id} does not say how it is") };
        Ok(look)
    }

    /// A load on a leader.
    pub(crate) fn load(&mut self, leader: u64, load: Load) -> Result<Timed> {
        let Answer::Load(timed) = self.ask(leader, &Order::Load(load))? else { bail!("replica {leader} bore no load") };
        Ok(timed)
    }

    /// A slot of so many attesters at a leader.
    pub(crate) fn slot(&mut self, leader: u64, attesters: usize) -> Result<SlotTime> {
        let Answer::Slot(time) = self.ask(leader, &Order::Slot { attesters })? else { bail!("replica {leader} signed no slot") };
        Ok(time)
    }

    /// Waits until one replica leads, and all are whole and have applied what it has. Returns the leader.
    pub(crate) fn settled(&mut self) -> Result<u64> {
        let until = Instant::now() + PATIENCE;
        let ids = self.ids();
        while Instant::now() < until {
            let looks = ids.iter().map(|id| Ok((*id, self.look(*id)?))).collect::<Result<Vec<_>>>()?;
            if let Some((id, look)) = looks.iter().find(|(_, look)| look.halted.is_some()) {
                bail!("replica {id} is halted: {look:?}");
            }
            let leader = looks.iter().find(|(_, look)| look.active);
            if let Some((leader, leading)) = leader
                && looks.iter().all(|(_, look)| look.whole && look.leader == Some(*leader) && look.applied + 2 >= leading.applied)
            {
                return Ok(*leader);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the cluster did not settle within {} s", PATIENCE.as_secs())
    }

    pub(crate) fn pid(&mut self, id: u64) -> Result<u32> {
        Ok(self.running(id)?.child.id())
    }

    pub(crate) fn signal(&mut self, id: u64, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid(id)?)?);
        Ok(kill(pid, signal)?)
    }

    /// Collects a killed process.
    pub(crate) fn bury(&mut self, id: u64) -> Result<()> {
        if let Some(mut running) = self.member(id)?.running.take() {
            running.child.kill()?;
            running.child.wait()?;
        }
        Ok(())
    }

    /// Starts a buried replica again.
    pub(crate) fn revive(&mut self, id: u64) -> Result<()> {
        self.begin(id)?;
        self.begun(id)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for member in self.members.values_mut() {
            if let Some(mut running) = member.running.take() {
                drop(running.child.kill());
                drop(running.child.wait());
            }
            let anchor = ollin_consensus::default_anchor_directory();
            let file = anchor.map(|directory| directory.join(format!("{}-{}.anchor", self.cluster_id, member.spec.id)));
            drop(file.map(fs::remove_file));
        }
    }
}

/// Ports that nobody used a moment ago.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>> {
    let held = (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<Vec<_>, _>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// A keystore of made-up keys: 1, 2, 3, ...
fn keystore(directory: &Path, attesters: u64) -> Result<PathBuf> {
    let key = |number: u64| format!("0x{number:064x}");
    let keys: Vec<String> = (1..=attesters).map(key).collect();
    let validators = serde_json::json!([{"attester": keys, "publisher": [key(attesters + 1)], "feeRecipient": key(7)}]);
    let path = directory.join("keystore.json");
    fs::write(&path, serde_json::json!({"schemaVersion": 1, "validators": validators}).to_string())?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(path)
}
