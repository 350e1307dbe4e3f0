//! Debian's PostgreSQL, for one test.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{User, geteuid};
use tempfile::TempDir;

const UP: Duration = Duration::from_secs(60);

/// A server with the superuser `postgres`; it ends with it.
pub(crate) struct Server {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL would leave its shared memory.
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT);
        let _ended = self.child.wait();
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        own(directory.path());
        let made =
            program("initdb").args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync"]).arg(&data).output();
        let made = made.expect("initdb: install postgresql");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = File::create(directory.path().join("log")).unwrap();
        let mut command = program("postgres");
        command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "unix_socket_directories=", "-c", "fsync=off"]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let server = Self { child, port, _directory: directory };
        let deadline = Instant::now() + UP;
        while !server.psql("postgres", "SELECT 1").0 {
            assert!(Instant::now() < deadline, "PostgreSQL is not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    pub(crate) fn url(&self, role: &str) -> String {
        format!("postgresql://{role}@127.0.0.1:{}/postgres", self.port)
    }

    /// Whether the statements succeed for a role, and what was said.
    pub(crate) fn psql(&self, role: &str, statements: &str) -> (bool, String) {
        let mut command = program("psql");
        let output = command.args(["-v", "ON_ERROR_STOP=1", "-tAqc", statements]).arg(self.url(role)).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// The same, and it has to succeed.
    pub(crate) fn told(&self, role: &str, statements: &str) -> String {
        let (done, said) = self.psql(role, statements);
        assert!(done, "{role}: {said}");
        said
    }
}

/// PostgreSQL refuses to be run by root.
fn user() -> Option<User> {
    geteuid().is_root().then(|| User::from_name("postgres").unwrap().expect("there is no user postgres: install postgresql"))
}

fn own(directory: &Path) {
    if let Some(user) = user() {
        chown(directory, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
}

fn program(name: impl AsRef<OsStr>) -> Command {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL: install postgresql");
    let mut found: Vec<PathBuf> = versions.flatten().map(|version| version.path().join("bin").join(name.as_ref())).collect();
    found.retain(|program| program.exists());
    found.sort();
    let mut command = Command::new(found.pop().expect("PostgreSQL: install postgresql"));
    command.current_dir("/").stdin(Stdio::null());
    if let Some(user) = user() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}
