//! `ollin cluster transfer`, `drain`, `proceed-without` and `upgrade`.

use std::path::PathBuf;

use clap::Args;
use ollin_protocol::units::ReplicaId;
use reqwest::Url;

/// How an admin port is reached.
#[derive(Clone, Debug, Args)]
pub(crate) struct AdminAccess {
    /// The admin port of any replica that takes part
    #[arg(long, default_value = "http://127.0.0.1:8880")]
    pub(crate) admin_url: Url,
    /// File that holds the admin key
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Print one JSON object, also for a refusal
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ollin cluster transfer`.
#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    /// The replica that is to lead; the fittest one if none is named
    #[arg(long, value_name = "REPLICA", value_parser = parse_replica)]
    pub(crate) to: Option<ReplicaId>,
    #[command(flatten)]
    pub(crate) admin: AdminAccess,
}

/// `ollin cluster drain`.
#[derive(Debug, Args)]
pub(crate) struct DrainArgs {
    /// The replica that is not to lead; the one that is asked if none is named
    #[arg(long, value_name = "REPLICA", value_parser = parse_replica)]
    pub(crate) replica: Option<ReplicaId>,
    /// Let it lead again
    #[arg(long)]
    pub(crate) undo: bool,
    #[command(flatten)]
    pub(crate) admin: AdminAccess,
}

/// `ollin cluster proceed-without`.
#[derive(Debug, Args)]
pub(crate) struct ProceedArgs {
    /// The replica that is down, and stays down
    #[arg(value_name = "REPLICA", value_parser = parse_replica)]
    pub(crate) replica: ReplicaId,
    #[command(flatten)]
    pub(crate) admin: AdminAccess,
}

/// `ollin cluster upgrade`.
#[derive(Debug, Args)]
pub(crate) struct UpgradeArgs {
    #[command(flatten)]
    pub(crate) admin: AdminAccess,
}

/// A replica is not named by this.
#[derive(Debug, thiserror::Error)]
#[error("expected the number of a replica, such as 2")]
pub(super) struct NotAReplica;

pub(super) fn parse_replica(text: &str) -> Result<ReplicaId, NotAReplica> {
    text.parse().ok().filter(|id| *id != 0).map(ReplicaId::new).ok_or(NotAReplica)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::{Cli, ClusterCommand, Command};

    #[test]
    fn a_transfer_names_a_replica_or_none() {
        let parsed = |arguments: &[&str]| {
            let cli = Cli::try_parse_from(["ollin", "cluster", "transfer"].iter().chain(arguments)).ok()?;
            let Command::Cluster(ClusterCommand::Transfer(transfer)) = cli.command else { return None };
            Some(transfer.to.map(|to| to.get()))
        };
        assert_eq!(parsed(&[]), Some(None));
        assert_eq!(parsed(&["--to", "2"]), Some(Some(2)));
        assert_eq!(parsed(&["--to", "0"]), None);
        assert_eq!(parsed(&["--to", "two"]), None);
    }
}
