//! `chaos io`: every IO point; and the two programs that it runs of itself.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use ollin_chaos::io::life::{Delay, Place, Role, Script, play};
use ollin_chaos::io::{Campaign, Plan, Sample, inspect};

/// Which faults to make.
#[derive(Args)]
pub(crate) struct IoArguments {
    /// Every fault at every point; otherwise each sync and a drawn part of the rest.
    #[arg(long)]
    full: bool,
    /// Only this role: leader, follower or recovering.
    #[arg(long)]
    role: Option<Role>,
    /// Only this fault, by its name in the table.
    #[arg(long)]
    fault: Option<String>,
    /// Only this point, and all that is known of it.
    #[arg(long)]
    point: Option<usize>,
    /// What is drawn, and which bits are flipped.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Of what is drawn, one in so many.
    #[arg(long, default_value_t = 100)]
    one_in: u64,
    /// The faulty layer; by default beside this program.
    #[arg(long)]
    layer: Option<PathBuf>,
    /// Processes at a time; by default as many as there are processors.
    #[arg(long)]
    threads: Option<usize>,
}

/// Where a life takes place.
#[derive(Args)]
pub(crate) struct PlaceArguments {
    /// For the stores.
    #[arg(long)]
    data: PathBuf,
    /// For the anchors.
    #[arg(long)]
    memory: PathBuf,
}

/// What a life is asked to do.
#[derive(Args)]
pub(crate) struct LifeArguments {
    #[command(flatten)]
    place: PlaceArguments,
    /// The role of the replica under test; without one, what was granted is asked for again.
    #[arg(long)]
    role: Option<Role>,
    /// Number of the sync that is delayed.
    #[arg(long, requires = "delay_ms")]
    delay_sync: Option<u64>,
    /// By how much.
    #[arg(long)]
    delay_ms: Option<u64>,
}

impl PlaceArguments {
    fn place(&self) -> Place {
        Place { data: self.data.clone(), memory: self.memory.clone() }
    }
}

pub(crate) fn io(arguments: &IoArguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let program = std::env::current_exe()?;
    let layer = arguments.layer.clone().unwrap_or_else(|| program.with_file_name("libollin_faulty_disk.so"));
    let sample = if arguments.full { Sample::All } else { Sample::OneIn(arguments.one_in.max(1)) };
    let plan = Plan {
        roles: arguments.role.map_or(Role::ALL.to_vec(), |role| vec![role]),
        fault: arguments.fault.clone(),
        point: arguments.point,
        seed: arguments.seed,
        sample,
    };
    let threads = match arguments.threads {
        Some(threads) => threads.max(1),
        None => std::thread::available_parallelism()?.get(),
    };
    let tally = Campaign { program, layer, threads }.run(&plan)?;
    println!("{tally}");
    println!("seed {}, {:.1} s on {threads} threads", arguments.seed, started.elapsed().as_secs_f64());
    Ok(if tally.violations() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn life(arguments: &LifeArguments) -> anyhow::Result<ExitCode> {
    let delay = match (arguments.delay_sync, arguments.delay_ms) {
        (Some(sync), Some(ms)) => Some(Delay { sync, time: Duration::from_millis(ms) }),
        (Some(_), None) | (None, Some(_) | None) => None,
    };
    let script = arguments.role.map_or(Script::Afterwards, |role| Script::Whole { role, delay });
    play(&arguments.place.place(), script)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn inspections(arguments: &PlaceArguments) -> anyhow::Result<ExitCode> {
    inspect::serve(&arguments.place())?;
    Ok(ExitCode::SUCCESS)
}
