//! Plays whole-cluster scenarios. See `tests/run`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use ollin_tests::report::close;
use ollin_tests::scenario::{Form, Name, Request, play_all};

/// Plays whole-cluster scenarios with the programs of this build.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which ones; all if none is named.
    names: Vec<Name>,
    /// How much of each.
    #[arg(long, default_value = "push")]
    form: Form,
    /// Orders named points and draws random instants; drawn itself if absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Leaves one out.
    #[arg(long)]
    without: Vec<Name>,
    /// Where worlds keep their files: a directory on a real disk.
    #[arg(long)]
    directory: PathBuf,
}

// One thread: children ask the kernel to die with the thread that started them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
    rustls::crypto::ring::default_provider().install_default().ok().context("a TLS provider is already installed")?;
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let wanted = |name: &Name| arguments.names.is_empty() || arguments.names.contains(name);
    let in_order = Name::value_variants().iter().copied();
    let names: Vec<Name> = in_order.filter(|name| wanted(name) && !arguments.without.contains(name)).collect();
    let directory = arguments.directory.join(format!("{}", std::process::id()));
    let outcomes = play_all(&names, Request { form: arguments.form, seed }, &directory).await;
    Ok(if close(&outcomes) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
