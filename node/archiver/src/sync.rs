//! One pass over L1: what the chain is at one L1 block.

use std::sync::Arc;

use alloy_primitives::B256;
use ollin_l1::{CheckpointProposed, L1, L1Block, L1Head, RollupStatus};
use ollin_protocol::field::Fr;
use ollin_protocol::propose::ProposeCall;
use ollin_protocol::schedule::Schedule;
use ollin_protocol::units::{CheckpointNumber, Epoch, L1BlockNumber};

use crate::calldata::recover_propose;
use crate::error::{ArchiverError, SyncError};
use crate::fault::Fault;
use crate::inbox::follow;
use crate::record::{InvalidCheckpoint, StoredCheckpoint, StoredMessage, SyncPoint};
use crate::store::Store;
use crate::tip::{Tip, TipState, Tips};
use crate::verification::{VerificationInputs, verify_checkpoint};

/// Checkpoints' worth of L1 blocks in one request for logs. Source: npm @aztec/archiver 4.1.2, `ARCHIVER_BATCH_SIZE`.
const BATCH_CHECKPOINTS: u64 = 100;
/// How far before the tip's L1 block logs are read again when the sync point is lost: a reorg may have moved the tip's own
/// transaction to an earlier block. Source: npm @aztec/archiver 4.1.2, `src/modules/l1_synchronizer.ts`.
const REWIND_BLOCKS: u64 = 64;

/// What a pass found out besides the tip.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    pub(crate) tips: Tips,
    pub(crate) inbox_in_progress: CheckpointNumber,
    pub(crate) invalid: Vec<InvalidCheckpoint>,
    pub(crate) fault: Option<String>,
}

/// How a logged checkpoint was judged.
enum Judged {
    /// Ours now.
    Stored,
    /// Not part of the chain at this L1 block, or known already.
    Ignored,
    /// Attestations that do not hold.
    Invalid,
    /// The archiver stands still.
    Faulty(Fault),
}

/// Brings the store in line with one L1 block after another.
#[derive(Debug)]
pub(crate) struct Synchronizer {
    l1: L1,
    store: Arc<Store>,
    schedule: Schedule,
    tip: TipState,
    /// The checkpoint in front of which the archiver stands, and why: it need not be fetched again.
    faulty: Option<(B256, String)>,
    proven: Tip,
    finalized: Tip,
}

impl Synchronizer {
    /// Goes on from what the store holds.
    pub(crate) fn new(l1: L1, store: Arc<Store>) -> Result<Self, ArchiverError> {
        let schedule = l1.schedule();
        let tip = tip_state(&store, &schedule, store.last_checkpoint()?)?;
        let genesis = Tip::genesis();
        Ok(Self { l1, store, schedule, tip, faulty: None, proven: genesis, finalized: genesis })
    }

    /// The state at the tip of the pending chain.
    pub(crate) fn tip(&self) -> &TipState {
        &self.tip
    }

    /// Reads everything that L1 says at `head`.
    pub(crate) async fn pass(&mut self, head: &L1Head) -> Result<Passed, SyncError> {
        let inbox_in_progress = self.sync_messages(head).await?;
        let status = self.unwind_to_common(head).await?;
        let next_l1_block = head.timestamp.saturating_add(self.schedule.ethereum_slot_duration);
        let is_prune_due = self.l1.can_prune_at(head.hash, next_l1_block).await?;
        // A due prune happens in the next proposal: the chain to build on is the proven one already now.
        let target = if is_prune_due { status.proven } else { status.pending };
        if self.tip.checkpoint > target {
            tracing::warn!(tip = %self.tip.checkpoint, proven = %status.proven, "unproven checkpoints are dropped: a prune is due");
            self.unwind(target)?;
        }
        let target_archive = if is_prune_due { status.proven_archive } else { status.pending_archive };
        let fault = if self.tip.archive_root() == target_archive { None } else { self.sync_checkpoints(head, target).await? };
        let invalid = self.settle_invalid(head).await?;
        self.check_complete(target, target_archive, &invalid, fault.is_some())?;
        self.follow_proven(&status).await?;
        Ok(Passed { tips: self.tips()?, inbox_in_progress, invalid, fault })
    }

