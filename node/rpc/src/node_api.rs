//! The `node_*` methods that this replica can answer truthfully.

use serde_json::{Value, to_value};

use crate::envelope::Api;
use crate::server::{NodeDescription, Views};

/// Methods of the public port.
///
/// The official list has 55; those that need blocks with transactions, a pool or the world state are `Method not found` until
/// the part behind them exists. Source: npm @aztec/stdlib 4.1.2, `src/interfaces/aztec-node.ts`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NodeMethod {
    L2Tips,
    BlockNumber,
    ProvenBlockNumber,
    CheckpointedBlockNumber,
    CheckpointNumber,
    NodeInfo,
    Ready,
    Version,
    ChainId,
    NodeVersion,
    L1ContractAddresses,
    ProtocolContractAddresses,
    EncodedEnr,
}

/// The public API over the views.
pub(crate) struct NodeApi<'a>(pub(crate) &'a Views);

impl Api for NodeApi<'_> {
    type Method = NodeMethod;

    fn find(&self, namespace: &str, name: &str) -> Option<NodeMethod> {
        if namespace != "node" || self.0.node.is_none() {
            return None;
        }
        Some(match name {
            "getL2Tips" => NodeMethod::L2Tips,
            "getBlockNumber" => NodeMethod::BlockNumber,
            "getProvenBlockNumber" => NodeMethod::ProvenBlockNumber,
            "getCheckpointedBlockNumber" => NodeMethod::CheckpointedBlockNumber,
            "getCheckpointNumber" => NodeMethod::CheckpointNumber,
            "getNodeInfo" => NodeMethod::NodeInfo,
            "isReady" => NodeMethod::Ready,
            "getVersion" => NodeMethod::Version,
            "getChainId" => NodeMethod::ChainId,
            "getNodeVersion" => NodeMethod::NodeVersion,
            "getL1ContractAddresses" => NodeMethod::L1ContractAddresses,
            "getProtocolContractAddresses" => NodeMethod::ProtocolContractAddresses,
            "getEncodedEnr" => NodeMethod::EncodedEnr,
            _ => return None,
        })
    }

    fn call(&self, method: NodeMethod) -> Result<Option<Value>, serde_json::Error> {
        // Without it no method is found.
        let Some(NodeDescription { info: description, .. }) = &self.0.node else { return Ok(None) };
        let tips = || self.0.l2_tips.borrow();
        let value = match method {
            NodeMethod::L2Tips => to_value(*tips())?,
            NodeMethod::BlockNumber => to_value(tips().proposed.number)?,
            NodeMethod::ProvenBlockNumber => to_value(tips().proven.block.number)?,
            NodeMethod::CheckpointedBlockNumber => to_value(tips().checkpointed.block.number)?,
            NodeMethod::CheckpointNumber => to_value(tips().checkpointed.checkpoint.number)?,
            NodeMethod::NodeInfo => to_value(&**description)?,
            NodeMethod::Ready => Value::from(*self.0.ready.borrow()),
            NodeMethod::Version => Value::from(description.rollup_version),
            NodeMethod::ChainId => Value::from(description.l1_chain_id),
            NodeMethod::NodeVersion => Value::from(description.node_version.as_str()),
            NodeMethod::L1ContractAddresses => to_value(&description.l1_contract_addresses)?,
            NodeMethod::ProtocolContractAddresses => to_value(&description.protocol_contract_addresses)?,
            // Without p2p there is no record, and a void result has no `result` key.
            NodeMethod::EncodedEnr => return Ok(description.enr.as_deref().map(Value::from)),
        };
        Ok(Some(value))
    }
}
