//! Commands that the admin port hands to the binary.

use alloy_primitives::Address;
use ollin_protocol::units::Slot;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::duties::{DutiesReply, DutiesRequest};
use crate::order::{LeadershipOrder, OrderReply};

/// Where the outcome of a creation goes.
pub type CreateReply = oneshot::Sender<Result<ClusterCreated, CreationRefused>>;

/// Something an operator asks of the running replica. Sent over a bounded channel; whoever receives it answers on `reply`.
#[derive(Debug)]
pub enum AdminCommand {
    /// Make the cluster: membership from its file, chain, rollup and attesters bound, the first floor written (safety R9).
    CreateCluster {
        /// Answered once, with what was made or why nothing was.
        reply: CreateReply,
    },
    /// Duties: list, export, import, missed ones, attesters that come and go.
    Duties {
        /// What is asked.
        request: DutiesRequest,
        /// Answered once.
        reply: DutiesReply,
    },
    /// Move leadership, or keep it away from a replica.
    Leadership {
        /// What is ordered.
        order: LeadershipOrder,
        /// Answered once.
        reply: OrderReply,
    },
}

/// A cluster that now exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterCreated {
    /// Its id.
    pub cluster_id: String,
    /// Nothing new is bound at or below this slot.
    pub floor: Slot,
    /// The attesters it signs for.
    pub attesters: Vec<Address>,
}

/// Why no cluster was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct CreationRefused {
    /// For programs: `exists`, `unreachable`, `unbound`, ... chosen by the binary; `busy`, `stopping` and `unknown` by this crate.
    pub code: String,
    /// For a person: what is wrong and what to do.
    pub message: String,
}
