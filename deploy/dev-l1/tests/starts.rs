//! The demo profile, started for real: anvil, contracts, clock, committee.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{Address, B256, U256, address};
use alloy::providers::{Provider, RootProvider};
use alloy::sol;
use ollin_dev_l1::{Description, DevL1Error, Options, Profile, Prover, start};

sol! {
    #[sol(rpc)]
    interface Rollup {
        function getCommitteeAt(uint256 timestamp) external returns (address[] memory);
        function getEpochAt(uint256 timestamp) external view returns (uint256);
        function archiveAt(uint256 checkpoint) external view returns (bytes32);
    }
    #[sol(rpc)]
    interface Registry {
        function getCanonicalRollup() external view returns (address);
    }
}

const LIMIT: Duration = Duration::from_secs(60);
const ATTESTER: Address = address!("70997970C51812dc3A010C7d01b50e0d17dc79C8");
const MULTICALL: Address = address!("cA11bde05977b3631167028862bE2a173976CA11");

fn unix_now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

async fn head(provider: &RootProvider) -> (u64, u64) {
    let block = provider.get_block_by_number(BlockNumberOrTag::Latest).await.unwrap().unwrap();
    (block.header.number, block.header.timestamp)
}

fn assert_aligned(timestamp: u64) {
    assert!(timestamp.abs_diff(unix_now_s()) <= 2, "L1 head at {timestamp}, wall clock {}", unix_now_s());
}

fn process_exists(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    // What has ended stays listed as a zombie where the first process reaps nobody's orphans, as in many containers.
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_profile_is_ready_to_take_a_checkpoint_and_leaves_nothing_behind() {
    let l1 = start(Options { prover: Prover::On, ..Options::new(Profile::Demo) }).await.unwrap();
    let info = l1.info();
    assert_eq!((info.chain_id, info.slot_duration, info.epoch_duration, info.ethereum_slot_duration), (31337, 6, 4, 1));
    assert_eq!(info.validators.iter().map(|validator| validator.address).collect::<Vec<_>>(), [ATTESTER]);
    assert!(info.publisher_keys.iter().all(|publisher| !info.validators.contains(publisher)));
    let json = serde_json::to_value(info).unwrap();
    assert_eq!(json["profile"], "demo");
    assert_eq!(json["pid_anvil"], info.pid_anvil);
    assert!(!json["rpc_url"].as_str().unwrap().ends_with('/'));
    assert_eq!(json["validators"][0]["private_key"].as_str().unwrap().len(), 66);

    let provider = RootProvider::new_http(info.rpc_url.clone());
    let (number, timestamp) = head(&provider).await;
    assert_aligned(timestamp);
    let rollup = Rollup::new(info.rollup, &provider);
    assert!(rollup.getEpochAt(U256::from(timestamp)).call().await.unwrap() >= U256::from(2));
    assert_eq!(rollup.getCommitteeAt(U256::from(timestamp)).call().await.unwrap(), [ATTESTER]);
    assert_ne!(rollup.archiveAt(U256::ZERO).call().await.unwrap(), B256::ZERO);
    let registered = Registry::new(info.registry, &provider).getCanonicalRollup().call().await.unwrap();
    assert_eq!(registered, info.rollup);
    assert!(!provider.get_code_at(MULTICALL).await.unwrap().is_empty());
    for publisher in &info.publisher_keys {
        assert!(provider.get_balance(publisher.address).await.unwrap() > U256::from(10).pow(U256::from(20)));
    }

    let message = l1.send_inbox_message(B256::with_last_byte(5), B256::with_last_byte(6), B256::with_last_byte(7)).await.unwrap();
    assert_eq!(message.checkpoint, 2, "the inbox lags by one checkpoint");
    assert!(message.l1_block > number);

    l1.set_next_base_fee(7_000_000_000).await.unwrap();
    let before = head(&provider).await.0;
    let fee = fee_after(&provider, before).await;
    assert_eq!(fee, 7_000_000_000);

    l1.pause_mining().await.unwrap();
    let paused = head(&provider).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(head(&provider).await, paused, "nothing is mined in a pause");
    l1.resume_mining().await.unwrap();
    assert_aligned(head(&provider).await.1);

    let old = provider.get_block_by_number(BlockNumberOrTag::Latest).await.unwrap().unwrap();
    l1.reorg(3).await.unwrap();
    let new = provider.get_block_by_number(old.header.number.into()).await.unwrap().unwrap();
    assert_ne!(new.header.hash, old.header.hash);
    assert_aligned(head(&provider).await.1);

    let (message, withheld) = tokio::join!(
        l1.send_inbox_message(B256::with_last_byte(5), B256::with_last_byte(6), B256::with_last_byte(7)),
        l1.withhold_inclusion(4),
    );
    withheld.unwrap();
    let included = message.unwrap().l1_block;
    for number in included - 3..included {
        let block = provider.get_block_by_number(number.into()).await.unwrap().unwrap();
        assert!(block.transactions.is_empty(), "block {number} was to be empty");
    }
    assert_aligned(head(&provider).await.1);

    let pid = info.pid_anvil;
    assert!(process_exists(pid));
    l1.stop().await;
    assert!(!process_exists(pid));
}

/// The base fee of the first block after `number`.
async fn fee_after(provider: &RootProvider, number: u64) -> u64 {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    loop {
        if let Some(block) = provider.get_block_by_number((number + 1).into()).await.unwrap() {
            return block.header.base_fee_per_gas.unwrap();
        }
        assert!(tokio::time::Instant::now() < deadline, "no block after {number}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_end_of_anvil_is_reported() {
    let mut l1 = start(Options::new(Profile::Demo)).await.unwrap();
    kill("-KILL", l1.info().pid_anvil);
    let error = tokio::time::timeout(LIMIT, l1.ended()).await.unwrap();
    assert!(matches!(error, DevL1Error::AnvilDied { .. }), "{error}");
    l1.stop().await;
}

#[tokio::test]
async fn the_program_announces_itself_and_anvil_does_not_outlive_it() {
    let directory = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-KILL"] {
        let out = directory.path().join(format!("l1{signal}.json"));
        let mut program = Command::new(env!("CARGO_BIN_EXE_ollin-dev-l1"))
            .args(["--profile", "demo", "--port", "0", "--blob-port", "0", "--out"])
            .arg(&out)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("the announcement", || out.exists()).await;
        let info: Description = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
        assert!(process_exists(info.pid_anvil));

        kill(signal, program.id());
        let status = program.wait().unwrap();
        assert_eq!(status.code(), (signal == "-TERM").then_some(0));
        wait_for("the end of anvil", || !process_exists(info.pid_anvil)).await;
    }
}

/// By the shell's own `kill`: the program is not on every machine.
fn kill(signal: &str, pid: u32) {
    assert!(Command::new("sh").arg("-c").arg(format!("kill {signal} {pid}")).status().unwrap().success());
}

async fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + LIMIT;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();

    let rpc = start(Options { port, ..Options::new(Profile::Demo) }).await.unwrap_err();
    assert!(matches!(&rpc, DevL1Error::PortInUse { port: named, .. } if *named == port), "{rpc}");
    let blobs = start(Options { blob_port: port, ..Options::new(Profile::Demo) }).await.unwrap_err();
    assert!(blobs.to_string().contains(&format!("port {port} for the blob server")), "{blobs}");
}
