//! What a replica reads of L1 and signs with. A witness that is given no L1 settings has none of it (safety rule R11): it votes, stores
//! the log and serves snapshots, and needs nothing else.

use std::sync::Arc;

use ollin_archiver::ArchiverHandle;
use ollin_keystore::Keystore;
use ollin_l1::L1;

/// L1, what was read of it, and the keys that are bound to it.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) l1: L1,
    pub(crate) archiver: ArchiverHandle,
    pub(crate) keystore: Arc<Keystore>,
}
