//! Where the chain stands.

use ollin_protocol::chain::ChainState;
use ollin_protocol::field::Fr;
use ollin_protocol::header::CheckpointHeader;
use ollin_protocol::units::{BlockNumber, CheckpointNumber, Epoch, Slot};

use crate::record::StoredCheckpoint;

/// Hash of the genesis block's header. Source: npm @aztec/constants 4.1.2, `GENESIS_BLOCK_HEADER_HASH`.
const GENESIS_BLOCK_HASH: &str = "0x2ff681dd7730c7b9e5650c70afa57ee81377792dfc95d98c11817b8c761ff965";

/// One tip, as `node_getL2Tips` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Height of the block.
    pub block: BlockNumber,
    /// Hash of its header.
    pub block_hash: Fr,
    /// The checkpoint that it ends.
    pub checkpoint: CheckpointNumber,
    /// Hash of the checkpoint's header.
    pub checkpoint_hash: Fr,
}

impl Tip {
    /// Before the first block.
    ///
    /// Source: npm @aztec/stdlib 4.1.2, `src/block/l2_block_source.ts`.
    pub fn genesis() -> Self {
        Self {
            block: BlockNumber::new(0),
            block_hash: GENESIS_BLOCK_HASH.parse().unwrap_or_default(),
            checkpoint: CheckpointNumber::new(0),
            checkpoint_hash: CheckpointHeader::default().hash(),
        }
    }

    /// After a stored checkpoint.
    pub(crate) fn of(checkpoint: &StoredCheckpoint) -> Self {
        Self {
            block: checkpoint.block(),
            block_hash: checkpoint.block_hash,
            checkpoint: checkpoint.number,
            checkpoint_hash: checkpoint.header.hash(),
        }
    }
}

/// The four tips. Never decreasing from proposed to finalized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tips {
    /// Newest block known; as long as there is no gossip, that of L1.
    pub proposed: Tip,
    /// On L1, pending.
    pub checkpointed: Tip,
    /// Proven on L1.
    pub proven: Tip,
    /// Proven in a finalized block of L1.
    pub finalized: Tip,
}

impl Tips {
    /// Before the first block.
    pub fn genesis() -> Self {
        let genesis = Tip::genesis();
        Self { proposed: genesis, checkpointed: genesis, proven: genesis, finalized: genesis }
    }
}

/// The state at the tip of the pending chain: what the next checkpoint is built on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TipState {
    /// Number of the last checkpoint; 0 at genesis.
    pub checkpoint: CheckpointNumber,
    /// Number of the last block; 0 at genesis.
    pub block: BlockNumber,
    /// Slot of the last checkpoint; none at genesis.
    pub slot: Option<Slot>,
    /// The trees after it.
    pub chain: ChainState,
    /// Own out hashes of the pending chain's checkpoints in [`Self::epoch`], in order.
    pub epoch_out_hashes: Vec<Fr>,
    /// Epoch of the last checkpoint; none at genesis.
    pub epoch: Option<Epoch>,
}

impl TipState {
    /// Before the first checkpoint.
    pub fn genesis() -> Self {
        Self {
            checkpoint: CheckpointNumber::new(0),
            block: BlockNumber::new(0),
            slot: None,
            chain: ChainState::genesis(),
            epoch_out_hashes: Vec::new(),
            epoch: None,
        }
    }

    /// Own out hashes of the checkpoints that precede the next one in `epoch`: none if the tip is of an earlier epoch.
    pub fn previous_out_hashes(&self, epoch: Epoch) -> Vec<Fr> {
        if self.epoch == Some(epoch) { self.epoch_out_hashes.clone() } else { Vec::new() }
    }

    /// Archive root at the tip.
    pub fn archive_root(&self) -> Fr {
        self.chain.archive().root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genesis_is_the_official_one() {
        let expected = "21694244557328181932449230888455310614586084993178835904749768133365362325861";
        assert_eq!(Tip::genesis().block_hash.to_u256().to_string(), expected);
    }

    #[test]
    fn out_hashes_of_another_epoch_do_not_precede() {
        let tip = TipState { epoch: Some(Epoch::new(3)), epoch_out_hashes: vec![Fr::ZERO; 2], ..TipState::genesis() };
        assert_eq!(tip.previous_out_hashes(Epoch::new(3)).len(), 2);
        assert_eq!(tip.previous_out_hashes(Epoch::new(4)), []);
        assert_eq!(TipState::genesis().previous_out_hashes(Epoch::new(0)), []);
    }
}
