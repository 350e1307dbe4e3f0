//! What a claim costs at least on this machine: one `fdatasync` and one round trip between processes.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::report::median;

/// Rounds of each measurement; the median is taken.
const ROUNDS: usize = 60;
/// Bytes written and sent each round: about the size of a claim's frame.
const FRAME: [u8; 1024] = [7; 1024];

/// The two costs, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// Median of one append with `fdatasync`.
    pub sync_us: u64,
    /// Median of one loopback round trip.
    pub round_trip_us: u64,
}

impl Floor {
    /// Measures both, the disk in `directory`.
    ///
    /// # Errors
    /// When the file or the loopback connection fails.
    pub fn measure(directory: &Path) -> Result<Self> {
        Ok(Self { sync_us: sync_us(directory)?, round_trip_us: round_trip_us()? })
    }

    /// Their sum.
    pub const fn total_us(&self) -> u64 {
        self.sync_us.saturating_add(self.round_trip_us)
    }
}

fn sync_us(directory: &Path) -> Result<u64> {
    let path = directory.join("sync-probe");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let mut spent = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        file.write_all(&FRAME)?;
        file.sync_data()?;
        spent.push(micros(start));
    }
    std::fs::remove_file(path)?;
    Ok(median(&spent).unwrap_or(0))
}

fn round_trip_us() -> Result<u64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let echo = std::thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut frame = FRAME;
        for _ in 0..ROUNDS {
            stream.read_exact(&mut frame)?;
            stream.write_all(&frame)?;
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut spent = Vec::with_capacity(ROUNDS);
    let mut frame = FRAME;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        stream.write_all(&frame)?;
        stream.read_exact(&mut frame)?;
        spent.push(micros(start));
    }
    echo.join().map_err(|_| anyhow::anyhow!("the echo thread panicked"))??;
    Ok(median(&spent).unwrap_or(0))
}

fn micros(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_costs_are_measured_and_nothing_is_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let floor = Floor::measure(directory.path()).unwrap();
        assert!(floor.round_trip_us > 0, "{floor:?}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
