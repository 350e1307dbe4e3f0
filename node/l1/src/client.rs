//! The handle to L1.

use std::sync::Arc;
use std::time::Duration;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::network::{Ethereum, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::{Provider, RootProvider};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{Block, TransactionRequest};
use alloy::sol_types::SolCall;
use alloy::transports::TransportResult;
use ollin_protocol::schedule::Schedule;
use ollin_protocol::units::L1BlockNumber;
use parking_lot::Mutex;

use crate::committee::CommitteeCache;
use crate::compatibility::{Incompatible, check_compatibility};
use crate::config::L1Config;
use crate::discovery::{Contracts, RollupConstants, Surroundings, discover, surroundings};
use crate::endpoint::EndpointStatus;
use crate::error::L1Error;
use crate::pool::Pool;
use crate::probe::{Prober, probe_due};

/// The newest block of L1 that an endpoint knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Head {
    /// Height.
    pub number: L1BlockNumber,
    /// Hash.
    pub hash: B256,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// Base fee of this block, wei per gas.
    pub base_fee_wei: u128,
    /// Blob base fee of the next block, wei per blob gas.
    pub blob_base_fee_wei: u128,
}

/// Handle to L1. Cheap to clone; the last clone that is dropped ends the probing of endpoints.
#[derive(Clone, Debug)]
pub struct L1 {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) reader: Reader,
    pub(crate) http: reqwest::Client,
    pub(crate) config: L1Config,
    pub(crate) contracts: Contracts,
    pub(crate) constants: RollupConstants,
    /// The newest head seen by [`L1::head`]. A lock because every clone may refresh it; it is held for a copy.
    pub(crate) last_head: Mutex<Option<L1Head>>,
    /// Held for a look-up or an insertion.
    pub(crate) committees: Mutex<CommitteeCache>,
    _prober: Prober,
}

impl L1 {
    /// Reaches L1, finds the rollup behind the registry and reads its constants. Does not judge them: see
    /// [`Self::check_compatibility`].
    ///
    /// # Errors
    /// Configuration faults ([`L1Error::Setup`], [`L1Error::NoContract`], [`L1Error::NotARegistry`], [`L1Error::NoSuchRollup`])
    /// and whatever a reading of L1 may return.
    pub async fn connect(config: L1Config) -> Result<Self, L1Error> {
        // Another part of the process may have installed a provider: either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        if config.rpc_urls.is_empty() {
            return Err(L1Error::Setup { reason: "no L1 endpoint is configured (ETHEREUM_HOSTS)".to_owned() });
        }
        let http = http_client().map_err(|error| L1Error::Setup { reason: error.to_string() })?;
        let pool = Pool::new(config.rpc_urls.clone(), http.clone(), config.request_timeout);
        probe_due(&pool).await;
        let reader = Reader::new(pool.clone());
        let (contracts, constants) = discover(&reader, config.registry, config.rollup_version).await?;
        pool.set_slot_duration(constants.slot_duration);
        let interval = Duration::from_secs(config.ethereum_slot_duration.clamp(1, 12));
        let inner = Inner {
            reader,
            http,
            config,
            contracts,
            constants,
            last_head: Mutex::default(),
            committees: Mutex::default(),
            _prober: Prober::start(pool, interval),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The rollup's addresses.
    pub fn contracts(&self) -> &Contracts {
        &self.inner.contracts
    }

    /// The rollup's constants.
    pub fn constants(&self) -> &RollupConstants {
        &self.inner.constants
    }

    /// The contracts around the rollup, asked anew.
    ///
    /// # Errors
    /// [`L1Error`] if L1 cannot be read or a contract is not there.
    pub async fn surroundings(&self) -> Result<Surroundings, L1Error> {
        surroundings(&self.inner.reader, &self.inner.contracts).await
    }

    /// Whether this version can serve the rollup, and L1 is the chain that the operator expects.
    ///
    /// # Errors
    /// [`Incompatible`] with every property that differs.
    pub fn check_compatibility(&self) -> Result<(), Incompatible> {
        check_compatibility(&self.inner.constants, self.inner.config.expected_chain_id)
    }

    /// The rollup's slots.
    pub fn schedule(&self) -> Schedule {
        let constants = &self.inner.constants;
        Schedule {
            genesis_time: constants.genesis_time,
            slot_duration: constants.slot_duration,
            epoch_duration: constants.epoch_duration,
            ethereum_slot_duration: self.inner.config.ethereum_slot_duration,
        }
    }

    /// Status of each endpoint, in the configured order.
    pub fn endpoints(&self) -> Vec<EndpointStatus> {
        self.inner.reader.pool.status()
    }

    /// The newest block.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn head(&self) -> Result<L1Head, L1Error> {
        let block = self.block(BlockNumberOrTag::Latest.into()).await?;
        let block = block.ok_or(L1Error::Malformed { call: "eth_getBlockByNumber", reason: "no latest block".to_owned() })?;
        let known = *self.inner.last_head.lock();
        if let Some(known) = known.filter(|known| known.hash == block.header.hash) {
            return Ok(known);
        }
        let blob_base_fee_wei = answer("eth_blobBaseFee", self.provider().get_blob_base_fee().await)?;
        let head = L1Head {
            number: L1BlockNumber::new(block.header.number),
            hash: block.header.hash,
            timestamp: block.header.timestamp,
            base_fee_wei: block.header.base_fee_per_gas.unwrap_or_default().into(),
            blob_base_fee_wei,
        };
        *self.inner.last_head.lock() = Some(head);
        Ok(head)
    }