    /// Brings the messages in line with the inbox; tells which tree it is filling.
    async fn sync_messages(&self, head: &L1Head) -> Result<CheckpointNumber, SyncError> {
        let state = self.l1.inbox_state(head.hash).await?;
        let mut last = self.store.last_message()?;
        let agrees = |last: &Option<StoredMessage>| {
            let (count, hash) = last.map(|message| (message.count, message.rolling_hash)).unwrap_or_default();
            count == state.total && hash == state.rolling_hash
        };
        if agrees(&last) {
            return Ok(state.in_progress);
        }
        while let Some(message) = last {
            // Messages in a block that is still on L1 are still in the inbox, and so are all before them.
            let block = self.l1.block_at(message.l1_block).await?;
            if block.is_some_and(|block| block.hash == message.l1_block_hash) && message.count <= state.total {
                break;
            }
            tracing::warn!(index = message.index, l1_block = %message.l1_block, "message dropped: its L1 block is gone");
            self.store.unwind_messages(message.index)?;
            last = self.store.message_before(message.index)?;
        }
        let mut from = last.map_or(self.l1.constants().l1_start_block, |message| message.l1_block);
        while !agrees(&last) && from <= head.number {
            let to = self.batch_end(from, head.number);
            let mut messages = Vec::new();
            for sent in self.l1.messages_sent(from, to).await? {
                if last.is_none_or(|message| message.index < sent.index) {
                    let message = follow(last.as_ref(), &sent)?;
                    messages.push(message);
                    last = Some(message);
                }
            }
            self.store.insert_messages(&messages)?;
            from = to.saturating_add(1);
        }
        if agrees(&last) {
            return Ok(state.in_progress);
        }
        let found = last.map_or(0, |message| message.count);
        // A hash that differs at the same count means that what is stored is of another fork: begin with it again.
        if let Some(message) = last.filter(|_| found >= state.total) {
            self.store.unwind_messages(message.index.saturating_sub(REWIND_BLOCKS))?;
        }
        Err(SyncError::MessagesMissing { expected: state.total, found })
    }

    /// Drops checkpoints from the tip down to the last one whose archive L1 still has: after a prune, an invalidation, a reorg.
    async fn unwind_to_common(&mut self, head: &L1Head) -> Result<RollupStatus, SyncError> {
        let status = self.l1.rollup_status(head.hash, self.tip.checkpoint).await?;
        if status.archive_of_asked == self.tip.archive_root() {
            return Ok(status);
        }
        let mut number = self.tip.checkpoint;
        loop {
            number = number.previous().ok_or(SyncError::Genesis)?;
            let expected = match self.store.checkpoint(number)? {
                Some(checkpoint) => checkpoint.archive.root,
                None => TipState::genesis().archive_root(),
            };
            if self.l1.archive_at(head.hash, number).await? == expected {
                break;
            }
        }
        tracing::warn!(from = %self.tip.checkpoint, to = %number, l1_block = %head.number, "checkpoints unwound: L1 dropped them");
        self.unwind(number)?;
        Ok(status)
    }

    fn unwind(&mut self, to: CheckpointNumber) -> Result<(), SyncError> {
        self.store.unwind_checkpoints(to)?;
        self.tip = tip_state(&self.store, &self.schedule, self.store.checkpoint(to)?)?;
        Ok(())
    }

    /// Reads the logs that have not been read yet and judges each checkpoint up to `target`.
    async fn sync_checkpoints(&mut self, head: &L1Head, target: CheckpointNumber) -> Result<Option<String>, SyncError> {
        let mut from = self.scan_start().await?;
        while from <= head.number {
            let to = self.batch_end(from, head.number);
            for event in self.l1.checkpoints_proposed(from, to).await? {
                if event.checkpoint > target {
                    continue;
                }
                if let Judged::Faulty(fault) = self.judge(head, &event).await? {
                    return Ok(Some(self.stand_still(&event, &fault)));
                }
            }
            from = to.saturating_add(1);
        }
        self.store.set_sync_point(Some(SyncPoint { block: head.number, hash: head.hash }))?;
        Ok(None)
    }

