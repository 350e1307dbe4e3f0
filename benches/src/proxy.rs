//! A TCP proxy that is far away: each piece of data waits before it is sent on. With threads and not with timers of a runtime,
//! which round up to whole milliseconds.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Pieces that may be on their way in one direction of one connection.
const PIECES: usize = 4096;

/// Forwards connections from a port of the loopback address to one target, as long as the process lives.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    carried: Arc<AtomicU64>,
}

impl Proxy {
    /// Listens at `port` (0: any) and delays every piece by `delay`, in each direction.
    pub(crate) fn start(port: u16, target: SocketAddr, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("a port for a proxy")?;
        let address = listener.local_addr()?;
        let carried = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&carried);
        thread::spawn(move || {
            for near in listener.incoming() {
                let Ok(near) = near else { continue };
                // A target that refuses ends the connection, as it would without the proxy.
                let Ok(far) = TcpStream::connect(target) else { continue };
                if carry(&near, &far, delay, &counter).is_err() {
                    drop(near.shutdown(Shutdown::Both));
                }
            }
        });
        Ok(Self { address, carried })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes in both directions so far.
    pub(crate) fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

fn carry(near: &TcpStream, far: &TcpStream, delay: Duration, carried: &Arc<AtomicU64>) -> Result<()> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    for (from, to) in [(near, far), (far, near)] {
        let (from, to, carried) = (from.try_clone()?, to.try_clone()?, Arc::clone(carried));
        thread::spawn(move || pipe(from, to, delay, &carried));
    }
    Ok(())
}

/// Pieces keep their order and their distances.
fn pipe(mut from: TcpStream, mut to: TcpStream, delay: Duration, carried: &AtomicU64) {
    let (send, due) = mpsc::sync_channel::<(Instant, Vec<u8>)>(PIECES);
    let Ok(from_end) = from.try_clone() else { return };
    let writing = thread::spawn(move || {
        while let Ok((at, piece)) = due.recv() {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Both));
        drop(from_end.shutdown(Shutdown::Both));
    });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        carried.fetch_add(count as u64, Ordering::Relaxed);
        if send.send((Instant::now() + delay, buffer[..count].to_vec())).is_err() {
            break;
        }
    }
    drop(send);
    drop(writing.join());
}
