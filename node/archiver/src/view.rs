//! What the rest of the replica sees.

use std::sync::Arc;

use ollin_l1::L1Head;
use ollin_protocol::field::Fr;
use ollin_protocol::units::CheckpointNumber;
use tokio::sync::watch;

use crate::error::ArchiverError;
use crate::record::{InvalidCheckpoint, StoredCheckpoint};
use crate::store::Store;
use crate::tip::{TipState, Tips};

/// The archiver after one look at L1. Everything in it belongs to one L1 block, except `l1_head`, which may be newer.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchiverView {
    /// The newest L1 block seen.
    pub l1_head: Option<L1Head>,
    /// The L1 block that everything here was read at; none before the first complete pass.
    pub synced_at: Option<L1Head>,
    /// The four tips.
    pub tips: Tips,
    /// The state to build on.
    pub tip: TipState,
    /// The checkpoint whose message tree the inbox is filling: every tree below is sealed.
    pub inbox_in_progress: CheckpointNumber,
    /// Checkpoints of L1's pending chain that were skipped as invalid, the first one first. Empty: the pending chain is valid.
    pub invalid: Vec<InvalidCheckpoint>,
    /// Why the archiver stands still in front of a checkpoint. It does not go on until L1 drops that checkpoint.
    pub fault: Option<String>,
    /// Why the last pass ended early; the next one tries again.
    pub last_error: Option<String>,
}

impl ArchiverView {
    /// Before anything was read.
    pub(crate) fn new(tip: TipState) -> Self {
        Self {
            l1_head: None,
            synced_at: None,
            tips: Tips::genesis(),
            tip,
            inbox_in_progress: CheckpointNumber::new(0),
            invalid: Vec::new(),
            fault: None,
            last_error: None,
        }
    }
}

/// The messages of one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTree {
    /// In order, unpadded.
    pub leaves: Vec<Fr>,
    /// Whether the inbox has closed the tree: only then may the checkpoint take it.
    pub is_sealed: bool,
}

/// Reads the archiver. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ArchiverHandle {
    pub(crate) store: Arc<Store>,
    pub(crate) view: watch::Receiver<Arc<ArchiverView>>,
}

impl ArchiverHandle {
    /// The view after each look at L1.
    pub fn view(&self) -> watch::Receiver<Arc<ArchiverView>> {
        self.view.clone()
    }

    /// The messages that a checkpoint must take, `None` as long as its tree is open or L1 has not been read.
    ///
    /// # Errors
    /// [`ArchiverError`] if the store cannot be read.
    pub fn messages(&self, checkpoint: CheckpointNumber) -> Result<Option<Vec<Fr>>, ArchiverError> {
        let tree = self.message_tree(checkpoint)?;
        Ok(tree.is_sealed.then_some(tree.leaves))
    }

    /// The messages of a checkpoint as of the L1 block of the view, sealed or not.
    ///
    /// # Errors
    /// [`ArchiverError`] if the store cannot be read.
    pub fn message_tree(&self, checkpoint: CheckpointNumber) -> Result<MessageTree, ArchiverError> {
        let is_sealed = checkpoint < self.view.borrow().inbox_in_progress;
        Ok(MessageTree { leaves: self.store.messages_of(checkpoint)?, is_sealed })
    }

    /// A checkpoint of the pending chain.
    ///
    /// # Errors
    /// [`ArchiverError`] if the store cannot be read.
    pub fn checkpoint(&self, number: CheckpointNumber) -> Result<Option<StoredCheckpoint>, ArchiverError> {
        self.store.checkpoint(number)
    }
}
