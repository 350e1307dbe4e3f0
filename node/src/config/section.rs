//! The sections of [`super::NodeConfig`], each with the rules between its own settings.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy_primitives::Address;
use ollin_consensus::{TimerProfile, Timers};
use ollin_protocol::units::ReplicaId;
use ollin_rpc::{AdminKeySource, KeyHash, Limits};
use reqwest::Url;

use super::fault::Expected;
use super::log_filter;
use super::parse;
use super::reader::Reader;

/// The development chain's id, on which L1 inclusion takes no more than a second.
const DEVELOPMENT_CHAIN_ID: u64 = 31337;
/// An election timeout shorter than this many heartbeats makes elections out of jitter.
const HEARTBEATS_PER_ELECTION_MIN: u32 = 3;
/// Slots, epochs and time-outs above a day are typing errors.
const DAY_S: u64 = 86_400;

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogConfig {
    /// Directives for `EnvFilter`.
    pub(crate) directives: String,
    /// One JSON object a line.
    pub(crate) json: bool,
}

impl LogConfig {
    pub(super) fn read(reader: &mut Reader<'_>, notes: &mut Vec<String>) -> Option<Self> {
        let filter = reader.required("log.level", log_filter::parse);
        let json = reader.required("log.json", parse::switch);
        let filter = filter?;
        let unknown = filter.unknown_modules.iter();
        notes.extend(unknown.map(|module| format!("LOG_LEVEL names {module}, which no part of this version bears")));
        Some(Self { directives: filter.directives, json: json? })
    }
}

/// HTTP ports.
#[derive(Clone, Debug)]
pub(crate) struct RpcConfig {
    /// Public port.
    pub(crate) public: SocketAddr,
    /// Admin port.
    pub(crate) admin: SocketAddr,
    /// Where the admin key comes from.
    pub(crate) admin_key: AdminKeySource,
    /// Bounds on requests.
    pub(crate) limits: Limits,
}

impl RpcConfig {
    pub(super) fn read(reader: &mut Reader<'_>, data_directory: Option<&Path>) -> Option<Self> {
        let ip = reader.required("rpc.listen_address", parse::ip);
        let port = reader.required("rpc.port", parse::port);
        let admin_port = reader.required("rpc.admin_port", parse::port);
        if port.is_some() && port == admin_port {
            reader.refuse("rpc.admin_port", Expected::rule("another port than rpc.port"));
        }
        let batch_size = reader.required("rpc.max_batch_size", parse::number(1, 10_000));
        let body_bytes = reader.required("rpc.max_body_size", parse::byte_size);
        let hash = reader.optional("rpc.admin_api_key_hash", |text| {
            KeyHash::from_hex(text).ok_or_else(|| Expected::rule("64 lower-case hex digits, the SHA-256 of the key"))
        });
        let disabled = reader.required("rpc.disable_admin_api_key", parse::switch);
        let reset = reader.required("rpc.reset_admin_api_key", parse::switch);
        let admin_key = match (disabled?, hash) {
            (true, _) => AdminKeySource::Disabled,
            (false, Some(hash)) => AdminKeySource::Given(hash),
            (false, None) => AdminKeySource::Stored { data_directory: data_directory?.to_owned(), reset: reset? },
        };
        let limits = Limits {
            batch_size: usize::try_from(batch_size?).unwrap_or(usize::MAX),
            body_bytes: body_bytes?,
            ..Limits::default()
        };
        Some(Self { public: SocketAddr::new(ip?, port?), admin: SocketAddr::new(ip?, admin_port?), admin_key, limits })
    }
}