    /// The first L1 block whose logs have not been read, if the last one that has is still on L1; else some way before the tip.
    async fn scan_start(&self) -> Result<L1BlockNumber, SyncError> {
        let start = self.l1.constants().l1_start_block;
        if let Some(point) = self.store.sync_point()? {
            let block = self.l1.block_at(point.block).await?;
            if block.is_some_and(|block| block.hash == point.hash) {
                return Ok(point.block.saturating_add(1));
            }
        }
        let tip = self.store.checkpoint(self.tip.checkpoint)?;
        Ok(tip.map_or(start, |tip| tip.l1_block.saturating_sub(REWIND_BLOCKS).max(start)))
    }

    fn batch_end(&self, from: L1BlockNumber, head: L1BlockNumber) -> L1BlockNumber {
        let schedule = &self.schedule;
        let per_checkpoint = schedule.slot_duration.checked_div(schedule.ethereum_slot_duration).unwrap_or(1).max(1);
        from.saturating_add(BATCH_CHECKPOINTS.saturating_mul(per_checkpoint) - 1).min(head)
    }

    async fn judge(&mut self, head: &L1Head, event: &CheckpointProposed) -> Result<Judged, SyncError> {
        if event.checkpoint <= self.tip.checkpoint || self.l1.archive_at(head.hash, event.checkpoint).await? != event.archive {
            return Ok(Judged::Ignored);
        }
        // By payload, not by archive: a right checkpoint may claim the same archive as a wrong one.
        if let Some((payload_digest, reason)) = &self.faulty
            && *payload_digest == event.payload_digest
        {
            return Ok(Judged::Faulty(Fault::Known { reason: reason.clone() }));
        }
        if self.tip.checkpoint.next() != Some(event.checkpoint) {
            return self.skip_descendant(event);
        }
        let checkpoint = event.checkpoint;
        let transaction = self.l1.transaction_by_hash(event.transaction).await?;
        let transaction = transaction.ok_or(SyncError::TransactionMissing { checkpoint, transaction: event.transaction })?;
        let call = match recover_propose(&transaction, self.l1.contracts().rollup, event) {
            Ok(call) => call,
            Err(source) => return Ok(Judged::Faulty(Fault::Calldata { checkpoint, source })),
        };
        if let Some(reason) = self.attestation_fault(head.hash, &call).await? {
            tracing::warn!(%checkpoint, slot = %call.args.header.slot, reason, "checkpoint skipped: its attestations are not valid");
            self.remember_invalid(event, Some(&call), reason)?;
            return Ok(Judged::Invalid);
        }
        self.verify(event, call).await
    }

    /// What is wrong with a checkpoint's attestations, if anything.
    ///
    /// Source: npm @aztec/archiver 4.1.2, `src/modules/validation.ts`.
    async fn attestation_fault(&self, block: B256, call: &ProposeCall) -> Result<Option<String>, SyncError> {
        let slot = call.args.header.slot;
        if self.l1.escape_hatch_open(block, self.schedule.epoch_of(slot)).await? {
            return Ok(None);
        }
        let committee = self.l1.committee(slot).await?;
        let fault = call.attestations.validate(&committee, &call.args.attestation_root()).err();
        Ok(fault.map(|fault| fault.to_string()))
    }

