//! etcd: three nodes on the loopback, and a claim as one would make it there: a transaction that puts a key if it is not there.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::Server;
use super::protobuf::{Message, bytes, number};
use crate::fleet::free_ports;
use crate::order::{Load, Timed};
use crate::proxy::Proxy;

const NODES: usize = 3;
const UP: Duration = Duration::from_secs(30);

/// Three nodes, and a connection to the one that leads.
pub(crate) struct Etcd {
    _nodes: Vec<Server>,
    _proxies: Vec<Proxy>,
    runtime: Runtime,
    client: Client,
}

#[derive(Clone)]
struct Client {
    send: SendRequest<Full<Bytes>>,
    authority: String,
    next: Arc<AtomicU64>,
    value: Bytes,
}

impl Etcd {
    /// Starts it, every round trip between two nodes longer by `round_trip`. Values are of so many bytes.
    pub(crate) fn start(directory: &Path, round_trip: Duration, value_bytes: usize) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let ports = free_ports(NODES * 2)?;
        let (client_ports, peer_ports) = ports.split_at(NODES);
        let mut proxies = Vec::new();
        let mut peers = Vec::new();
        for port in peer_ports {
            let behind = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
            if round_trip.is_zero() {
                peers.push(format!("http://{behind}"));
            } else {
                let proxy = Proxy::start(0, behind, round_trip / 2)?;
                peers.push(format!("http://{}", proxy.address()));
                proxies.push(proxy);
            }
        }
        let cluster: Vec<String> = peers.iter().enumerate().map(|(at, peer)| format!("n{at}={peer}")).collect();
        let mut nodes = Vec::new();
        for (at, (client, peer)) in client_ports.iter().zip(peer_ports).enumerate() {
            let client = format!("http://127.0.0.1:{client}");
            let log = File::create(directory.join(format!("n{at}.log")))?;
            let mut command = Command::new("etcd");
            command
                .args(["--name", &format!("n{at}"), "--data-dir", &directory.join(format!("n{at}")).display().to_string()])
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args(["--listen-peer-urls", &format!("http://127.0.0.1:{peer}")])
                .args(["--initial-advertise-peer-urls", &peers[at], "--initial-cluster", &cluster.join(",")])
                .args(["--initial-cluster-state", "new", "--logger", "zap", "--log-level", "error"])
                .args(["--heartbeat-interval", "100", "--election-timeout", "1000"]);
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
            nodes.push(Server { child: child.context("etcd: install etcd-server")? });
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let client = runtime.block_on(leader(client_ports, value_bytes))?;
        Ok(Self { _nodes: nodes, _proxies: proxies, runtime, client })
    }

    /// Claims by so many callers at a time, all over one connection, as etcd's own client does it.
    pub(crate) fn load(&self, load: Load) -> Result<Timed> {
        self.runtime.block_on(async {
            let started = Instant::now();
            let until = started + Duration::from_millis(load.millis);
            let mut callers = JoinSet::new();
            for _ in 0..load.callers {
                let client = self.client.clone();
                callers.spawn(async move { client.claim_until(until).await });
            }
            let mut timed = Timed::default();
            while let Some(caller) = callers.join_next().await {
                timed.claim_us.extend(caller??);
            }
            timed.elapsed_us = u64::try_from(started.elapsed().as_micros())?;
            timed.total_us.clone_from(&timed.claim_us);
            Ok(timed)
        })
    }
}

/// Asks every node until one of them leads.
async fn leader(ports: &[u16], value_bytes: usize) -> Result<Client> {
    let until = Instant::now() + UP;
    while Instant::now() < until {
        for port in ports {
            let Ok(client) = Client::connect(*port, value_bytes).await else { continue };
            if client.leads().await.unwrap_or(false) {
                return Ok(client);
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("etcd has no leader after {} s", UP.as_secs())
}

impl Client {
    async fn connect(port: u16, value_bytes: usize) -> Result<Self> {
        let authority = format!("127.0.0.1:{port}");
        let stream = TcpStream::connect(&authority).await?;
        stream.set_nodelay(true)?;
        let (send, connection) = Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await?;
        // Ends when the last sender is dropped.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { send, authority, next: Arc::default(), value: vec![7; value_bytes].into() })
    }

    /// Whether the node is the leader: `Status.leader` is its own id.
    async fn leads(&self) -> Result<bool> {
        let status = self.call("/etcdserverpb.Maintenance/Status", Message::default()).await?;
        let own = bytes(&status, 1).and_then(|header| number(header, 2));
        Ok(own.is_some() && own == number(&status, 4))
    }

    async fn claim_until(&self, until: Instant) -> Result<Vec<u32>> {
        let mut spent = Vec::new();
        while Instant::now() < until {
            let key = format!("duty/{:012}", self.next.fetch_add(1, Ordering::Relaxed));
            let started = Instant::now();
            let answer = self.call("/etcdserverpb.KV/Txn", put_if_absent(key.as_bytes(), &self.value)).await?;
            ensure!(number(&answer, 2) == Some(1), "etcd did not put {key}");
            spent.push(u32::try_from(started.elapsed().as_micros())?);
        }
        Ok(spent)
    }

    async fn call(&self, path: &str, message: Message) -> Result<Bytes> {
        let request = hyper::Request::post(format!("http://{}{path}", self.authority))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(Bytes::from(message.framed())))?;
        let response = self.send.clone().send_request(request).await?;
        let body = response.into_body().collect().await?;
        let status = body.trailers().and_then(|trailers| trailers.get("grpc-status")).cloned();
        ensure!(status.as_ref().is_some_and(|status| status == "0"), "etcd answered {status:?} to {path}");
        let bytes = body.to_bytes();
        ensure!(bytes.len() >= 5, "etcd answered nothing to {path}");
        Ok(bytes.slice(5..))
    }
}

/// `TxnRequest`: if the key's version is 0, put it.
fn put_if_absent(key: &[u8], value: &[u8]) -> Message {
    // Result and target are the enums' zeros: equal, version.
    let compare = Message::default().bytes(3, key).number(4, 0);
    let put = Message::default().bytes(1, key).bytes(2, value);
    let success = Message::default().bytes(2, &put.into_bytes());
    Message::default().bytes(1, &compare.into_bytes()).bytes(2, &success.into_bytes())
}
