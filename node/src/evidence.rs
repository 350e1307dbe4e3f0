//! Reads L1 for signatures of our attesters that are not ours (safety rule R10): somebody else holds a key.
//!
//! Every checkpoint that was ever proposed counts, whatever became of it: pruned, invalid, or gone with a reorg, its signatures were
//! made. So the scan reads logs and calldata by itself and does not follow the archiver's verdict. It begins behind the floor, where the
//! cluster's memory begins, and goes on with every L1 block. Each replica scans, through its own endpoints; what is foreign goes to the
//! leader, and the guard decides.

mod signature;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy_primitives::{Address, B256};
use ollin_archiver::{ArchiverHandle, recover_propose};
use ollin_consensus::{CommandError, Evidence, Phase, SeenSignature, Sighting, SigningLog};
use ollin_l1::{CheckpointProposed, L1, L1Block, L1Error, L1Head};
use ollin_protocol::units::{L1BlockNumber, Slot};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// L1 blocks in one request for logs.
const BATCH: u64 = 1_000;
/// How far is read again when the last block that was read is not on L1 any more.
const REWIND: u64 = 64;
/// Transactions that are remembered as read: those of the blocks that may be read again.
const READ: usize = 1_024;
/// Signatures that wait to be reported: more than a slot's committee.
const WAITING: usize = 1_024;

/// Scans for one replica.
pub(crate) struct EvidenceScan {
    log: SigningLog,
    l1: L1,
    archiver: ArchiverHandle,
    /// The last block that was read.
    read_to: Option<L1Block>,
    read: BTreeSet<(L1BlockNumber, B256)>,
    /// Foreign as far as this replica knows, and not taken in by the log yet.
    waiting: BTreeMap<(Address, Slot, B256), SeenSignature>,
    said: Option<String>,
}

impl EvidenceScan {
    /// A scan that has read nothing yet.
    pub(crate) fn new(log: SigningLog, l1: L1, archiver: ArchiverHandle) -> Self {
        Self { log, l1, archiver, read_to: None, read: BTreeSet::new(), waiting: BTreeMap::new(), said: None }
    }

    /// Scans until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = tick.tick() => {}
            }
            let look = async {
                if let Err(error) = self.read_on().await {
                    let error = error.to_string();
                    if self.said.as_ref() != Some(&error) {
                        tracing::warn!(error, "L1 is not read for foreign signatures: trying again");
                    }
                    self.said = Some(error);
                } else {
                    self.said = None;
                }
                self.report().await;
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = look => {}
            }
        }
    }

    /// Reads the blocks from the last read one to L1's head, as the archiver has seen it.
    async fn read_on(&mut self) -> Result<(), L1Error> {
        let Some(head) = self.archiver.view().borrow().l1_head else { return Ok(()) };
        let view = self.log.view();
        if view.phase != Phase::Open || view.halted.is_some() {
            return Ok(());
        }
        let ours: BTreeSet<Address> = self.log.attesters().into_iter().map(|(attester, _)| attester).collect();
        let mut from = self.next_block(&head, view.floor).await?;
        while from <= head.number {
            let to = from.saturating_add(BATCH - 1).min(head.number);
            // Before its logs: if the block is replaced in between, they are read again.
            let Some(block) = self.l1.block_at(to).await? else { return Ok(()) };
            for event in self.l1.checkpoints_proposed(from, to).await? {
                self.read_checkpoint(&event, &ours).await?;
            }
            self.read_to = Some(block);
            from = to.saturating_add(1);
        }
        Ok(())
    }

    /// The first block to read: behind the last read one, some way before it if that is gone, or where the memory begins.
    async fn next_block(&self, head: &L1Head, floor: Option<Slot>) -> Result<L1BlockNumber, L1Error> {
        let Some(read_to) = &self.read_to else {
            return self.first_block(head, floor.unwrap_or_default()).await;
        };
        let block = self.l1.block_at(read_to.number).await?;
        let is_there = block.is_some_and(|block| block.hash == read_to.hash);
        Ok(if is_there { read_to.number.saturating_add(1) } else { read_to.number.saturating_sub(REWIND) })
    }

    /// The first block that can carry a checkpoint of a slot above `floor`.
    async fn first_block(&self, head: &L1Head, floor: Slot) -> Result<L1BlockNumber, L1Error> {
        let first = self.l1.first_block_from(self.l1.schedule().slot_end(floor), head.number).await?;
        tracing::info!(from = %first, to = %head.number, %floor, "reading L1 for signatures of our attesters that are not ours");
        Ok(first)
    }

    async fn read_checkpoint(&mut self, event: &CheckpointProposed, ours: &BTreeSet<Address>) -> Result<(), L1Error> {
        let key = (event.l1_block, event.transaction);
        if self.read.contains(&key) {
            return Ok(());
        }
        let (checkpoint, transaction) = (event.checkpoint, event.transaction);
        let Some(found) = self.l1.transaction_by_hash(transaction).await? else {
            // Gone with a reorg: its block is read again.
            return Ok(());
        };
        match recover_propose(&found, self.l1.contracts().rollup, event) {
            Ok(call) => {
                let seen = Sighting::L1 { block: event.l1_block, transaction };
                for signature in signature::of_attesters(&call, seen, ours) {
                    self.take(signature);
                }
            }
            Err(error) => tracing::warn!(%checkpoint, %error, "the signatures of a checkpoint on L1 cannot be read"),
        }
        self.read.insert(key);
        while self.read.len() > READ {
            self.read.pop_first();
        }
        Ok(())
    }

    fn take(&mut self, signature: SeenSignature) {
        let Evidence { duty, root, .. } = signature.evidence();
        if self.log.no_evidence(signature.evidence()).is_none() && self.waiting.len() < WAITING {
            self.waiting.insert((duty.attester, duty.slot, *root.get()), signature);
        }
    }

    /// Reports what is still foreign. One proof is enough for an attester: the rest is dropped once it is frozen.
    async fn report(&mut self) {
        let frozen: BTreeSet<Address> =
            self.log.attesters().into_iter().filter(|(_, state)| state.frozen.is_some()).map(|(attester, _)| attester).collect();
        let log = &self.log;
        self.waiting
            .retain(|(attester, ..), signature| !frozen.contains(attester) && log.no_evidence(signature.evidence()).is_none());
        let mut reported = BTreeSet::new();
        for signature in self.waiting.values() {
            let Evidence { duty, root, seen } = signature.evidence();
            if !reported.insert(duty.attester) {
                continue;
            }
            match log.report_signature(*signature).await {
                Ok(()) => tracing::error!(%duty, %root, %seen, "a key of ours has signed elsewhere: its attester is frozen"),
                // This replica is behind; the next look sees the same.
                Err(CommandError::Rejected(rejection)) => tracing::debug!(%duty, %rejection, "no evidence"),
                Err(error) => tracing::warn!(%duty, %root, %error, "a foreign signature is not reported yet"),
            }
        }
    }
}
