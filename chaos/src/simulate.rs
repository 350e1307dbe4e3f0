//! `chaos simulate`: seeds, on as many threads as there are processors.

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use ollin_chaos::simulation::{Run, Switches, keep_panics_quiet, run};

/// Which seeds to run, and what to show of them.
#[derive(Args)]
pub(crate) struct SimulateArguments {
    /// Seeds `A..B`, B not among them, or one seed.
    #[arg(long, value_parser = parse_seeds)]
    seeds: Range<u64>,
    /// Tell the story of each seed.
    #[arg(long)]
    trace: bool,
    /// Threads; by default as many as there are processors.
    #[arg(long)]
    threads: Option<usize>,
    /// No disk is rolled back, copied or wiped.
    #[arg(long)]
    honest_disks: bool,
    /// End after so many seeds with violations.
    #[arg(long, default_value_t = 20)]
    max_failures: u64,
}

pub(crate) fn simulate(arguments: &SimulateArguments) -> anyhow::Result<ExitCode> {
    keep_panics_quiet();
    let processors = thread::available_parallelism().context("the number of processors")?;
    let threads = if arguments.trace { 1 } else { arguments.threads.unwrap_or(processors.get()) };
    let switches = Switches { honest_disks: arguments.honest_disks };
    let started = Instant::now();
    let next = AtomicU64::new(arguments.seeds.start);
    let (sender, runs) = mpsc::sync_channel::<Run>(threads);
    let mut totals = Totals::default();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next, seeds) = (sender.clone(), &next, &arguments.seeds);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) || sender.send(run(seed, switches)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for run in runs {
            totals.add(&run);
            show(&run, arguments.trace);
            if totals.failed >= arguments.max_failures {
                next.store(arguments.seeds.end, Ordering::Relaxed);
            }
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    let Totals { runs, failed, events, frames, signatures } = totals;
    println!("{runs} seeds, {failed} with violations; {events} events, {frames} frames, {signatures} signatures");
    println!("{:.1} seeds/s on {threads} threads, {seconds:.1} s", f64::from(u32::try_from(runs).unwrap_or(u32::MAX)) / seconds);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct Totals {
    runs: u64,
    failed: u64,
    events: usize,
    frames: u64,
    signatures: usize,
}

impl Totals {
    fn add(&mut self, run: &Run) {
        self.runs += 1;
        self.failed += u64::from(!run.findings.is_empty());
        self.events += run.story.events.len();
        self.frames += run.story.frame_count;
        self.signatures += run.story.signatures();
    }
}

fn show(run: &Run, trace: bool) {
    if trace {
        run.story.events.iter().for_each(|told| println!("{told}"));
        println!("seed {}: {} frames, hash {:016x}", run.seed, run.story.frame_count, run.story.frames);
    }
    for finding in &run.findings {
        println!("seed {}: {finding}", run.seed);
    }
}

fn parse_seeds(text: &str) -> anyhow::Result<Range<u64>> {
    let number = |part: &str| part.parse::<u64>().with_context(|| format!("{part:?} is no seed"));
    match text.split_once("..") {
        Some((first, end)) => {
            let seeds = number(first)?..number(end)?;
            anyhow::ensure!(!seeds.is_empty(), "no seed in {text}");
            Ok(seeds)
        }
        None => {
            let seed = number(text)?;
            Ok(seed..seed.checked_add(1).context("the last seed is not run")?)
        }
    }
}
