//! The interchange file: what one cluster has signed, for the next holder of its keys.
//!
//! It carries the records above the watermark, and for each attester a *stop line*: nothing that the exporting cluster ever signs
//! for it lies above that slot. The importing cluster binds nothing new at or below the highest stop line, so the line alone
//! protects; the records are the second fence.
//!
//! The stop line is a promise only where the attester was released. Without a release the exporting cluster may sign on, and an
//! import has to be told that it does not: see [`Doubt`].

mod document;
mod error;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use ollin_protocol::units::{SigningRoot, Slot};

use crate::{AttesterState, Binding, Duty, Guard, GuardCommand, Phase};

pub use document::{FORMAT, MAX_BYTES, VERSION};
pub use error::{Doubt, ExportRefusal, ImportRefusal, InterchangeError};

/// What a file holds. Made from a guard, from what another kind of signer hands over, or read from a file; never by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interchange {
    chain_id: u64,
    rollup: Address,
    attesters: BTreeMap<Address, Standing>,
    duties: BTreeMap<Duty, SigningRoot>,
}

/// How an attester stood when it was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Nothing that the exporting cluster signs for it lies above this slot.
    pub stop_line: Slot,
    /// Whether the exporting cluster gave it up: without that the stop line holds for the moment of the export only.
    pub released: bool,
    /// Proof that its key has signed elsewhere, if there is one.
    pub frozen: Option<(Duty, SigningRoot)>,
}

impl Interchange {
    /// What `guard` holds of its attesters, or of some of them.
    ///
    /// # Errors
    /// [`ExportRefusal`] if the cluster is not open, or never signed for one of `only`.
    pub fn of(guard: &Guard, only: Option<&BTreeSet<Address>>) -> Result<Self, ExportRefusal> {
        let phase = guard.phase();
        let binding = guard.binding().filter(|_| phase == Phase::Open).ok_or(ExportRefusal::NotOpen { phase })?;
        let known: BTreeMap<_, _> = guard.attesters().collect();
        if let Some(attester) = only.into_iter().flatten().find(|attester| !known.contains_key(attester)) {
            return Err(ExportRefusal::Unbound { attester: *attester });
        }
        let wanted = |attester: &Address| only.is_none_or(|only| only.contains(attester));
        // What is bound and may not be granted here any more, since the key has signed elsewhere, is not handed on as bound: there too
        // it lies below the stop line, where nothing is granted that is not.
        let lost =
            |duty: &Duty| known.get(&duty.attester).is_none_or(|state| state.frozen.is_some() || state.thawed >= Some(duty.slot));
        let duties: BTreeMap<Duty, SigningRoot> =
            guard.duties().filter(|(duty, _)| wanted(&duty.attester) && !lost(duty)).map(|(duty, root)| (*duty, *root)).collect();
        let attesters = known
            .into_iter()
            .filter(|(attester, _)| wanted(attester))
            .map(|(attester, state)| (*attester, standing(guard, attester, state)))
            .collect();
        Ok(Self { chain_id: binding.chain_id, rollup: binding.rollup, attesters, duties })
    }

    /// What a signer of another kind has signed that can sign no more: to each attester the last slot in which it may have signed, and
    /// the duties whose roots are known. The rest lies below the stop lines.
    ///
    /// # Errors
    /// [`InterchangeError`] without an attester, or for a duty of another one, or above its line.
    pub fn handed_over(
        chain_id: u64,
        rollup: Address,
        lines: &BTreeMap<Address, Slot>,
        duties: BTreeMap<Duty, SigningRoot>,
    ) -> Result<Self, InterchangeError> {
        let standing = |stop_line: &Slot| Standing { stop_line: *stop_line, released: true, frozen: None };
        let attesters = lines.iter().map(|(attester, line)| (*attester, standing(line))).collect();
        let handed_over = Self { chain_id, rollup, attesters, duties };
        handed_over.check()?;
        Ok(handed_over)
    }

