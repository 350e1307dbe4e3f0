use std::fs;
use std::time::Duration;

use alloy_primitives::Address;
use clap::Parser;
use ollin_consensus::TimerProfile;
use ollin_protocol::units::ReplicaId;
use ollin_rpc::AdminKeySource;
use tracing_subscriber::EnvFilter;

use super::setting::SETTINGS;
use super::*;

const REGISTRY: &str = "0x5fbdb2315678afecb367f032d93f642f64180aa3";

/// The guide's `.env` with its blanks filled in, and what a cluster needs beside it.
pub(super) fn guide() -> Environment {
    let pairs = [
        ("DATA_DIRECTORY", "./data"),
        ("KEY_STORE_DIRECTORY", "./keys"),
        ("LOG_LEVEL", "info"),
        ("ETHEREUM_HOSTS", "http://127.0.0.1:8545,https://user:secret@rpc.example/v3/SECRETKEY"),
        ("L1_CONSENSUS_HOST_URLS", "http://127.0.0.1:5052"),
        ("P2P_IP", "203.0.113.7"),
        ("P2P_PORT", "40400"),
        ("AZTEC_PORT", "8080"),
        ("AZTEC_ADMIN_PORT", "8880"),
        ("REGISTRY_CONTRACT_ADDRESS", REGISTRY),
        ("OLLIN_REPLICA_ID", "2"),
        ("OLLIN_CLUSTER_DIRECTORY", "./cluster"),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

pub(super) fn request() -> StartRequest {
    StartRequest { modules: Modules { node: true, archiver: true, sequencer: true }, ..StartRequest::default() }
}

fn with(changes: &[(&str, &str)]) -> Environment {
    let mut environment = guide();
    for (name, value) in changes {
        environment.insert((*name).to_owned(), (*value).to_owned());
    }
    environment
}

fn faults(environment: &Environment) -> Vec<String> {
    match NodeConfig::load(&request(), environment) {
        Ok(_) => Vec::new(),
        Err(error) => error.faults.iter().map(Fault::to_string).collect(),
    }
}

#[test]
fn a_witness_holds_no_keys_and_any_other_replica_does() {
    let mut witness = with(&[("OLLIN_WITNESS", "true")]);
    let refused = faults(&witness);
    assert!(refused.len() == 1 && refused[0].contains("KEY_STORE_DIRECTORY") && refused[0].contains("no keys"), "{refused:?}");
    witness.remove("KEY_STORE_DIRECTORY");
    assert_eq!(NodeConfig::load(&request(), &witness).unwrap().keystore_path, None);
    let mut full = guide();
    full.remove("KEY_STORE_DIRECTORY");
    assert!(faults(&full).iter().any(|fault| fault.contains("KEY_STORE_DIRECTORY")));
}

#[test]
fn a_witness_needs_no_l1_and_any_other_replica_does() {
    let l1 = ["ETHEREUM_HOSTS", "L1_CONSENSUS_HOST_URLS", "BLOB_FILE_STORE_URLS", "REGISTRY_CONTRACT_ADDRESS"];
    let mut witness = with(&[("OLLIN_WITNESS", "true")]);
    witness.remove("KEY_STORE_DIRECTORY");
    let reads = NodeConfig::load(&request(), &witness).unwrap();
    assert!(reads.l1.is_some(), "it may read L1 all the same");
    for name in l1 {
        witness.remove(name);
    }
    assert_eq!(NodeConfig::load(&request(), &witness).unwrap().l1, None);
    witness.insert("ETHEREUM_HOSTS".to_owned(), "http://127.0.0.1:8545".to_owned());
    assert!(faults(&witness).iter().any(|fault| fault.contains("REGISTRY_CONTRACT_ADDRESS")), "half of them is a slip");
    let mut full = guide();
    for name in l1 {
        full.remove(name);
    }
    assert!(faults(&full).iter().any(|fault| fault.contains("ETHEREUM_HOSTS")));
}

fn only_fault(changes: &[(&str, &str)]) -> String {
    let found = faults(&with(changes));
    assert_eq!(found.len(), 1, "{changes:?}: {found:?}");
    found[0].clone()
}

#[test]
fn the_guides_environment_works_as_it_is() {
    let config = NodeConfig::load(&request(), &guide()).unwrap();
    assert_eq!(config.rpc.public, "0.0.0.0:8080".parse().unwrap());
    assert_eq!(config.rpc.admin, "0.0.0.0:8880".parse().unwrap());
    assert_eq!(config.rpc.admin_key, AdminKeySource::Stored { data_directory: "./data".into(), reset: false });
    assert_eq!(config.rpc.limits, ollin_rpc::Limits::default());
    let l1 = config.l1.as_ref().unwrap();
    assert_eq!((l1.rpc_urls.len(), l1.chain_id, l1.slot_duration_s), (2, 31337, 12));
    assert_eq!(l1.registry, REGISTRY.parse::<Address>().unwrap());
    assert_eq!(l1.rollup_version, None);
    assert_eq!(config.cluster.replica, ReplicaId::new(2));
    assert_eq!((config.cluster.profile, config.cluster.timers), (TimerProfile::OneRegion, TimerProfile::OneRegion.timers()));
    assert_eq!(config.cluster.hand_over_patience, Duration::from_secs(10));
    assert!(config.sequencer.build_checkpoint_if_empty);
    assert_eq!(config.sequencer.l1_publishing_time, Duration::from_secs(1), "1 s on the development chain");
    assert_eq!(config.p2p, P2pConfig { ip: Some("203.0.113.7".parse().unwrap()), port: Some(40400) });
    let p2p_notes: Vec<_> = config.notes.iter().filter(|note| note.contains("P2P")).collect();
    assert_eq!(p2p_notes.len(), 1, "said once: {p2p_notes:?}");
    assert!(p2p_notes[0].contains("checked, not yet in use"));
}

#[test]
fn another_chain_keeps_twelve_seconds_for_l1() {
    let config = NodeConfig::load(&request(), &with(&[("L1_CHAIN_ID", "1337")])).unwrap();
    assert_eq!(config.sequencer.l1_publishing_time, Duration::from_secs(12));
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let directory = tempfile_directory("precedence");
    let file = directory.join("ollin.toml");
    fs::write(
        &file,
        "[rpc]\nport = 1111\nadmin_port = 2222\nmax_batch_size = 7\n[l1]\nrpc_urls = [\"http://a\", \"http://b\"]\n",
    )
    .unwrap();
    let mut environment = with(&[("AZTEC_ADMIN_PORT", "3333"), ("AZTEC_PORT", "4444")]);
    environment.remove("ETHEREUM_HOSTS");
    environment.insert("OLLIN_CONFIG".into(), file.display().to_string());
    let flags = [("rpc.port", "5555".to_owned())].into_iter().collect();
    let config = NodeConfig::load(&StartRequest { flags, ..request() }, &environment).unwrap();
    assert_eq!((config.rpc.public.port(), config.rpc.admin.port(), config.rpc.limits.batch_size), (5555, 3333, 7));
    assert_eq!(config.l1.unwrap().rpc_urls.len(), 2);
    assert_eq!(config.rpc.limits.body_bytes, 1 << 20);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn all_faults_are_reported_at_once_with_key_value_and_rule() {
    let found = faults(&with(&[
        ("AZTEC_PORT", "70000"),
        ("ETHEREUM_HOSTS", "[your L1 execution endpoint, or a comma separated list if you have multiple]"),
        ("P2P_IP", "[your external IP address]"),
        ("OLLIN_ELECTION_TIMEOUT_MS", "80"),
        ("REGISTRY_CONTRACT_ADDRESS", "0x5FbDB2315678afecb367f032d93F642f64180aa4"),
        ("SEQ_MIN_TX_PER_BLOCK", "1.5"),
        ("LOG_LEVEL", "loud"),
        ("DATA_DIRECTORY", ""),
    ]));
    let expected = [
        "data_directory is not set, expected a value: set DATA_DIRECTORY, --data-directory or data_directory in the file",
        "log.level (LOG_LEVEL) is loud, expected a level, then filters",
        "rpc.port (AZTEC_PORT) is 70000, expected a port from 1 to 65535",
        "l1.rpc_urls (ETHEREUM_HOSTS) is [your L1 execution endpoint,or a comma separated list if you have multiple], expected http \
         or https URLs, separated by commas: this is the guide's placeholder",
        "l1.registry_address (REGISTRY_CONTRACT_ADDRESS) is 0x5FbDB2315678afecb367f032d93F642f64180aa4, expected an address with a \
         right checksum",
        "sequencer.min_txs_per_block (SEQ_MIN_TX_PER_BLOCK) is 1.5, expected a whole number from 0",
        "cluster.election_timeout_ms (OLLIN_ELECTION_TIMEOUT_MS) is 80, expected at least 90 (3 heartbeats)",
        "p2p.ip (P2P_IP) is [your external IP address], expected an IPv4 or IPv6 address: this is the guide's placeholder",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for start in expected {
        assert!(found.iter().any(|fault| fault.starts_with(start)), "{start}\n not in {found:#?}");
    }
}

#[test]
fn other_networks_are_refused_by_name() {
    for name in ["testnet", "mainnet", "devnet", "alpha-testnet", "staging-public"] {
        let fault = only_fault(&[("NETWORK", name)]);
        assert!(fault.ends_with(&format!("cannot yet execute transactions on {name}")), "{fault}");
    }
    assert!(only_fault(&[("NETWORK", "moon")]).ends_with("Unknown network: moon"));
}

#[test]
fn missing_modules_are_answered_as_the_official_command_line_does() {
    let message = |node, archiver, sequencer| {
        let modules = Modules { node, archiver, sequencer };
        let refused = NodeConfig::load(&StartRequest { modules, ..request() }, &guide()).unwrap_err();
        assert_eq!(refused.faults.len(), 1);
        refused.faults[0].to_string()
    };
    assert!(message(false, true, true).starts_with("Cannot run a standalone sequencer without a node"));
    assert!(message(false, false, false).starts_with("No module specified to start"));
    assert!(message(false, true, false).starts_with("--archiver is given alone"));
    assert!(message(true, true, false).starts_with("--sequencer is not given"));
}

#[test]
fn a_key_that_no_setting_bears_is_a_fault_with_a_hint() {
    let directory = tempfile_directory("unknown");
    let file = directory.join("ollin.toml");
    fs::write(&file, "prot = 1\nport = 1\n[rpc]\nAZTEC_PORT = 1\nmax_batch_size = 1.5\n[rcp]\nport = 1\n").unwrap();
    let request = StartRequest { file: Some(file), ..request() };
    let refused = NodeConfig::load(&request, &guide()).unwrap_err().to_string();
    for part in [
        "prot is not a setting\n",
        "port is not a setting: write rpc.port",
        "rpc.AZTEC_PORT is not a setting: write rpc.port",
        "rpc.max_batch_size is a float, expected",
        "rcp is not a setting",
    ] {
        assert!(refused.contains(part), "{part} not in {refused}");
    }
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_file_that_is_missing_or_not_toml_is_a_fault_that_quotes_nothing() {
    let directory = tempfile_directory("syntax");
    let file = directory.join("ollin.toml");
    let refused = |file: &std::path::Path| {
        NodeConfig::load(&StartRequest { file: Some(file.to_owned()), ..request() }, &guide()).unwrap_err().to_string()
    };
    assert!(refused(&file).contains("cannot be read"));
    fs::write(&file, "[rpc]\nadmin_api_key_hash = SECRET\n").unwrap();
    let message = refused(&file);
    assert!(message.contains("is not TOML at line 2") && !message.contains("SECRET"), "{message}");
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn the_printed_configuration_hides_secrets_and_reads_back() {
    let hash = "ab".repeat(32);
    let config = NodeConfig::load(&request(), &with(&[("AZTEC_ADMIN_API_KEY_HASH", &hash)])).unwrap();
    let printed = config.print();
    for secret in ["secret", "SECRETKEY", "user", hash.as_str()] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    assert!(printed.contains("port = 8080 # AZTEC_PORT"), "{printed}");
    assert!(
        printed.contains(r#"rpc_urls = ["http://127.0.0.1:8545", "https://rpc.example/<hidden>"] # ETHEREUM_HOSTS"#),
        "{printed}"
    );
    let table: toml::Table = toml::from_str(printed).unwrap();
    assert_eq!(table["rpc"]["admin_port"].as_integer(), Some(8880));
}

#[test]
fn a_fault_in_a_url_shows_no_key() {
    let fault = only_fault(&[("ETHEREUM_HOSTS", "wss://user:hunter2@host.example/KEY?token=T")]);
    assert!(fault.contains("wss://host.example/<hidden>"), "{fault}");
    let fault = only_fault(&[("ETHEREUM_HOSTS", "hunter2 KEY")]);
    assert!(fault.contains("<11 characters>") && !fault.contains("KEY"), "{fault}");
    assert!(
        only_fault(&[("AZTEC_ADMIN_API_KEY_HASH", "hunter2")]).contains("is <7 characters>, expected 64 lower-case hex digits")
    );
}

#[test]
fn what_would_be_ignored_is_said_and_what_contradicts_is_refused() {
    let environment = with(&[
        ("SEQ_MAX_TX_PER_BLOCK", "32"),
        ("VALIDATOR_PRIVATE_KEYS", "0xkey"),
        ("OLLIN_HEARTBEAT_INTERVALL_MS", "40"),
        ("BOOTSTRAP_NODES", "enr:x"),
        ("PATH", "/bin"),
        ("VALIDATOR_DISABLED", "false"),
    ]);
    let notes = NodeConfig::load(&request(), &environment).unwrap().notes.join("\n");
    for part in [
        "SEQ_MAX_TX_PER_BLOCK is set, not yet in use",
        "VALIDATOR_PRIVATE_KEYS is set and ignored",
        "OLLIN_HEARTBEAT_INTERVALL_MS is set, but there is no such setting",
        "BOOTSTRAP_NODES is set, not yet in use",
    ] {
        assert!(notes.contains(part), "{part} not in {notes}");
    }
    assert!(!notes.contains("0xkey") && !notes.contains("PATH") && !notes.contains("VALIDATOR_DISABLED"), "{notes}");
    assert!(only_fault(&[("VALIDATOR_HA_SIGNING_ENABLED", "true")]).contains("the cluster's signing log takes its place"));
}

#[test]
fn timers_come_from_a_profile_and_may_be_set_in_its_place() {
    let timers = |changes: &[(&str, &str)]| NodeConfig::load(&request(), &with(changes)).unwrap().cluster.timers;
    assert_eq!(timers(&[("OLLIN_TIMER_PROFILE", "multi-region")]), TimerProfile::MultiRegion.timers());
    let set = timers(&[("OLLIN_HEARTBEAT_INTERVAL_MS", "100"), ("OLLIN_ELECTION_TIMEOUT_MS", "400")]);
    let [heartbeat, min, max] = [100, 400, 800].map(Duration::from_millis);
    assert_eq!((set.heartbeat, set.election_timeout_min, set.election_timeout_max), (heartbeat, min, max));
    assert!(only_fault(&[("OLLIN_TIMER_PROFILE", "fast")]).contains("is fast, expected one-region or multi-region"));
    let faulty = only_fault(&[("OLLIN_HEARTBEAT_INTERVAL_MS", "100")]);
    assert!(faulty.contains("cluster.election_timeout_ms is not set, expected at least 300 (3 heartbeats)"), "{faulty}");
}

#[test]
fn equal_ports_and_missing_blob_sources_are_faults() {
    assert!(only_fault(&[("AZTEC_ADMIN_PORT", "8080")]).ends_with("expected another port than rpc.port"));
    assert!(only_fault(&[("L1_CONSENSUS_HOST_URLS", "")]).contains("expected at least one source of blobs"));
    assert!(only_fault(&[("ETHEREUM_HOSTS", "http://a/,http://a")]).contains("each URL once"));
}

#[test]
fn log_levels_become_filters_that_the_subscriber_takes() {
    let cases = [
        ("info", "info"),
        ("silent", "off"),
        (
            "verbose;trace:archiver",
            "debug,h2=info,hyper=info,hyper_util=info,openraft=info,reqwest=info,rustls=info,tower=info,ollin_archiver=trace",
        ),
        ("info;debug:sequencer,archiver", "info,ollin_sequencer=debug,ollin_archiver=debug"),
        ("warn;debug:sequencer:publisher;error:raft", "warn,ollin_sequencer=debug,openraft=error"),
        ("info;debug:ollin_consensus::store", "info,ollin_consensus::store=debug"),
    ];
    for (level, directives) in cases {
        let config = NodeConfig::load(&request(), &with(&[("LOG_LEVEL", level)])).unwrap();
        assert_eq!(config.log.directives, directives, "{level}");
        EnvFilter::try_new(&config.log.directives).unwrap();
    }
    let config = NodeConfig::load(&request(), &with(&[("LOG_LEVEL", "info;debug:p2p")])).unwrap();
    assert!(config.notes.iter().any(|note| note.contains("LOG_LEVEL names p2p")));
    for wrong in ["loud", "info;debug", "info;loud:archiver", "info;debug:a=b", ";"] {
        assert!(only_fault(&[("LOG_LEVEL", wrong)]).starts_with("log.level (LOG_LEVEL) is "), "{wrong}");
    }
}

#[test]
fn no_two_settings_share_a_key_a_name_or_a_flag() {
    for (index, setting) in SETTINGS.iter().enumerate() {
        for other in &SETTINGS[..index] {
            assert!(setting.key != other.key && setting.env != other.env, "{} {}", setting.key, other.key);
            assert!(setting.flag.is_none() || setting.flag != other.flag, "{}", setting.key);
        }
    }
}

#[test]
fn the_guides_command_line_is_understood() {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: SettingFlags,
    }
    let line = ["x", "--network", "local", "--port", "9", "--disable-admin-api-key", "--sequencer.minTxsPerBlock", "0"];
    let flags = Line::try_parse_from(line).unwrap().flags;
    let given = ["network", "rpc.port", "rpc.disable_admin_api_key", "sequencer.min_txs_per_block", "rpc.admin_port"];
    assert_eq!(given.map(|key| flags.get(key)), [Some("local"), Some("9"), Some("true"), Some("0"), None]);
}

fn tempfile_directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("ollin-config-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
}
