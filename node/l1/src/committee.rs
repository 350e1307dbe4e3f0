//! Committees, proposers and the questions that a proposer asks the rollup.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256};
use ollin_protocol::field::Fr;
use ollin_protocol::units::{CheckpointNumber, Epoch, Slot};

use crate::client::L1;
use crate::contract::IRollup;
use crate::discovery::small;
use crate::error::L1Error;

/// The rollup would take a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposable {
    /// The slot at the time that was asked about.
    pub slot: Slot,
    /// The number that the checkpoint would get.
    pub checkpoint: CheckpointNumber,
}

/// Committee and proposers of one epoch, valid as long as the epoch is the current one on L1, or the head has not moved.
#[derive(Debug, Default)]
pub(crate) struct CommitteeCache {
    epoch: Option<Epoch>,
    basis: Option<Basis>,
    committee: Option<Vec<Address>>,
    proposers: BTreeMap<Slot, Option<Address>>,
}

/// Why a cached reading may be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// The epoch had begun on L1 when it was read: its seed and set are fixed.
    Current,
    /// The epoch lies ahead, where seed and set may still change: good for this head only.
    Head(B256),
}

impl CommitteeCache {
    /// Clears what was read for another epoch or on another basis.
    fn enter(&mut self, epoch: Epoch, basis: Basis) -> &mut Self {
        if self.epoch != Some(epoch) || self.basis != Some(basis) {
            *self = Self { epoch: Some(epoch), basis: Some(basis), ..Self::default() };
        }
        self
    }
}

impl L1 {
    /// The committee of the slot's epoch, in committee order. Empty if the rollup has no committees or too few attesters.
    ///
    /// # Errors
    /// [`L1Error`]; the rollup refuses epochs that are not stable yet (`ValidatorSelection__EpochNotStable`).
    pub async fn committee(&self, slot: Slot) -> Result<Vec<Address>, L1Error> {
        let epoch = self.schedule().epoch_of(slot);
        let basis = self.basis(epoch).await?;
        if let Some(known) = self.inner.committees.lock().enter(epoch, basis).committee.clone() {
            return Ok(known);
        }
        let call = IRollup::getEpochCommitteeCall { epoch: U256::from(epoch.get()) };
        let committee = unless_too_few(self.call_rollup("Rollup.getEpochCommittee", call).await)?.unwrap_or_default();
        self.inner.committees.lock().enter(epoch, basis).committee = Some(committee.clone());
        Ok(committee)
    }

    /// The slot's proposer, `None` if there is no committee.
    ///
    /// # Errors
    /// As [`Self::committee`].
    pub async fn proposer(&self, slot: Slot) -> Result<Option<Address>, L1Error> {
        let schedule = self.schedule();
        let epoch = schedule.epoch_of(slot);
        let basis = self.basis(epoch).await?;
        if let Some(known) = self.inner.committees.lock().enter(epoch, basis).proposers.get(&slot).copied() {
            return Ok(known);
        }
        let call = IRollup::getProposerAtCall { ts: U256::from(schedule.slot_start(slot)) };
        let proposer = unless_too_few(self.call_rollup("Rollup.getProposerAt", call).await)?;
        let proposer = proposer.filter(|address| *address != Address::ZERO);
        self.inner.committees.lock().enter(epoch, basis).proposers.insert(slot, proposer);
        Ok(proposer)
    }

    /// Whether `who` may propose on top of `archive` at `timestamp` (of the next L1 block), and as what.
    ///
    /// # Errors
    /// [`L1Error::Reverted`] with the rollup's reason if not; otherwise [`L1Error`].
    pub async fn can_propose(&self, timestamp: u64, archive: Fr, who: Address) -> Result<Proposable, L1Error> {
        const CALL: &str = "Rollup.canProposeAtTime";
        let archive = B256::from(archive.to_be_bytes());
        let call = IRollup::canProposeAtTimeCall { ts: U256::from(timestamp), archive, who };
        let answer = self.call_rollup(CALL, call).await?;
        Ok(Proposable {
            slot: Slot::new(small(CALL, answer.slot)?),
            checkpoint: CheckpointNumber::new(small(CALL, answer.checkpointNumber)?),
        })
    }

    /// The mana min fee at `timestamp`, in units of the fee asset: what a header must hold exactly.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn mana_min_fee(&self, timestamp: u64) -> Result<u128, L1Error> {
        const CALL: &str = "Rollup.getManaMinFeeAt";
        let call = IRollup::getManaMinFeeAtCall { ts: U256::from(timestamp), inFeeAsset: true };
        let fee = self.call_rollup(CALL, call).await?;
        u128::try_from(fee).map_err(|_| L1Error::Malformed { call: CALL, reason: format!("{fee} does not fit 128 bits") })
    }

    /// Whether the epoch has begun on L1, as far as the last known head tells.
    async fn basis(&self, epoch: Epoch) -> Result<Basis, L1Error> {
        let known = *self.inner.last_head.lock();
        let head = match known {
            Some(head) => head,
            None => self.head().await?,
        };
        let schedule = self.schedule();
        let current = schedule.slot_at(head.timestamp).map(|slot| schedule.epoch_of(slot));
        Ok(if current.is_some_and(|current| epoch <= current) { Basis::Current } else { Basis::Head(head.hash) })
    }
}

/// A rollup with fewer attesters than its committee size has no committee.
fn unless_too_few<T>(answer: Result<T, L1Error>) -> Result<Option<T>, L1Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.revert().is_some_and(|revert| revert.is("ValidatorSelection__InsufficientValidatorSetSize")) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_committee_read_ahead_of_its_epoch_is_forgotten_with_the_head() {
        let (epoch, head) = (Epoch::new(7), Basis::Head(B256::repeat_byte(1)));
        let mut cache = CommitteeCache::default();
        cache.enter(epoch, head).committee = Some(vec![Address::ZERO]);
        assert!(cache.enter(epoch, head).committee.is_some());
        assert_eq!(cache.enter(epoch, Basis::Head(B256::repeat_byte(2))).committee, None);
        cache.enter(epoch, Basis::Current).committee = Some(Vec::new());
        assert!(cache.enter(epoch, Basis::Current).committee.is_some());
        assert_eq!(cache.enter(Epoch::new(8), Basis::Current).committee, None);
    }
}
