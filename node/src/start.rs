//! `ollin start`: builds the parts, connects them, supervises their tasks, stops them from the outside in.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use ollin_archiver::Archiver;
use ollin_consensus::{ClusterFile, ConsensusConfig, MemberKind, SigningLog};
use ollin_keystore::{Keystore, OutletRecord, UnboundKeystore};
use ollin_l1::{L1, Surroundings};
use ollin_protocol::blob;
use ollin_protocol::schedule::Timetable;
use ollin_publisher::fees::FeeCaps;
use ollin_publisher::{Publisher, PublisherConfig};
use ollin_rpc::view::{AdminConfig, L1ContractAddresses, LeadershipSection, NodeInfo, ProtocolContractAddresses, VersionHeaders};
use ollin_rpc::{AdminKey, AdminViews, NodeDescription, Views, serve_admin, serve_public};
use ollin_sequencer::{Sequencer, SequencerConfig};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use crate::config::{NodeConfig, RpcConfig};
use crate::duties::audit_file::AuditFiles;
use crate::duties::missed::{self, MissedFeed};
use crate::evidence::EvidenceScan;
use crate::lead::{Leadership, LeadershipHandle, LeadershipParts};
use crate::status::{Sources, StatusFeed};
use crate::{admin, config};

/// The official version that this node stands in for.
const AZTEC_VERSION: &str = "4.1.2";
/// How long one claim may take before its outcome counts as unknown.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(2);
/// L1 blocks without inclusion after which an attempt is bumped.
const STALL_L1_SLOTS: u64 = 3;
/// Most attempts of one slot at one nonce: the first and three bumps, as the official node.
const MAX_ATTEMPTS: usize = 4;
/// How long the tasks may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// The tasks of a replica; each ends only at shutdown.
type Tasks = JoinSet<(&'static str, anyhow::Result<()>)>;

/// Why a replica ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was asked to.
    Stopped,
    /// It was added to the cluster, and takes its Raft id as a new process.
    StartAnew,
}

/// Runs a replica until a signal or until one of its parts fails.
///
/// # Errors
/// What kept it from starting, or the part that failed.
pub(crate) async fn run(config: NodeConfig) -> anyhow::Result<Ended> {
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    if let Some(directory) = &config.failpoints {
        tracing::warn!(directory = %directory.display(), "a test build: it stops at named points on demand");
    }
    if let Some(fault) = config.planted {
        tracing::error!(fault = fault.name(), "a test build breaks a rule on purpose: {}", fault.what());
    }
    let metrics = PrometheusBuilder::new().install_recorder().context("metrics")?;
    let outlets = config.outlet_record.as_deref().map(OutletRecord::open).transpose().context("OLLIN_OUTLET_RECORD")?;
    check_kind(&config.cluster)?;
    let keystore = config.keystore_path.as_deref().map_or_else(|| Ok(Keystore::without_keys()), Keystore::load)?;
    let key = AdminKey::resolve(config.rpc.admin_key.clone())?;
    // At once: its hash is stored, and whatever fails next must not keep the key from its owner.
    if let Some(fresh) = key.fresh() {
        announce(fresh);
    }
    let listeners = Listeners::bind(&config.rpc).await?;
    let keystore_warnings = keystore.warnings().iter().map(|warning| warning.code).collect();
    let engines = match &config.l1 {
        Some(l1) => Some(Engines::open(l1, &config, keystore, outlets).await?),
        None => None,
    };
    let chain = engines.as_ref().map(|engines| engines.chain.clone());
    let log = SigningLog::open(consensus_config(&config)?).await.context("the signing log")?;

    let audit = AuditFiles::open(config.data_directory.join("audit"), log.view().cluster_id, config.cluster.replica.get())?;

    let shutdown = CancellationToken::new();
    let mut tasks = Tasks::new();
    let parts = LeadershipParts {
        log: log.clone(),
        chain: chain.clone(),
        data_directory: config.data_directory.clone(),
        profile: config.cluster.profile,
        timers: config.cluster.timers,
        patience: config.cluster.hand_over_patience,
    };
    let (leadership, leading) = Leadership::new(parts).context("leadership is wired once")?;
    spawn(&mut tasks, "leadership", ok(leadership.run(shutdown.clone())));
    let status = StatusFeed::start(Sources {
        log: log.clone(),
        chain: chain.clone(),
        keystore_warnings,
        p2p: config.p2p.clone(),
        leadership: leading.view(),
    });
    let node = engines.as_ref().map(|engines| engines.describe());
    let missed = match engines {
        Some(engines) => engines.spawn(&mut tasks, &log, &config, leading.view(), &shutdown)?,
        None => missed::nothing(config.cluster.replica),
    };
    spawn(&mut tasks, "audit", audit.run(log.clone(), shutdown.clone()));
    spawn(&mut tasks, "status", ok(status.feed.run(shutdown.clone())));
    let (send, receive) = mpsc::channel(4);
    let admin = admin::serve(log.clone(), chain, leading.clone(), missed, receive, shutdown.clone());
    spawn(&mut tasks, "admin", ok(admin));
    let views = views(node, &config, &metrics, status.views);
    let admin_views = AdminViews { views: views.clone(), config: admin_config(&config), key, commands: send };
    let (public_port, admin_port) = (listeners.public, listeners.admin);
    spawn(&mut tasks, "public port", served(serve_public(public_port, views, shutdown.clone())));
    spawn(&mut tasks, "admin port", served(serve_admin(admin_port, admin_views, shutdown.clone())));
    tracing::info!(replica = %config.cluster.replica, public = %config.rpc.public, admin = %config.rpc.admin, "replica started");

    let ended = supervise(&mut tasks, log.admitted()).await;
    if ended.is_ok() {
        give_up_leadership(&leading, &mut tasks, log.admitted()).await;
    }
    shutdown.cancel();
    stop(&mut tasks).await;
    log.shutdown().await;
    ended
}

