//! The part of the official `nodeAdmin_getConfig` that exists here.

use serde::{Deserialize, Serialize};

/// Settings under their official names. Nothing secret belongs here.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/interfaces/configs.ts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdminConfig {
    /// Transactions that a block needs, unless an empty checkpoint may be built.
    pub min_txs_per_block: u64,
    /// Whether a slot without transactions gets a checkpoint.
    pub build_checkpoint_if_empty: bool,
    /// Seconds of a slot reserved for inclusion on L1.
    pub l1_publishing_time: u64,
    /// Seconds one message takes between peers.
    pub attestation_propagation_time: u64,
}
