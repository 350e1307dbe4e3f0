//! Starting and ending the whole.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, U256};
use serde::{Deserialize, Serialize, Serializer};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use url::Url;

use crate::account::Account;
use crate::anvil::{Anvil, CHAIN_ID, Genesis};
use crate::blob_server::BlobServer;
use crate::clock::{self, until};
use crate::contracts::IRollup;
use crate::control::Mining;
use crate::deployment::Deployment;
use crate::error::DevL1Error;
use crate::packages::Packages;
use crate::parameters::ETHEREUM_SLOT_DURATION_S;
use crate::profile::Profile;
use crate::prover::ProvingTask;
use crate::rpc::AnvilRpc;
use crate::state_cache;
use crate::warm_up;

/// Test accounts that publishers may use: funded, and no validators.
const PUBLISHERS: std::ops::Range<u32> = 10..14;
/// The deployment lies in the past, so this is only ever used up by a broken one.
const COMMITTEE_LIMIT: Duration = Duration::from_secs(30);
/// A task may notice a moment earlier than the keeper that anvil is gone.
const DEATH_NOTICE: Duration = Duration::from_secs(1);

/// Whether the proven tip moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prover {
    /// Nothing is ever proven.
    Off,
    /// Checkpoints of epochs that are over become proven, without proofs.
    On,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The rollup.
    pub profile: Profile,
    /// Address on which both ports listen: loopback, or all addresses.
    pub listen: IpAddr,
    /// Port of the L1 RPC; 0 means any free one.
    pub port: u16,
    /// Port of the blob server; 0 means any free one.
    pub blob_port: u16,
    /// Whether to play the prover.
    pub prover: Prover,
    /// The cache directory; by default `OLLIN_CACHE`, else `~/.cache/ollin`.
    pub cache: Option<PathBuf>,
}

impl Options {
    /// Free ports, no prover, the default cache.
    pub fn new(profile: Profile) -> Self {
        Self { profile, listen: Ipv4Addr::LOCALHOST.into(), port: 0, blob_port: 0, prover: Prover::Off, cache: None }
    }
}

/// All that a replica, a peer or a test needs to know of a running development L1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Its profile.
    pub profile: Profile,
    /// For `ETHEREUM_HOSTS`.
    #[serde(serialize_with = "without_final_slash")]
    pub rpc_url: Url,
    /// For `BLOB_FILE_STORE_URLS`.
    #[serde(serialize_with = "without_final_slash")]
    pub blob_url: Url,
    /// For `L1_CHAIN_ID`.
    pub chain_id: u64,
    /// For `REGISTRY_CONTRACT_ADDRESS`.
    pub registry: Address,
    /// The rollup contract.
    pub rollup: Address,
    /// The inbox contract.
    pub inbox: Address,
    /// For `ROLLUP_VERSION`.
    pub rollup_version: u64,
    /// Unix time at which slot 0 began.
    pub genesis_time: u64,
    /// Seconds of a slot.
    pub slot_duration: u64,
    /// Slots of an epoch.
    pub epoch_duration: u64,
    /// Seconds of an L1 block, for `ETHEREUM_SLOT_DURATION`.
    pub ethereum_slot_duration: u64,
    /// Members of each committee.
    pub committee_size: u32,
    /// The registered validators; all have ETH and may publish for themselves.
    pub validators: Vec<Account>,
    /// Other accounts with ETH.
    pub publisher_keys: Vec<Account>,
    /// The child process.
    pub pid_anvil: u32,
}

/// As people write a server's address, and append paths to it.
fn without_final_slash<S: Serializer>(url: &Url, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.as_str().trim_end_matches('/'))
}

/// A running development L1. Dropping it ends everything; [`DevL1::stop`] also waits.
#[derive(Debug)]
pub struct DevL1 {
    anvil: Anvil,
    description: Description,
    /// Shared with the prover, which must not start mining again while a test has paused it.
    mining: Arc<Mutex<Mining>>,
    /// Each returns only with an error.
    tasks: JoinSet<DevL1Error>,
}

/// Installs the packages and deploys the contracts of `profile`, unless the default cache has them: what needs the network, so that a
/// later [`start`] does not.
///
/// # Errors
/// [`DevL1Error`] of either.
pub async fn prepare(profile: Profile) -> Result<(), DevL1Error> {
    let cache = state_cache::directory(None)?;
    let packages = Packages::install(&cache).await?;
    state_cache::load_or_deploy(&packages, profile, &cache).await.map(|_| ())
}

