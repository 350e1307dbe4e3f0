//! Settings of one replica, and the rules they must keep.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ollin_protocol::units::ReplicaId;

use crate::leadership::{TimerProfile, Timers};
use crate::rules::Supported;

/// Settings of one replica of the signing log.
#[derive(Clone, Debug)]
pub struct ConsensusConfig {
    /// Where the replica's store lives; one process at a time.
    pub data_directory: PathBuf,
    /// Holds `cluster.json`, `ca.pem`, `cert.pem` and `key.pem`, as [`crate::certificates::create`] wrote them.
    pub cluster_directory: PathBuf,
    /// This replica's id; it must be in `cluster.json` with the fingerprint of `cert.pem`.
    pub replica: ReplicaId,
    /// Where to listen for the other replicas.
    pub listen: SocketAddr,
    /// Where the local anchor is kept (safety rule R6): a directory in a memory-backed file system that outlives the process and not
    /// the machine. `None`: no anchor, and all other voters must answer after every start.
    pub anchor_directory: Option<PathBuf>,
    /// How often a leader shows that it lives. Default as in [`TimerProfile::OneRegion`].
    pub heartbeat: Duration,
    /// Least silence after which a follower campaigns, counted from the end of the leader's lease.
    pub election_timeout_min: Duration,
    /// Most silence; also the leader's lease.
    pub election_timeout_max: Duration,
    /// The versions of the rules that this replica supports. Default [`Supported::RELEASED`].
    pub rules: Supported,
    /// A snapshot is taken after that many entries. Default 5000.
    pub snapshot_every: u64,
}

/// A setting that breaks a rule.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// One value is outside its range.
    #[error("{key} is {value}, expected {rule}")]
    Value {
        /// Name of the setting.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        rule: String,
    },
}

impl ConsensusConfig {
    /// Defaults for everything but the places and the id.
    pub fn new(data_directory: PathBuf, cluster_directory: PathBuf, replica: ReplicaId, listen: SocketAddr) -> Self {
        let timers = TimerProfile::default().timers();
        Self {
            data_directory,
            cluster_directory,
            replica,
            listen,
            anchor_directory: None,
            heartbeat: timers.heartbeat,
            election_timeout_min: timers.election_timeout_min,
            election_timeout_max: timers.election_timeout_max,
            rules: Supported::RELEASED,
            snapshot_every: 5000,
        }
    }

    /// Checks every rule and reports all faults.
    pub fn validate(&self) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        let mut fault = |key, value: String, rule: String| faults.push(ConfigError::Value { key, value, rule });
        let milliseconds = |duration: Duration| format!("{} ms", duration.as_millis());
        if !(Duration::from_millis(10)..=Duration::from_secs(5)).contains(&self.heartbeat) {
            fault("heartbeat", milliseconds(self.heartbeat), "10 ms to 5 s".to_owned());
        }
        let least = self.heartbeat.saturating_mul(2);
        if self.election_timeout_min < least {
            let rule = format!("at least {} (2 heartbeats)", milliseconds(least));
            fault("election_timeout_min", milliseconds(self.election_timeout_min), rule);
        }
        let room = self.election_timeout_min.saturating_add(Duration::from_millis(10));
        if self.election_timeout_max < room || self.election_timeout_max > Duration::from_secs(60) {
            let rule = format!("{} to 60 s", milliseconds(room));
            fault("election_timeout_max", milliseconds(self.election_timeout_max), rule);
        }
        if !(10..=1_000_000).contains(&self.snapshot_every) {
            fault("snapshot_every", self.snapshot_every.to_string(), "10 to 1000000".to_owned());
        }
        faults
    }

    /// Raft's timers.
    pub(crate) fn timers(&self) -> Timers {
        Timers {
            heartbeat: self.heartbeat,
            election_timeout_min: self.election_timeout_min,
            election_timeout_max: self.election_timeout_max,
        }
    }

    /// How long a quorum's answer counts: openraft's leader lease is its greatest election timeout.
    pub(crate) fn lease(&self) -> Duration {
        self.election_timeout_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ConsensusConfig {
        ConsensusConfig::new(PathBuf::new(), PathBuf::new(), ReplicaId::new(1), ([127, 0, 0, 1], 0).into())
    }

    #[test]
    fn the_defaults_keep_the_rules() {
        assert_eq!(config().validate(), Vec::new());
    }

    #[test]
    fn every_fault_is_reported_with_its_rule() {
        let mut bad = config();
        bad.heartbeat = Duration::from_millis(100);
        bad.election_timeout_max = Duration::from_millis(100);
        bad.snapshot_every = 0;
        let faults: Vec<String> = bad.validate().iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "election_timeout_min is 100 ms, expected at least 200 ms (2 heartbeats)",
                "election_timeout_max is 100 ms, expected 110 ms to 60 s",
                "snapshot_every is 0, expected 10 to 1000000",
            ]
        );
    }
}
