//! What a claim costs at least: one `fdatasync` of the disk in use and one round trip over the way in use.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::proxy::Proxy;
use crate::sample::median;

/// Rounds of each measurement; the median is taken.
const ROUNDS: usize = 100;
/// The same over a long way.
const ROUNDS_FAR: usize = 15;
/// Bytes written and sent each round: about the size of a claim's frame.
const FRAME: [u8; 1024] = [7; 1024];

/// The two costs, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floor {
    pub(crate) sync_us: u64,
    pub(crate) round_trip_us: u64,
}

impl Floor {
    /// Measures both: the disk in `directory`, with `sync_delay` after each sync, and the loopback, through a proxy if there is a
    /// `round_trip` to add.
    pub(crate) fn measure(directory: &Path, round_trip: Duration, sync_delay: Duration) -> Result<Self> {
        Ok(Self { sync_us: sync_us(directory, sync_delay)?, round_trip_us: round_trip_us(round_trip)? })
    }

    pub(crate) const fn total_us(&self) -> u64 {
        self.sync_us.saturating_add(self.round_trip_us)
    }

    pub(crate) fn median(rounds: &[Self]) -> Option<Self> {
        let of = |pick: fn(&Self) -> u64| median(rounds.iter().map(pick).collect());
        Some(Self { sync_us: of(|one| one.sync_us)?, round_trip_us: of(|one| one.round_trip_us)? })
    }
}

fn sync_us(directory: &Path, delay: Duration) -> Result<u64> {
    let path = directory.join("sync-probe");
    let mut file = OpenOptions::new().create(true).append(true).open(&path).context("a file for syncs")?;
    let mut spent = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        file.write_all(&FRAME)?;
        file.sync_data()?;
        std::thread::sleep(delay);
        spent.push(micros(start));
    }
    std::fs::remove_file(path)?;
    median(spent).context("no sync was measured")
}

fn round_trip_us(added: Duration) -> Result<u64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let behind = listener.local_addr()?;
    let proxy = (!added.is_zero()).then(|| Proxy::start(0, behind, added / 2)).transpose()?;
    let address: SocketAddr = proxy.as_ref().map_or(behind, Proxy::address);
    let rounds = if added.is_zero() { ROUNDS } else { ROUNDS_FAR };
    let echo = std::thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut frame = FRAME;
        for _ in 0..rounds {
            stream.read_exact(&mut frame)?;
            stream.write_all(&frame)?;
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut spent = Vec::with_capacity(rounds);
    let mut frame = FRAME;
    for _ in 0..rounds {
        let start = Instant::now();
        stream.write_all(&frame)?;
        stream.read_exact(&mut frame)?;
        spent.push(micros(start));
    }
    echo.join().map_err(|_| anyhow::anyhow!("the echo thread panicked"))??;
    median(spent).context("no round trip was measured")
}

fn micros(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_costs_are_measured_with_what_is_added_and_nothing_is_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let (round_trip, sync) = (Duration::from_millis(4), Duration::from_millis(1));
        let floor = Floor::measure(directory.path(), round_trip, sync).unwrap();
        assert!(floor.round_trip_us >= 4000 && floor.sync_us >= 1000, "{floor:?}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
