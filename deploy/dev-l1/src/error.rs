//! Why the development L1 did not start or did not do as asked.

use std::net::SocketAddr;
use std::path::PathBuf;

use alloy::transports::TransportError;

/// Every failure of this crate. None is worth a retry by the caller: each says what to put right.
#[derive(Debug, thiserror::Error)]
pub enum DevL1Error {
    /// Something else listens there.
    #[error("port {port} for {purpose} is in use: stop what listens there or choose another port")]
    PortInUse {
        /// The port asked for.
        port: u16,
        /// What it was wanted for.
        purpose: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The script that installs anvil, forge and the contracts failed.
    #[error("{script} failed: {detail}", script = script.display())]
    Packages {
        /// The script.
        script: PathBuf,
        /// The last lines of its standard error.
        detail: String,
    },
    /// A program could not be started.
    #[error("cannot start {program}")]
    Spawn {
        /// The program.
        program: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The anvil child process ended by itself.
    #[error("anvil ended ({status}): {detail}")]
    AnvilDied {
        /// Its exit status.
        status: String,
        /// The last lines of its output.
        detail: String,
    },
    /// `forge script` failed as often as it was tried.
    #[error("the deployment by forge failed {tries} times; last: {detail}")]
    Forge {
        /// How often it was tried.
        tries: u32,
        /// Exit status and the last lines of its standard error.
        detail: String,
    },
    /// A JSON-RPC request to anvil failed.
    #[error("{method} failed on the development L1")]
    Rpc {
        /// The JSON-RPC method.
        method: &'static str,
        /// Why.
        source: Box<TransportError>,
    },
    /// A call of a contract failed.
    #[error("the contract call {call} failed on the development L1")]
    Contract {
        /// The function.
        call: &'static str,
        /// Why.
        source: Box<alloy::contract::Error>,
    },
    /// A transaction that this crate sent was not mined as it should.
    #[error("the transaction {call} {outcome}")]
    Transaction {
        /// The function.
        call: &'static str,
        /// What became of it.
        outcome: String,
    },
    /// A condition did not come true in time.
    #[error("waited {waited_s} s for {condition}")]
    Timeout {
        /// How long.
        waited_s: u64,
        /// For what.
        condition: String,
    },
    /// A file or directory could not be used.
    #[error("cannot {action} {path}", path = path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A cached deployment does not say what it should.
    #[error("the cached deployment {path} is damaged ({detail}): delete it", path = path.display())]
    Cache {
        /// The cached directory.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Neither `OLLIN_CACHE` nor `HOME` is set.
    #[error("no cache directory: set OLLIN_CACHE, or HOME, or give --cache")]
    NoCache,
    /// A public constant of this crate did not parse; never seen outside a broken build.
    #[error("the built-in {what} is unusable")]
    Constant {
        /// Which one.
        what: &'static str,
    },
}

impl DevL1Error {
    /// A listener could not be had.
    pub(crate) fn bind(address: SocketAddr, purpose: &'static str, source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::AddrInUse {
            return Self::PortInUse { port: address.port(), purpose, source };
        }
        Self::Spawn { program: format!("{purpose} on {address}"), source }
    }
}

/// The last `lines` lines of a program's output, for an error message.
pub(crate) fn tail(output: &str, lines: usize) -> String {
    let all: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::tail;

    #[test]
    fn the_tail_keeps_the_last_lines_that_say_something() {
        assert_eq!(tail("a\n\nb\n   \nc\n", 2), "b\nc");
        assert_eq!(tail("a", 5), "a");
        assert_eq!(tail("", 5), "");
    }
}