/// L1 endpoints and contracts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct L1Config {
    /// Execution endpoints, in order of use.
    pub(crate) rpc_urls: Vec<Url>,
    /// Consensus endpoints, in order of use.
    pub(crate) consensus_urls: Vec<Url>,
    /// Blob stores, in order of use.
    pub(crate) blob_file_store_urls: Vec<Url>,
    /// Time one endpoint has to answer.
    pub(crate) request_timeout: Duration,
    /// Chain id that every endpoint must have.
    pub(crate) chain_id: u64,
    /// The registry, from which all contracts are found.
    pub(crate) registry: Address,
    /// The rollup's version; `None` follows the registry.
    pub(crate) rollup_version: Option<u64>,
    /// Seconds between L1 blocks.
    pub(crate) slot_duration_s: u64,
}

impl L1Config {
    /// Whether any of the settings is there that have no default.
    pub(super) fn is_set(reader: &Reader<'_>) -> bool {
        ["l1.rpc_urls", "l1.consensus_urls", "l1.blob_file_store_urls", "l1.registry_address"]
            .iter()
            .any(|key| reader.is_set(key))
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let rpc_urls = reader.required("l1.rpc_urls", parse::urls);
        let consensus_urls = reader.optional("l1.consensus_urls", parse::urls);
        let blob_file_store_urls = reader.optional("l1.blob_file_store_urls", parse::urls);
        if !reader.is_set("l1.consensus_urls") && !reader.is_set("l1.blob_file_store_urls") {
            let remedy = "set L1_CONSENSUS_HOST_URLS or BLOB_FILE_STORE_URLS, checkpoints cannot be read without their blobs";
            reader.refuse("l1.consensus_urls", Expected::rule("at least one source of blobs").remedy(remedy));
        }
        let request_timeout = reader.required("l1.request_timeout_ms", parse::milliseconds(100, 60_000));
        let chain_id = reader.required("l1.chain_id", parse::number(1, u64::MAX));
        let registry = reader.required("l1.registry_address", parse::address);
        let rollup_version = reader.required("l1.rollup_version", parse::rollup_version);
        let slot_duration_s = reader.required("l1.slot_duration_s", parse::number(1, DAY_S));
        Some(Self {
            rpc_urls: rpc_urls?,
            consensus_urls: consensus_urls.unwrap_or_default(),
            blob_file_store_urls: blob_file_store_urls.unwrap_or_default(),
            request_timeout: request_timeout?,
            chain_id: chain_id?,
            registry: registry?,
            rollup_version: rollup_version?,
            slot_duration_s: slot_duration_s?,
        })
    }
}

/// Proposer's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SequencerConfig {
    /// Make a checkpoint without transactions.
    pub(crate) build_checkpoint_if_empty: bool,
    /// Transactions that a block needs.
    pub(crate) min_txs_per_block: u64,
    /// Part of a slot kept for inclusion on L1.
    pub(crate) l1_publishing_time: Duration,
    /// Time one message takes to peers.
    pub(crate) attestation_propagation_time: Duration,
}

impl SequencerConfig {
    pub(super) fn read(reader: &mut Reader<'_>, l1: Option<&L1Config>) -> Option<Self> {
        let build_checkpoint_if_empty = reader.required("sequencer.build_checkpoint_if_empty", parse::switch);
        let min_txs_per_block = reader.required("sequencer.min_txs_per_block", parse::number(0, u64::from(u32::MAX)));
        let publishing = reader.optional("sequencer.l1_publishing_time_s", parse::seconds(0, DAY_S));
        let propagation = reader.required("sequencer.attestation_propagation_time_s", parse::seconds(0, DAY_S));
        // Source: npm @aztec/sequencer-client 4.1.2, `src/config.ts`.
        let is_development = l1.is_some_and(|l1| l1.chain_id == DEVELOPMENT_CHAIN_ID);
        let publishing_default = Duration::from_secs(if is_development { 1 } else { 12 });
        Some(Self {
            build_checkpoint_if_empty: build_checkpoint_if_empty?,
            min_txs_per_block: min_txs_per_block?,
            l1_publishing_time: publishing.unwrap_or(publishing_default),
            attestation_propagation_time: propagation?,
        })
    }
}

