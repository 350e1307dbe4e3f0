//! Debian's PostgreSQL, alone or with a synchronous standby.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::{User, geteuid};

use super::Server;
use crate::fleet::free_ports;

const UP: Duration = Duration::from_secs(30);
/// PostgreSQL refuses to be run by root.
const USER: &str = "postgres";

/// A primary, and a standby that must have flushed before a commit returns.
pub(crate) struct Postgres {
    _servers: Vec<Server>,
    port: u16,
}

impl Postgres {
    pub(crate) fn start(directory: &Path, with_standby: bool) -> Result<Self> {
        let programs = Programs::find()?;
        programs.own(directory)?;
        let primary = directory.join("primary");
        let ports = free_ports(2)?;
        programs.run("initdb", ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--pgdata"], &primary)?;
        let server = programs.serve(&primary, ports[0])?;
        let this = Self { _servers: vec![server], port: ports[0] };
        if !with_standby {
            return Ok(this);
        }
        let standby = directory.join("standby");
        let source = format!("--dbname=host=127.0.0.1 port={} user=postgres application_name=standby", ports[0]);
        programs.run("pg_basebackup", ["--write-recovery-conf", "--checkpoint=fast", &source, "--pgdata"], &standby)?;
        let second = programs.serve(&standby, ports[1])?;
        this.tell("ALTER SYSTEM SET synchronous_standby_names = '*'")?;
        this.tell("SELECT pg_reload_conf()")?;
        let until = Instant::now() + UP;
        while this.tell("SELECT sync_state FROM pg_stat_replication")? != "sync" {
            ensure!(Instant::now() < until, "the standby did not become synchronous");
            std::thread::sleep(Duration::from_millis(100));
        }
        let Self { mut _servers, port } = this;
        _servers.push(second);
        Ok(Self { _servers, port })
    }

    pub(crate) fn url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn tell(&self, statement: &str) -> Result<String> {
        let output = Command::new("psql").args([&self.url(), "-tAc", statement]).output().context("psql")?;
        ensure!(output.status.success(), "psql {statement}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// Where the programs are, and who runs them.
struct Programs {
    directory: PathBuf,
    user: Option<User>,
}

impl Programs {
    fn find() -> Result<Self> {
        let versions = fs::read_dir("/usr/lib/postgresql").context("PostgreSQL: install postgresql")?;
        let mut found: Vec<PathBuf> = versions.flatten().map(|version| version.path().join("bin")).collect();
        found.retain(|directory| directory.join("initdb").exists());
        found.sort();
        let directory = found.pop().context("no initdb below /usr/lib/postgresql: install postgresql")?;
        let user = if geteuid().is_root() {
            Some(User::from_name(USER)?.with_context(|| format!("there is no user {USER}: install postgresql"))?)
        } else {
            None
        };
        Ok(Self { directory, user })
    }

    fn own(&self, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory)?;
        if let Some(user) = &self.user {
            chown(directory, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.directory.join(program));
        command.current_dir("/").stdin(Stdio::null());
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    fn run<S: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = S>, data: &Path) -> Result<()> {
        let output = self.command(program).args(arguments).arg(data).output().with_context(|| program.to_owned())?;
        ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Starts a server, with Debian's settings, and waits until it answers.
    fn serve(&self, data: &Path, port: u16) -> Result<Server> {
        let log = File::create(data.with_extension("log"))?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(data).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "unix_socket_directories=", "-c", "max_connections=100"]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().context("postgres")?;
        let server = Server { child };
        let until = Instant::now() + UP;
        while Instant::now() < until {
            let port = port.to_string();
            let ready = self.command("pg_isready").args(["-q", "-h", "127.0.0.1", "-p", &port]).status().context("pg_isready")?;
            if ready.success() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("PostgreSQL is not ready after {} s: see {}", UP.as_secs(), data.with_extension("log").display())
    }
}