    /// The command that takes this file over into a cluster of `binding`. The file must fit whole: see [`ImportRefusal`].
    ///
    /// # Errors
    /// [`ImportRefusal`] for another chain or rollup, an attester that the cluster does not sign for, or a doubt that `accepted`
    /// does not name.
    pub fn command(&self, binding: &Binding, accepted: &BTreeSet<Doubt>) -> Result<GuardCommand, ImportRefusal> {
        if (self.chain_id, self.rollup) != (binding.chain_id, binding.rollup) {
            return Err(ImportRefusal::OtherRollup {
                chain_id: self.chain_id,
                rollup: self.rollup,
                bound_chain_id: binding.chain_id,
                bound_rollup: binding.rollup,
            });
        }
        for (attester, standing) in &self.attesters {
            if !binding.attesters.contains(attester) {
                return Err(ImportRefusal::Unbound { attester: *attester });
            }
            if standing.frozen.is_some() && !accepted.contains(&Doubt::Frozen) {
                return Err(ImportRefusal::Frozen { attester: *attester });
            }
            if !standing.released && !accepted.contains(&Doubt::Unreleased) {
                return Err(ImportRefusal::Unreleased { attester: *attester });
            }
        }
        let records = self.duties.iter().map(|(duty, root)| (*duty, *root)).collect();
        Ok(GuardCommand::Import { records, stop_line: self.stop_line() })
    }

    /// The highest of all stop lines: the least floor of whoever imports the file.
    pub fn stop_line(&self) -> Slot {
        self.attesters.values().map(|standing| standing.stop_line).max().unwrap_or_default()
    }

    /// Raises the stop line of every attester that was not released to at least `slot`: for whoever cannot see everything that the
    /// cluster may have signed. A released one's line is a promise already.
    pub fn raise_stop_lines(&mut self, slot: Slot) {
        for standing in self.attesters.values_mut().filter(|standing| !standing.released) {
            standing.stop_line = standing.stop_line.max(slot);
        }
    }

    /// L1 chain id.
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The rollup contract.
    pub const fn rollup(&self) -> Address {
        self.rollup
    }

    /// The attesters, each with its standing.
    pub const fn attesters(&self) -> &BTreeMap<Address, Standing> {
        &self.attesters
    }

    /// The duties and the roots that were signed, or may have been signed, for them.
    pub const fn duties(&self) -> &BTreeMap<Duty, SigningRoot> {
        &self.duties
    }

    /// What no export writes.
    fn check(&self) -> Result<(), InterchangeError> {
        if self.attesters.is_empty() {
            return Err(InterchangeError::NoAttesters);
        }
        for duty in self.duties.keys() {
            let Some(standing) = self.attesters.get(&duty.attester) else {
                return Err(InterchangeError::UnlistedAttester { duty: *duty });
            };
            if duty.slot > standing.stop_line {
                return Err(InterchangeError::BeyondStopLine { duty: *duty, stop_line: standing.stop_line });
            }
        }
        let misplaced = |(attester, standing): (&Address, &Standing)| {
            let (duty, _) = standing.frozen?;
            (duty.attester != *attester || duty.slot > standing.stop_line).then_some(duty)
        };
        match self.attesters.iter().find_map(misplaced) {
            None => Ok(()),
            Some(duty) => Err(InterchangeError::MisplacedEvidence { duty }),
        }
    }
}

/// A released attester is granted nothing after its last slot, ever; one that was not, nothing yet above what is bound and the
/// floor. What its key has signed elsewhere counts too.
fn standing(guard: &Guard, attester: &Address, state: &AttesterState) -> Standing {
    let own = match state.released {
        Some(last_slot) => Some(last_slot),
        None => {
            let highest = guard.duties().filter(|(duty, _)| duty.attester == *attester).map(|(duty, _)| duty.slot).max();
            guard.floor().max(state.floor).max(highest)
        }
    };
    let elsewhere = state.frozen.map(|evidence| evidence.duty.slot).max(state.thawed);
    let frozen = state.frozen.map(|evidence| (evidence.duty, evidence.root));
    Standing { stop_line: own.max(elsewhere).unwrap_or_default(), released: state.released.is_some(), frozen }
}
