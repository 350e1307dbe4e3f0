//! `ollin-dev-l1`: the development L1 in the foreground.

use std::io::IsTerminal;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use ollin_dev_l1::{DevL1, Options, Profile, Prover, start};
use tokio::signal::unix::{SignalKind, signal};

/// Runs a local Ethereum with the real Aztec 4.1.2 contracts until SIGINT or SIGTERM, and prints one JSON object when it is ready.
///
/// For tests and demonstrations: all keys are public.
#[derive(Debug, Parser)]
#[command(name = "ollin-dev-l1", version)]
struct Arguments {
    /// Which rollup to deploy
    #[arg(long, value_enum, default_value = "demo")]
    profile: Profile,
    /// Address on which both ports listen; another than loopback is for containers: whoever reaches it rules this chain
    #[arg(long, default_value = "127.0.0.1", value_name = "IP")]
    listen: IpAddr,
    /// Port of the L1 RPC; 0 means any free one
    #[arg(long, default_value_t = 8545)]
    port: u16,
    /// Port of the blob server; 0 means any free one
    #[arg(long, default_value_t = 8546)]
    blob_port: u16,
    /// Play the prover: checkpoints of epochs that are over become proven
    #[arg(long)]
    prover: bool,
    /// Where packages and deployed states are kept [default: $OLLIN_CACHE, else ~/.cache/ollin]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Also write the JSON to this file, whole or not at all
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(ansi).with_target(false).init();
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut asked_to_end = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };

    // Dropping the unfinished start ends what it has started.
    let mut l1 = tokio::select! {
        started = start(options(&arguments)) => started?,
        () = asked_to_end() => return Ok(()),
    };
    announce(&l1, arguments.out.as_deref())?;
    let error = tokio::select! {
        error = l1.ended() => Some(error),
        () = asked_to_end() => None,
    };
    l1.stop().await;
    error.map_or(Ok(()), |error| Err(error.into()))
}

fn options(arguments: &Arguments) -> Options {
    Options {
        profile: arguments.profile,
        listen: arguments.listen,
        port: arguments.port,
        blob_port: arguments.blob_port,
        prover: if arguments.prover { Prover::On } else { Prover::Off },
        cache: arguments.cache.clone(),
    }
}

fn announce(l1: &DevL1, out: Option<&Path>) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(l1.info())?;
    if let Some(out) = out {
        let new = out.with_extension("new");
        std::fs::write(&new, &json).with_context(|| format!("cannot write {}", new.display()))?;
        std::fs::rename(&new, out).with_context(|| format!("cannot write {}", out.display()))?;
    }
    println!("{json}");
    Ok(())
}
