//! A beacon node's blobs, for as long as it keeps them.

use std::time::Duration;

use alloy::primitives::B256;
use ollin_protocol::blob::Blob;
use serde::Deserialize;
use url::Url;

use super::file_store::BlobJson;
use super::{SourceError, parse_blob};
use crate::http::{HttpError, fetch, within};
use crate::rollup::L1Block;

/// Largest answer with blobs: hex of 128 of them.
const BLOBS_LIMIT: usize = 40 << 20;
/// Largest answer about genesis.
const GENESIS_LIMIT: usize = 16 << 10;

/// A node behind `L1_CONSENSUS_HOST_URLS`.
pub(super) struct BeaconNode<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) base: &'a Url,
    pub(super) timeout: Duration,
}

#[derive(Deserialize)]
struct Blobs {
    data: Vec<String>,
}

#[derive(Deserialize)]
struct Sidecars {
    data: Vec<BlobJson>,
}

#[derive(Deserialize)]
struct Genesis {
    data: GenesisTime,
}

#[derive(Deserialize)]
struct GenesisTime {
    genesis_time: String,
}

impl BeaconNode<'_> {
    /// The blobs of a block: by `blobs`, which filters, or at older nodes by `blob_sidecars`, which gives all of the block's.
    ///
    /// Source: the beacon API, <https://ethereum.github.io/beacon-APIs>; npm @aztec/blob-client 4.1.2 uses the older one only.
    pub(super) async fn blobs(&self, block: u64, hashes: &[B256]) -> Result<Vec<Blob>, SourceError> {
        let query: Vec<String> = hashes.iter().map(|hash| format!("versioned_hashes={hash}")).collect();
        let newer = self.get(&format!("eth/v1/beacon/blobs/{block}?{}", query.join("&")), BLOBS_LIMIT).await;
        if let Ok(Some(body)) = &newer {
            return parse_blobs(body);
        }
        match (self.get(&format!("eth/v1/beacon/blob_sidecars/{block}"), BLOBS_LIMIT).await, newer) {
            (Ok(Some(body)), _) => parse_sidecars(&body),
            (_, Err(error)) | (Err(error), Ok(_)) => Err(error.into()),
            (Ok(None), Ok(_)) => Err(SourceError::NotFound { what: "the block" }),
        }
    }

    /// The beacon slot of an L1 block.
    pub(super) async fn slot_of(&self, block: &L1Block, slot_duration: u64) -> Result<u64, SourceError> {
        let body = self.get("eth/v1/beacon/genesis", GENESIS_LIMIT).await?;
        let genesis_time = parse_genesis(&body.ok_or(SourceError::NotFound { what: "the beacon genesis" })?)?;
        let since = block.timestamp.checked_sub(genesis_time).ok_or(SourceError::BeaconTime)?;
        since.checked_div(slot_duration).ok_or(SourceError::BeaconTime)
    }

    async fn get(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, HttpError> {
        let url = format!("{}/{path}", self.base.as_str().trim_end_matches('/'));
        within(self.timeout, fetch(self.http.get(url).header("accept", "application/json"), limit)).await
    }
}

/// The answer of `blobs`.
pub(crate) fn parse_blobs(body: &[u8]) -> Result<Vec<Blob>, SourceError> {
    let blobs: Blobs = serde_json::from_slice(body)?;
    blobs.data.iter().map(|text| parse_blob(text)).collect()
}

/// The answer of `blob_sidecars`.
pub(crate) fn parse_sidecars(body: &[u8]) -> Result<Vec<Blob>, SourceError> {
    let sidecars: Sidecars = serde_json::from_slice(body)?;
    sidecars.data.iter().map(|sidecar| parse_blob(&sidecar.blob)).collect()
}

/// The time of the beacon genesis, seconds.
pub(crate) fn parse_genesis(body: &[u8]) -> Result<u64, SourceError> {
    let genesis: Genesis = serde_json::from_slice(body)?;
    genesis.data.genesis_time.parse().map_err(|_| SourceError::BeaconTime)
}

#[cfg(test)]
mod tests {
    use ollin_protocol::blob::BLOB_BYTES;
    use ollin_protocol::units::L1BlockNumber;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Serves what `respond` gives for a path; `None` is 404.
    async fn serve(respond: fn(&str) -> Option<String>) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&buffer[..read]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default();
                let (status, body) = respond(path).map_or((404, String::new()), |body| (200, body));
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        url
    }

    async fn blobs_of(url: &Url) -> Result<Vec<Blob>, SourceError> {
        let http = client();
        let node = BeaconNode { http: &http, base: url, timeout: Duration::from_secs(5) };
        node.blobs(7, &[B256::repeat_byte(1), B256::repeat_byte(2)]).await
    }

    fn client() -> reqwest::Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::new()
    }

    fn blob() -> String {
        format!("0x{}", "00".repeat(BLOB_BYTES))
    }

    #[tokio::test]
    async fn the_newer_endpoint_is_asked_for_the_wanted_hashes() {
        let url = serve(|path| {
            let hashes = format!("versioned_hashes=0x{}&versioned_hashes=0x{}", "01".repeat(32), "02".repeat(32));
            (path == format!("/eth/v1/beacon/blobs/7?{hashes}")).then(|| format!(r#"{{"data":["{}"]}}"#, blob()))
        });
        assert_eq!(blobs_of(&url.await).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_older_node_is_asked_for_sidecars() {
        let url = serve(|path| {
            (path == "/eth/v1/beacon/blob_sidecars/7")
                .then(|| format!(r#"{{"data":[{{"index":"0","blob":"{}","kzg_commitment":"0xc0"}}]}}"#, blob()))
        });
        assert_eq!(blobs_of(&url.await).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_unknown_block_and_noise_are_errors() {
        assert!(matches!(blobs_of(&serve(|_| None).await).await, Err(SourceError::NotFound { .. })));
        assert!(matches!(blobs_of(&serve(|_| Some("<html>".into())).await).await, Err(SourceError::Json(_))));
        let short = serve(|_| Some(r#"{"data":["0x00"]}"#.into()));
        assert!(matches!(blobs_of(&short.await).await, Err(SourceError::Length { .. })));
    }

    #[tokio::test]
    async fn a_beacon_slot_follows_from_the_time_of_the_l1_block() {
        let url = serve(|_| Some(r#"{"data":{"genesis_time":"1000"}}"#.into())).await;
        let http = client();
        let node = BeaconNode { http: &http, base: &url, timeout: Duration::from_secs(5) };
        let block = |timestamp| L1Block { number: L1BlockNumber::new(1), hash: B256::ZERO, timestamp };
        assert_eq!(node.slot_of(&block(1120), 12).await.unwrap(), 10);
        assert!(matches!(node.slot_of(&block(999), 12).await, Err(SourceError::BeaconTime)));
        assert!(matches!(node.slot_of(&block(1120), 0).await, Err(SourceError::BeaconTime)));
    }
}
