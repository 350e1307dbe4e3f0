//! Measures the signing log on real processes: claims, failover, footprint, and its peers in the same run.
//!
//! Each question (`question/`) starts clusters of replica processes ([`fleet`], [`replica`]): the real log over RocksDB and mutual
//! TLS, the real keystore. Callers are tasks of the leader's process, as sequencer and validator are. Peers are real, too: etcd
//! and PostgreSQL of the distribution, the official signer from npm. The floor is measured in the same round as what is compared
//! with it. `./benches/run` builds and runs it.

#![allow(clippy::print_stdout, reason = "a program that prints figures")]

mod fleet;
mod floor;
mod order;
mod peer;
mod plot;
mod process;
mod proxy;
mod question;
mod replica;
mod report;
mod rounds;
mod sample;
mod setting;
mod slow_disk;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use question::Question;
use setting::{Peers, Setting, load_average, machine};

#[derive(Parser)]
#[command(about = "Measures Ollin's signing log, and its peers in the same run")]
enum Cli {
    /// Answers questions, all of them if none is named.
    Run(Run),
    /// A replica, driven over standard input. Started by `run`.
    #[command(hide = true)]
    Replica { spec: String },
}

#[derive(clap::Args)]
struct Run {
    questions: Vec<Question>,
    /// Where stores lie while it runs: on a disk, and reachable for the user `postgres`. Emptied.
    #[arg(long, default_value = "/var/tmp/ollin-bench")]
    directory: PathBuf,
    /// The official packages (`node_modules`); without them no peer is measured.
    #[arg(long)]
    official: Option<PathBuf>,
    /// `benches/official.mjs`.
    #[arg(long, default_value = "benches/official.mjs")]
    driver: PathBuf,
    /// Puts tables and plots into `benchmarks.md` of this directory.
    #[arg(long)]
    docs: Option<PathBuf>,
    /// So short that it only shows that everything runs.
    #[arg(long)]
    smoke: bool,
}

fn main() -> ExitCode {
    let done = match Cli::parse() {
        Cli::Run(run) => answer(run),
        Cli::Replica { spec } => replica_process(&spec),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn replica_process(spec: &str) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("OLLIN_BENCH_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(replica::run(serde_json::from_str(spec)?))
}

fn answer(run: Run) -> Result<()> {
    let peers = run.official.map(|modules| Peers { modules, driver: run.driver });
    let setting = Setting { directory: run.directory, peers, smoke: run.smoke };
    let questions = if run.questions.is_empty() { Question::value_variants().to_vec() } else { run.questions };
    for question in questions {
        setting.prepare()?;
        let before = load_average();
        let mut section = question.answer(&setting).with_context(|| format!("{question:?}"))?;
        section.line("");
        section.line(format!("{}; load average {before} before, {} after.", machine(&setting.directory), load_average()));
        println!("== {question:?}\n\n{}", section.text());
        if let Some(docs) = &run.docs {
            section.write(docs)?;
        }
        std::fs::remove_dir_all(&setting.directory)?;
    }
    Ok(())
}