    /// A block without its transactions.
    pub(crate) async fn block(&self, id: BlockId) -> Result<Option<Block>, L1Error> {
        answer("eth_getBlock", self.provider().get_block(id).await)
    }

    pub(crate) fn provider(&self) -> &RootProvider<Ethereum> {
        &self.inner.reader.provider
    }

    /// Calls a function of the rollup at the latest block.
    pub(crate) async fn call_rollup<C: SolCall>(&self, name: &'static str, call: C) -> Result<C::Return, L1Error> {
        self.inner.reader.call(name, self.inner.contracts.rollup, call).await
    }
}

/// Names the call in a transport's error.
pub(crate) fn answer<T>(call: &'static str, result: TransportResult<T>) -> Result<T, L1Error> {
    result.map_err(|error| L1Error::from_transport(call, error))
}

/// The HTTP client of endpoints, beacon nodes and file stores. Redirects are not followed: an endpoint is what was configured.
fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).connect_timeout(Duration::from_secs(5)).build()
}

/// Reads contracts through the pool.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pool: Pool,
    provider: RootProvider<Ethereum>,
}

impl Reader {
    fn new(pool: Pool) -> Self {
        let client = RpcClient::new(pool.clone(), false);
        Self { pool, provider: RootProvider::new(client) }
    }

    pub(crate) fn provider(&self) -> &RootProvider<Ethereum> {
        &self.provider
    }

    pub(crate) async fn chain_id(&self) -> Result<u64, L1Error> {
        answer("eth_chainId", self.provider.get_chain_id().await)
    }

    pub(crate) async fn require_code(&self, what: &'static str, address: Address, chain_id: u64) -> Result<(), L1Error> {
        let code = answer("eth_getCode", self.provider.get_code_at(address).await)?;
        if code.is_empty() { Err(L1Error::NoContract { what, address, chain_id }) } else { Ok(()) }
    }

    /// Calls a contract at the latest block.
    pub(crate) async fn call<C: SolCall>(&self, name: &'static str, to: Address, call: C) -> Result<C::Return, L1Error> {
        self.call_at(name, to, call, BlockNumberOrTag::Latest.into()).await
    }

    /// Calls a contract at a given block.
    pub(crate) async fn call_at<C: SolCall>(
        &self,
        name: &'static str,
        to: Address,
        call: C,
        block: BlockId,
    ) -> Result<C::Return, L1Error> {
        let request = TransactionRequest::default().with_to(to).with_input(Bytes::from(call.abi_encode()));
        let returned = answer(name, self.provider.call(request).block(block).await)?;
        C::abi_decode_returns_validate(&returned)
            .map_err(|error| L1Error::Malformed { call: name, reason: format!("{} bytes returned: {error}", returned.len()) })
    }
}
