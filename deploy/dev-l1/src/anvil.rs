//! The anvil child process.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{oneshot, watch};
use url::Url;

use crate::clock::until;
use crate::error::{DevL1Error, tail};
use crate::rpc::AnvilRpc;

/// The chain id of every development chain.
pub(crate) const CHAIN_ID: u64 = 31337;
/// How the official helper starts anvil (npm @aztec/ethereum 4.1.2, `src/test/start_anvil.ts`).
const OFFICIAL_ARGUMENTS: [&str; 8] =
    ["--accounts", "20", "--gas-limit", "45000000", "--chain-id", "31337", "--slots-in-an-epoch", "1"];
const KEEPER_POLL: Duration = Duration::from_millis(50);
const STARTUP_LIMIT: Duration = Duration::from_secs(20);

/// A running anvil. Dropping it kills the process; so does the end of this process, however it comes.
#[derive(Debug)]
pub(crate) struct Anvil {
    rpc: AnvilRpc,
    url: Url,
    pid: u32,
    keeper: Keeper,
    directory: TempDir,
}

/// What a new anvil begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Genesis {
    /// The present.
    Now,
    /// This Unix time.
    At(u64),
}

impl Anvil {
    /// Starts an anvil at the address that mines a block per transaction, and waits until it answers. Port 0 means any free one.
    pub(crate) async fn start(program: &Path, address: SocketAddr, genesis: Genesis) -> Result<Self, DevL1Error> {
        let address = SocketAddr::new(address.ip(), free_port(address)?);
        let directory = TempDir::with_prefix("ollin-anvil-").map_err(|source| DevL1Error::File {
            action: "create a directory in",
            path: std::env::temp_dir(),
            source,
        })?;
        let (keeper, pid) = Keeper::spawn(program, address, genesis, &directory).await?;
        // The address is always well formed; the number is a port.
        let url = Url::parse(&format!("http://127.0.0.1:{}", address.port()))
            .map_err(|_| DevL1Error::Constant { what: "L1 address" })?;
        let anvil = Self { rpc: AnvilRpc::new(url.clone()), url, pid, keeper, directory };
        until(STARTUP_LIMIT, "anvil to answer", || async {
            match anvil.end() {
                Some(end) => Err(end),
                None => Ok(anvil.rpc.request::<_, String>("eth_chainId", ()).await.ok()),
            }
        })
        .await?;
        Ok(anvil)
    }

    pub(crate) fn rpc(&self) -> &AnvilRpc {
        &self.rpc
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Why it is no longer running, if so.
    fn end(&self) -> Option<DevL1Error> {
        let status = self.keeper.exited.borrow().clone()?;
        let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        Some(DevL1Error::AnvilDied { status, detail: tail(&log, 5) })
    }

    /// Waits for its end, which nobody asked for.
    pub(crate) async fn died(&self) -> DevL1Error {
        let mut exited = self.keeper.exited.clone();
        let gone = exited.wait_for(Option::is_some).await.is_err();
        let unknown = || DevL1Error::AnvilDied { status: "unknown".to_owned(), detail: String::new() };
        if gone { unknown() } else { self.end().unwrap_or_else(unknown) }
    }

    /// Kills it and waits until it is gone.
    pub(crate) async fn stop(self) {
        let mut exited = self.keeper.exited.clone();
        drop(self.keeper.stop);
        // Err: the keeper thread has ended, and anvil before it.
        let _ = exited.wait_for(Option::is_some).await;
    }
}

/// The thread that is anvil's parent.
///
/// The kernel sends a child's death signal when the *thread* that made the child ends, and threads of an async runtime come and go:
/// hence a thread that lives exactly as long as anvil.
#[derive(Debug)]
struct Keeper {
    /// Dropped to end anvil.
    stop: SyncSender<()>,
    exited: watch::Receiver<Option<String>>,
}

impl Keeper {
    async fn spawn(
        program: &Path,
        address: SocketAddr,
        genesis: Genesis,
        directory: &TempDir,
    ) -> Result<(Self, u32), DevL1Error> {
        let spawn_error = |source| DevL1Error::Spawn { program: program.display().to_string(), source };
        let log = std::fs::File::create(directory.path().join("log")).map_err(spawn_error)?;
        let errors = log.try_clone().map_err(spawn_error)?;
        let mut command = command_that_dies_with_us(program);
        command.args([
            "--host",
            &address.ip().to_string(),
            "--port",
            &address.port().to_string(),
            "--silent",
            "--no-request-size-limit",
        ]);
        command.args(OFFICIAL_ARGUMENTS).arg("--cache-path").arg(directory.path());
        if let Genesis::At(timestamp) = genesis {
            command.args(["--timestamp", &timestamp.to_string()]);
        }
        // Its own process group: an interrupt from the terminal goes to us, and we end it.
        command.env("RAYON_NUM_THREADS", "1").process_group(0);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);

        let (stop, stopped) = sync_channel(1);
        let (exited_sender, exited) = watch::channel(None);
        let (started_sender, started) = oneshot::channel();
        std::thread::Builder::new()
            .name("anvil-keeper".to_owned())
            .spawn(move || match command.spawn() {
                Ok(child) => {
                    // Err: whoever asked has gone; then `stopped` is disconnected and ends the child at once.
                    let _ = started_sender.send(Ok(child.id()));
                    keep(child, &stopped, &exited_sender);
                }
                Err(error) => drop(started_sender.send(Err(error))),
            })
            .map_err(spawn_error)?;
        let pid = match started.await {
            Ok(pid) => pid.map_err(spawn_error)?,
            Err(_) => return Err(spawn_error(std::io::Error::other("its keeper thread ended"))),
        };
        Ok((Self { stop, exited }, pid))
    }
}

/// Waits for the child's end or the word to end it.
fn keep(mut child: Child, stopped: &Receiver<()>, exited: &watch::Sender<Option<String>>) {
    let status = loop {
        match stopped.recv_timeout(KEEPER_POLL) {
            Err(RecvTimeoutError::Timeout) => match child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => break status.to_string(),
                Err(error) => break error.to_string(),
            },
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                // Err: it has ended by itself in this moment.
                let _ = child.kill();
                break child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            }
        }
    };
    exited.send_replace(Some(status));
}

/// util-linux's `setpriv` sets the signal that the kernel sends to a child whose parent dies, then becomes the program itself.
fn command_that_dies_with_us(program: &Path) -> Command {
    let setpriv =
        ["/usr/bin/setpriv", "/bin/setpriv", "/usr/local/bin/setpriv"].into_iter().find(|path| Path::new(path).exists());
    match setpriv {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => {
            tracing::warn!("setpriv (util-linux) is not installed: a SIGKILL of this process will leave anvil running");
            Command::new(program)
        }
    }
}

/// Checks that the port is free, or finds one. Another process may still take it before anvil does; anvil then says so and ends.
fn free_port(address: SocketAddr) -> Result<u16, DevL1Error> {
    let bound = TcpListener::bind(address).and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(|source| DevL1Error::bind(address, "the L1 RPC", source))
}
