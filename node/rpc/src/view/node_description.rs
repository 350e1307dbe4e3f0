//! What `node_getNodeInfo` says, and the version headers that every answer carries.

use alloy_primitives::{Address, B256};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// Result of `node_getNodeInfo`.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/contract/interfaces/node-info.ts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// The official version whose behaviour this is: `4.1.2`.
    pub node_version: String,
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// Version number of the rollup.
    pub rollup_version: u64,
    /// Node record; absent without p2p.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enr: Option<String>,
    /// Contracts on L1.
    pub l1_contract_addresses: L1ContractAddresses,
    /// Contracts of the protocol on L2.
    pub protocol_contract_addresses: ProtocolContractAddresses,
    /// Whether transactions need real proofs.
    pub real_proofs: bool,
}

/// Contracts on L1. The optional ones are optional for the official client too.
///
/// Source: npm @aztec/ethereum 4.1.2, `src/l1_contract_addresses.ts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are the contracts' own")]
pub struct L1ContractAddresses {
    pub registry_address: Address,
    pub rollup_address: Address,
    pub inbox_address: Address,
    pub outbox_address: Address,
    pub fee_juice_address: Address,
    pub staking_asset_address: Address,
    pub fee_juice_portal_address: Address,
    pub coin_issuer_address: Address,
    pub reward_distributor_address: Address,
    pub governance_proposer_address: Address,
    pub governance_address: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slash_factory_address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee_asset_handler_address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staking_asset_handler_address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zk_passport_verifier_address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gse_address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_gated_relayer_address: Option<Address>,
}

/// Addresses that the protocol fixes on L2.
///
/// Source: npm @aztec/protocol-contracts 4.1.2, `src/protocol_contract_data.ts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are the contracts' own")]
pub struct ProtocolContractAddresses {
    pub class_registry: B256,
    pub fee_juice: B256,
    pub instance_registry: B256,
    pub multi_call_entrypoint: B256,
}

impl Default for ProtocolContractAddresses {
    fn default() -> Self {
        let address = B256::with_last_byte;
        Self {
            class_registry: address(3),
            fee_juice: address(5),
            instance_registry: address(2),
            multi_call_entrypoint: address(4),
        }
    }
}

/// What tells an official client that this node speaks its version. A client rejects an answer whose header differs from its own.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/versioning/versioning.ts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionHeaders {
    /// Official package version, `4.1.2`.
    pub package_version: String,
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// The rollup contract.
    pub l1_rollup_address: Address,
    /// Version number of the rollup.
    pub rollup_version: u64,
    /// Hash over the protocol contracts.
    pub l2_protocol_contracts_hash: B256,
    /// Root of the tree of circuit keys.
    pub l2_circuits_vk_tree_root: B256,
}

impl VersionHeaders {
    /// As HTTP headers, without what cannot be a header value.
    pub(crate) fn to_headers(&self) -> HeaderMap {
        let pairs = [
            ("x-aztec-packageversion", self.package_version.clone()),
            ("x-aztec-l1chainid", self.l1_chain_id.to_string()),
            ("x-aztec-l1rollupaddress", format!("{:#x}", self.l1_rollup_address)),
            ("x-aztec-rollupversion", self.rollup_version.to_string()),
            ("x-aztec-l2protocolcontractshash", format!("{:#x}", self.l2_protocol_contracts_hash)),
            ("x-aztec-l2circuitsvktreeroot", format!("{:#x}", self.l2_circuits_vk_tree_root)),
        ];
        let valid =
            |(name, value): (&'static str, String)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?));
        pairs.into_iter().filter_map(valid).collect()
    }
}
