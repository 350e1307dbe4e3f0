//! What others do for the same purpose, measured in the same run: etcd, and the official HA signer on PostgreSQL.

mod etcd;
mod official;
mod postgres;
mod protobuf;

use std::process::Child;

pub(crate) use etcd::Etcd;
pub(crate) use official::{Database, Official};
pub(crate) use postgres::Postgres;

/// A server that ends with its handle.
struct Server {
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
