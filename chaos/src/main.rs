//! `chaos`: judges the outlet records of a run, explores the model of the signing log, simulates runs, and plants faults.

mod drill;
mod exploration;
mod io_faults;
mod museum;
mod simulate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use ollin_chaos::{ChainFact, History, SignerKind, Wake, judge};
use ollin_protocol::units::ReplicaId;

use io_faults::{IoArguments, LifeArguments, PlaceArguments};
use simulate::SimulateArguments;

#[derive(Parser)]
#[command(
    name = "chaos",
    version,
    about = "Judges runs of an Ollin cluster by what left its processes, and explores the model of its signing log"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints counts and violations. Exit code 0: none; 1: some; 2: the evidence cannot be read.
    Judge {
        /// Directory of outlet records, one or more files per replica.
        #[arg(long)]
        outlets: PathBuf,
        /// JSON array of the cluster's checkpoints on L1.
        #[arg(long)]
        chain: PathBuf,
        /// A replica that was stopped and went on, `REPLICA:WOKE_AT_MS[:UNTIL_MS]`; may be repeated.
        #[arg(long = "wake", value_parser = parse_wake)]
        wakes: Vec<Wake>,
        /// The signer does not promise the same signature for the same root.
        #[arg(long)]
        varying_signatures: bool,
    },
    /// Visits every state of a model of the signing log, and shows what goes wrong without each of its rules.
    Model(exploration::Exploration),
    /// Plants every known fault in turn, and shows which test or oracle catches it.
    Museum(museum::Museum),
    /// Runs whole clusters from seeds. Exit code 0: no violation; 1: some.
    Simulate(SimulateArguments),
    /// Does harm to real replicas on a development L1, as often as is asked for, and judges what left them.
    Drill(drill::PassedOn),
    /// Lists the drills.
    Drills(drill::PassedOn),
    /// Plays all drills before a release, and prints one table.
    Gate(drill::PassedOn),
    /// Makes every IO point of a replica's files fail, and judges what follows. Exit code 0: no violation; 1: some.
    Io(IoArguments),
    /// One life of a replica, for `chaos io`.
    #[command(hide = true)]
    IoLife(LifeArguments),
    /// Opens a replica's files, once for each line of the input, for `chaos io`.
    #[command(hide = true)]
    IoInspect(PlaceArguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Judge { outlets, chain, wakes, varying_signatures } => {
            let signer = if varying_signatures { SignerKind::Varying } else { SignerKind::Deterministic };
            run(&outlets, &chain, &wakes, signer)
        }
        Command::Model(exploration) => exploration.run(),
        Command::Museum(museum) => museum.run(),
        Command::Simulate(arguments) => simulate::simulate(&arguments),
        Command::Drill(words) => words.run("drill"),
        Command::Drills(words) => words.run("drills"),
        Command::Gate(words) => words.run("gate"),
        Command::Io(arguments) => io_faults::io(&arguments),
        Command::IoLife(arguments) => io_faults::life(&arguments),
        Command::IoInspect(arguments) => io_faults::inspections(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::from(2)
    })
}

fn run(outlets: &Path, chain: &Path, wakes: &[Wake], signer: SignerKind) -> anyhow::Result<ExitCode> {
    let history = History::read(outlets).context("outlet records")?;
    let facts = ChainFact::read_all(chain).context("chain facts")?;
    let judgement = judge(&history, &facts, wakes, signer);
    println!("{}", judgement.counts);
    for violation in &judgement.violations {
        println!("{violation}");
    }
    println!("{} violations", judgement.violations.len());
    Ok(if judgement.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn parse_wake(text: &str) -> anyhow::Result<Wake> {
    let mut parts = text.split(':').map(|part| part.parse::<u64>().with_context(|| format!("{part:?} is no number")));
    let (Some(replica), Some(woke_at_ms), until_ms, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        anyhow::bail!("expected REPLICA:WOKE_AT_MS[:UNTIL_MS]");
    };
    Ok(Wake { replica: ReplicaId::new(replica?), woke_at_ms: woke_at_ms?, until_ms: until_ms.transpose()? })
}
