//! The official blob file store, read over HTTP.

use std::time::Duration;

use alloy::primitives::{Address, B256};
use ollin_protocol::blob::Blob;
use serde::Deserialize;
use url::Url;

use super::{SourceError, parse_blob};
use crate::http::{fetch, within};

/// Largest file of one blob: hex of 131,072 bytes, its commitment, and what raw snappy may add.
const FILE_LIMIT: usize = 512 << 10;
/// Largest decompressed file.
const TEXT_LIMIT: usize = 300 << 10;

/// A blob as the file store and `blob_sidecars` write it; the commitment beside it is not believed.
#[derive(Deserialize)]
pub(super) struct BlobJson {
    pub(super) blob: String,
}

/// A read-only store.
pub(super) struct FileStore<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) base: &'a Url,
    pub(super) timeout: Duration,
}

/// The folder of a rollup's blobs. Source: npm @aztec/blob-client 4.1.2, `src/filestore/factory.ts`.
pub(super) fn folder(chain_id: u64, rollup_version: u64, rollup: Address) -> String {
    format!("aztec-{chain_id}-{rollup_version}-{rollup:#x}")
}

impl FileStore<'_> {
    /// Those of the blobs that the store has: `{base}/{folder}/blobs/{hash}.data`, raw snappy of the blob's JSON.
    ///
    /// Source: npm @aztec/blob-client 4.1.2, `src/filestore/filestore_blob_client.ts`, `src/encoding/index.ts`.
    pub(super) async fn blobs(&self, folder: &str, hashes: &[B256]) -> Result<Vec<Blob>, SourceError> {
        let mut found = Vec::new();
        for hash in hashes {
            let url = format!("{}/{folder}/blobs/{hash}.data", self.base.as_str().trim_end_matches('/'));
            let body = within(self.timeout, fetch(self.http.get(url), FILE_LIMIT)).await?;
            if let Some(body) = body {
                found.push(parse_file(&body)?);
            }
        }
        Ok(found)
    }
}

pub(crate) fn parse_file(body: &[u8]) -> Result<Blob, SourceError> {
    let length = snap::raw::decompress_len(body)?;
    if length > TEXT_LIMIT {
        return Err(SourceError::Length { what: "a file", length });
    }
    let text = snap::raw::Decoder::new().decompress_vec(body)?;
    let json: BlobJson = serde_json::from_slice(&text)?;
    parse_blob(&json.blob)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::address;
    use ollin_protocol::blob::BLOB_BYTES;

    use super::*;

    fn file(text: &str) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_folder_is_the_official_one() {
        let rollup = address!("322813Fd9A801c5507c9de605d63CEA4f2CE6c44");
        let expected = "aztec-31337-1103147261-0x322813fd9a801c5507c9de605d63cea4f2ce6c44";
        assert_eq!(folder(31337, 1_103_147_261, rollup), expected);
    }

    #[test]
    fn a_file_of_the_official_store_is_a_blob() {
        let text = format!(r#"{{"blob":"0x{}","kzg_commitment":"0xc0"}}"#, "00".repeat(BLOB_BYTES));
        assert!(parse_file(&file(&text)).is_ok());
    }

    #[test]
    fn hostile_files_are_refused() {
        assert!(parse_file(&[]).is_err());
        assert!(parse_file(&file("")).is_err());
        assert!(parse_file(&file(r#"{"blob":"0x00"}"#)).is_err(), "too short");
        assert!(parse_file(&file(&format!(r#"{{"blob":"0x{}"}}"#, "00".repeat(BLOB_BYTES + 1)))).is_err(), "too long");
        assert!(parse_file(&file(&format!(r#"{{"blob":"0x{}"}}"#, "zz".repeat(BLOB_BYTES)))).is_err(), "no hex");
        // A header that announces four gigabytes must not be believed.
        assert!(parse_file(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0x00]).is_err());
        let good = file(&format!(r#"{{"blob":"0x{}"}}"#, "00".repeat(BLOB_BYTES)));
        for end in (0..good.len()).step_by(97).chain([good.len() - 1]) {
            assert!(parse_file(&good[..end]).is_err(), "cut at {end}");
        }
    }
}
