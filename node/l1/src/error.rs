//! What can go wrong when L1 is read.

use alloy::primitives::Address;
use alloy::transports::{RpcError, TransportError};

use crate::pool::PoolExhausted;
use crate::revert::Revert;

/// Why a reading of L1 failed, split by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum L1Error {
    /// No endpoint answered: try again later.
    #[error(transparent)]
    Unreachable(#[from] PoolExhausted),
    /// The contract refused the call.
    #[error("{call} reverted: {revert}")]
    Reverted {
        /// Contract and function.
        call: &'static str,
        /// The decoded refusal.
        revert: Revert,
    },
    /// The endpoint answered with a JSON-RPC error that is not a revert.
    #[error("L1 endpoint answered error {code}: {message}")]
    Rpc {
        /// JSON-RPC error code.
        code: i64,
        /// Its message.
        message: String,
    },
    /// An answer that is not what the call promises. Another endpoint may do better.
    #[error("malformed answer of L1 to {call}: {reason}")]
    Malformed {
        /// What was asked.
        call: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// There is no code where a contract should be.
    #[error(
        "no contract at {address} ({what}) on chain {chain_id}; check the address and that ETHEREUM_HOSTS is the right network"
    )]
    NoContract {
        /// Which contract was expected.
        what: &'static str,
        /// Where.
        address: Address,
        /// On which chain.
        chain_id: u64,
    },
    /// The contract at the registry's address does not answer as a registry.
    #[error("the contract at {address} is not a registry of Aztec rollups ({reason}); check REGISTRY_CONTRACT_ADDRESS")]
    NotARegistry {
        /// The configured address.
        address: Address,
        /// Its answer.
        reason: String,
    },
    /// The registry has no such rollup.
    #[error("the registry at {registry} has no rollup of version or index {version}; check ROLLUP_VERSION")]
    NoSuchRollup {
        /// The registry.
        registry: Address,
        /// The configured version.
        version: u64,
    },
    /// The configuration names no endpoint, or the HTTP client cannot be made.
    #[error("L1 client cannot be made: {reason}")]
    Setup {
        /// Why.
        reason: String,
    },
}

impl L1Error {
    /// The decoded refusal, if the contract refused.
    pub fn revert(&self) -> Option<&Revert> {
        match self {
            Self::Reverted { revert, .. } => Some(revert),
            Self::Unreachable(_)
            | Self::Rpc { .. }
            | Self::Malformed { .. }
            | Self::NoContract { .. }
            | Self::NotARegistry { .. }
            | Self::NoSuchRollup { .. }
            | Self::Setup { .. } => None,
        }
    }

    /// Turns a transport's error into ours; `call` names what was asked.
    pub(crate) fn from_transport(call: &'static str, error: TransportError) -> Self {
        match error {
            RpcError::ErrorResp(payload) => match payload.as_revert_data() {
                Some(bytes) => Self::Reverted { call, revert: Revert::decode(&bytes) },
                None => Self::Rpc { code: payload.code, message: payload.message.into_owned() },
            },
            RpcError::Transport(kind) => match PoolExhausted::of(&kind) {
                Some(exhausted) => Self::Unreachable(exhausted),
                None => Self::Malformed { call, reason: kind.to_string() },
            },
            other @ (RpcError::NullResp
            | RpcError::UnsupportedFeature(_)
            | RpcError::LocalUsageError(_)
            | RpcError::SerError(_)
            | RpcError::DeserError { .. }) => Self::Malformed { call, reason: other.to_string() },
        }
    }
}