    /// Executes the checkpoint on our state, compares, stores.
    async fn verify(&mut self, event: &CheckpointProposed, call: ProposeCall) -> Result<Judged, SyncError> {
        let (checkpoint, slot) = (event.checkpoint, call.args.header.slot);
        let block = self.l1.block_at(event.l1_block).await?.filter(|block| block.hash == event.l1_block_hash);
        let block: L1Block = block.ok_or(SyncError::BlockGone { checkpoint, block: event.l1_block })?;
        let constants = self.l1.constants();
        let epoch = self.schedule.epoch_of(slot);
        let inputs = VerificationInputs {
            checkpoint,
            block: self.tip.block.saturating_add(1),
            chain_id: constants.chain_id,
            rollup_version: constants.rollup_version,
            slot_start: self.schedule.slot_start(slot),
            args: call.args,
            versioned_blob_hashes: event.versioned_blob_hashes.clone(),
            blobs: self.l1.blobs(&block, &event.versioned_blob_hashes).await?,
            parent: self.tip.chain.clone(),
            messages: self.store.messages_of(checkpoint)?,
            previous_out_hashes: self.tip.previous_out_hashes(epoch),
        };
        // Trees and commitments take some 20 ms, far more in an unoptimised build: not on the runtime's threads.
        let executed = tokio::task::spawn_blocking(move || verify_checkpoint(&inputs)).await;
        let built = match executed.map_err(|_| SyncError::Interrupted { checkpoint })? {
            Ok(built) => built,
            Err(fault) => return Ok(Judged::Faulty(fault)),
        };
        let stored = StoredCheckpoint {
            number: checkpoint,
            header: built.header,
            archive: built.archive,
            block_header: built.block_header,
            block_hash: built.block_hash,
            out_hash: built.out_hash,
            fee_asset_price_modifier: call.args.fee_asset_price_modifier,
            attestations: call.attestations,
            signers: call.signers,
            l1_block: block.number,
            l1_block_hash: block.hash,
            l1_timestamp: block.timestamp,
            transaction: event.transaction,
            state: built.state,
        };
        self.store.insert_checkpoint(&stored)?;
        self.advance(&stored, epoch);
        tracing::info!(%checkpoint, %slot, l1_block = %block.number, block_hash = %stored.block_hash, "checkpoint verified");
        Ok(Judged::Stored)
    }

    fn advance(&mut self, stored: &StoredCheckpoint, epoch: Epoch) {
        let mut epoch_out_hashes = self.tip.previous_out_hashes(epoch);
        epoch_out_hashes.push(stored.out_hash);
        self.tip = TipState {
            checkpoint: stored.number,
            block: stored.block(),
            slot: Some(stored.slot()),
            chain: stored.state.clone(),
            epoch_out_hashes,
            epoch: Some(epoch),
        };
        self.faulty = None;
    }

    /// A checkpoint that does not follow ours stands on one that was skipped, or logs are missing.
    fn skip_descendant(&self, event: &CheckpointProposed) -> Result<Judged, SyncError> {
        let skipped = self.store.invalid_checkpoints()?;
        let Some(ancestor) = skipped.iter().find(|invalid| invalid.number < event.checkpoint) else {
            return Err(SyncError::CheckpointsMissing { expected: event.checkpoint, found: self.tip.checkpoint });
        };
        let reason = format!("stands on checkpoint {}, which is invalid", ancestor.number);
        self.remember_invalid(event, None, reason)?;
        Ok(Judged::Invalid)
    }

    fn remember_invalid(&self, event: &CheckpointProposed, call: Option<&ProposeCall>, reason: String) -> Result<(), SyncError> {
        metrics::counter!("ollin_archiver_invalid_checkpoints_total").increment(1);
        self.store.insert_invalid(&InvalidCheckpoint {
            number: event.checkpoint,
            archive: event.archive,
            slot: call.map(|call| call.args.header.slot),
            reason,
            l1_block: event.l1_block,
            transaction: event.transaction,
        })?;
        Ok(())
    }

    fn stand_still(&mut self, event: &CheckpointProposed, fault: &Fault) -> String {
        let reason = fault.to_string();
        self.faulty = Some((event.payload_digest, reason.clone()));
        reason
    }

