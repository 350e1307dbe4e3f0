//! The pool against small HTTP servers on loopback.

use alloy::providers::{Provider, RootProvider};
use alloy::rpc::client::RpcClient;
use alloy::transports::RpcError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::error::L1Error;
use crate::probe::probe_due;

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// With chain id 1 and, to probes, a head of this number.
    Answers { head: u64 },
    /// With a JSON-RPC error of a revert.
    Reverts,
    /// With a JSON-RPC error of a rate limit.
    Limits,
    /// With this status and no JSON.
    Status(u16),
    /// Never.
    Hangs,
}

/// A server that answers every request in one manner, and counts.
struct Server {
    url: Url,
    asked: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(AtomicU64::new(0));
        let count = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                count.fetch_add(1, Ordering::Relaxed);
                if manner == Manner::Hangs {
                    std::future::pending::<()>().await;
                }
                let (status, body) = respond(manner, &request);
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        Self { url, asked, task }
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn read_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains("\"jsonrpc\"") {
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            break;
        }
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

fn respond(manner: Manner, request: &str) -> (u16, String) {
    let json = request.split("\r\n\r\n").nth(1).unwrap_or_default();
    let id = serde_json::from_str::<serde_json::Value>(json).map(|value| value["id"].clone()).unwrap_or_default();
    match manner {
        Manner::Answers { head } if request.contains("eth_getBlockByNumber") => {
            (200, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"number":"0x{head:x}","timestamp":"0x{head:x}"}}}}"#))
        }
        Manner::Answers { .. } => (200, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"0x1"}}"#)),
        Manner::Reverts => {
            let error = r#"{"code":3,"message":"execution reverted","data":"0x338736ad"}"#;
            (200, format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
        }
        Manner::Limits => (200, format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32005,"message":"limit exceeded"}}}}"#)),
        Manner::Status(status) => (status, "<html>".to_owned()),
        Manner::Hangs => (200, String::new()),
    }
}

fn dead_url() -> Url {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    Url::parse(&format!("http://user:secret@{}/key", listener.local_addr().unwrap())).unwrap()
}

fn pool(urls: Vec<Url>) -> (Pool, RootProvider) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let pool = Pool::new(urls, reqwest::Client::new(), Duration::from_millis(300));
    let provider = RootProvider::new(RpcClient::new(pool.clone(), true));
    (pool, provider)
}

#[tokio::test]
async fn every_call_succeeds_with_a_dead_first_endpoint_and_a_good_second() {
    let good = Server::start(Manner::Answers { head: 1 }).await;
    let (pool, provider) = pool(vec![dead_url(), good.url.clone()]);
    for _ in 0..4 {
        assert_eq!(provider.get_chain_id().await.unwrap(), 1);
    }
    let status = pool.status();
    assert!(!status[0].healthy && status[1].healthy, "{status:?}");
    assert!(status[0].last_error.is_some());
    assert!(!format!("{status:?}").contains("secret"));
}

#[tokio::test]
async fn a_failed_endpoint_is_asked_once_and_then_passed_over() {
    for manner in
        [Manner::Status(500), Manner::Status(429), Manner::Status(403), Manner::Status(200), Manner::Limits, Manner::Hangs]
    {
        let (bad, good) = (Server::start(manner).await, Server::start(Manner::Answers { head: 1 }).await);
        let (_, provider) = pool(vec![bad.url.clone(), good.url.clone()]);
        for _ in 0..3 {
            assert_eq!(provider.get_chain_id().await.unwrap(), 1, "{manner:?}");
        }
        assert_eq!((bad.asked(), good.asked()), (1, 3), "{manner:?}");
    }
}

#[tokio::test]
async fn a_json_rpc_error_is_an_answer_and_no_other_endpoint_is_asked() {
    let (first, second) = (Server::start(Manner::Reverts).await, Server::start(Manner::Answers { head: 1 }).await);
    let (pool, provider) = pool(vec![first.url.clone(), second.url.clone()]);
    let error = L1Error::from_transport("test", provider.get_chain_id().await.unwrap_err());
    assert_eq!(error.revert().map(ToString::to_string).as_deref(), Some("Rollup__InvalidCoinbase()"));
    assert_eq!((first.asked(), second.asked()), (1, 0));
    assert!(pool.status()[0].healthy);
}

#[tokio::test]
async fn when_all_are_dead_the_error_names_them_all_and_no_secret() {
    let (_, provider) = pool(vec![dead_url(), dead_url()]);
    for _ in 0..2 {
        let error = provider.get_chain_id().await.unwrap_err();
        assert!(matches!(error, RpcError::Transport(_)));
        let L1Error::Unreachable(exhausted) = L1Error::from_transport("test", error) else { panic!("not unreachable") };
        assert_eq!(exhausted.failures.len(), 2);
        assert!(!exhausted.to_string().contains("secret") && !exhausted.to_string().contains("key"), "{exhausted}");
    }
}

#[tokio::test]
async fn a_lagging_endpoint_is_passed_over_but_asked_when_nothing_else_is_left() {
    let (behind, ahead) = (Server::start(Manner::Answers { head: 10 }).await, Server::start(Manner::Answers { head: 15 }).await);
    let (pool, provider) = pool(vec![behind.url.clone(), ahead.url.clone()]);
    probe_due(&pool).await;
    assert_eq!((behind.asked(), ahead.asked()), (1, 1));
    provider.get_chain_id().await.unwrap();
    assert_eq!((behind.asked(), ahead.asked()), (1, 2));
    let status = pool.status();
    assert_eq!(status[0].last_error.as_deref(), Some("5 blocks behind the best endpoint"));
    assert_eq!(status[0].head.map(|head| head.get()), Some(10));
    drop(ahead);
    assert_eq!(provider.get_chain_id().await.unwrap(), 1);
    assert_eq!(behind.asked(), 2);
    assert!(pool.status()[0].healthy, "the best of those that are up");
}
