//! What a cluster is bound to, and how far it has come in being set up.

use std::collections::BTreeSet;
use std::fmt;

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

/// The chain, the rollup and the attesters that a cluster signs for. Chain and rollup are bound once and never change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// L1 chain id.
    pub chain_id: u64,
    /// The rollup contract.
    pub rollup: Address,
    /// The attesters.
    pub attesters: BTreeSet<Address>,
}

/// How far the one way in has been walked: `Bind`, at most one `Import`, `Open`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing is bound yet.
    #[default]
    Unbound,
    /// Chain, rollup and attesters are bound; an import may follow.
    Bound,
    /// The records of an earlier signer are taken over.
    Imported,
    /// Claims are decided.
    Open,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unbound => "unbound",
            Self::Bound => "bound",
            Self::Imported => "imported",
            Self::Open => "open",
        })
    }
}
