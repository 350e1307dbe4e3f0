//! What a sync makes durable: read before it, told to the recovery after it and before anybody who waits is released.

use std::io;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::chain::ChainIndex;
use crate::raft::VoteRecord;
use crate::recovery::{Promise, Recovery};

/// Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Durable {
    chain: Arc<RwLock<ChainIndex>>,
    /// The vote as it was last written.
    vote: Arc<RwLock<Option<VoteRecord>>>,
    recovery: Recovery,
}

impl Durable {
    pub(crate) fn new(chain: Arc<RwLock<ChainIndex>>, recovery: Recovery) -> Self {
        let vote = Arc::new(RwLock::new(recovery.promise().vote));
        Self { chain, vote, recovery }
    }

    pub(super) fn vote_written(&self, vote: VoteRecord) {
        *self.vote.write() = Some(vote);
    }

    /// What a sync that starts now will have made durable when it is done.
    pub(super) fn written(&self) -> Promise {
        Promise { vote: *self.vote.read(), last: self.chain.read().last_promised() }
    }

    /// A sync is done that started at `written`.
    pub(super) fn synced(&self, written: Promise) -> io::Result<()> {
        // Held until the anchor is written: it must not name an entry that is cut meanwhile.
        let chain = self.chain.read();
        let kept = written.last.is_some_and(|last| chain.at(last.index) == Some(last));
        let last = if kept { written.last } else { chain.last_promised() };
        self.recovery.synced(Promise { last, ..written })
    }

    /// The log is about to be cut, by whoever holds the lock of `chain`: the anchor may not be ahead of the disk at any moment.
    pub(super) fn cut(&self, chain: &ChainIndex, first_gone: u64) -> io::Result<()> {
        let durable = self.recovery.promise();
        if durable.last.is_none_or(|last| last.index < first_gone) {
            return Ok(());
        }
        let left = first_gone.checked_sub(1).and_then(|index| chain.at(index));
        self.recovery.synced(Promise { last: left, ..durable })
    }
}
