//! What an operator sets, from flags, environment and file, as types that cannot be wrong.
//!
//! Precedence: flag, then environment, then the TOML file (`--config`, `OLLIN_CONFIG`), then the default. Names and defaults are
//! those of the official node where it has the option (npm @aztec/aztec 4.1.2, `src/cli/aztec_start_options.ts`, and the config
//! mappings it refers to). All faults are reported at once; nothing that an operator sets is silently ignored.

mod fault;
mod layer;
mod log_filter;
mod network;
mod parse;
mod print;
mod reader;
mod redaction;
mod section;
mod setting;
mod unused;

use std::collections::BTreeMap;
use std::path::PathBuf;

use fault::Expected;
pub(crate) use fault::{ConfigError, Fault};
pub(crate) use section::{ClusterConfig, L1Config, LogConfig, P2pConfig, RpcConfig, SequencerConfig};
pub(crate) use setting::SettingFlags;

use layer::Layers;
use reader::Reader;

/// The environment, given as a value so that reading it is a pure function.
pub(crate) type Environment = BTreeMap<String, String>;

/// Everything a replica is started with.
#[derive(Debug)]
pub(crate) struct NodeConfig {
    /// Where this replica keeps its stores. Never shared with another process.
    pub(crate) data_directory: PathBuf,
    /// A keystore file, or a directory of them; `None` on a witness, which holds no keys.
    pub(crate) keystore_path: Option<PathBuf>,
    /// What is logged.
    pub(crate) log: LogConfig,
    /// HTTP ports.
    pub(crate) rpc: RpcConfig,
    /// L1 endpoints and contracts; `None` on a witness that is given none: it votes and stores, and reads nothing of L1.
    pub(crate) l1: Option<L1Config>,
    /// Proposer's settings.
    pub(crate) sequencer: SequencerConfig,
    /// This replica's place in its cluster.
    pub(crate) cluster: ClusterConfig,
    /// Peer-to-peer settings: checked, not yet in use.
    pub(crate) p2p: P2pConfig,
    /// Where outlet records go, if anywhere.
    pub(crate) outlet_record: Option<PathBuf>,
    /// The folder of armed failpoints; only in a build that has them.
    pub(crate) failpoints: Option<PathBuf>,
    /// The rule that is broken on purpose; only in a build that can.
    pub(crate) planted: Option<ollin_consensus::Fault>,
    /// The versions of the rules that it supports; more than a release does only in a build that can.
    pub(crate) rules: ollin_consensus::Supported,
    /// What the operator should know about these settings: logged once at start.
    pub(crate) notes: Vec<String>,
    printed: String,
}

/// Which parts `ollin start` was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Modules {
    /// `--node`.
    pub(crate) node: bool,
    /// `--archiver`: without effect beside `--node`, which contains one.
    pub(crate) archiver: bool,
    /// `--sequencer`.
    pub(crate) sequencer: bool,
}

/// What was said on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct StartRequest {
    /// Parts.
    pub(crate) modules: Modules,
    /// `--config`.
    pub(crate) file: Option<PathBuf>,
    /// Settings given as flags.
    pub(crate) flags: SettingFlags,
}

impl NodeConfig {
    /// Reads and checks all settings.
    ///
    /// # Errors
    /// [`ConfigError`] with every fault found.
    pub(crate) fn load(request: &StartRequest, environment: &Environment) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        faults.extend(request.modules.check());
        let layers = Layers::gather(request, environment, &mut faults);
        let mut notes = unused::check(environment, &mut faults);
        let mut reader = Reader::new(&layers, &mut faults);

        reader.check("network", network::parse);
        let data_directory = reader.required("data_directory", parse::path);
        let log = LogConfig::read(&mut reader, &mut notes);
        let rpc = RpcConfig::read(&mut reader, data_directory.as_deref());
        let cluster = ClusterConfig::read(&mut reader);
        let is_witness = cluster.as_ref().is_some_and(|cluster| cluster.witness);
        let l1 = if is_witness && !L1Config::is_set(&reader) { Some(None) } else { L1Config::read(&mut reader).map(Some) };
        let sequencer = SequencerConfig::read(&mut reader, l1.as_ref().and_then(Option::as_ref));
        let keystore_path = if is_witness {
            if reader.is_set("keystore.path") {
                reader.refuse("keystore.path", Expected::rule("no value on a witness (OLLIN_WITNESS), which holds no keys"));
            }
            Some(None)
        } else {
            reader.required("keystore.path", parse::path).map(Some)
        };
        let p2p = P2pConfig::read(&mut reader, &mut notes);
        let outlet_record = reader.optional("outlet_record", parse::path);
        let failpoints = reader.optional("failpoints", parse::failpoints);
        let planted = reader.optional("planted", parse::planted);
        let rules = reader.optional("next_rules", parse::next_rules).unwrap_or_default();

        let complete = (data_directory, keystore_path, log, rpc, l1, sequencer, cluster, p2p);
        let (
            Some(data_directory),
            Some(keystore_path),
            Some(log),
            Some(rpc),
            Some(l1),
            Some(sequencer),
            Some(cluster),
            Some(p2p),
        ) = complete
        else {
            return Err(ConfigError { faults });
        };
        if !faults.is_empty() {
            return Err(ConfigError { faults });
        }
        let printed = print::render(&layers);
        Ok(Self {
            data_directory,
            keystore_path,
            log,
            rpc,
            l1,
            sequencer,
            cluster,
            p2p,
            outlet_record,
            failpoints,
            planted,
            rules,
            notes,
            printed,
        })
    }

    /// The settings in force as TOML, each with its origin; secrets are hidden.
    pub(crate) fn print(&self) -> &str {
        &self.printed
    }
}

impl Modules {
    /// The official node's messages for combinations that make no replica.
    ///
    /// Source: npm @aztec/aztec 4.1.2, `src/cli/aztec_start_action.ts`.
    fn check(self) -> Option<Fault> {
        let message = match self {
            Self { node: true, sequencer: true, .. } => return None,
            Self { node: false, sequencer: true, .. } => "Cannot run a standalone sequencer without a node: add --node",
            Self { node: true, sequencer: false, .. } => {
                "--sequencer is not given, expected --node --sequencer: a replica of this version always takes duties"
            }
            Self { archiver: true, .. } => "--archiver is given alone, expected --node --archiver --sequencer",
            Self { .. } => "No module specified to start: add --node --archiver --sequencer",
        };
        Some(Fault::plain(message))
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
