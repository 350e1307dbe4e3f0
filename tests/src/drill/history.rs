//! What a drill leaves to be judged again: `chaos judge --outlets DIRECTORY/outlets --chain DIRECTORY/chain.json`.

use std::path::Path;

use anyhow::{Context, Result};
use ollin_chaos::ChainFact;
use serde::Serialize;

use crate::world::World;

/// One fault that was done.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Fault {
    /// When, in milliseconds since the Unix epoch, by the harness' clock.
    pub time_ms: u64,
    /// To which replica; 0 for all or none.
    pub replica: u64,
    /// What.
    pub what: String,
}

/// Writes outlet records, facts of L1 and faults.
pub(super) fn write(world: &World, facts: &[ChainFact], faults: &[Fault], directory: &Path) -> Result<()> {
    let outlets = directory.join("outlets");
    std::fs::create_dir_all(&outlets).with_context(|| format!("making {}", outlets.display()))?;
    for (number, path) in world.outlet_paths().iter().enumerate() {
        if path.is_file() {
            std::fs::copy(path, outlets.join(format!("{number}.jsonl"))).context("copying an outlet record")?;
        }
    }
    std::fs::write(directory.join("chain.json"), serde_json::to_vec_pretty(facts)?)?;
    let lines = faults.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    std::fs::write(directory.join("faults.jsonl"), lines.join("\n") + "\n")?;
    Ok(())
}
