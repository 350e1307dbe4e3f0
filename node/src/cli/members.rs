//! `ollin cluster add | promote | demote | remove | replace | heal | discard`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use ollin_protocol::units::ReplicaId;

use super::AdminAccess;

/// Commands that change the members.
#[derive(Debug, Subcommand)]
pub(crate) enum MembersCommand {
    /// Take a new replica in, as a learner
    Add(AddArgs),
    /// Make a learner a voter, once it has caught up
    Promote(OneArgs),
    /// Make a voter a learner
    Demote(OneArgs),
    /// Take a member out, for good
    Remove(OneArgs),
    /// Put a new replica in a voter's place, in one change
    Replace(ReplaceArgs),
    /// Bring a replica whose store is lost, rolled back or copied back under a new Raft id
    Heal(OneArgs),
    /// On the host of a replica that is healed or removed: lay its old store aside
    Discard(DiscardArgs),
}

/// Where the command is sent, and how it answers.
#[derive(Clone, Debug, Args)]
pub(crate) struct Target {
    #[command(flatten)]
    pub(crate) admin: AdminAccess,
    /// Seconds to wait for what needs time, such as catching up
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) timeout: u64,
}

/// A new replica's address and certificate.
#[derive(Clone, Debug, Args)]
pub(crate) struct Newcomer {
    /// The new replica's cluster.json, or the one beside ca-key.pem: names its address and certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) cluster_file: Option<PathBuf>,
}

/// `ollin cluster add`.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The new replica's name: its number in its cluster.json
    #[arg(value_name = "REPLICA", value_parser = parse_name)]
    pub(crate) replica: ReplicaId,
    #[command(flatten)]
    pub(crate) newcomer: Newcomer,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Commands about one member.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// The replica's name: its number in its cluster.json
    #[arg(value_name = "REPLICA", value_parser = parse_name)]
    pub(crate) replica: ReplicaId,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `ollin cluster replace`.
#[derive(Debug, Args)]
pub(crate) struct ReplaceArgs {
    /// The voter that leaves
    #[arg(value_parser = parse_name)]
    pub(crate) old: ReplicaId,
    /// The replica that takes its place; it is added first if it is no member yet
    #[arg(value_parser = parse_name)]
    pub(crate) new: ReplicaId,
    #[command(flatten)]
    pub(crate) newcomer: Newcomer,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `ollin cluster discard`.
#[derive(Debug, Args)]
pub(crate) struct DiscardArgs {
    /// The replica's data directory (DATA_DIRECTORY); the replica must not run
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) data_directory: PathBuf,
    /// Confirms whose store it is: the replica's name
    #[arg(long, value_name = "REPLICA", value_parser = parse_name)]
    pub(crate) confirm: ReplicaId,
    /// Print one JSON object, also for a refusal
    #[arg(long)]
    pub(crate) json: bool,
}

/// Why a text is no replica's name.
#[derive(Debug, thiserror::Error)]
#[error("expected a whole number, at least 1")]
struct NotAName;

fn parse_name(text: &str) -> Result<ReplicaId, NotAName> {
    text.parse().ok().filter(|number| *number != 0).map(ReplicaId::new).ok_or(NotAName)
}
