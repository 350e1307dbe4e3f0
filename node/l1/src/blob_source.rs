//! Blobs by versioned hash: from file stores, from beacon nodes, and on the development chain from anvil.
//!
//! No source is trusted: a blob counts only if the commitment recomputed from its bytes has the wanted hash.

pub(crate) mod beacon;
pub(crate) mod file_store;

use alloy::primitives::{B256, Bytes, hex};
use alloy::providers::Provider;
use ollin_protocol::blob::{BLOB_BYTES, Blob, BlobError as DecodingError};

use crate::client::{L1, answer};
use crate::endpoint::redact;
use crate::error::L1Error;
use crate::http::HttpError;
use crate::rollup::L1Block;

use beacon::BeaconNode;
use file_store::FileStore;

/// Chain id of anvil and hardhat.
const DEVELOPMENT_CHAIN: u64 = 31337;

/// What one source answered for the blobs that were still missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFailure {
    /// Scheme, host and port, or the RPC method.
    pub source: String,
    /// Why it gave nothing, or not all.
    pub reason: String,
}

/// Why blobs were not found.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BlobError {
    /// No source has them (yet).
    #[error("{} of the checkpoint's blobs not found, first {}: {}", .missing.len(), first(.missing), list(.sources))]
    Missing {
        /// Versioned hashes.
        missing: Vec<B256>,
        /// What each source said.
        sources: Vec<SourceFailure>,
    },
    /// No source is configured, and the chain is not the development chain.
    #[error("no source of blobs is configured (BLOB_FILE_STORE_URLS or L1_CONSENSUS_HOST_URLS)")]
    NoSource,
}

fn first(missing: &[B256]) -> B256 {
    missing.first().copied().unwrap_or_default()
}

fn list(sources: &[SourceFailure]) -> String {
    sources.iter().map(|source| format!("{} ({})", source.source, source.reason)).collect::<Vec<_>>().join(", ")
}

