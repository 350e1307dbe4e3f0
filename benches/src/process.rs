//! What the system says of a process.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// `USER_HZ`, fixed on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// Memory of a process, KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) resident_kib: u64,
    pub(crate) peak_kib: u64,
}

/// Memory now and at most.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name} of {pid}"))?;
        Ok::<_, anyhow::Error>(line.trim().trim_end_matches(" kB").parse()?)
    };
    Ok(Memory { resident_kib: field("VmRSS:")?, peak_kib: field("VmHWM:")? })
}

/// Processor time so far, of all its threads.
pub(crate) fn processor(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name, which may hold anything: the 14th and 15th field are the 12th and 13th here.
    let (_, rest) = stat.rsplit_once(") ").context("a process's statistics")?;
    let mut times = rest.split(' ').skip(11).take(2).map(str::parse::<u64>);
    let mut next = || times.next().context("a process's statistics")?.context("a process's statistics");
    let ticks = next()? + next()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Bytes that it has caused to be written to disks.
pub(crate) fn written(pid: u32) -> Result<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).context("a process's writes")?;
    Ok(line.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_has_worked() {
        let own = std::process::id();
        let memory = memory(own).unwrap();
        assert!(memory.resident_kib > 100 && memory.peak_kib >= memory.resident_kib);
        let until = std::time::Instant::now() + Duration::from_secs(5);
        while processor(own).unwrap().is_zero() {
            assert!(std::time::Instant::now() < until);
        }
    }
}
