//! A TCP proxy that can be cut or slow, so that one replica alone loses what lies behind it, or is far away.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Forwards connections from a free port of the loopback address to one target, until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    /// Dropped with the proxy, which ends it.
    _task: JoinSet<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    cut: bool,
    /// Each piece of data waits so long, in either direction.
    delay: Duration,
}

impl Proxy {
    /// A proxy in front of `target`, `host:port`.
    ///
    /// # Errors
    /// When no port can be taken.
    pub async fn start(target: String) -> Result<Self> {
        Self::start_at(0, target).await
    }

    /// The same at a port of the caller's choice.
    ///
    /// # Errors
    /// When it is taken.
    pub async fn start_at(port: u16, target: String) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("a port for a proxy")?;
        let address = listener.local_addr()?;
        let (state, seen) = watch::channel(State::default());
        let mut task = JoinSet::new();
        task.spawn(forward(listener, target, seen));
        Ok(Self { address, state, _task: task })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection, and every new one at once.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cut = true);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.state.send_modify(|state| state.cut = false);
    }

    /// Lets every piece of data wait so long, in either direction.
    pub fn delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }
}

async fn forward(listener: TcpListener, target: String, state: watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((near, _)) = accepted else { continue };
                connections.spawn(carry(near, target.clone(), state.clone()));
            }
        }
    }
}

async fn carry(near: TcpStream, target: String, mut state: watch::Receiver<State>) {
    if state.borrow().cut {
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else { return };
    let delays = state.clone();
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        // However it ends, both sides are closed by the drop.
        () = pipe(near_in, far_out, delays.clone()) => {}
        () = pipe(far_in, near_out, delays) => {}
        _ = state.wait_for(|state| state.cut) => {}
    }
}

/// Pieces keep their order and their distances; each is sent a delay after it came.
async fn pipe(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: watch::Receiver<State>) {
    let (send, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
    let reading = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let at = Instant::now() + state.borrow().delay;
            if send.send((at, buffer[..count].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let writing = async {
        while let Some((at, piece)) = due.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cut_ends_old_connections_and_refuses_new_ones_until_it_is_mended_and_a_delay_counts_twice() {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = echo.local_addr().unwrap().to_string();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            while let Ok((mut stream, _)) = echo.accept().await {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {}
            }
        });
        let proxy = Proxy::start(target).await.unwrap();
        let ask = async |stream: &mut TcpStream| {
            stream.write_all(&[7]).await?;
            stream.read_u8().await
        };
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream).await.unwrap(), 7);
        proxy.cut();
        assert!(ask(&mut stream).await.is_err());
        assert!(ask(&mut TcpStream::connect(proxy.address()).await.unwrap()).await.is_err());
        proxy.mend();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream).await.unwrap(), 7);
        proxy.delay(Duration::from_millis(40));
        let started = Instant::now();
        assert_eq!(ask(&mut stream).await.unwrap(), 7);
        assert!(started.elapsed() >= Duration::from_millis(80), "there and back");
    }
}
