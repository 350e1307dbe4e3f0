//! Hostile requests, and what the command line reads as answers.

use ollin_fuzz::Fuzz;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::admin::MemberChange;
use crate::duties::{DutiesAnswer, DutiesRequest};
use crate::envelope::{Api, Reply, answer};
use crate::order::LeadershipOrder;
use crate::server::request;
use crate::view::{ClusterStatus, L2Tips};

const BATCH: usize = 8;

/// A namespace with one method that answers and one that is void.
struct Two;

impl Api for Two {
    type Method = bool;

    fn find(&self, namespace: &str, name: &str) -> Option<bool> {
        (namespace == "node" && matches!(name, "answers" | "void")).then_some(name == "answers")
    }

    fn call(&self, answers: bool) -> Result<Option<Value>, serde_json::Error> {
        Ok(answers.then(|| json!({"number": 1})))
    }
}

#[test]
fn every_body_has_an_answer_of_its_size() {
    let request = |method: &str| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": []});
    let seeds = [request("node_answers"), json!([request("node_void"), request("node_none")]), json!({}), json!([])];
    let words = ["\"method\":\"node_answers\"", "\"id\":null", "[[[[[[", "\"params\":{}", "1e999", "\\ud800"];
    let seeds = seeds.map(|body| body.to_string().into_bytes());
    Fuzz::new("json-rpc").seeds(seeds).words(&words).run(|bytes| {
        let Ok(body) = request::decode(&String::from_utf8_lossy(bytes)) else { return };
        let requests = body.as_ref().and_then(Value::as_array).map_or(1, Vec::len);
        let reply = answer(&Two, body, BATCH);
        match &reply {
            Reply::Single(_) => {}
            Reply::Batch(answers) => assert!(answers.len() == requests && requests <= BATCH),
        }
        let encoded = reply.encode().unwrap();
        serde_json::from_slice::<Value>(&encoded).unwrap();
        // What is echoed: id, version and the name of the method, once each, and escapes of up to six bytes for one.
        assert!(
            encoded.len() <= 6 * bytes.len() + 256 * (requests.min(BATCH) + 1),
            "{} bytes for {}",
            encoded.len(),
            bytes.len()
        );
    });
}

fn check<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
    let text = serde_json::to_vec(&value).unwrap();
    assert_eq!(serde_json::to_vec(&serde_json::from_slice::<T>(&text).unwrap()).unwrap(), text);
}

#[test]
fn orders_and_answers_are_read_as_they_are_written() {
    let seeds = [
        json!({"order": "transfer", "to": 2}),
        json!({"order": "drain", "replica": null, "undo": true}),
        json!({"do": "list", "attester": null, "slot": 7, "limit": 9}),
        json!({"do": "import", "file": "{}", "accept": ["unreleased"]}),
        json!({"order": "add", "replica": 4, "address": "127.0.0.1:4", "fingerprint": "00".repeat(32), "witness": true}),
        serde_json::to_value(ClusterStatus::default()).unwrap(),
        serde_json::to_value(L2Tips::default()).unwrap(),
    ];
    let seeds = seeds.map(|order| order.to_string().into_bytes());
    Fuzz::new("order").seeds(seeds).words(&["\"order\":", "\"do\":", "\"slot\":", "null", "18446744073709551615"]).run(|bytes| {
        check::<LeadershipOrder>(bytes);
        check::<DutiesRequest>(bytes);
        check::<DutiesAnswer>(bytes);
        check::<MemberChange>(bytes);
        check::<ClusterStatus>(bytes);
        check::<L2Tips>(bytes);
    });
}
