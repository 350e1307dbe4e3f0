//! A grant is used once: it cannot be cloned, and there is no empty one.

use ollin_consensus::{AttemptGrant, Grant};

fn copied<T: Clone>() {}
fn conjured<T: Default>() {}

fn main() {
    copied::<Grant>();
    copied::<AttemptGrant>();
    conjured::<Grant>();
    conjured::<AttemptGrant>();
}
