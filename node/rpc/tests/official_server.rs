//! The real servers on loopback, against answers observed on the official 4.1.2 server
//! (npm @aztec/foundation 4.1.2, `src/json-rpc/server/safe_json_rpc_server.ts`, run with a handler of its own).

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::net::SocketAddr;
use std::sync::Arc;

use alloy_primitives::{Address, B256};
use ollin_protocol::units::{BlockNumber, CheckpointNumber, ReplicaId, Slot};
use ollin_rpc::view::{
    AdminConfig, AttesterMoved, BlockRef, CheckpointRef, CheckpointTip, ClusterStatus, L1ContractAddresses, L1Endpoint, L2Tips,
    Member, NodeInfo, VersionHeaders,
};
use ollin_rpc::{
    AdminCommand, AdminKey, AdminKeySource, AdminViews, ClusterCreated, CommandRefused, CreateOrder, DutiesAnswer, DutiesRequest,
    KeyHash, Limits, NodeDescription, Views, serve_admin, serve_public,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const JSON: &str = "content-type: application/json\r\n";

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
    _senders: (watch::Sender<L2Tips>, watch::Sender<ClusterStatus>, watch::Sender<bool>),
}

impl Server {
    async fn public() -> Self {
        Self::public_with(Limits::default()).await
    }

    async fn public_with(limits: Limits) -> Self {
        Self::showing(views(limits)).await
    }

