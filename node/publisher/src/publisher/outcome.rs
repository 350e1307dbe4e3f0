//! What became of recorded attempts on L1: which of them was mined, and whether it is final.

use alloy::primitives::{Address, B256};
use ollin_consensus::{AttemptContent, Outcome, RecordedAttempt};
use ollin_l1::{L1Error, Receipt};

use super::{Publisher, StepError};
use crate::origin;

/// Looks without a receipt of ours at a spent nonce before it counts as a foreign spend (receipts may lag the count).
const FOREIGN_AFTER_LOOKS: u32 = 30;

impl Publisher {
    /// Finds out which attempt was mined at a spent nonce and records it; `None` if the nonce went to a foreign transaction.
    pub(super) async fn resolve(
        &mut self,
        publisher: Address,
        open: &[RecordedAttempt],
    ) -> Result<Option<(RecordedAttempt, Receipt)>, StepError> {
        let Some(nonce) = open.first().map(|attempt| attempt.request.nonce) else {
            return Ok(None);
        };
        let mut unsigned = false;
        for attempt in open.iter().rev() {
            let hash = match self.hash_of(attempt).await {
                Ok(hash) => hash,
                Err(error) if error.is_for_good() => {
                    tracing::debug!(%publisher, nonce, attempt = attempt.number, %error, "a spent attempt is not signed again");
                    unsigned = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(receipt) = self.l1.receipt(hash).await? {
                return self.mined(attempt, receipt).await.map(Some);
            }
        }
        if unsigned && let Some((attempt, receipt)) = self.by_nonce(publisher, nonce, open).await? {
            return self.mined(attempt, receipt).await.map(Some);
        }
        let looks = self.unresolved.entry(publisher).or_default();
        *looks = looks.saturating_add(1);
        if *looks < FOREIGN_AFTER_LOOKS {
            return Err(StepError::Unresolved { nonce });
        }
        tracing::error!(%publisher, nonce, "a transaction that is not known as ours spent the nonce: is the publisher's key used elsewhere?");
        self.log.record_outcome(Outcome::ForeignSpend { publisher, nonce }, self.deadline()).await?;
        self.unresolved.remove(&publisher);
        Ok(None)
    }

    /// The hash of a recorded attempt's transaction: signed again, to the same bytes.
    async fn hash_of(&self, attempt: &RecordedAttempt) -> Result<B256, StepError> {
        let AttemptContent::Bundle { duty } = attempt.request.content else {
            return Err(StepError::NoBundle);
        };
        let material = self.material(duty).await?;
        let grant = self.log.reissue_attempt(attempt.request.publisher, attempt.request.nonce, attempt.number).await?;
        Ok(self.sign(&material, grant)?.hash)
    }

    /// The recorded attempt that spent a nonce, where it may not be signed again: found on L1 by the nonce itself.
    async fn by_nonce<'a>(
        &self,
        publisher: Address,
        nonce: u64,
        open: &'a [RecordedAttempt],
    ) -> Result<Option<(&'a RecordedAttempt, Receipt)>, StepError> {
        let spent = match self.l1.spent_nonce(publisher, nonce).await {
            Ok(spent) => spent,
            // An endpoint that keeps no old state never will: what spent the nonce stays unknown.
            Err(error @ L1Error::Rpc { .. }) => {
                tracing::warn!(%publisher, nonce, %error, "who spent the nonce cannot be read: an archive node could tell");
                None
            }
            Err(error) => return Err(error.into()),
        };
        let Some(spent) = spent else { return Ok(None) };
        let Some(attempt) = origin::of_attempts(open, self.l1.contracts().multicall, &spent) else { return Ok(None) };
        let receipt = self.l1.receipt(spent.transaction).await?;
        Ok(receipt.map(|receipt| (attempt, receipt)))
    }

    /// Records that an attempt was mined.
    async fn mined(&mut self, attempt: &RecordedAttempt, receipt: Receipt) -> Result<(RecordedAttempt, Receipt), StepError> {
        let (publisher, nonce) = (attempt.request.publisher, attempt.request.nonce);
        let (tx_hash, l1_block, l1_block_hash) = (receipt.transaction, receipt.block, receipt.block_hash);
        let mined = Outcome::Mined { publisher, nonce, tx_hash, l1_block, l1_block_hash };
        self.log.record_outcome(mined, self.deadline()).await?;
        self.unresolved.remove(&publisher);
        Ok((*attempt, receipt))
    }

    /// Follows what was mined until it is final, and open nonces that no job looks after.
    pub(super) async fn settle_all(&mut self) {
        let busy = self.job.as_ref().map(|job| job.material.publisher);
        for publisher in self.keystore.publishers() {
            if let Err(error) = self.settle(publisher, busy == Some(publisher)).await {
                tracing::debug!(%publisher, %error, "outcomes not read");
            }
        }
    }

    async fn settle(&mut self, publisher: Address, busy: bool) -> Result<(), StepError> {
        let state = self.log.publisher_state(publisher);
        if let (Some(open), false) = (state.open.first(), busy) {
            let count = self.l1.transaction_count(publisher).await?;
            if count > open.request.nonce {
                self.resolve(publisher, &state.open).await?;
            }
        }
        if state.mined.is_empty() {
            return Ok(());
        }
        let (finalized, count) = (self.l1.finalized().await?, self.l1.transaction_count(publisher).await?);
        for mined in &state.mined {
            let (nonce, deadline) = (mined.nonce, self.deadline());
            match self.l1.receipt(mined.at.tx_hash).await? {
                Some(receipt) if receipt.block <= finalized.number => {
                    self.log.record_outcome(Outcome::Settled { publisher, nonce }, deadline).await?;
                }
                // No receipt and the nonce unspent: two readings say that L1 took it back. If both lag, it is found mined again.
                None if count <= nonce => {
                    tracing::warn!(%publisher, nonce, "a mined attempt is gone from L1: its nonce is open again");
                    self.log.record_outcome(Outcome::Reorged { publisher, nonce }, deadline).await?;
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}