/// What a replica does with L1 and its keys; a witness without L1 settings has none of it.
struct Engines {
    chain: Chain,
    archiver: Archiver,
    surroundings: Surroundings,
}

impl Engines {
    async fn open(
        l1: &config::L1Config,
        config: &NodeConfig,
        keystore: UnboundKeystore,
        outlets: Option<OutletRecord>,
    ) -> anyhow::Result<Self> {
        // Loading the trusted setup takes seconds: it is there before this replica may lead.
        let warm_up = tokio::task::spawn_blocking(blob::warm_up);
        let l1 = connect(l1).await?;
        let surroundings = l1.surroundings().await.context("the contracts around the rollup")?;
        let keystore = keystore.bind(config.cluster.replica, l1.constants().chain_id, l1.contracts().rollup, outlets);
        let archiver = Archiver::open(&config.data_directory.join("archiver"), l1.clone())?;
        warm_up.await.context("the KZG setup")?;
        let chain = Chain { l1, archiver: archiver.handle(), keystore: Arc::new(keystore) };
        Ok(Self { chain, archiver, surroundings })
    }

    fn describe(&self) -> NodeDescription {
        describe(&self.chain.l1, &self.surroundings)
    }

    /// Starts all of them; what was missed is seen through the feed.
    fn spawn(
        self,
        tasks: &mut Tasks,
        log: &SigningLog,
        config: &NodeConfig,
        leadership: watch::Receiver<LeadershipSection>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<MissedFeed> {
        let Chain { l1, archiver, keystore } = self.chain.clone();
        let sources = missed::Sources { log: log.clone(), chain: self.chain, leadership };
        let (recorder, reports, missed) = missed::Recorder::open(sources, &config.data_directory)?;
        let allowance = config.sequencer.l1_publishing_time;
        let propagation = config.sequencer.attestation_propagation_time;
        let timetable = Timetable::new(&l1.schedule(), allowance, propagation, None).context("the slot's timetable")?;
        let engine = SequencerConfig {
            timetable,
            claim_timeout: CLAIM_TIMEOUT,
            build_if_empty: config.sequencer.build_checkpoint_if_empty || config.sequencer.min_txs_per_block == 0,
        };
        let sequencer =
            Sequencer::new(log.clone(), Arc::clone(&keystore), l1.clone(), archiver.clone(), engine, reports.sequencer);
        spawn(tasks, "sequencer", ok(sequencer.run(shutdown.clone())));
        let engine = PublisherConfig {
            caps: FeeCaps::default(),
            stall: l1.schedule().ethereum_slot_duration.saturating_mul(STALL_L1_SLOTS),
            max_attempts: MAX_ATTEMPTS,
            claim_timeout: CLAIM_TIMEOUT,
        };
        let publisher = Publisher::new(log.clone(), keystore, l1.clone(), archiver.clone(), engine, reports.publisher);
        spawn(tasks, "publisher", ok(publisher.run(shutdown.clone())));
        spawn(tasks, "record of missed duties", recorder.run(shutdown.clone()));
        spawn(tasks, "archiver", ok(self.archiver.run(shutdown.clone())));
        let scan = EvidenceScan::new(log.clone(), l1, archiver);
        spawn(tasks, "scan of L1 for foreign signatures", ok(scan.run(shutdown.clone())));
        Ok(missed)
    }
}

/// The ports, taken before anything slow: a port in use is said at once.
struct Listeners {
    public: TcpListener,
    admin: TcpListener,
}

impl Listeners {
    async fn bind(config: &RpcConfig) -> anyhow::Result<Self> {
        let bind = async |address: SocketAddr, setting: &str| {
            let bound = TcpListener::bind(address).await;
            bound.with_context(|| format!("cannot listen on {address}: is another process using the port? Set {setting}"))
        };
        Ok(Self { public: bind(config.public, "AZTEC_PORT").await?, admin: bind(config.admin, "AZTEC_ADMIN_PORT").await? })
    }
}

async fn connect(config: &config::L1Config) -> anyhow::Result<L1> {
    let l1 = L1::connect(ollin_l1::L1Config {
        rpc_urls: config.rpc_urls.clone(),
        consensus_urls: config.consensus_urls.clone(),
        blob_file_store_urls: config.blob_file_store_urls.clone(),
        registry: config.registry,
        rollup_version: config.rollup_version,
        expected_chain_id: Some(config.chain_id),
        ethereum_slot_duration: config.slot_duration_s,
        request_timeout: config.request_timeout,
    })
    .await
    .context("L1")?;
    l1.check_compatibility().context("the rollup on L1 is not one of version 4.1.2 as this replica knows it")?;
    Ok(l1)
}

/// Whether this replica holds keys is said twice, by its settings and by its cluster file: a witness must not get keys by a slip, and
/// one that is counted on to act must have them.
fn check_kind(cluster: &config::ClusterConfig) -> anyhow::Result<()> {
    let path = cluster.directory.join("cluster.json");
    let file = ClusterFile::load(&path)?;
    let Some(own) = file.replica(cluster.replica) else { return Ok(()) };
    let said = if cluster.witness { MemberKind::Witness } else { MemberKind::Full };
    if own.kind != said {
        let witness = cluster.witness;
        bail!("OLLIN_WITNESS is {witness}, but replica {} is a {} replica in {}", own.id, own.kind, path.display());
    }
    Ok(())
}

fn consensus_config(config: &NodeConfig) -> anyhow::Result<ConsensusConfig> {
    let cluster = &config.cluster;
    let listen = match cluster.listen {
        Some(listen) => listen,
        None => {
            let path = cluster.directory.join("cluster.json");
            let file = ClusterFile::load(&path)?;
            let own = file.replica(cluster.replica);
            let own =
                own.with_context(|| format!("OLLIN_REPLICA_ID is {}, expected an id in {}", cluster.replica, path.display()))?;
            let port = own.address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            let port = port.with_context(|| format!("{} in {}: no port", own.address, path.display()))?;
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
        }
    };
    let data_directory = config.data_directory.join("consensus");
    let mut consensus = ConsensusConfig::new(data_directory, cluster.directory.clone(), cluster.replica, listen);
    consensus.heartbeat = cluster.timers.heartbeat;
    consensus.election_timeout_min = cluster.timers.election_timeout_min;
    consensus.election_timeout_max = cluster.timers.election_timeout_max;
    consensus.snapshot_every = cluster.snapshot_every;
    consensus.rules = config.rules;
    consensus.anchor_directory = cluster.anchor_directory.clone().or_else(ollin_consensus::default_anchor_directory);
    Ok(consensus)
}

fn views(node: Option<NodeDescription>, config: &NodeConfig, metrics: &PrometheusHandle, feeds: crate::status::Feeds) -> Views {
    let metrics = metrics.clone();
    Views {
        l2_tips: feeds.l2_tips,
        cluster: feeds.cluster,
        node,
        ready: feeds.ready,
        metrics: Arc::new(move || metrics.render()),
        limits: config.rpc.limits,
    }
}

fn describe(l1: &L1, around: &Surroundings) -> NodeDescription {
    let (constants, contracts) = (l1.constants(), l1.contracts());
    let version = VersionHeaders {
        package_version: AZTEC_VERSION.to_owned(),
        l1_chain_id: constants.chain_id,
        l1_rollup_address: contracts.rollup,
        rollup_version: constants.rollup_version,
        l2_protocol_contracts_hash: constants.protocol_contracts_hash.to_word(),
        l2_circuits_vk_tree_root: constants.vk_tree_root.to_word(),
    };
    let node_info = NodeInfo {
        node_version: AZTEC_VERSION.to_owned(),
        l1_chain_id: constants.chain_id,
        rollup_version: constants.rollup_version,
        enr: None,
        l1_contract_addresses: L1ContractAddresses {
            registry_address: contracts.registry,
            rollup_address: contracts.rollup,
            inbox_address: contracts.inbox,
            outbox_address: contracts.outbox,
            fee_juice_address: around.fee_asset,
            staking_asset_address: around.staking_asset,
            fee_juice_portal_address: around.fee_asset_portal,
            coin_issuer_address: around.coin_issuer,
            reward_distributor_address: around.reward_distributor,
            governance_proposer_address: around.governance_proposer,
            governance_address: around.governance,
            gse_address: Some(around.gse),
            ..L1ContractAddresses::default()
        },
        protocol_contract_addresses: ProtocolContractAddresses::default(),
        real_proofs: false,
    };
    NodeDescription { info: Arc::new(node_info), version }
}

fn admin_config(config: &NodeConfig) -> AdminConfig {
    AdminConfig {
        min_txs_per_block: config.sequencer.min_txs_per_block,
        build_checkpoint_if_empty: config.sequencer.build_checkpoint_if_empty,
        l1_publishing_time: config.sequencer.l1_publishing_time.as_secs(),
        attestation_propagation_time: config.sequencer.attestation_propagation_time.as_secs(),
    }
}

/// Shows a freshly made admin key, once, on standard output and never in the log.
fn announce(key: &secrecy::SecretString) {
    use secrecy::ExposeSecret;
    println!("admin API key (shown this once): {}", key.expose_secret());
}

fn spawn(tasks: &mut Tasks, name: &'static str, part: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
    tasks.spawn(async move { (name, part.await) });
}

async fn ok(part: impl Future<Output = ()>) -> anyhow::Result<()> {
    part.await;
    Ok(())
}

async fn served(server: impl Future<Output = std::io::Result<()>>) -> anyhow::Result<()> {
    Ok(server.await?)
}

/// Waits for a signal, or for a part that ends: none may end by itself.
async fn supervise(tasks: &mut Tasks, mut admitted: watch::Receiver<bool>) -> anyhow::Result<Ended> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = hang_up.recv() => tracing::info!("SIGHUP: stopping"),
        Ok(_) = admitted.wait_for(|admitted| *admitted) => return Ok(Ended::StartAnew),
        ended = tasks.join_next() => match ended {
            Some(Ok((name, Ok(())))) => bail!("the {name} ended by itself"),
            Some(Ok((name, Err(error)))) => return Err(error.context(format!("the {name} failed"))),
            Some(Err(error)) => bail!("a part of the replica panicked: {error}"),
            None => bail!("no part is running"),
        },
    }
    Ok(Ended::Stopped)
}

/// The engines go on meanwhile: what they have begun is finished. A second signal ends the wait.
async fn give_up_leadership(leading: &LeadershipHandle, tasks: &mut Tasks, admitted: watch::Receiver<bool>) {
    tokio::select! {
        () = leading.stop() => {}
        ended = supervise(tasks, admitted) => if let Err(error) = ended {
            tracing::error!(%error, "while leadership was given up");
        },
    }
}

async fn stop(tasks: &mut Tasks) {
    let all_stopped = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_TIMEOUT, all_stopped).await.is_err() {
        tracing::warn!("some parts did not stop within {} s", STOP_TIMEOUT.as_secs());
        tasks.abort_all();
    }
}
