//! A grant cannot come from another process, neither read nor written.

use ollin_consensus::{AttemptGrant, Grant};

fn read<T: serde::de::DeserializeOwned>() {}
fn written<T: serde::Serialize>() {}

fn main() {
    read::<Grant>();
    read::<AttemptGrant>();
    written::<Grant>();
    written::<AttemptGrant>();
}
