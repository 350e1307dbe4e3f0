//! The table of settings: one row each, from which flags, environment names, file keys and defaults follow.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its key in the TOML file, `section.name`.
    pub(crate) key: &'static str,
    /// Its environment variable.
    pub(crate) env: &'static str,
    /// Its flag, without dashes.
    pub(crate) flag: Option<&'static str>,
    /// Its form.
    pub(crate) form: Form,
    /// How much of it may be shown.
    pub(crate) secrecy: Secrecy,
    /// Its value when nothing is set; absent where a default would hide a missing setting or depends on another one.
    pub(crate) default: Option<&'static str>,
    /// For `--help`.
    help: &'static str,
}

/// How a value is written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Number,
    Switch,
    /// A comma list in flag and environment, an array in the file.
    List,
}

/// How much of a value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// All of it.
    Open,
    /// Of each URL scheme, host and port: keys often sit in path, query or user part.
    Urls,
    /// Its length.
    Hidden,
}

const fn text(key: &'static str, env: &'static str, help: &'static str) -> Setting {
    Setting { key, env, flag: None, form: Form::Text, secrecy: Secrecy::Open, default: None, help }
}

impl Setting {
    const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn number(self) -> Self {
        Self { form: Form::Number, ..self }
    }

    const fn switch(self) -> Self {
        Self { form: Form::Switch, ..self }
    }

    const fn urls(self) -> Self {
        Self { form: Form::List, secrecy: Secrecy::Urls, ..self }
    }

    const fn hidden(self) -> Self {
        Self { secrecy: Secrecy::Hidden, ..self }
    }

    /// The row of that key.
    pub(crate) fn of(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }
}

