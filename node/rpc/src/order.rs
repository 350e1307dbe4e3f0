//! Orders about leadership, as the admin port takes them at `POST /cluster/leadership`.

use ollin_protocol::units::ReplicaId;
use serde::{Deserialize, Serialize};

/// What an operator orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum LeadershipOrder {
    /// The leader hands over.
    Transfer {
        /// To whom; to the best voter if nobody is named.
        to: Option<ReplicaId>,
    },
    /// A replica does not lead any more, or may again.
    Drain {
        /// Which; the one that is asked if none is named.
        replica: Option<ReplicaId>,
        /// Whether a drain is taken back.
        undo: bool,
    },
    /// The replica that is asked, which recovers, is not to wait for another one that is down (safety rules R6, R7).
    ProceedWithout {
        /// Which one is down.
        replica: ReplicaId,
    },
}

/// An order was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderDone {
    /// Who leads now, if anybody is known to.
    pub leader: Option<ReplicaId>,
    /// A replica was drained and leads all the same, for no other one could.
    pub still_leads: bool,
    /// For a person.
    pub message: String,
}
