//! `chaos museum`: plants every known fault in turn, and shows which test or oracle catches it.
//!
//! A catcher counts only if it is green without the fault, red with it, and red for the reason that the catalogue names: a test that
//! fails for anything proves nothing.

mod artifacts;
mod catalogue;
mod exhibit;
mod trial;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use futures::{StreamExt, stream};
use ollin_guard::Fault;
use serde_json::json;

use artifacts::Artifacts;
use catalogue::CATALOGUE;
use exhibit::{Catcher, Exhibit};
use trial::{Outcome, run};

/// Which faults to plant, and with which tests.
#[derive(Args)]
pub(crate) struct Museum {
    /// Only catchers that take a moment: tests of single functions.
    #[arg(long)]
    quick: bool,
    /// Only this fault; may be repeated.
    #[arg(long, value_parser = fault)]
    only: Vec<Fault>,
    /// What `cargo test --no-run --message-format=json` printed; by default it is run now, for the whole workspace.
    #[arg(long)]
    artifacts: Option<PathBuf>,
    /// Lists the faults and their catchers as a table in Markdown, and runs nothing.
    #[arg(long)]
    list: bool,
    /// One JSON document instead of lines.
    #[arg(long, conflicts_with = "list")]
    json: bool,
    /// Shows what the red catchers said.
    #[arg(long)]
    show: bool,
}

/// What became of one exhibit: an outcome for each of its catchers.
struct Tried {
    exhibit: &'static Exhibit,
    outcomes: Vec<(&'static Catcher, Outcome, Duration)>,
}

impl Museum {
    /// Prints one line for each fault and catcher. Exit code 0: every fault was caught by all that claim to; 1: some was not.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let exhibits = CATALOGUE.iter().filter(|exhibit| self.only.is_empty() || self.only.contains(&exhibit.fault));
        let exhibits: Vec<_> = exhibits.filter(|exhibit| self.catchers(exhibit).next().is_some()).collect();
        if self.list {
            println!("| Fault | What goes wrong | Rule | Switched off in | Caught by |\n|---|---|---|---|---|");
            exhibits.iter().for_each(|exhibit| println!("{}", exhibit.row()));
            return Ok(ExitCode::SUCCESS);
        }
        let started = Instant::now();
        let artifacts = Artifacts::load(self.artifacts.as_deref())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("tokio")?;
        let tried = runtime.block_on(self.try_all(&artifacts, &exhibits))?;
        let caught = tried.iter().filter(|tried| tried.is_caught()).count();
        if self.json {
            let faults: Vec<_> = tried.iter().map(Tried::to_json).collect();
            println!("{:#}", json!({ "planted": tried.len(), "caught": caught, "faults": faults }));
        } else {
            println!("{} faults planted, {caught} caught, {:.0} s", tried.len(), started.elapsed().as_secs_f64());
        }
        anyhow::ensure!(!tried.is_empty(), "no fault was planted");
        Ok(if caught == tried.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn catchers(&self, exhibit: &'static Exhibit) -> impl Iterator<Item = &'static Catcher> {
        exhibit.catchers.iter().filter(|catcher| !self.quick || catcher.is_quick())
    }

    async fn try_all(&self, artifacts: &Artifacts, exhibits: &[&'static Exhibit]) -> anyhow::Result<Vec<Tried>> {
        // Clusters are run one at a time: they keep time.
        let processors = thread::available_parallelism().context("the number of processors")?.get();
        let workers = if self.quick { processors } else { 1 };
        // First without any fault: each catcher once.
        let all: BTreeMap<String, &Catcher> =
            exhibits.iter().flat_map(|exhibit| self.catchers(exhibit)).map(|catcher| (catcher.name(), catcher)).collect();
        let green = stream::iter(all).map(|(name, catcher)| async move { (name, run(catcher, None, artifacts).await) });
        let green: BTreeMap<_, _> = green.buffer_unordered(workers).collect().await;

        let (green, catchers) = (&green, |exhibit| self.catchers(exhibit).collect::<Vec<_>>());
        let red = stream::iter(exhibits).map(|exhibit| async move {
            let mut tried = Tried { exhibit, outcomes: Vec::new() };
            for catcher in catchers(exhibit) {
                let started = Instant::now();
                let outcome = match green.get(&catcher.name()) {
                    Some(Ok(sober)) if sober.passed => match run(catcher, Some(exhibit.fault), artifacts).await {
                        Ok(trial) => Outcome::of(trial, catcher.says()),
                        Err(error) => Outcome::NotRun(format!("{error:#}")),
                    },
                    Some(Ok(sober)) => Outcome::RedWithout(sober.output.clone()),
                    Some(Err(error)) => Outcome::NotRun(format!("{error:#}")),
                    None => Outcome::NotRun("it was not tried without the fault".to_owned()),
                };
                tried.outcomes.push((catcher, outcome, started.elapsed()));
            }
            tried
        });
        let mut red = red.buffered(workers);
        let mut all = Vec::new();
        while let Some(tried) = red.next().await {
            if !self.json {
                tried.print(self.show);
            }
            all.push(tried);
        }
        Ok(all)
    }
}

impl Tried {
    fn is_caught(&self) -> bool {
        !self.outcomes.is_empty() && self.outcomes.iter().all(|(_, outcome, _)| outcome.is_caught())
    }

    fn print(&self, show: bool) {
        for (catcher, outcome, took) in &self.outcomes {
            let (word, seconds) = (outcome.word(), took.as_secs_f64());
            let Exhibit { fault, rule, .. } = self.exhibit;
            println!("{word:<14} {rule:<4} {:<28} {} ({seconds:.1} s)", fault.name(), catcher.name());
            if show || !outcome.is_caught() {
                outcome.details().lines().for_each(|line| println!("    {line}"));
            }
        }
    }

    fn to_json(&self) -> serde_json::Value {
        let catchers = self.outcomes.iter().map(|(catcher, outcome, took)| {
            json!({ "catcher": catcher.name(), "outcome": outcome.word(), "seconds": took.as_secs_f64() })
        });
        let Exhibit { fault, rule, place, .. } = self.exhibit;
        json!({
            "fault": fault.name(), "what": fault.what(), "rule": rule, "place": place,
            "caught": self.is_caught(), "catchers": catchers.collect::<Vec<_>>(),
        })
    }
}

fn fault(text: &str) -> anyhow::Result<Fault> {
    let found = Fault::ALL.iter().find(|fault| fault.name() == text);
    found.copied().with_context(|| format!("no fault is called {text}: `chaos museum --list` has them all"))
}