/// Starts a development L1, deploying the contracts if no cached deployment fits, and returns when it is ready: blocks come every second,
/// the head's time is the wall clock's, and the current epoch has its committee.
///
/// # Errors
/// Any [`DevL1Error`]; nothing is left running then.
pub async fn start(options: Options) -> Result<DevL1, DevL1Error> {
    let cache = state_cache::directory(options.cache.as_deref())?;
    let blobs = BlobServer::bind(SocketAddr::new(options.listen, options.blob_port)).await?;
    let packages = Packages::install(&cache).await?;
    let deployed = state_cache::load_or_deploy(&packages, options.profile, &cache).await?;

    let anvil = Anvil::start(&packages.anvil(), SocketAddr::new(options.listen, options.port), Genesis::Now).await?;
    let rpc = anvil.rpc().clone();
    rpc.request::<_, bool>("anvil_loadState", (deployed.state,)).await?;
    clock::start(&rpc, ETHEREUM_SLOT_DURATION_S).await?;
    clock::wait_until_aligned(&rpc).await?;
    warm_up::send_first_blob(&rpc, CHAIN_ID).await?;
    clock::wait_until_aligned(&rpc).await?;
    let description = describe(options.profile, &anvil, &blobs, &deployed.deployment).await?;
    wait_for_committee(&rpc, &description).await?;

    let mining = Arc::new(Mutex::new(Mining::Running));
    let mut tasks = JoinSet::new();
    tasks.spawn(blobs.serve(rpc.clone()));
    if options.prover == Prover::On {
        tasks.spawn(ProvingTask { rpc, rollup: description.rollup, mining: Arc::clone(&mining) }.run());
    }
    Ok(DevL1 { anvil, description, mining, tasks })
}

impl DevL1 {
    /// Addresses, keys, times and ports.
    pub fn info(&self) -> &Description {
        &self.description
    }

    /// Waits for an end that nobody asked for: of anvil, of the blob server, of the prover.
    pub async fn ended(&mut self) -> DevL1Error {
        tokio::select! {
            error = self.anvil.died() => error,
            Some(ended) = self.tasks.join_next() => match tokio::time::timeout(DEATH_NOTICE, self.anvil.died()).await {
                Ok(died) => died,
                Err(_) => ended.unwrap_or_else(|panic| DevL1Error::Spawn { program: "a task".to_owned(), source: panic.into() }),
            },
        }
    }

    /// Ends anvil and the blob server, and waits until they are gone.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        self.anvil.stop().await;
    }

    pub(crate) fn rpc(&self) -> &AnvilRpc {
        self.anvil.rpc()
    }

    pub(crate) fn mining(&self) -> &Mutex<Mining> {
        &self.mining
    }
}

async fn describe(
    profile: Profile,
    anvil: &Anvil,
    blobs: &BlobServer,
    deployment: &Deployment,
) -> Result<Description, DevL1Error> {
    let rollup = IRollup::new(deployment.rollup_address, anvil.rpc().provider());
    let genesis = rollup.getGenesisTime().call().await;
    let slot = rollup.getSlotDuration().call().await;
    let epoch = rollup.getEpochDuration().call().await;
    Ok(Description {
        profile,
        rpc_url: anvil.url().clone(),
        blob_url: blobs.url().clone(),
        chain_id: CHAIN_ID,
        registry: deployment.registry_address,
        rollup: deployment.rollup_address,
        inbox: deployment.inbox_address,
        rollup_version: deployment.rollup_version,
        genesis_time: small("getGenesisTime", genesis)?,
        slot_duration: small("getSlotDuration", slot)?,
        epoch_duration: small("getEpochDuration", epoch)?,
        ethereum_slot_duration: ETHEREUM_SLOT_DURATION_S,
        committee_size: profile.committee_size(),
        validators: profile.validators()?,
        publisher_keys: Account::range(PUBLISHERS)?,
        pid_anvil: anvil.pid(),
    })
}

/// Seconds and slots fit 64 bits; a contract that says otherwise is none of ours, and gets the largest number.
fn small(call: &'static str, answer: Result<U256, alloy::contract::Error>) -> Result<u64, DevL1Error> {
    answer.map(|number| number.saturating_to()).map_err(|source| DevL1Error::Contract { call, source: Box::new(source) })
}

async fn wait_for_committee(rpc: &AnvilRpc, description: &Description) -> Result<(), DevL1Error> {
    let rollup = IRollup::new(description.rollup, rpc.provider());
    until(COMMITTEE_LIMIT, "a committee of the current epoch", || async {
        let head = rpc.head().await?;
        // An error is the contract's way of saying that there is none yet.
        let committee = rollup.getCommitteeAt(U256::from(head.timestamp)).call().await.unwrap_or_default();
        Ok((u32::try_from(committee.len()) == Ok(description.committee_size)).then_some(()))
    })
    .await
}
