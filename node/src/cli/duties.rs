//! `ollin duties` and `ollin attester`.

use std::path::PathBuf;

use alloy_primitives::Address;
use clap::{Args, Subcommand};
use ollin_guard::interchange::Doubt;

use super::AdminAccess;

/// `ollin duties`.
#[derive(Debug, Subcommand)]
pub(crate) enum DutiesCommand {
    /// Show the attesters, the lines and the bound duties
    List(ListArgs),
    /// Write the interchange file: what was signed, and each attester's stop line
    Export(ExportArgs),
    /// Take over another cluster's interchange file, before this cluster is created
    Import(ImportArgs),
    /// Check audits and interchange files, offline
    Verify(VerifyArgs),
    /// Show the duties of ours that were missed, each with its reason
    Missed(MissedArgs),
}

/// `ollin attester`.
#[derive(Debug, Subcommand)]
pub(crate) enum AttesterCommand {
    /// Sign for another attester, from the next slot on
    Add(AddArgs),
    /// Give an attester up, irrevocably, so that another cluster can take its key over
    Release(ReleaseArgs),
    /// Sign again for an attester that was frozen, from the next slot on: the second holder of its key is gone
    Unfreeze(UnfreezeArgs),
}

/// A running replica's admin port, or the data directory of one that does not run.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    #[command(flatten)]
    pub(crate) admin: AdminAccess,
    /// Read a stopped replica's data directory (DATA_DIRECTORY) instead of asking a running one; nothing is written there
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = ["admin_url", "api_key_file"])]
    pub(crate) data_directory: Option<PathBuf>,
}

/// `ollin duties list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Only this attester's
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) attester: Option<Address>,
    /// Only this slot's
    #[arg(long)]
    pub(crate) slot: Option<u64>,
    /// At most so many duties, the newest
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
}

/// `ollin duties export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Only this attester's; repeatable
    #[arg(long = "attester", value_name = "ADDRESS")]
    pub(crate) attesters: Vec<Address>,
    /// Where to write; standard output if absent. An existing file is not overwritten
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// `ollin duties import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The interchange file
    #[arg(required_unless_present = "from_postgres", conflicts_with = "from_postgres")]
    pub(crate) file: Option<PathBuf>,
    /// Take the table validator_duties of the official HA signers over instead: in one transaction their rights to write it are taken
    /// away and it is read. Connect as its owner or as a superuser; without TLS, so on the database's host or through a tunnel
    #[arg(long, value_name = "URL", requires = "l1_chain_id", hide_env_values = true, env = "OLLIN_FROM_POSTGRES")]
    pub(crate) from_postgres: Option<String>,
    /// L1 chain of that table's rollup, which it does not name
    #[arg(long, value_name = "NUMBER", requires = "from_postgres")]
    pub(crate) l1_chain_id: Option<u64>,
    /// The rollup whose duties are taken over, where the table holds those of several
    #[arg(long, value_name = "ADDRESS", requires = "from_postgres")]
    pub(crate) rollup: Option<Address>,
    /// Write what was taken over to this interchange file, and ask no replica. An existing file is not overwritten
    #[arg(long, value_name = "FILE", requires = "from_postgres")]
    pub(crate) out: Option<PathBuf>,
    /// A doubt that you have settled: `unreleased` (the old cluster is gone for good) or `frozen`; repeatable
    #[arg(long, value_name = "DOUBT")]
    pub(crate) accept: Vec<Doubt>,
    #[command(flatten)]
    pub(crate) admin: AdminAccess,
}

/// `ollin duties verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Interchange files, segments of an audit, audit directories, or data directories; several audits must agree
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// A hash that every audit must pass through, such as the one that `ollin duties list` shows
    #[arg(long, value_name = "HASH", value_parser = parse_hash)]
    pub(crate) head: Option<[u8; 32]>,
    /// Print the findings as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ollin duties missed`.
#[derive(Debug, Args)]
pub(crate) struct MissedArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// `ollin attester add`.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Its address; every replica's keystore holds its key
    pub(crate) attester: Address,
    /// The interchange file of the cluster that released it: nothing is signed at or below its stop line
    #[arg(long, value_name = "FILE")]
    pub(crate) after: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) admin: AdminAccess,
}

/// `ollin attester release`.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// Its address
    pub(crate) attester: Address,
    /// The last slot in which it may still sign here; the present one if absent
    #[arg(long, value_name = "SLOT")]
    pub(crate) last_slot: Option<u64>,
    #[command(flatten)]
    pub(crate) admin: AdminAccess,
}

/// `ollin attester unfreeze`.
#[derive(Debug, Args)]
pub(crate) struct UnfreezeArgs {
    /// Its address
    pub(crate) attester: Address,
    /// Who else held the key, and why it does no more: goes into the audit
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) admin: AdminAccess,
}

fn parse_hash(text: &str) -> Result<[u8; 32], hex::FromHexError> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut hash)?;
    Ok(hash)
}
