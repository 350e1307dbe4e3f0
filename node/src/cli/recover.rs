//! `ollin cluster recover`.

use std::path::PathBuf;

use clap::Args;
use ollin_protocol::units::ReplicaId;

use super::leadership::parse_replica;

/// `ollin cluster recover`.
#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// Go on from this host's replica, as a new cluster with no other member
    #[arg(long, required = true)]
    pub(crate) from_survivor: bool,
    /// The survivor's name, as OLLIN_REPLICA_ID says it; it must not run
    #[arg(long, value_name = "REPLICA", value_parser = parse_replica)]
    pub(crate) replica: ReplicaId,
    /// Its data directory (DATA_DIRECTORY)
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) data_directory: PathBuf,
    /// Its cluster directory (OLLIN_CLUSTER_DIRECTORY); cluster.json in it is written anew
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) cluster_directory: PathBuf,
    /// Where its anchor is, if OLLIN_ANCHOR_DIRECTORY is set for it
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) anchor_directory: Option<PathBuf>,
    /// Confirms that these replicas never run again with their old data directories: all other voters, separated by commas
    #[arg(long, value_name = "REPLICAS", value_delimiter = ',', value_parser = parse_replica)]
    pub(crate) confirm_lost: Vec<ReplicaId>,
    /// Confirms that the data directory was not restored from a backup, although its store lacks the end of its audit files
    #[arg(long)]
    pub(crate) accept_audit_ahead: bool,
    /// Print one JSON object, also for a refusal
    #[arg(long)]
    pub(crate) json: bool,
}