/// All settings, in the order in which they are printed and their faults reported.
pub(crate) static SETTINGS: &[Setting] = &[
    text("network", "NETWORK", "Network to join; only `local` for now").flag("network").default("local"),
    text("data_directory", "DATA_DIRECTORY", "Where this replica keeps its stores").flag("data-directory"),
    text("outlet_record", "OLLIN_OUTLET_RECORD", "Append a line for everything that leaves under the cluster's name"),
    text("failpoints", "OLLIN_FAILPOINTS", "Folder of armed failpoints; only in a test build"),
    text("planted", "OLLIN_PLANTED", "Name of a rule that is broken on purpose; only in a test build"),
    text("next_rules", "OLLIN_NEXT_RULES", "Support the next version of the rules; only in a test build").switch(),
    text("keystore.path", "KEY_STORE_DIRECTORY", "Keystore file, or directory of keystore files").flag("key-store-directory"),
    text("log.level", "LOG_LEVEL", "Default level, then filters: info;debug:sequencer,archiver").default("info"),
    text("log.json", "LOG_JSON", "Log one JSON object a line").switch().default("false"),
    text("rpc.listen_address", "OLLIN_LISTEN_ADDRESS", "Address on which both HTTP ports listen").default("0.0.0.0"),
    text("rpc.port", "AZTEC_PORT", "Public HTTP port").number().flag("port").default("8080"),
    text("rpc.admin_port", "AZTEC_ADMIN_PORT", "Admin HTTP port").number().flag("admin-port").default("8880"),
    text("rpc.max_batch_size", "RPC_MAX_BATCH_SIZE", "Requests in one JSON-RPC batch")
        .number()
        .flag("rpcMaxBatchSize")
        .default("100"),
    text("rpc.max_body_size", "RPC_MAX_BODY_SIZE", "Size of one request body").flag("rpcMaxBodySize").default("1mb"),
    text("rpc.admin_api_key_hash", "AZTEC_ADMIN_API_KEY_HASH", "SHA-256 of the admin key, 64 lower-case hex digits")
        .hidden()
        .flag("admin-api-key-hash"),
    text("rpc.disable_admin_api_key", "AZTEC_DISABLE_ADMIN_API_KEY", "Serve the admin port without a key")
        .switch()
        .flag("disable-admin-api-key")
        .default("false"),
    text("rpc.reset_admin_api_key", "AZTEC_RESET_ADMIN_API_KEY", "Make a new admin key at this start")
        .switch()
        .flag("reset-admin-api-key")
        .default("false"),
    text("l1.rpc_urls", "ETHEREUM_HOSTS", "L1 execution endpoints, in order of use").urls().flag("l1-rpc-urls"),
    text("l1.consensus_urls", "L1_CONSENSUS_HOST_URLS", "L1 consensus endpoints, in order of use")
        .urls()
        .flag("l1-consensus-host-urls"),
    text("l1.blob_file_store_urls", "BLOB_FILE_STORE_URLS", "HTTP stores of blobs, in order of use").urls(),
    text("l1.request_timeout_ms", "OLLIN_L1_REQUEST_TIMEOUT_MS", "Time one L1 endpoint has to answer").number().default("4000"),
    text("l1.chain_id", "L1_CHAIN_ID", "Chain id of L1").number().flag("l1-chain-id").default("31337"),
    text("l1.registry_address", "REGISTRY_CONTRACT_ADDRESS", "Registry contract on L1").flag("registry-address"),
    text("l1.rollup_version", "ROLLUP_VERSION", "Rollup version; `canonical` follows the registry")
        .flag("rollup-version")
        .default("canonical"),
    text("l1.slot_duration_s", "ETHEREUM_SLOT_DURATION", "Seconds between L1 blocks").number().default("12"),
    text("sequencer.build_checkpoint_if_empty", "SEQ_BUILD_CHECKPOINT_IF_EMPTY", "Make a checkpoint without transactions")
        .switch()
        .flag("sequencer.buildCheckpointIfEmpty")
        .default("true"),
    text("sequencer.min_txs_per_block", "SEQ_MIN_TX_PER_BLOCK", "Transactions that a block needs")
        .number()
        .flag("sequencer.minTxsPerBlock")
        .default("1"),
    text("sequencer.l1_publishing_time_s", "SEQ_L1_PUBLISHING_TIME_ALLOWANCE_IN_SLOT", "Seconds of a slot kept for L1 inclusion")
        .number()
        .flag("sequencer.l1PublishingTime"),
    text("sequencer.attestation_propagation_time_s", "SEQ_ATTESTATION_PROPAGATION_TIME", "Seconds one message takes to peers")
        .number()
        .flag("sequencer.attestationPropagationTime")
        .default("2"),
    text("cluster.replica_id", "OLLIN_REPLICA_ID", "This replica's id in cluster.json").number().flag("replica-id"),
    text("cluster.witness", "OLLIN_WITNESS", "Vote and hold no keys; its cluster.json must say so too").switch().default("false"),
    text("cluster.directory", "OLLIN_CLUSTER_DIRECTORY", "Holds cluster.json, ca.pem, cert.pem and key.pem")
        .flag("cluster-directory"),
    text("cluster.listen", "OLLIN_CLUSTER_LISTEN", "Where other replicas connect; default 0.0.0.0 and the port in cluster.json"),
    text(
        "cluster.timer_profile",
        "OLLIN_TIMER_PROFILE",
        "Raft's timers: `one-region` (to 20 ms apart) or `multi-region` (to 160 ms)",
    )
    .default("one-region"),
    text(
        "cluster.heartbeat_interval_ms",
        "OLLIN_HEARTBEAT_INTERVAL_MS",
        "Time between a leader's heartbeats, in place of the profile's",
    )
    .number(),
    text(
        "cluster.election_timeout_ms",
        "OLLIN_ELECTION_TIMEOUT_MS",
        "Silence after which a follower campaigns, up to twice that, in place of the profile's",
    )
    .number(),
    text(
        "cluster.hand_over_patience_ms",
        "OLLIN_HAND_OVER_PATIENCE_MS",
        "How long a hand-over waits for a moment at which no slot is half done",
    )
    .number()
    .default("10000"),
    text(
        "cluster.anchor_directory",
        "OLLIN_ANCHOR_DIRECTORY",
        "Memory-backed directory that outlives the process and not the machine, for the proof that the store was not rolled back",
    ),
    text("cluster.snapshot_every", "OLLIN_SNAPSHOT_EVERY", "Log entries between snapshots").number().default("5000"),
    text("p2p.ip", "P2P_IP", "External address; checked, not yet in use").flag("p2p.p2pIp"),
    text("p2p.port", "P2P_PORT", "Peer-to-peer port; checked, not yet in use").number().flag("p2p.p2pPort"),
];

/// Settings given as flags, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SettingFlags(BTreeMap<&'static str, String>);

impl SettingFlags {
    /// The value given for a key.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

#[cfg(test)]
impl FromIterator<(&'static str, String)> for SettingFlags {
    fn from_iter<I: IntoIterator<Item = (&'static str, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let flagged = SETTINGS.iter().filter_map(|setting| setting.flag.map(|flag| (setting, flag)));
        flagged.fold(command, |command, (setting, flag)| {
            let arg = Arg::new(setting.key).long(flag).help(format!("{} [env: {}]", setting.help, setting.env));
            command.arg(match setting.form {
                // `--flag` alone means true, as in the official command line.
                Form::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL"),
                Form::Text | Form::Number | Form::List => arg.action(ArgAction::Set).value_name("VALUE"),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in SETTINGS.iter().filter(|setting| setting.flag.is_some()) {
            if let Some(value) = matches.get_one::<String>(setting.key) {
                self.0.insert(setting.key, value.clone());
            }
        }
        Ok(())
    }
}
