//! What a replica would find if it started on a directory, asked of a process of its own: bad bytes may end it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use alloy_primitives::B256;
use ollin_consensus::simulation::Holding;
use serde::{Deserialize, Serialize};

use super::life::{Place, SUBJECT};
use super::told::claimed;
use super::wire::cluster_file;

/// Claims of a life have numbers below this one.
const CLAIMS: u64 = 64;

/// What a replica would start with, or why it would not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// It starts.
    Held(Held),
    /// It says why not.
    Refused {
        /// The whole message.
        message: String,
    },
    /// The process ended.
    Died {
        /// How.
        how: String,
    },
}

/// What a replica holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Whether it goes on without asking anybody.
    pub proven: bool,
    /// The term of its vote.
    pub term: u64,
    /// Term and index of its last entry.
    pub last: Option<(u64, u64)>,
    /// Chain after it.
    pub chain: Option<[u8; 32]>,
    /// The roots of the life's claims, by number.
    pub roots: BTreeMap<u64, B256>,
}

/// Reads the subject's files here and now.
pub fn inspect(place: &Place) -> Found {
    match Holding::read(&place.config(SUBJECT), &cluster_file()) {
        Ok(holding) => {
            let root = |number| holding.duties.get(&claimed(number)).map(|root| (number, *root.get()));
            let roots = (0..CLAIMS).filter_map(root).collect();
            let Holding { proven, term, last, chain, .. } = holding;
            Found::Held(Held { proven, term, last, chain, roots })
        }
        Err(error) => Found::Refused { message: describe(&error) },
    }
}

/// An error and everything that it came from.
pub(super) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Answers one line for each line that it reads, until there are no more.
///
/// # Errors
/// If a line cannot be read or written.
pub fn serve(place: &Place) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        line?;
        serde_json::to_writer(&mut output, &inspect(place))?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

/// A process that inspects, started anew whenever it has died.
pub struct Inspector {
    program: PathBuf,
    place: Place,
    running: Option<Running>,
}

struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Inspector {
    /// An inspector of a place; `program` is `chaos`.
    pub fn new(program: PathBuf, place: Place) -> Self {
        Self { program, place, running: None }
    }

    /// Inspects the files as they are now.
    ///
    /// # Errors
    /// If no process can be started, or what it says cannot be read.
    pub fn ask(&mut self) -> std::io::Result<Found> {
        let running = match &mut self.running {
            Some(running) => running,
            none => none.insert(Running::start(&self.program, &self.place)?),
        };
        let mut answer = String::new();
        let asked = running.input.write_all(b"\n").and_then(|()| running.output.read_line(&mut answer));
        if asked.is_ok() && answer.ends_with('\n') {
            return Ok(serde_json::from_str(&answer)?);
        }
        let how = running.child.wait()?.to_string();
        self.running = None;
        Ok(Found::Died { how })
    }
}

impl Running {
    fn start(program: &Path, place: &Place) -> std::io::Result<Self> {
        let mut command = Command::new(program);
        command.arg("io-inspect").arg("--data").arg(&place.data).arg("--memory").arg(&place.memory);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::Error::other("a process without its pipes"));
        };
        Ok(Self { child, input, output: BufReader::new(output) })
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        if let Some(Running { mut child, input, .. }) = self.running.take() {
            // It ends with its input.
            drop(input);
            drop(child.wait());
        }
    }
}
