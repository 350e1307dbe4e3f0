//! A TCP proxy that can be cut, so that one replica alone loses what lies behind it.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Forwards connections from a free port of the loopback address to one target, until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    whole: watch::Sender<bool>,
    /// Dropped with the proxy, which ends it.
    _task: JoinSet<()>,
}

impl Proxy {
    /// A proxy in front of `target`, `host:port`.
    ///
    /// # Errors
    /// When no port can be taken.
    pub async fn start(target: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for a proxy")?;
        let address = listener.local_addr()?;
        let (whole, seen) = watch::channel(true);
        let mut task = JoinSet::new();
        task.spawn(forward(listener, target, seen));
        Ok(Self { address, whole, _task: task })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection, and every new one at once.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn forward(listener: TcpListener, target: String, whole: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((near, _)) = accepted else { continue };
                connections.spawn(carry(near, target.clone(), whole.clone()));
            }
        }
    }
}

async fn carry(mut near: TcpStream, target: String, mut whole: watch::Receiver<bool>) {
    if !*whole.borrow() {
        return;
    }
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    tokio::select! {
        // However it ends, both sides are closed by the drop.
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _ = whole.wait_for(|whole| !*whole) => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_cut_ends_old_connections_and_refuses_new_ones_until_it_is_mended() {
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
        assert_eq!(ask(&mut TcpStream::connect(proxy.address()).await.unwrap()).await.unwrap(), 7);
    }
}
