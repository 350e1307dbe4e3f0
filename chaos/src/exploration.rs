//! `chaos model`: visits every state of the model's worlds, then drops rule after rule.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use anyhow::Context;
use clap::Args;
use ollin_chaos::model::{Outcome, Rule, Switch, World, exhaust};

/// What to explore.
#[derive(Args)]
pub(crate) struct Exploration {
    /// The larger worlds instead of those of the tests: minutes.
    #[arg(long)]
    full: bool,
    /// Only this world, and no switches unless rules are named.
    #[arg(long)]
    world: Option<World>,
    /// Drops a rule in the world that was named; may be repeated.
    #[arg(long, requires = "world")]
    without: Vec<Rule>,
    /// Writes the history that each switch leads to into this directory, one file each.
    #[arg(long)]
    histories: Option<PathBuf>,
}

impl Exploration {
    /// Prints one line for each world and each switch. Exit code 1 if any is not as stated.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        if let Some(world) = self.world {
            let outcome = exhaust(world, self.without.iter().copied().collect());
            println!("{}", line(world.name, &outcome));
            for step in outcome.violation.iter().flat_map(|violation| &violation.steps) {
                println!("  {step}");
            }
            return Ok(exit_code(outcome.violation.is_none()));
        }
        let mut as_stated = true;
        println!("every rule followed");
        for world in if self.full { &World::FULL[..] } else { &World::SHORT[..] } {
            let outcome = exhaust(*world, Default::default());
            println!("{}", line(world.name, &outcome));
            as_stated &= outcome.violation.is_none() && outcome.signed;
        }
        println!("rules dropped{}", if self.full { "" } else { " (two of them only with --full)" });
        for switch in Switch::ALL.into_iter().filter(|switch| self.full || switch.world.is_short()) {
            let outcome = switch.search();
            println!("{}", line(&format!("{} ({})", switch.name(), switch.world.name), &outcome));
            as_stated &= outcome.violation.as_ref().map(|violation| violation.property) == switch.violates;
            if let Some(directory) = &self.histories {
                write(directory, &switch, &outcome).with_context(|| format!("cannot write to {}", directory.display()))?;
            }
        }
        println!("{}", if as_stated { "all as stated" } else { "NOT as stated" });
        Ok(exit_code(as_stated))
    }
}

fn line(name: &str, outcome: &Outcome) -> String {
    let Outcome { states, depth, elapsed, .. } = outcome;
    let found = match &outcome.violation {
        Some(violation) => format!("{} violated in {} steps", violation.property, violation.steps.len()),
        None => "no violation".to_owned(),
    };
    format!("  {name:<62} {states:>9} states  depth {depth:>2}  {:>6.1} s  {found}", elapsed.as_secs_f64())
}

fn write(directory: &Path, switch: &Switch, outcome: &Outcome) -> io::Result<()> {
    let Some(script) = switch.script(outcome) else {
        return Ok(());
    };
    fs::create_dir_all(directory)?;
    fs::write(directory.join(format!("{}.txt", switch.name())), script.to_string())
}

fn exit_code(success: bool) -> ExitCode {
    if success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
