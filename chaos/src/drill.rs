//! `chaos drill`, `chaos drills`, `chaos gate`: passed on to the program `chaos-drill` beside this one.
//!
//! Drills need whole replicas and a development L1, and rooms that hold those rest on this crate's oracles: arrows point one way.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use clap::Args;

const PROGRAM: &str = "chaos-drill";

/// Words for the program that plays drills.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct PassedOn {
    /// As `chaos drill --help` says.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

impl PassedOn {
    /// Becomes that program.
    ///
    /// # Errors
    /// When it was not built.
    pub(crate) fn run(self, command: &str) -> anyhow::Result<ExitCode> {
        let own = std::env::current_exe()?;
        let program = own.parent().context("this program has no directory")?.join(PROGRAM);
        ensure!(program.is_file(), "{} was not built: cargo build --features ollin/failpoints", program.display());
        let fault = Command::new(&program).arg(command).args(self.words).exec();
        Err(fault).with_context(|| format!("starting {}", program.display()))
    }
}
