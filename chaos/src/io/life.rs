//! The scripted life of a replica on real files, among two others, on a simulated network and clock.
//!
//! The third replica is cut off whenever a claim is made that counts: the replica under test is then needed for every quorum, so
//! whatever is granted has to be on its disk.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ollin_consensus::simulation::World;
use ollin_consensus::{ConsensusConfig, SigningLog};
use ollin_protocol::units::{ReplicaId, Slot};
use parking_lot::Mutex;

use super::stage::Stage;
use super::told::{Ended, Told};

/// Everything at or below it has begun when the cluster is created.
pub const FLOOR: Slot = Slot::new(100);
/// The replica under test, its helper, and the one that is cut off.
pub const REPLICAS: [ReplicaId; 3] = [SUBJECT, HELPER, THIRD];
/// The replica under test.
pub const SUBJECT: ReplicaId = ReplicaId::new(1);
pub(super) const HELPER: ReplicaId = ReplicaId::new(2);
pub(super) const THIRD: ReplicaId = ReplicaId::new(3);

/// A snapshot after so many entries, and purged when twice as many lie behind it: the least that there is.
const SNAPSHOT_EVERY: u64 = 10;
/// A life that takes longer, on its own clock, is stuck.
const LONGEST: Duration = Duration::from_secs(900);
const STEP: Duration = Duration::from_secs(1);
const SEED: u64 = 1;

/// What the replica under test is during its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It leads, is stopped, comes back after its machine's restart, and is cut off with entries that nobody else has.
    Leader,
    /// It follows, is stopped and comes back.
    Follower,
    /// It comes back after its machine's restart when the others have only a snapshot of what it missed.
    Recovering,
}

/// Where a life takes place.
#[derive(Clone, Debug)]
pub struct Place {
    /// Below it, each replica's data directory, by its id, and the file of what is told.
    pub data: PathBuf,
    /// In memory: below it, each replica's anchor directory.
    pub memory: PathBuf,
}

/// Which of the subject's syncs takes how long, on the life's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// Number of the sync, from 0.
    pub sync: u64,
    /// How long it takes.
    pub time: Duration,
}

/// What a life is asked to do.
#[derive(Clone, Copy, Debug)]
pub enum Script {
    /// A whole life.
    Whole {
        /// In this role.
        role: Role,
        /// With this sync delayed.
        delay: Option<Delay>,
    },
    /// Three replicas start on what is there, and whatever was granted is asked for again.
    Afterwards,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Leader, Self::Follower, Self::Recovering];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Recovering => "recovering",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| format!("{text:?} is no role"))
    }
}

impl Place {
    /// One replica's data directory.
    pub fn store(&self, replica: ReplicaId) -> PathBuf {
        self.data.join(replica.to_string())
    }

    /// One replica's anchor directory.
    pub fn anchor(&self, replica: ReplicaId) -> PathBuf {
        self.memory.join(replica.to_string())
    }

    /// The file of what is told.
    pub fn told(&self) -> PathBuf {
        self.data.join("told")
    }

    /// One replica's settings.
    pub fn config(&self, replica: ReplicaId) -> ConsensusConfig {
        let listen = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 9000));
        let mut config = ConsensusConfig::new(self.store(replica), PathBuf::new(), replica, listen);
        config.anchor_directory = Some(self.anchor(replica));
        config.snapshot_every = SNAPSHOT_EVERY;
        config
    }
}

static TELLER: OnceLock<Mutex<File>> = OnceLock::new();

/// Tells something, before anything else happens.
pub(super) fn tell(told: &Told) {
    if let Some(teller) = TELLER.get() {
        let line = format!("{told}\n");
        // In one call: a line is there whole, or not.
        teller.lock().write_all(line.as_bytes()).expect("nothing makes the file of what is told fail");
    }
}

/// Ends the process as a real replica ends it when its disk cannot be synced.
pub(super) fn fatal(reason: &str) {
    tell(&Told::Ended(Ended::Stopped { how: "fatal".to_owned(), message: reason.to_owned() }));
    std::process::abort();
}

/// Plays a script in this process, and tells how it ended.
///
/// # Errors
/// If the file of what is told cannot be opened.
pub fn play(place: &Place, script: Script) -> std::io::Result<()> {
    let told = OpenOptions::new().create(true).append(true).open(place.told())?;
    drop(TELLER.set(Mutex::new(told)));
    let said = Arc::new(Mutex::new(String::new()));
    let saying = Arc::clone(&said);
    std::panic::set_hook(Box::new(move |panic| *saying.lock() = panic.to_string()));
    let world = World::new(SEED);
    let ended = Arc::new(Mutex::new(None));
    let (result, place) = (Arc::clone(&ended), place.clone());
    let acting = world.process();
    drop(world.spawn_in(acting, async move {
        let mut stage = Stage::new(place, script);
        let end = stage.act(script).await;
        *result.lock() = Some(end.err().unwrap_or(Ended::Done));
    }));
    let mut until = Duration::ZERO;
    let end = loop {
        until += STEP;
        let stuck = world.run_until(until).err().map(|livelock| livelock.to_string());
        if !world.take_panics().is_empty() {
            break Ended::Panicked { message: said.lock().clone() };
        }
        if let Some(end) = ended.lock().take() {
            break end;
        }
        if let Some(message) = stuck.or_else(|| (until > LONGEST).then(|| "the script".to_owned())) {
            break Ended::Stuck { message };
        }
    };
    tell(&Told::Ended(end));
    // What still runs is not closed in order: a process that is killed closes nothing.
    std::process::exit(0);
}

/// Removes what a restart of the machine removes.
pub(super) fn forget(directory: &Path) -> std::io::Result<()> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        // The one call that fails may be this one.
        std::fs::remove_file(&path).or_else(|_| std::fs::remove_file(&path))?;
    }
    Ok(())
}

/// A log's state, as the script asks for it.
pub(super) fn acts(log: &SigningLog) -> bool {
    log.role().borrow().active_term().is_some()
}
