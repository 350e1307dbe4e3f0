//! JSON-RPC to anvil.

use std::fmt::Debug;
use std::future::IntoFuture;
use std::time::Duration;

use alloy::eips::BlockNumberOrTag;
use alloy::providers::{Provider, RootProvider};
use alloy::transports::{TransportError, TransportErrorKind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::DevL1Error;

/// The first blob is the slowest request: seconds, and a minute on a machine with other work.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// What is used of an L1 block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct L1Block {
    pub(crate) number: u64,
    pub(crate) timestamp: u64,
    pub(crate) base_fee_wei: u128,
}

/// A cheap handle to one anvil.
#[derive(Clone, Debug)]
pub(crate) struct AnvilRpc {
    provider: RootProvider,
}

impl AnvilRpc {
    pub(crate) fn new(url: Url) -> Self {
        // Of two rustls back ends the HTTP client wants one named. An error means that one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { provider: RootProvider::new_http(url) }
    }

    pub(crate) fn provider(&self) -> &RootProvider {
        &self.provider
    }

    /// One request by its method's name.
    pub(crate) async fn request<P, R>(&self, method: &'static str, params: P) -> Result<R, DevL1Error>
    where
        P: Serialize + Clone + Debug + Send + Sync + Unpin,
        R: DeserializeOwned + Debug + Send + Sync + Unpin + 'static,
    {
        within_time(method, self.provider.raw_request(method.into(), params)).await
    }

    /// The latest block.
    pub(crate) async fn head(&self) -> Result<L1Block, DevL1Error> {
        self.block(BlockNumberOrTag::Latest).await
    }

    /// One block, which must exist.
    pub(crate) async fn block(&self, wanted: BlockNumberOrTag) -> Result<L1Block, DevL1Error> {
        let method = "eth_getBlockByNumber";
        match within_time(method, self.provider.get_block_by_number(wanted)).await? {
            Some(block) => Ok(L1Block {
                number: block.header.number,
                timestamp: block.header.timestamp,
                base_fee_wei: block.header.base_fee_per_gas.unwrap_or_default().into(),
            }),
            None => Err(rpc_error(method, TransportErrorKind::custom_str(&format!("there is no block {wanted}")))),
        }
    }
}

/// Bounds a request in time.
async fn within_time<T>(
    method: &'static str,
    request: impl IntoFuture<Output = Result<T, TransportError>>,
) -> Result<T, DevL1Error> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request.into_future()).await {
        Ok(answer) => answer.map_err(|source| rpc_error(method, source)),
        Err(_) => Err(rpc_error(method, TransportErrorKind::custom_str("no answer in time"))),
    }
}

fn rpc_error(method: &'static str, source: TransportError) -> DevL1Error {
    DevL1Error::Rpc { method, source: Box::new(source) }
}
