//! Where L1 is and which rollup on it is ours.

use std::time::Duration;

use alloy::primitives::Address;
use url::Url;

/// Settings of the L1 client. The node merges and validates them; everything here is already parsed.
#[derive(Clone, Debug)]
pub struct L1Config {
    /// JSON-RPC endpoints of L1, in order of preference (`ETHEREUM_HOSTS`). At least one.
    pub rpc_urls: Vec<Url>,
    /// Beacon API endpoints, for blobs (`L1_CONSENSUS_HOST_URLS`).
    pub consensus_urls: Vec<Url>,
    /// Read-only blob file stores over HTTP (`BLOB_FILE_STORE_URLS`).
    pub blob_file_store_urls: Vec<Url>,
    /// The registry (`REGISTRY_CONTRACT_ADDRESS`).
    pub registry: Address,
    /// Which rollup of the registry; `None` is the canonical one (`ROLLUP_VERSION`).
    pub rollup_version: Option<u64>,
    /// The chain id that the operator expects (`L1_CHAIN_ID`).
    pub expected_chain_id: Option<u64>,
    /// Seconds between L1 blocks: known to nodes only, not to the contracts (`ETHEREUM_SLOT_DURATION`).
    pub ethereum_slot_duration: u64,
    /// How long one endpoint may take for one request before the next one is asked.
    pub request_timeout: Duration,
}