/// This replica's place in its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClusterConfig {
    /// Its id in `cluster.json`.
    pub(crate) replica: ReplicaId,
    /// Whether it is a witness: it holds no keys.
    pub(crate) witness: bool,
    /// Holds `cluster.json`, `ca.pem`, `cert.pem`, `key.pem`.
    pub(crate) directory: PathBuf,
    /// Where other replicas connect; `None`: all addresses, at the port of the own entry in `cluster.json`.
    pub(crate) listen: Option<SocketAddr>,
    /// Where the timers come from.
    pub(crate) profile: TimerProfile,
    /// Raft's timers: the profile's, or those that are set in their place.
    pub(crate) timers: Timers,
    /// How long a hand-over waits for a moment at which no slot is half done.
    pub(crate) hand_over_patience: Duration,
    /// Where the local anchor is kept; `None`: where this machine keeps such things.
    pub(crate) anchor_directory: Option<PathBuf>,
    /// Log entries between snapshots.
    pub(crate) snapshot_every: u64,
}

impl ClusterConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let replica = reader.required("cluster.replica_id", parse::number(1, u64::MAX));
        let witness = reader.required("cluster.witness", parse::switch);
        let directory = reader.required("cluster.directory", parse::path);
        let listen = reader.optional("cluster.listen", parse::socket);
        let profile = reader.required("cluster.timer_profile", parse::timer_profile);
        let timers = profile.map(|profile| timers(reader, profile.timers()));
        let patience = reader.required("cluster.hand_over_patience_ms", parse::milliseconds(0, 120_000));
        let anchor_directory = reader.optional("cluster.anchor_directory", parse::path);
        let snapshot_every = reader.required("cluster.snapshot_every", parse::number(100, 1_000_000));
        Some(Self {
            replica: ReplicaId::new(replica?),
            witness: witness?,
            directory: directory?,
            listen,
            profile: profile?,
            timers: timers?,
            hand_over_patience: patience?,
            anchor_directory,
            snapshot_every: snapshot_every?,
        })
    }
}

/// The profile's timers, save those that are set in their place.
fn timers(reader: &mut Reader<'_>, mut timers: Timers) -> Timers {
    if let Some(heartbeat) = reader.optional("cluster.heartbeat_interval_ms", parse::milliseconds(20, 1000)) {
        timers.heartbeat = heartbeat;
    }
    if let Some(election) = reader.optional("cluster.election_timeout_ms", parse::milliseconds(60, 60_000)) {
        (timers.election_timeout_min, timers.election_timeout_max) = (election, election * 2);
    }
    let shortest = timers.heartbeat * HEARTBEATS_PER_ELECTION_MIN;
    if timers.election_timeout_min < shortest {
        let rule = format!("at least {} ({HEARTBEATS_PER_ELECTION_MIN} heartbeats)", shortest.as_millis());
        reader.refuse("cluster.election_timeout_ms", Expected::rule(rule));
    }
    timers
}

/// Peer-to-peer settings: checked, not yet in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct P2pConfig {
    /// External address.
    pub(crate) ip: Option<IpAddr>,
    /// Port.
    pub(crate) port: Option<u16>,
}

impl P2pConfig {
    /// Why p2p is not in use, for status and log.
    pub(crate) const REASON: &'static str = "this version follows and publishes through L1 only";

    pub(super) fn read(reader: &mut Reader<'_>, notes: &mut Vec<String>) -> Option<Self> {
        let ip = reader.optional("p2p.ip", parse::external_ip);
        let port = reader.optional("p2p.port", parse::port);
        let set = [("P2P_IP", ip.map(|ip| ip.to_string())), ("P2P_PORT", port.map(|port| port.to_string()))];
        let set: Vec<_> = set.into_iter().filter_map(|(name, value)| value.map(|value| format!("{name} {value}"))).collect();
        if !set.is_empty() {
            notes.push(format!("{}: checked, not yet in use ({})", set.join(", "), Self::REASON));
        }
        Some(Self { ip, port })
    }
}
