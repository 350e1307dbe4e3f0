//! Hostile answers of L1 endpoints, beacon nodes and file stores: each of them may lie.

use alloy::primitives::{Address, B256, Bytes, LogData, hex};
use alloy::rpc::json_rpc::ResponsePacket;
use alloy::rpc::types::{Log, TransactionReceipt};
use alloy::sol_types::SolValue;
use ollin_fuzz::Fuzz;
use ollin_protocol::blob::{BLOB_BYTES, Blob};
use serde_json::{Value, json};

use crate::blob_source::beacon::{parse_blobs, parse_genesis, parse_sidecars};
use crate::blob_source::file_store::parse_file;
use crate::blob_source::parse_blob;
use crate::contract::{CallResult, propose_position};
use crate::probe::head_of;
use crate::revert::Revert;
use crate::rollup::{CheckpointProposed, MessageSent};
use crate::simulation::{BlockResult, inner_outcome, measured};

fn fixture(path: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// A real log of `CheckpointProposed`.
fn proposed() -> Value {
    fixture("../protocol/fixtures/l1.json")["propose1"]["logs"][0].clone()
}

/// The same as an endpoint gives it.
fn log_json(log: &Value) -> Value {
    json!({
        "address": log["address"], "topics": log["topics"], "data": log["data"], "blockNumber": "0x21",
        "blockHash": B256::repeat_byte(1), "transactionHash": B256::repeat_byte(2), "transactionIndex": "0x0", "logIndex": "0x0",
        "removed": false,
    })
}

#[test]
fn data_of_a_revert_is_always_said_in_few_words() {
    let reverts = fixture("fixtures/reverts.json");
    let seeds = reverts["reverts"].as_array().unwrap().iter().map(|revert| bytes(&revert["data"])).collect::<Vec<_>>();
    let selectors = reverts["selectors"].as_array().unwrap().iter().map(|known| bytes(&known["selector"])).collect::<Vec<_>>();
    // The table of known errors is made once.
    let _ = Revert::decode(&[0; 4]);
    let bare = selectors.iter().map(|selector| [selector.as_slice(), &[0; 128]].concat());
    Fuzz::new("revert").seeds(seeds.into_iter().chain(bare)).longest(8192).free_bytes(64 << 10).run(|bytes| {
        let revert = Revert::decode(bytes);
        assert!(revert.to_string().len() < 16_384, "{} bytes of text", revert.to_string().len());
    });
}

/// Topics and data as L1 gives them: three words, then the data.
#[test]
fn a_log_that_is_accepted_is_that_event() {
    let log = proposed();
    let topics: Vec<u8> = log["topics"].as_array().unwrap().iter().flat_map(bytes).collect();
    let message = [&topics[..], &[0; 64]].concat();
    let seeds = [[topics, bytes(&log["data"])].concat(), message];
    Fuzz::new("event").seeds(seeds).longest(8192).free_bytes(64 << 10).run(|bytes| {
        let (words, _) = bytes.as_chunks::<32>();
        let topics: Vec<B256> = words.iter().take(3).map(B256::from).collect();
        let data = bytes.get(32 * topics.len()..).unwrap_or_default();
        let data = LogData::new(topics, Bytes::copy_from_slice(data)).unwrap();
        let log = Log {
            inner: alloy::primitives::Log { address: Address::ZERO, data },
            block_hash: Some(B256::ZERO),
            block_number: Some(1),
            transaction_hash: Some(B256::ZERO),
            ..Log::default()
        };
        if let Ok(event) = CheckpointProposed::read(&log) {
            assert!(event.versioned_blob_hashes.len() <= bytes.len() / 32);
        }
        let _ = MessageSent::read(&log);
    });
}

/// What a bundle would return: an array of results whose parts may point anywhere.
#[test]
fn results_of_a_bundle_take_no_more_room_than_they_come_in() {
    let result = |bytes| CallResult { success: false, returnData: vec![7; bytes].into() };
    let many = vec![result(0); 200].abi_encode();
    // All of them point at the same, last result.
    let mut shared = vec![result(0); 200];
    shared.push(result(4096));
    let mut shared = shared.abi_encode();
    let last: Vec<u8> = shared[64 + 200 * 32..64 + 201 * 32].to_vec();
    for entry in 0..200 {
        shared[64 + 32 * entry..96 + 32 * entry].copy_from_slice(&last);
    }
    let seeds = [vec![result(4)].abi_encode(), many, shared];
    Fuzz::new("bundle-results").seeds(seeds).longest(32 << 10).free_bytes(64 << 10).bytes_per_byte(16).run(|bytes| {
        for position in [0, 1, 200] {
            if let Err(error) = inner_outcome(bytes, position) {
                assert!(error.to_string().len() < 16_384);
            }
        }
        let _ = propose_position(bytes, Address::ZERO);
    });
}

#[test]
fn answers_of_endpoints_are_read_or_refused() {
    let call = json!({"returnData": "0x", "gasUsed": "0x10", "maxUsedGas": "0x20", "status": "0x1", "logs": []});
    let failed = json!({"returnData": "0x", "gasUsed": "0x10", "status": "0x0", "error": {"code": 3, "message": "no", "data": "0x338736ad"}});
    let head = json!({"jsonrpc": "2.0", "id": 0, "result": {"number": "0x5", "timestamp": "0x6"}});
    let error = json!({"jsonrpc": "2.0", "id": 0, "error": {"code": -32005, "message": "rate"}});
    let log = log_json(&proposed());
    let receipt = json!({
        "type": "0x2", "status": "0x1", "cumulativeGasUsed": "0x1", "logsBloom": format!("0x{}", "00".repeat(256)), "logs": [log],
        "transactionHash": B256::ZERO, "transactionIndex": "0x0", "blockHash": B256::ZERO, "blockNumber": "0x1", "gasUsed": "0x1",
        "effectiveGasPrice": "0x1", "from": Address::ZERO, "to": Address::ZERO, "contractAddress": null,
    });
    let seeds = [json!([{"calls": [call]}]), json!([{"calls": [failed]}]), head, json!([error]), log, receipt];
    let words = ["\"status\":\"0x1\"", "\"removed\":true", "\"error\":{", "\"0x", "null", "\"data\":\"0x"];
    let seeds = seeds.map(|answer| answer.to_string().into_bytes());
    Fuzz::new("answer").seeds(seeds).words(&words).longest(8192).run(|bytes| {
        if let Ok(blocks) = serde_json::from_slice::<Vec<BlockResult>>(bytes) {
            for call in blocks.into_iter().flat_map(|block| block.calls) {
                if let Ok((returned, _)) = measured(call) {
                    let _ = inner_outcome(&returned, 0);
                }
            }
        }
        if let Ok(packet) = serde_json::from_slice::<ResponsePacket>(bytes) {
            let _ = (packet.first_error_code(), head_of(&packet));
        }
        if let Ok(log) = serde_json::from_slice::<Log>(bytes) {
            let _ = (CheckpointProposed::read(&log), MessageSent::read(&log));
        }
        if let Ok(receipt) = serde_json::from_slice::<TransactionReceipt>(bytes) {
            for log in receipt.inner.logs() {
                let _ = CheckpointProposed::read(log);
            }
        }
    });
}

/// Texts stand for blobs that are whole: the digits in them are repeated up to the size of one.
#[test]
fn files_and_answers_with_blobs_are_read_or_refused() {
    let blob = |digits: &str| format!("0x{}", digits.repeat(BLOB_BYTES * 2 / digits.len()));
    let seeds = [
        json!({"blob": "0x00"}),
        json!({"data": ["0x00", "0x01"]}),
        json!({"data": [{"blob": "0x00", "kzg_commitment": "0x"}]}),
        json!({"data": {"genesis_time": "1606824023"}}),
    ];
    let seeds = seeds.map(|answer| answer.to_string().into_bytes());
    // A blob that is read, its digits, and the file around it are each a quarter of a megabyte.
    Fuzz::new("blob-file").seeds(seeds).words(&["\"blob\":\"", "\"data\":["]).longest(1024).run(|bytes| {
        assert!(parse_file(bytes).is_err(), "a file of {} bytes holds no blob", bytes.len());
        let _ = parse_genesis(bytes);
        for read in [parse_blobs, parse_sidecars] {
            assert!(read(bytes).iter().all(Vec::is_empty));
        }
        // Whole blobs take their time: only some of the inputs are about them.
        if !bytes.len().is_multiple_of(16) {
            return;
        }
        let text = String::from_utf8_lossy(bytes).replacen("0x00", &blob("00"), 1).replacen("0x01", &blob("a1"), 1);
        let compressed = snap::raw::Encoder::new().compress_vec(text.as_bytes()).unwrap();
        let whole = |blob: &Blob| parse_blob(&hex::encode(blob.as_bytes())).unwrap().as_bytes() == blob.as_bytes();
        assert!(parse_file(&compressed).iter().all(whole));
        for read in [parse_blobs, parse_sidecars] {
            assert!(read(text.as_bytes()).iter().flatten().all(whole));
        }
    });
}
