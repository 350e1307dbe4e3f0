//! The command line.

pub(crate) mod duties;
mod leadership;
mod members;
mod recover;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use ollin_protocol::units::ReplicaId;
use reqwest::Url;

pub(crate) use leadership::{AdminAccess, DrainArgs, ProceedArgs, TransferArgs, UpgradeArgs};
pub(crate) use members::{AddArgs, DiscardArgs, MembersCommand, Newcomer, OneArgs, ReplaceArgs, Target};
pub(crate) use recover::RecoverArgs;

use crate::config::{Modules, SettingFlags, StartRequest};

/// A highly available sequencer for Aztec: several replicas, one identity.
#[derive(Debug, Parser)]
#[command(name = "ollin", version, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a replica
    Start(StartArgs),
    /// Show the state of the cluster as one replica sees it
    Status(StatusArgs),
    /// Make a cluster
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// What was signed, what was missed, and moving keys between clusters
    #[command(subcommand)]
    Duties(duties::DutiesCommand),
    /// Add or release an attester
    #[command(subcommand)]
    Attester(duties::AttesterCommand),
}

/// `ollin start`.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Start the node
    #[arg(long)]
    node: bool,
    /// Accepted as in the official command line; --node contains an archiver
    #[arg(long)]
    archiver: bool,
    /// Take duties
    #[arg(long)]
    sequencer: bool,
    /// TOML file with settings [env: OLLIN_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the settings in force, secrets hidden, and stop
    #[arg(long)]
    pub(crate) print_config: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

impl StartArgs {
    /// What was asked for, for [`crate::config::NodeConfig::load`].
    pub(crate) fn request(&self) -> StartRequest {
        StartRequest {
            modules: Modules { node: self.node, archiver: self.archiver, sequencer: self.sequencer },
            file: self.config.clone(),
            flags: self.settings.clone(),
        }
    }
}

/// `ollin status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// A replica's public port, or its admin port together with --api-key-file
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub(crate) url: Url,
    /// File that holds the admin key
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Print the JSON document as the replica sent it
    #[arg(long)]
    pub(crate) json: bool,
    /// Look again every second until interrupted.
    #[arg(long)]
    pub(crate) watch: bool,
}

/// `ollin cluster`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Write the certificates and the cluster file of new replicas
    Certificates(CertificatesArgs),
    /// Create the cluster, once, through the admin port of one of its running replicas
    Create(CreateArgs),
    /// Hand leadership over, at a moment in the slot at which nothing is half done
    Transfer(TransferArgs),
    /// Keep leadership away from a replica, until it is undone or the replica restarts
    Drain(DrainArgs),
    /// Let a replica that recovers go on without one that is down; the slots that have begun are closed
    ProceedWithout(ProceedArgs),
    /// Make a new cluster of the last replica of one whose quorum is lost for good; the slots that have begun are closed
    Recover(RecoverArgs),
    /// Raise the version of the rules, when the programs of all members support the next one
    Upgrade(UpgradeArgs),
    #[command(flatten)]
    Members(MembersCommand),
}

/// `ollin cluster certificates`.
#[derive(Debug, Args)]
pub(crate) struct CertificatesArgs {
    /// Folder to write to; ca-key.pem in it stays with you, one folder goes to each replica
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) out: PathBuf,
    /// A replica's id and where the others reach it, such as 1=replica-one:7000; once for each
    #[arg(long = "replica", value_name = "ID=HOST:PORT", required_unless_present = "witnesses", value_parser = parse_replica)]
    pub(crate) replicas: Vec<(ReplicaId, String)>,
    /// The same for a witness, which votes and holds no keys
    #[arg(long = "witness", value_name = "ID=HOST:PORT", value_parser = parse_replica)]
    pub(crate) witnesses: Vec<(ReplicaId, String)>,
    /// The folder holds a cluster already: make certificates for more replicas of it
    #[arg(long)]
    pub(crate) extend: bool,
    /// Print one JSON object, also for a refusal
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ollin cluster create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Read so many slots of L1 for signatures of the keystore's attesters first, and refuse if there are any. At least 128 on every
    /// network but the development chain
    #[arg(long, value_name = "SLOTS")]
    pub(crate) listen: Option<u64>,
    /// Create the cluster although a refusal names this: at_work
    #[arg(long, value_name = "WORD")]
    pub(crate) accept: Vec<String>,
    #[command(flatten)]
    pub(crate) admin: AdminAccess,
}

/// Why an `ID=HOST:PORT` is none.
#[derive(Debug, thiserror::Error)]
enum ReplicaFault {
    #[error("expected ID=HOST:PORT, such as 1=replica-one:7000")]
    Form,
    #[error("the id is {0}, expected a whole number, at least 1")]
    Id(String),
    #[error("the port is {0}, expected 1 to 65535")]
    Port(String),
}

fn parse_replica(text: &str) -> Result<(ReplicaId, String), ReplicaFault> {
    let (id, address) = text.split_once('=').ok_or(ReplicaFault::Form)?;
    let (host, port) = address.rsplit_once(':').ok_or(ReplicaFault::Form)?;
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || (host.contains(':') && !is_bracketed) || host.contains(['/', ' ', '@']) {
        return Err(ReplicaFault::Form);
    }
    let number = id.parse().ok().filter(|id| *id != 0).ok_or_else(|| ReplicaFault::Id(id.to_owned()))?;
    let valid_port = port.parse::<u16>().is_ok_and(|port| port != 0);
    if !valid_port {
        return Err(ReplicaFault::Port(port.to_owned()));
    }
    Ok((ReplicaId::new(number), address.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_guides_start_command_is_understood() {
        let cli = Cli::try_parse_from(["ollin", "start", "--node", "--archiver", "--sequencer", "--network", "local"]).unwrap();
        let Command::Start(start) = cli.command else { panic!("start") };
        let request = start.request();
        assert_eq!(request.modules, Modules { node: true, archiver: true, sequencer: true });
        assert_eq!(request.flags.get("network"), Some("local"));
        assert!(!start.print_config);
    }

    #[test]
    fn replicas_are_an_id_and_an_address() {
        assert_eq!(parse_replica("1=host:7000").unwrap(), (ReplicaId::new(1), "host:7000".to_owned()));
        assert_eq!(parse_replica("2=[::1]:7000").unwrap().1, "[::1]:7000");
        for wrong in
            ["host:7000", "0=host:7000", "x=host:7000", "1=host", "1=:7", "1=host:0", "1=host:70000", "1=::1:7", "1=a b:7"]
        {
            assert!(parse_replica(wrong).is_err(), "{wrong}");
        }
    }
}
