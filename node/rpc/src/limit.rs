//! Bounds on what one client can ask of the server.

use std::time::Duration;

/// What the server accepts; the defaults are the official ones where the official server has the limit.
///
/// Source: npm @aztec/foundation 4.1.2, `src/json-rpc/server/safe_json_rpc_server.ts` (batch and body size).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests in one batch.
    pub batch_size: usize,
    /// Bytes of one request body.
    pub body_bytes: usize,
    /// Time for a body to arrive whole.
    pub body_timeout: Duration,
    /// A connection that moves no byte for this long is closed.
    pub idle_timeout: Duration,
    /// Open connections per port; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Time that open requests get to finish at shutdown.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_size: 100,
            body_bytes: 1024 * 1024,
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            connections: 256,
            drain_timeout: Duration::from_secs(5),
        }
    }
}