    /// Forgets invalid checkpoints that L1 has dropped since; gives those that are still in its pending chain.
    async fn settle_invalid(&self, head: &L1Head) -> Result<Vec<InvalidCheckpoint>, SyncError> {
        let mut remaining = Vec::new();
        for invalid in self.store.invalid_checkpoints()? {
            // The same checkpoint may have come again with valid attestations, and is ours then.
            let is_replaced = invalid.number <= self.tip.checkpoint;
            if !is_replaced && self.l1.archive_at(head.hash, invalid.number).await? == invalid.archive {
                remaining.push(invalid);
            } else {
                self.store.remove_invalid(&invalid)?;
            }
        }
        Ok(remaining)
    }

    /// Everything that L1 has is ours, or there is a known reason why not.
    fn check_complete(
        &self,
        target: CheckpointNumber,
        target_archive: Fr,
        invalid: &[InvalidCheckpoint],
        is_faulty: bool,
    ) -> Result<(), SyncError> {
        if self.tip.archive_root() == target_archive || is_faulty || !invalid.is_empty() {
            return Ok(());
        }
        // Logs behind the sync point are missing: the next pass reads them again from before the tip.
        self.store.set_sync_point(None)?;
        Err(SyncError::CheckpointsMissing { expected: target, found: self.tip.checkpoint })
    }

    /// The proven tip, believed if its archive is ours; the finalized one, as far as it is proven here.
    async fn follow_proven(&mut self, status: &RollupStatus) -> Result<(), SyncError> {
        if let Some(proven) = self.tip_at(status.proven, Some(status.proven_archive))? {
            self.proven = proven;
        } else if self.proven.checkpoint > self.tip.checkpoint {
            self.proven = self.tip_at(self.tip.checkpoint, None)?.unwrap_or(self.proven);
        }
        // An endpoint without that history refuses: the tip then stays where it was.
        let finalized = match self.l1.proven_at_finalized().await {
            Ok(number) => number.min(self.proven.checkpoint),
            Err(error) => {
                tracing::debug!(%error, "finalized tip not read");
                self.finalized.checkpoint.min(self.proven.checkpoint)
            }
        };
        if let Some(finalized) = self.tip_at(finalized, None)? {
            self.finalized = finalized;
        }
        Ok(())
    }

    /// A tip of ours, if we have that checkpoint and its archive is the expected one.
    fn tip_at(&self, number: CheckpointNumber, archive: Option<Fr>) -> Result<Option<Tip>, SyncError> {
        if number == CheckpointNumber::new(0) {
            return Ok(Some(Tip::genesis()));
        }
        let stored = self.store.checkpoint(number)?;
        Ok(stored.filter(|stored| archive.is_none_or(|archive| stored.archive.root == archive)).as_ref().map(Tip::of))
    }

    fn tips(&self) -> Result<Tips, SyncError> {
        let checkpointed = self.tip_at(self.tip.checkpoint, None)?.unwrap_or_else(Tip::genesis);
        Ok(Tips { proposed: checkpointed, checkpointed, proven: self.proven, finalized: self.finalized })
    }
}

/// The state at a stored checkpoint, or at genesis.
fn tip_state(store: &Store, schedule: &Schedule, checkpoint: Option<StoredCheckpoint>) -> Result<TipState, ArchiverError> {
    let Some(checkpoint) = checkpoint else {
        return Ok(TipState::genesis());
    };
    let epoch = schedule.epoch_of(checkpoint.slot());
    let mut epoch_out_hashes = vec![checkpoint.out_hash];
    let mut number = checkpoint.number;
    while let Some(previous) = number.previous() {
        match store.checkpoint(previous)? {
            Some(earlier) if schedule.epoch_of(earlier.slot()) == epoch => epoch_out_hashes.push(earlier.out_hash),
            Some(_) | None => break,
        }
        number = previous;
    }
    epoch_out_hashes.reverse();
    Ok(TipState {
        checkpoint: checkpoint.number,
        block: checkpoint.block(),
        slot: Some(checkpoint.slot()),
        chain: checkpoint.state,
        epoch_out_hashes,
        epoch: Some(epoch),
    })
}
