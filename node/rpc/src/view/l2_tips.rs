//! The four tips of the L2 chain.

use alloy_primitives::B256;
use ollin_protocol::units::{BlockNumber, CheckpointNumber};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

/// Result of `node_getL2Tips`.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/block/l2_block_source.ts`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct L2Tips {
    /// The last block known, on L1 or not.
    pub proposed: BlockRef,
    /// The last checkpoint with a proof on L1.
    pub proven: CheckpointTip,
    /// The last proven checkpoint that L1 cannot undo.
    pub finalized: CheckpointTip,
    /// The last checkpoint on L1.
    pub checkpointed: CheckpointTip,
}

/// A block by height and hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRef {
    /// Height.
    pub number: BlockNumber,
    /// Hash of its header.
    pub hash: B256,
}

/// A checkpoint by height and hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRef {
    /// Height.
    pub number: CheckpointNumber,
    /// Hash of its header.
    pub hash: B256,
}

/// A tip that stands at the end of a checkpoint.
///
/// It is written twice: `number` and `hash` at the top as the operators' guide reads them (`.result.proven.number`), and
/// `block` and `checkpoint` as 4.1.2 does. The official client's schema ignores the first two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct CheckpointTip {
    /// The checkpoint's last block.
    pub block: BlockRef,
    /// The checkpoint.
    pub checkpoint: CheckpointRef,
}

impl Serialize for CheckpointTip {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tip = serializer.serialize_struct("CheckpointTip", 4)?;
        tip.serialize_field("number", &self.block.number)?;
        tip.serialize_field("hash", &self.block.hash)?;
        tip.serialize_field("block", &self.block)?;
        tip.serialize_field("checkpoint", &self.checkpoint)?;
        tip.end()
    }
}