    async fn showing((views, senders): (Views, Senders)) -> Self {
        let (listener, address) = bind().await;
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve_public(listener, views, shutdown.clone()));
        Self { address, shutdown, task, _senders: senders }
    }

    async fn admin(source: AdminKeySource) -> (Self, mpsc::Receiver<AdminCommand>) {
        let (listener, address) = bind().await;
        let (views, senders) = views(Limits::default());
        let (commands, received) = mpsc::channel(1);
        let key = AdminKey::resolve(source).unwrap();
        let config = AdminConfig { min_txs_per_block: 1, build_checkpoint_if_empty: true, ..AdminConfig::default() };
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve_admin(listener, AdminViews { views, config, key, commands }, shutdown.clone()));
        (Self { address, shutdown, task, _senders: senders }, received)
    }

    async fn send(&self, head: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let request = format!("{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}{length}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw).await.unwrap();
        let text = String::from_utf8(raw).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(key, value)| (key.to_lowercase(), value.to_owned()));
        Answer { status, headers: headers.collect(), body: body.to_owned() }
    }

    async fn post(&self, body: &str) -> Answer {
        self.send("POST /", JSON, body.as_bytes()).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

type Senders = (watch::Sender<L2Tips>, watch::Sender<ClusterStatus>, watch::Sender<bool>);

fn views(limits: Limits) -> (Views, Senders) {
    let tip = |number: u64| CheckpointTip {
        block: BlockRef { number: BlockNumber::new(number), hash: B256::with_last_byte(1) },
        checkpoint: CheckpointRef { number: CheckpointNumber::new(number), hash: B256::with_last_byte(2) },
    };
    let tips = L2Tips { proposed: tip(9).block, checkpointed: tip(8), proven: tip(4), finalized: tip(3) };
    let mut cluster = ClusterStatus { cluster_id: Some("ab".repeat(16)), l2_tips: tips, ..ClusterStatus::default() };
    cluster.members.push(Member {
        id: ReplicaId::new(1),
        raft_id: 1,
        address: Some("replica-one:7000".into()),
        voter: true,
        witness: false,
        reachable: Some(true),
        rules: None,
        lag: Some(0),
    });
    cluster.l1.endpoints.push(L1Endpoint {
        url: Some("https://endpoint.example".into()),
        healthy: false,
        head: None,
        error: Some("refused at 10.0.0.7".into()),
    });
    let (tips_in, l2_tips) = watch::channel(tips);
    let (cluster_in, cluster) = watch::channel(cluster);
    let (ready_in, ready) = watch::channel(true);
    let node_info = NodeInfo {
        node_version: "4.1.2".into(),
        l1_chain_id: 31337,
        rollup_version: 9,
        enr: None,
        l1_contract_addresses: L1ContractAddresses::default(),
        protocol_contract_addresses: Default::default(),
        real_proofs: false,
    };
    let version = VersionHeaders {
        package_version: "4.1.2".into(),
        l1_chain_id: 31337,
        l1_rollup_address: Address::with_last_byte(0xab),
        rollup_version: 9,
        l2_protocol_contracts_hash: B256::with_last_byte(5),
        l2_circuits_vk_tree_root: B256::with_last_byte(6),
    };
    let metrics = Arc::new(|| "# TYPE ollin_test counter\nollin_test 1\n".to_owned());
    let node = Some(NodeDescription { info: Arc::new(node_info), version });
    let views = Views { l2_tips, cluster, node, ready, metrics, limits };
    (views, (tips_in, cluster_in, ready_in))
}

fn error(id: Value, code: i32, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

#[tokio::test]
async fn every_body_of_the_error_table_is_answered_as_the_official_server_does() {
    let server = Server::public().await;
    let invalid = json!({"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid request"}});
    let scalar = error(Value::Null, -32700, "Parse error: invalid JSON, only supports object and array");
    let one = |method: &str| json!({"jsonrpc": "2.0", "id": 1, "method": method}).to_string();
    let params = |params: Value| json!({"jsonrpc": "2.0", "id": 1, "method": "node_getVersion", "params": params}).to_string();
    let many = |count: usize| Value::from(vec![json!({"id": 1, "method": "node_nope"}); count]).to_string();

    let cases: Vec<(String, u16, Value)> = vec![
        (params(json!([])), 200, json!({"jsonrpc": "2.0", "id": 1, "result": 9})),
        (params(json!([1, 2])), 200, json!({"jsonrpc": "2.0", "id": 1, "result": 9})),
        (r#"{"id":"x","method":"node_getVersion"}"#.into(), 200, json!({"jsonrpc": "2.0", "id": "x", "result": 9})),
        (r#"{"method":"node_getVersion"}"#.into(), 200, json!({"jsonrpc": "2.0", "result": 9})),
        (r#"{"id":1,"method":"node_getVersion_x"}"#.into(), 200, json!({"jsonrpc": "2.0", "id": 1, "result": 9})),
        (
            r#"{"jsonrpc":5,"id":{"a":1},"method":"node_getVersion"}"#.into(),
            200,
            json!({"jsonrpc": 5, "id": {"a": 1}, "result": 9}),
        ),
        (
            r#"{"jsonrpc":null,"id":null,"method":"node_getVersion"}"#.into(),
            200,
            json!({"jsonrpc": null, "id": null, "result": 9}),
        ),
        (r#"   {"id":1,"method":"node_getVersion"}"#.into(), 200, json!({"jsonrpc": "2.0", "id": 1, "result": 9})),
        (one("node_getEncodedEnr"), 200, json!({"jsonrpc": "2.0", "id": 1})),
        (one("node_fooBar"), 400, error(json!(1), -32601, "Method not found: node_fooBar")),
        (one("foo_getVersion"), 400, error(json!(1), -32601, "Method not found: foo_getVersion")),
        (one("getVersion"), 400, error(json!(1), -32601, "Method not found: getVersion")),
        (one("constructor"), 400, error(json!(1), -32601, "Method not found: constructor")),
        (one("__proto___x"), 400, error(json!(1), -32601, "Method not found: __proto___x")),
        (one("nodeAdmin_getConfig"), 400, error(json!(1), -32601, "Method not found: nodeAdmin_getConfig")),
        (
            r#"{"jsonrpc":"1.0","id":1,"method":"node_fooBar"}"#.into(),
            400,
            json!({"jsonrpc": "1.0", "id": 1, "error": {"code": -32601, "message": "Method not found: node_fooBar"}}),
        ),
        (params(json!({"a": 1})), 400, error(json!(1), -32702, "Params to getVersion is not an array: [object Object]")),
        (params(Value::Null), 400, error(json!(1), -32702, "Params to getVersion is not an array: null")),
        (params(json!("abc")), 400, error(json!(1), -32702, "Params to getVersion is not an array: abc")),
        (params(json!(5)), 400, error(json!(1), -32702, "Params to getVersion is not an array: 5")),
        (r#"{"jsonrpc":"2.0","id":1}"#.into(), 400, error(json!(1), -32600, "Invalid request")),
        (r#"{"jsonrpc":"1.0","id":1,"method":4}"#.into(), 400, error(json!(1), -32600, "Invalid request")),
        (r#"{"jsonrpc":"2.0","id":1,"method":""}"#.into(), 400, error(json!(1), -32600, "Invalid request")),
        ("{}".into(), 400, invalid.clone()),
        (String::new(), 400, invalid.clone()),
        ("[]".into(), 400, error(Value::Null, -32600, "Invalid Request")),
        (many(101), 400, error(Value::Null, -32600, "Batch request exceeds maximum allowed size of 100")),
        (many(100), 200, Value::from(vec![error(json!(1), -32601, "Method not found: node_nope"); 100])),
        (
            r#"[{"id":1,"method":"node_getVersion"},5,null,{"id":2,"method":"node_zip"},[],{"method":"node_getEncodedEnr"}]"#
                .into(),
            200,
            json!([
                {"jsonrpc": "2.0", "id": 1, "result": 9},
                error(Value::Null, -32600, "Invalid Request"),
                error(Value::Null, -32600, "Invalid Request"),
                error(json!(2), -32601, "Method not found: node_zip"),
                invalid,
                {"jsonrpc": "2.0"},
            ]),
        ),
        ("5".into(), 400, scalar.clone()),
        ("\"x\"".into(), 400, scalar.clone()),
        ("null".into(), 400, scalar),
    ];
    for (body, status, expected) in cases {
        let answer = server.post(&body).await;
        assert_eq!((answer.status, answer.json()), (status, expected), "{body}");
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"), "{body}");
        assert_eq!(answer.header("x-aztec-packageversion"), Some("4.1.2"), "{body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn malformed_json_is_a_parse_error_and_carries_no_cors_header() {
    let server = Server::public().await;
    for body in [&b"{\"a\":"[..], b"{a}", b"{\xff}", "[".repeat(3000).as_bytes()] {
        let answer = server.send("POST /", JSON, body).await;
        assert_eq!(answer.status, 400);
        let document = answer.json();
        assert_eq!((&document["id"], &document["error"]["code"]), (&Value::Null, &json!(-32700)));
        assert!(document["error"]["message"].as_str().unwrap().starts_with("Parse error: "));
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(answer.header("x-aztec-packageversion"), Some("4.1.2"));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_is_read_by_its_content_type_and_up_to_the_limit() {
    let server = Server::public().await;
    let body = br#"{"id":1,"method":"node_getVersion"}"#;
    for content_type in ["", "content-type: text/plain\r\n", "content-type: application/x-www-form-urlencoded\r\n"] {
        let answer = server.send("POST /", content_type, body).await;
        assert_eq!(answer.status, 400, "{content_type}");
        assert_eq!(answer.json(), json!({"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid request"}}));
    }
    for content_type in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/json-patch+json"] {
        assert_eq!(server.send("POST /", &format!("content-type: {content_type}\r\n"), body).await.status, 200, "{content_type}");
    }

    let padded = |length: usize| {
        let mut bytes = body.to_vec();
        bytes.resize(length, b' ');
        bytes
    };
    assert_eq!(server.send("POST /", JSON, &padded(1024 * 1024)).await.status, 200, "exactly 1mb");
    let answer = server.send("POST /", JSON, &padded(1024 * 1024 + 1)).await;
    assert_eq!((answer.status, answer.json()), (500, error(Value::Null, -32600, "request entity too large")));

    let answer = server.send("POST /", &format!("{JSON}content-encoding: zork\r\n"), b"xx").await;
    assert_eq!((answer.status, answer.json()), (500, error(Value::Null, -32600, "Unsupported Content-Encoding: zork")));
    server.stop().await;
}

#[tokio::test]
async fn paths_and_methods_are_answered_as_the_official_router_does() {
    let server = Server::public().await;
    let cases = [
        ("GET /", 405, "Method Not Allowed", Some("POST")),
        ("PUT /", 405, "Method Not Allowed", Some("POST")),
        ("PROPFIND /", 501, "Not Implemented", Some("POST")),
        ("OPTIONS /", 200, "", Some("POST")),
        ("GET /zip", 404, "Not Found", None),
        ("POST /zip", 404, "Not Found", None),
        ("GET /status", 200, "OK", None),
        ("GET /status/", 200, "OK", None),
        ("POST /status", 405, "Method Not Allowed", Some("HEAD, GET")),
        ("POST /cluster/create", 404, "Not Found", None),
        ("POST /duties", 404, "Not Found", None),
    ];
    for (head, status, body, allow) in cases {
        let answer = server.send(head, "", b"").await;
        assert_eq!((answer.status, answer.body.as_str(), answer.header("allow")), (status, body, allow), "{head}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{head}");
        assert_eq!(answer.header("x-aztec-rollupversion"), Some("9"), "{head}");
    }
    let head = server.send("HEAD /status", "", b"").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(server.send("POST /?a=1", JSON, br#"{"id":1,"method":"node_isReady"}"#).await.status, 200);

    let asked = "origin: http://x\r\naccess-control-request-method: POST\r\naccess-control-request-headers: content-type\r\n";
    let preflight = server.send("OPTIONS /", asked, b"").await;
    assert_eq!((preflight.status, preflight.body.as_str()), (204, ""));
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET,HEAD,PUT,POST,DELETE,PATCH"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("content-type"));
    server.stop().await;
}

#[tokio::test]
async fn version_headers_are_written_as_official_clients_compare_them() {
    let server = Server::public().await;
    let answer = server.post(r#"{"id":1,"method":"node_getChainId"}"#).await;
    let expected = [
        ("x-aztec-packageversion", "4.1.2"),
        ("x-aztec-l1chainid", "31337"),
        ("x-aztec-l1rollupaddress", "0x00000000000000000000000000000000000000ab"),
        ("x-aztec-rollupversion", "9"),
        ("x-aztec-l2protocolcontractshash", "0x0000000000000000000000000000000000000000000000000000000000000005"),
        ("x-aztec-l2circuitsvktreeroot", "0x0000000000000000000000000000000000000000000000000000000000000006"),
        ("access-control-allow-origin", "*"),
    ];
    for (name, value) in expected {
        assert_eq!(answer.header(name), Some(value));
    }
    server.stop().await;
}

#[tokio::test]
async fn tips_answer_the_guide_and_the_4_1_2_client() {
    let server = Server::public().await;
    let tips = server.post(r#"{"jsonrpc":"2.0","method":"node_getL2Tips","params":[],"id":67}"#).await.json()["result"].clone();
    assert_eq!(tips["proven"]["number"], json!(4), "the guide's jq path");
    assert_eq!(tips["proven"]["block"]["number"], json!(4));
    assert_eq!(tips["proven"]["checkpoint"]["number"], json!(4));
    assert_eq!(tips["proposed"], json!({"number": 9, "hash": B256::with_last_byte(1)}));
    for (method, expected) in [
        ("node_getBlockNumber", json!(9)),
        ("node_getProvenBlockNumber", json!(4)),
        ("node_getCheckpointedBlockNumber", json!(8)),
        ("node_getCheckpointNumber", json!(8)),
        ("node_getChainId", json!(31337)),
        ("node_getNodeVersion", json!("4.1.2")),
        ("node_isReady", json!(true)),
    ] {
        assert_eq!(server.post(&json!({"id": 1, "method": method}).to_string()).await.json()["result"], expected, "{method}");
    }
    let description = server.post(r#"{"id":1,"method":"node_getNodeInfo"}"#).await.json()["result"].clone();
    assert_eq!(description["protocolContractAddresses"]["classRegistry"], json!(B256::with_last_byte(3)));
    assert!(description.get("enr").is_none() && description["l1ContractAddresses"].get("gseAddress").is_none());
    server.stop().await;
}

#[tokio::test]
async fn the_public_status_is_a_summary_and_the_admin_status_is_whole() {
    let server = Server::public().await;
    let page = server.send("GET /cluster", "", b"").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("cluster/status") && !page.body.contains("http://"), "the page reads its own port only");
    let summary = server.send("GET /cluster/status", "", b"").await;
    for hidden in ["replica-one", "endpoint.example", "10.0.0.7"] {
        assert!(!summary.body.contains(hidden), "{hidden} on the public port");
    }
    let read: ClusterStatus = serde_json::from_str(&summary.body).unwrap();
    assert_eq!((read.members.len(), read.l2_tips.proven.block.number), (1, BlockNumber::new(4)));
    server.stop().await;

    let (admin, _commands) = Server::admin(AdminKeySource::Given(KeyHash::of("k"))).await;
    assert_eq!(admin.send("GET /cluster/status", "", b"").await.status, 401);
    let whole = admin.send("GET /cluster/status", "x-api-key: k\r\n", b"").await;
    assert!(whole.body.contains("replica-one:7000") && whole.body.contains("endpoint.example"));
    admin.stop().await;
}

#[tokio::test]
async fn the_admin_port_asks_for_its_key_everywhere_but_at_status() {
    let (server, _commands) = Server::admin(AdminKeySource::Given(KeyHash::of("k"))).await;
    let body = br#"{"id":1,"method":"nodeAdmin_getConfig"}"#;
    let refused = error(Value::Null, -32000, "Unauthorized: invalid or missing API key");
    for (head, key) in [
        ("POST /", ""),
        ("POST /", "x-api-key: z\r\n"),
        ("POST /", "x-api-key: \r\n"),
        ("POST /", "authorization: Bearer z\r\n"),
        ("POST /cluster/create", ""),
        ("POST /duties", ""),
        ("GET /metrics", ""),
        ("GET /x", ""),
        ("OPTIONS /", "origin: http://x\r\naccess-control-request-method: POST\r\n"),
    ] {
        let answer = server.send(head, &format!("{JSON}{key}"), body).await;
        assert_eq!((answer.status, answer.json()), (401, refused.clone()), "{head} {key}");
        assert_eq!(answer.header("x-aztec-packageversion"), None, "the official server checks the key first");
    }
    for key in ["x-api-key: k\r\n", "authorization: Bearer k\r\n", "authorization: bearer  k\r\n", "authorization: k\r\n"] {
        let answer = server.send("POST /", &format!("{JSON}{key}"), body).await;
        assert_eq!((answer.status, &answer.json()["result"]["minTxsPerBlock"]), (200, &json!(1)), "{key}");
    }
    let unknown = server.send("POST /", &format!("{JSON}x-api-key: k\r\n"), br#"{"id":1,"method":"node_getVersion"}"#).await;
    assert_eq!(unknown.json(), error(json!(1), -32601, "Method not found: node_getVersion"));
    assert_eq!(server.send("GET /status", "", b"").await.body, "OK");
    server.stop().await;
}

#[tokio::test]
async fn a_witness_without_l1_answers_about_the_cluster_and_has_no_node_methods() {
    let (views, senders) = views(Limits::default());
    let server = Server::showing((Views { node: None, ..views }, senders)).await;
    let answer = server.post(r#"{"jsonrpc":"2.0","id":1,"method":"node_getL2Tips"}"#).await;
    assert_eq!(answer.json(), error(json!(1), -32601, "Method not found: node_getL2Tips"));
    assert_eq!(answer.header("x-aztec-packageversion"), None, "it is no node");
    let status = server.send("GET /cluster/status", "", b"").await;
    assert_eq!((status.status, server.send("GET /status", "", b"").await.status), (200, 200));
    server.stop().await;
}

#[tokio::test]
async fn a_creation_reports_what_was_made_why_not_or_that_nobody_knows() {
    let (server, mut commands) = Server::admin(AdminKeySource::Disabled).await;
    let created = ClusterCreated { cluster_id: "ab".into(), floor: Slot::new(12), attesters: vec![Address::ZERO] };
    let refused = CommandRefused { code: "exists".into(), message: "this cluster exists since slot 12".into() };

    let answers = [Some(Ok(created.clone())), Some(Err(refused.clone())), None];
    let node = tokio::spawn(async move {
        let mut seen = Vec::new();
        for answer in answers {
            let Some(AdminCommand::CreateCluster { order, reply }) = commands.recv().await else { panic!("no command") };
            seen.push(order);
            if let Some(answer) = answer {
                reply.send(answer).unwrap();
            }
        }
        seen
    });
    let unknown = server.send("POST /cluster/create", JSON, br#"{"quietly": true}"#).await;
    assert_eq!(
        (unknown.status, &unknown.json()["code"]),
        (400, &json!("malformed")),
        "an order that is not understood is not given"
    );
    let first = server.send("POST /cluster/create", "", b"").await;
    assert_eq!((first.status, serde_json::from_str(&first.body).unwrap()), (200, created));
    let second = server.send("POST /cluster/create", JSON, br#"{"listen_slots": 9, "accept": ["at_work"]}"#).await;
    assert_eq!((second.status, serde_json::from_str(&second.body).unwrap()), (409, refused));
    let third = server.send("POST /cluster/create", "", b"").await;
    assert_eq!((third.status, &third.json()["code"]), (504, &json!("unknown")));
    let listens = CreateOrder { listen_slots: Some(9), accept: vec!["at_work".into()] };
    assert_eq!(node.await.unwrap(), [CreateOrder::default(), listens, CreateOrder::default()]);
    let fourth = server.send("POST /cluster/create", "", b"").await;
    assert_eq!((fourth.status, &fourth.json()["code"]), (503, &json!("stopping")));
    server.stop().await;
}

#[tokio::test]
async fn a_question_about_duties_is_answered_refused_or_not_understood() {
    let (server, mut commands) = Server::admin(AdminKeySource::Disabled).await;
    let moved = AttesterMoved { attester: Address::ZERO, slot: Slot::new(12) };
    let refused = CommandRefused { code: "not_leader".into(), message: "replica 2 leads".into() };
    let answers = [Some(Ok(DutiesAnswer::Released(moved))), Some(Err(refused.clone())), None];
    let node = tokio::spawn(async move {
        for answer in answers {
            let Some(AdminCommand::Duties { request, reply }) = commands.recv().await else { panic!("no question") };
            assert_eq!(request, DutiesRequest::ReleaseAttester { attester: Address::ZERO, last_slot: Some(Slot::new(12)) });
            if let Some(answer) = answer {
                reply.send(answer).unwrap();
            }
        }
    });
    for (body, word) in
        [("{}", "do"), (r#"{"do":"forget"}"#, "forget"), (r#"{"do":"missed","x":1}"#, "x"), ("{", "EOF"), ("", "JSON")]
    {
        let answer = server.send("POST /duties", JSON, body.as_bytes()).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("malformed")), "{body}");
        assert!(answer.body.contains(word), "{body}: {}", answer.body);
    }
    assert_eq!(server.send("GET /duties", "", b"").await.status, 405);
    let body = format!(r#"{{"do":"release_attester","attester":"{}","last_slot":12}}"#, Address::ZERO);
    let first = server.send("POST /duties", JSON, body.as_bytes()).await;
    assert_eq!((first.status, serde_json::from_str(&first.body).unwrap()), (200, DutiesAnswer::Released(moved)));
    let second = server.send("POST /duties", JSON, body.as_bytes()).await;
    assert_eq!((second.status, serde_json::from_str(&second.body).unwrap()), (409, refused));
    let third = server.send("POST /duties", JSON, body.as_bytes()).await;
    assert_eq!((third.status, &third.json()["code"]), (504, &json!("unknown")));
    node.await.unwrap();
    let fourth = server.send("POST /duties", JSON, body.as_bytes()).await;
    assert_eq!((fourth.status, &fourth.json()["code"]), (503, &json!("stopping")));
    server.stop().await;
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let server = Server::public().await;
    let answer = server.send("GET /metrics", "", b"").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(answer.body.contains("ollin_test 1"));
    server.stop().await;
}

#[tokio::test]
async fn a_silent_connection_and_a_slow_body_are_ended() {
    let limits = Limits {
        idle_timeout: std::time::Duration::from_millis(200),
        body_timeout: std::time::Duration::from_millis(100),
        ..Limits::default()
    };
    let server = Server::public_with(limits).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), silent.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the server keeps a silent connection");

    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let request = format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{JSON}content-length: 9\r\n\r\n{{");
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("request body timed out"), "{answer}");
    server.stop().await;
}
