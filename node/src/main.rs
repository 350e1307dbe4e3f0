//! The `ollin` binary: one replica of a clustered Aztec sequencer, and the commands for its operator.
//!
//! Wiring only. Each part is its own crate; [`start`] builds them, connects them by channels and supervises their tasks.

mod admin;
mod chain;
mod cli;
mod cluster;
mod config;
mod discard;
mod duties;
mod evidence;
mod health;
mod http;
mod lead;
mod leadership;
mod members;
mod order;
mod recover;
mod refusal;
mod start;
mod status;
mod status_text;
mod telemetry;

use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, ClusterCommand, Command};
use config::{Environment, NodeConfig};

fn main() -> ExitCode {
    // One crypto provider for every TLS of the process; another part may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ollin: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Start(arguments) => {
            let environment: Environment = std::env::vars().collect();
            let config = NodeConfig::load(&arguments.request(), &environment)?;
            if arguments.print_config {
                print!("{}", config.print());
                return Ok(ExitCode::SUCCESS);
            }
            telemetry::init(&config.log)?;
            if runtime()?.block_on(start::run(config))? == start::Ended::StartAnew {
                return Err(start_anew().into());
            }
        }
        Command::Status(arguments) => return runtime()?.block_on(http::status(&arguments)),
        Command::Duties(command) => return Ok(runtime()?.block_on(duties::command::duties(&command))),
        Command::Attester(command) => return Ok(runtime()?.block_on(duties::command::attester(&command))),
        Command::Cluster(ClusterCommand::Certificates(arguments)) => return Ok(cluster::certificates(&arguments)),
        Command::Cluster(ClusterCommand::Transfer(arguments)) => {
            return Ok(runtime()?.block_on(order::transfer(&arguments)));
        }
        Command::Cluster(ClusterCommand::Drain(arguments)) => return Ok(runtime()?.block_on(order::drain(&arguments))),
        Command::Cluster(ClusterCommand::ProceedWithout(arguments)) => {
            return Ok(runtime()?.block_on(order::proceed_without(&arguments)));
        }
        Command::Cluster(ClusterCommand::Upgrade(arguments)) => return Ok(runtime()?.block_on(order::upgrade(&arguments))),
        Command::Cluster(ClusterCommand::Recover(arguments)) => return Ok(runtime()?.block_on(recover::run(&arguments))),
        Command::Cluster(ClusterCommand::Create(arguments)) => {
            return Ok(runtime()?.block_on(http::create_cluster(&arguments)));
        }
        Command::Cluster(ClusterCommand::Members(command)) => return Ok(runtime()?.block_on(members::run(&command))),
    }
    Ok(ExitCode::SUCCESS)
}

/// Becomes a new process of the same program, with the same arguments and environment; returns only if that fails.
fn start_anew() -> std::io::Error {
    match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program).args(std::env::args_os().skip(1)).exec(),
        Err(error) => error,
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
