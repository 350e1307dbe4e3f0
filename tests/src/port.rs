//! Free TCP ports on the loopback address.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

/// `count` distinct ports that nothing listens on now.
///
/// # Errors
/// When the system has none to give.
pub fn free(count: usize) -> Result<Vec<u16>> {
    // All are held open until the last one is known, so that none is given out twice.
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free TCP port on the loopback address"))
        .collect::<Result<_>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ports_are_distinct() {
        let ports = free(40).unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 40);
    }
}