/// Why one source gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error("malformed JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("malformed snappy: {0}")]
    Snappy(#[from] snap::Error),
    #[error("malformed hex: {0}")]
    Hex(#[from] hex::FromHexError),
    #[error(transparent)]
    Blob(#[from] DecodingError),
    #[error("{what} of {length} bytes or digits")]
    Length { what: &'static str, length: usize },
    #[error("{what} not found")]
    NotFound { what: &'static str },
    #[error("the L1 block is older than the beacon chain, or the beacon chain has no clock")]
    BeaconTime,
}

/// The blobs that are wanted and those found so far, in order.
struct Wanted {
    blobs: Vec<(B256, Option<Blob>)>,
}

impl Wanted {
    fn missing(&self) -> Vec<B256> {
        self.blobs.iter().filter(|(_, blob)| blob.is_none()).map(|(hash, _)| *hash).collect()
    }

    /// All blobs, unless one is missing.
    fn complete(&self) -> Option<Vec<Blob>> {
        self.blobs.iter().map(|(_, blob)| blob.clone()).collect()
    }

    /// Checks candidates and keeps those that are wanted. Returns how many were of no use.
    async fn take(&mut self, candidates: Vec<Blob>) -> usize {
        let count = candidates.len();
        // A commitment takes 10 ms, and the first one of a process loads the trusted setup.
        let hashed = tokio::task::spawn_blocking(move || {
            let hashed = candidates.into_iter().filter_map(|blob| Some((blob.versioned_hash().ok()?, blob)));
            hashed.collect::<Vec<_>>()
        });
        let mut used = 0_usize;
        for (hash, found) in hashed.await.unwrap_or_default() {
            for (_, place) in self.blobs.iter_mut().filter(|(wanted, place)| *wanted == hash && place.is_none()) {
                *place = Some(found.clone());
                used = used.saturating_add(1);
            }
        }
        count.saturating_sub(used)
    }
}

/// One look for the blobs of a checkpoint, source by source.
struct Search {
    wanted: Wanted,
    failures: Vec<SourceFailure>,
}

impl Search {
    /// Takes what a source gave; the blobs when none is missing any more.
    async fn settle(&mut self, source: String, fetched: Result<Vec<Blob>, SourceError>) -> Option<Vec<Blob>> {
        let reason = match fetched {
            Ok(candidates) => match self.wanted.take(candidates).await {
                0 => "not all".to_owned(),
                useless => format!("{useless} blobs that were not asked for"),
            },
            Err(error) => error.to_string(),
        };
        self.failures.push(SourceFailure { source, reason });
        self.wanted.complete()
    }
}

impl L1 {
    /// The blobs of a checkpoint, in the order of `versioned_hashes`; `block` is the L1 block that carried them.
    ///
    /// # Errors
    /// [`BlobError`]: try again later, file stores are filled by whoever publishes.
    ///
    /// Source: npm @aztec/blob-client 4.1.2, `src/client/http.ts`.
    pub async fn blobs(&self, block: &L1Block, versioned_hashes: &[B256]) -> Result<Vec<Blob>, BlobError> {
        let config = &self.inner.config;
        let on_development_chain = self.constants().chain_id == DEVELOPMENT_CHAIN;
        if config.blob_file_store_urls.is_empty() && config.consensus_urls.is_empty() && !on_development_chain {
            return Err(BlobError::NoSource);
        }
        let wanted = Wanted { blobs: versioned_hashes.iter().map(|hash| (*hash, None)).collect() };
        let mut search = Search { wanted, failures: Vec::new() };
        for url in &config.blob_file_store_urls {
            let constants = self.constants();
            let folder = file_store::folder(constants.chain_id, constants.rollup_version, self.contracts().rollup);
            let store = FileStore { http: &self.inner.http, base: url, timeout: config.request_timeout };
            let fetched = store.blobs(&folder, &search.wanted.missing()).await;
            if let Some(blobs) = search.settle(redact(url), fetched).await {
                return Ok(blobs);
            }
        }
        for url in &config.consensus_urls {
            let fetched = self.ask_beacon(url, block, &search.wanted.missing()).await;
            if let Some(blobs) = search.settle(redact(url), fetched).await {
                return Ok(blobs);
            }
        }
        if on_development_chain {
            let fetched = self.ask_anvil(&search.wanted.missing()).await;
            if let Some(blobs) = search.settle("anvil_getBlobByHash".to_owned(), fetched).await {
                return Ok(blobs);
            }
        }
        Err(BlobError::Missing { missing: search.wanted.missing(), sources: search.failures })
    }

    async fn ask_beacon(&self, url: &url::Url, block: &L1Block, hashes: &[B256]) -> Result<Vec<Blob>, SourceError> {
        let config = &self.inner.config;
        let node = BeaconNode { http: &self.inner.http, base: url, timeout: config.request_timeout };
        // anvil has no beacon chain and takes block numbers.
        let id = if self.constants().chain_id == DEVELOPMENT_CHAIN {
            block.number.get()
        } else {
            node.slot_of(block, config.ethereum_slot_duration).await?
        };
        node.blobs(id, hashes).await
    }

    async fn ask_anvil(&self, hashes: &[B256]) -> Result<Vec<Blob>, SourceError> {
        const CALL: &str = "anvil_getBlobByHash";
        let mut found = Vec::new();
        for hash in hashes {
            let blob: Option<Bytes> = answer(CALL, self.provider().raw_request(CALL.into(), (hash,)).await)?;
            if let Some(bytes) = blob {
                found.push(Blob::from_bytes(&bytes)?);
            }
        }
        Ok(found)
    }
}

/// Reads a blob from hex.
pub(crate) fn parse_blob(text: &str) -> Result<Blob, SourceError> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() != BLOB_BYTES * 2 {
        return Err(SourceError::Length { what: "a blob", length: digits.len() });
    }
    Ok(Blob::from_bytes(&hex::decode(digits)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_blob_with_the_wanted_hash_is_taken() {
        let zero = Blob::from_bytes(&[0; BLOB_BYTES]).unwrap();
        let mut other = vec![0; BLOB_BYTES];
        other[31] = 1;
        let other = Blob::from_bytes(&other).unwrap();
        let hash = zero.versioned_hash().unwrap();
        let mut wanted = Wanted { blobs: vec![(hash, None)] };
        assert_eq!(wanted.take(vec![other]).await, 1);
        assert_eq!((wanted.missing(), wanted.complete()), (vec![hash], None));
        assert_eq!(wanted.take(vec![zero]).await, 0);
        assert!(wanted.complete().is_some());
    }
}
