//! The part of `chaos` that plays with real replicas: `chaos drill`, `chaos drills`, `chaos gate`.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use ollin_tests::drill::{Form, Name, PROFILE, Report, Request, close, play};
use ollin_tests::network::which;

/// Set in the process that is alone in its namespaces.
const APART: &str = "OLLIN_DRILL_APART";

#[derive(Debug, Parser)]
#[command(name = "chaos")]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Plays drills with the programs of this build. Exit code 0: no violation and every replica came back; 1: otherwise; 2: it cannot
    /// be played here.
    Drill {
        /// Which ones; see `chaos drills`.
        #[arg(required = true)]
        names: Vec<Name>,
        /// Rounds of each.
        #[arg(long, default_value_t = 3)]
        times: u32,
        #[command(flatten)]
        common: Common,
    },
    /// Lists the drills.
    Drills,
    /// Plays all drills and prints one table: fault, how often, histories, violations, bound. Exit codes as for `drill`.
    Gate {
        /// How often each.
        #[arg(long, default_value = "release")]
        form: Form,
        /// Leaves one out.
        #[arg(long)]
        without: Vec<Name>,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Args)]
struct Common {
    /// What is drawn follows from it; drawn itself if absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Where histories, and worlds in which something failed, are kept: a directory on a real disk [default: drills in $OLLIN_CACHE,
    /// else in ~/.cache/ollin]
    #[arg(long)]
    directory: Option<PathBuf>,
}

// One thread: children ask the kernel to die with the thread that started them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
    let result = match Arguments::parse().command {
        Action::Drill { names, times, common } => drill(&names, |_| times, &common).await,
        Action::Gate { form, without, common } => {
            let names: Vec<Name> = Name::value_variants().iter().copied().filter(|name| !without.contains(name)).collect();
            drill(&names, |name| name.rounds(form), &common).await
        }
        Action::Drills => {
            list();
            Ok(ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|fault| {
        eprintln!("chaos: {fault:#}");
        ExitCode::from(2)
    })
}

fn list() {
    for name in Name::value_variants() {
        println!("{:<20} {}", name.word(), name.about());
    }
}

async fn drill(names: &[Name], times: impl Fn(Name) -> u32, common: &Common) -> Result<ExitCode> {
    apart().await?;
    let seed = common.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let requests: Vec<Request> = names.iter().map(|name| Request { name: *name, times: times(*name), seed }).collect();
    let reports = play(&requests, &common.place()?).await;
    Ok(verdict(&reports))
}

fn verdict(reports: &[Report]) -> ExitCode {
    if close(reports) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Common {
    fn place(&self) -> Result<PathBuf> {
        let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache =
            || named("OLLIN_CACHE").or_else(|| Some(named("HOME")?.join(".cache/ollin"))).map(|cache| cache.join("drills"));
        let directory = self.directory.clone().or_else(cache).context("neither --directory, OLLIN_CACHE nor HOME is set")?;
        Ok(std::path::absolute(directory.join(std::process::id().to_string()))?)
    }
}

/// Returns in a process that is alone in its network and mount namespaces; the first process becomes that one.
async fn apart() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok().context("a TLS provider is already installed")?;
    if std::env::var_os(APART).is_some() {
        return Ok(());
    }
    // There is no way to the world's network from inside.
    ollin_dev_l1::prepare(PROFILE).await.context("the development L1")?;
    let mut unshare = Command::new(which("unshare")?);
    if !nix::unistd::geteuid().is_root() {
        unshare.arg("--map-root-user");
    }
    let program = std::env::current_exe()?;
    let words = std::env::args_os().skip(1);
    let fault = unshare.args(["--net", "--mount", "--"]).arg(program).args(words).env(APART, "1").exec();
    Err(fault).context("unshare (util-linux)")
}
