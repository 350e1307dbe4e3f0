//! The blobs that anvil holds, served as the official blob client reads them: an HTTP file store.
//!
//! A file is `<base>/blobs/<0x versioned hash>.data`; its content is the raw Snappy compression of the JSON text
//! `{"blob": "0x..", "kzg_commitment": "0x.."}`. The client sends HEAD, then GET; a 404 it tries again after 1, 1 and 3 seconds.
//! At its start it wants `<base>/.healthcheck` to exist. `<base>` names chain and rollup; here is only one, so any base will do.
//!
//! Source: npm @aztec/blob-client 4.1.2, `src/filestore/filestore_blob_client.ts`, `src/filestore/healthcheck.ts`, `src/encoding/index.ts`;
//! npm @aztec/blob-lib 4.1.2, `src/blob.ts` (`toJSON`).

use std::net::SocketAddr;

use alloy::primitives::{B256, Bytes, hex};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use url::Url;

use crate::error::DevL1Error;
use crate::rpc::AnvilRpc;

/// A table that speeds up cell proofs, which nobody makes here, costs memory: none.
const KZG_PRECOMPUTE: u64 = 0;

/// A bound listener, not yet serving.
#[derive(Debug)]
pub(crate) struct BlobServer {
    listener: TcpListener,
    url: Url,
}

impl BlobServer {
    /// Binds the address; port 0 means any free one.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, DevL1Error> {
        let bind_error = |source| DevL1Error::bind(address, "the blob server", source);
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let port = listener.local_addr().map_err(bind_error)?.port();
        // The address is always well formed; the number is a port.
        let url = Url::parse(&format!("http://127.0.0.1:{port}")).map_err(|_| DevL1Error::Constant { what: "blob address" })?;
        Ok(Self { listener, url })
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Serves until the task is aborted; returns only with an error.
    pub(crate) async fn serve(self, rpc: AnvilRpc) -> DevL1Error {
        let router = Router::new().route("/{*path}", get(answer)).with_state(rpc);
        let ended = axum::serve(self.listener, router).await;
        let source = ended.err().unwrap_or_else(|| std::io::Error::other("it ended"));
        DevL1Error::Spawn { program: "the blob server".to_owned(), source }
    }
}

/// What a path of the file store means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Healthcheck,
    Blob(B256),
}

impl Wanted {
    fn parse(path: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').rsplit('/');
        let file = parts.next()?;
        if file == ".healthcheck" {
            return Some(Self::Healthcheck);
        }
        let hash = file.strip_suffix(".data")?.strip_prefix("0x")?;
        if parts.next() != Some("blobs") || hash.len() != 64 {
            return None;
        }
        hash.parse().ok().map(Self::Blob)
    }
}

async fn answer(State(rpc): State<AnvilRpc>, Path(path): Path<String>) -> Response {
    let hash = match Wanted::parse(&path) {
        Some(Wanted::Healthcheck) => return "ok".into_response(),
        Some(Wanted::Blob(hash)) => hash,
        None => return StatusCode::NOT_FOUND.into_response(),
    };
    match rpc.request::<_, Option<Bytes>>("anvil_getBlobByHash", (hash,)).await {
        Ok(Some(blob)) => file_response(blob).await,
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::warn!(%hash, %error, "cannot serve a blob");
            StatusCode::BAD_GATEWAY.into_response()
        }
    }
}

async fn file_response(blob: Bytes) -> Response {
    // The commitment is some tens of milliseconds of computing.
    match tokio::task::spawn_blocking(move || file_content(&blob)).await {
        Ok(Some(content)) => ([(header::CONTENT_TYPE, "application/octet-stream")], content).into_response(),
        Ok(None) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The file that holds this blob, or `None` if it is none (wrong length, a field too large).
fn file_content(blob: &[u8]) -> Option<Vec<u8>> {
    let checked = c_kzg::Blob::from_bytes(blob).ok()?;
    let commitment = c_kzg::ethereum_kzg_settings(KZG_PRECOMPUTE).blob_to_kzg_commitment(&checked).ok()?;
    let json = format!(
        r#"{{"blob":"{}","kzg_commitment":"{}"}}"#,
        hex::encode_prefixed(blob),
        hex::encode_prefixed(commitment.to_bytes().as_slice())
    );
    snap::raw::Encoder::new().compress_vec(json.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::b256;
    use serde_json::Value;

    use super::*;

    #[test]
    fn only_paths_of_the_official_layout_are_served() {
        let hash = b256!("010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014");
        let blob = format!("aztec-31337-1-0xab/blobs/{hash}.data");
        assert_eq!(Wanted::parse(&blob), Some(Wanted::Blob(hash)));
        assert_eq!(Wanted::parse(&format!("blobs/{hash}.data")), Some(Wanted::Blob(hash)));
        assert_eq!(Wanted::parse("aztec-31337-1-0xab/.healthcheck"), Some(Wanted::Healthcheck));
        for wrong in ["", "/", "blobs/0x01.data", "x/0x/blobs", &format!("{hash}.data"), &format!("blobs/{hash}")] {
            assert_eq!(Wanted::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Wanted::parse(&format!("blobs/0x0x{}.data", &hash.to_string()[4..])), None);
    }

    #[test]
    fn a_file_holds_blob_and_commitment_and_nothing_that_is_no_blob() {
        let content = file_content(&vec![0; c_kzg::BYTES_PER_BLOB]).unwrap();
        let json = snap::raw::Decoder::new().decompress_vec(&content).unwrap();
        let json: Value = serde_json::from_slice(&json).unwrap();
        // The commitment to the zero polynomial is the point at infinity.
        assert_eq!(json["kzg_commitment"], format!("0xc0{}", "00".repeat(47)));
        assert_eq!(json["blob"].as_str().unwrap().len(), 2 + 2 * c_kzg::BYTES_PER_BLOB);

        assert_eq!(file_content(&[0; 5]), None);
        assert_eq!(file_content(&vec![0xff; c_kzg::BYTES_PER_BLOB]), None);
    }
}
