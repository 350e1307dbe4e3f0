//! What a replica does that hears that its cluster was retired (safety rule R12): it stops, and stays stopped.

use std::sync::{Arc, Weak};

use ollin_protocol::units::ReplicaId;
use serde::{Deserialize, Serialize};

use crate::halt::Halt;
use crate::store::Database;

/// Another cluster goes on in the place of this replica's. Kept in the store, so that a restart does not forget it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error(
    "cluster {} was retired: it lost its quorum, and goes on as cluster {} (replica {said_by} says so). This replica is of the \
     retired one and takes no part any more. To take its host in again: stop it, lay its store aside (`ollin cluster discard`), \
     give it the new cluster's cluster.json, start it, and `ollin cluster add` on a member of the new cluster",
    hex::encode(.cluster),
    hex::encode(.by)
)]
pub(crate) struct Retired {
    /// The retired cluster: the one of this store.
    pub(crate) cluster: [u8; 16],
    /// The one that goes on.
    pub(crate) by: [u8; 16],
    /// The member that said so. It was dialled, and showed the certificate that the membership records for it.
    pub(crate) said_by: ReplicaId,
}

/// Where it is kept. Clones are the same place.
#[derive(Clone, Default)]
pub(crate) struct RetiredMark {
    /// Not kept open by this: the store closes when Raft ends.
    database: Weak<Database>,
}

impl RetiredMark {
    pub(crate) fn new(database: &Arc<Database>) -> Self {
        Self { database: Arc::downgrade(database) }
    }

    /// Stops this replica, now and after every restart.
    pub(crate) fn set(&self, retired: Retired, halt: &Halt) {
        halt.halt(retired.to_string());
        let Some(database) = self.database.upgrade() else { return };
        if let Err(error) = database.retire(&retired) {
            tracing::error!(%error, "it cannot be written down that the cluster was retired: after a restart it must be heard again");
        }
    }
}
