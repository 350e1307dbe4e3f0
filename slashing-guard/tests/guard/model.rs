//! The guard as a child would write it: one list of everything ever bound, searched from end to end for every question.
//!
//! It forgets nothing. Where the guard has forgotten, the model knows what was bound and still must get the guard's answer.

use alloy_primitives::Address;
use ollin_guard::limit::{KEEP_PAYLOAD_SLOTS, KEEP_SLOTS, MAX_REASON_BYTES};
use ollin_guard::{Claim, CommandRejection, Duty, DutyKind, GuardCommand, GuardReply, Phase, Refusal, Verdict};
use ollin_protocol::units::{SigningRoot, Slot};

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) phase: Phase,
    attesters: Vec<ModelAttester>,
    floors: Vec<Slot>,
    closings: Vec<Slot>,
    watermarks: Vec<Slot>,
    bound: Vec<(Duty, SigningRoot)>,
    payloads: Vec<(Slot, DutyKind, SigningRoot, Vec<u8>)>,
}

#[derive(Clone, Debug)]
struct ModelAttester {
    address: Address,
    floor: Option<Slot>,
    released: Option<Slot>,
    frozen: Option<Slot>,
    thawed: Option<Slot>,
}

impl Model {
    pub(crate) fn apply(&mut self, command: &GuardCommand) -> GuardReply {
        let outcome = match command {
            GuardCommand::Claim(claims) => return self.claim(claims),
            GuardCommand::Bind(binding) => self.only_in(&[Phase::Unbound]).map(|()| {
                self.phase = Phase::Bound;
                for address in &binding.attesters {
                    self.attesters.push(ModelAttester {
                        address: *address,
                        floor: None,
                        released: None,
                        frozen: None,
                        thawed: None,
                    });
                }
            }),
            GuardCommand::Import { records, stop_line } => {
                self.only_in(&[Phase::Bound]).and_then(|()| self.import(records, *stop_line))
            }
            GuardCommand::Open { floor } => self.only_in(&[Phase::Bound, Phase::Imported]).map(|()| {
                self.phase = Phase::Open;
                self.floors.push(*floor);
            }),
            GuardCommand::RaiseFloor { slot } => self.only_in(&[Phase::Open]).map(|()| self.floors.push(*slot)),
            GuardCommand::RaiseWatermark { slot } => self.only_in(&[Phase::Open]).map(|()| {
                if let Some(highest) = self.highest(|_| true).filter(|highest| highest.get() >= KEEP_SLOTS) {
                    self.watermarks.push((*slot).min(Slot::new(highest.get() - KEEP_SLOTS)));
                    let watermark = self.watermark();
                    self.payloads.retain(|(slot, ..)| Some(*slot) > watermark);
                }
            }),
            GuardCommand::DropPayloads { slot } => self.only_in(&[Phase::Open]).map(|()| {
                if let Some(highest) = self.highest(|_| true).filter(|highest| highest.get() >= KEEP_PAYLOAD_SLOTS) {
                    let last = (*slot).min(Slot::new(highest.get() - KEEP_PAYLOAD_SLOTS));
                    self.payloads.retain(|(slot, ..)| *slot > last);
                }
            }),
            GuardCommand::AddAttester { attester, floor } => {
                self.only_in(&[Phase::Open]).and_then(|()| self.add(*attester, *floor))
            }
            GuardCommand::ReleaseAttester { attester, last_slot } => {
                self.only_in(&[Phase::Open]).and_then(|()| self.release(*attester, *last_slot))
            }
            GuardCommand::Foreign { duty, root, seen: _ } => {
                self.only_in(&[Phase::Open]).and_then(|()| self.freeze(*duty, *root))
            }
            GuardCommand::Unfreeze { attester, floor, reason } => {
                self.only_in(&[Phase::Open]).and_then(|()| self.unfreeze(*attester, *floor, reason))
            }
            GuardCommand::Close { slot } => self.only_in(&[Phase::Open]).map(|()| self.closings.push(*slot)),
        };
        outcome.map_or_else(GuardReply::Rejected, |()| GuardReply::Done)
    }

    /// The highest floor ever set, watermarks and closings included.
    pub(crate) fn floor(&self) -> Option<Slot> {
        self.floors.iter().chain(&self.watermarks).chain(&self.closings).max().copied()
    }

    pub(crate) fn closed(&self) -> Option<Slot> {
        self.closings.iter().max().copied()
    }

    pub(crate) fn watermark(&self) -> Option<Slot> {
        self.watermarks.iter().max().copied()
    }

    /// Everything bound above the watermark.
    pub(crate) fn live(&self) -> Vec<(Duty, SigningRoot)> {
        let mut live: Vec<_> = self.bound.iter().filter(|(duty, _)| Some(duty.slot) > self.watermark()).copied().collect();
        live.sort_unstable();
        live
    }

    pub(crate) fn root_of(&self, duty: &Duty) -> Option<SigningRoot> {
        self.live().iter().find(|(bound, _)| bound == duty).map(|(_, root)| *root)
    }

    pub(crate) fn payload_of(&self, duty: &Duty, root: SigningRoot) -> Option<Vec<u8>> {
        let wanted = (duty.slot, duty.kind, root);
        self.payloads.iter().find(|(slot, kind, root, _)| (*slot, *kind, *root) == wanted).map(|(.., payload)| payload.clone())
    }

    pub(crate) fn is_frozen(&self, attester: Address) -> bool {
        self.attester(attester).is_some_and(|known| known.frozen.is_some())
    }

    pub(crate) fn thawed(&self, attester: Address) -> Option<Slot> {
        self.attester(attester)?.thawed
    }

    fn claim(&mut self, claims: &[Claim]) -> GuardReply {
        let mut verdicts = Vec::new();
        for claim in claims {
            for duty in &claim.duties {
                verdicts.push(self.decide(*duty, claim));
            }
        }
        GuardReply::Verdicts(verdicts)
    }

    fn decide(&mut self, duty: Duty, claim: &Claim) -> Verdict {
        if self.phase != Phase::Open {
            return Verdict::Refused(Refusal::Sealed);
        }
        let attester = duty.attester;
        let Some(known) = self.attester(attester).cloned() else {
            return Verdict::Refused(Refusal::Unbound { attester });
        };
        if let Some(watermark) = self.watermark().filter(|watermark| *watermark >= duty.slot) {
            return Verdict::Refused(Refusal::BelowWatermark { duty, watermark });
        }
        if let Some(closed) = self.closed().filter(|closed| *closed >= duty.slot) {
            return Verdict::Refused(Refusal::Closed { duty, closed });
        }
        if known.frozen.is_some() {
            return Verdict::Refused(Refusal::Frozen { attester });
        }
        if let Some(thawed) = known.thawed.filter(|thawed| *thawed >= duty.slot) {
            return Verdict::Refused(Refusal::Thawed { duty, thawed });
        }
        if let Some(bound) = self.root_of(&duty) {
            if bound == claim.root {
                return Verdict::Granted { newly_bound: false };
            }
            let payload = self.payload_of(&duty, bound);
            return Verdict::Refused(Refusal::Conflict { duty, bound, requested: claim.root, payload });
        }
        if let Some(last_slot) = known.released.filter(|last_slot| *last_slot < duty.slot) {
            return Verdict::Refused(Refusal::Released { attester, last_slot });
        }
        if let Some(floor) = self.floor().into_iter().chain(known.floor).max().filter(|floor| *floor >= duty.slot) {
            return Verdict::Refused(Refusal::BelowFloor { duty, floor });
        }
        self.bound.push((duty, claim.root));
        if self.payload_of(&duty, claim.root).is_none() {
            self.payloads.push((duty.slot, duty.kind, claim.root, claim.payload.clone()));
        }
        Verdict::Granted { newly_bound: true }
    }

    fn import(&mut self, records: &[(Duty, SigningRoot)], stop_line: Slot) -> Result<(), CommandRejection> {
        let mut taken: Vec<(Duty, SigningRoot)> = Vec::new();
        for (duty, root) in records {
            if self.attester(duty.attester).is_none() {
                return Err(CommandRejection::Unbound { attester: duty.attester });
            }
            if stop_line < duty.slot {
                return Err(CommandRejection::ImportBeyondStopLine { duty: *duty, stop_line });
            }
            match taken.iter().find(|(earlier, _)| earlier == duty) {
                Some((_, first)) if first != root => {
                    return Err(CommandRejection::ImportConflict { duty: *duty, first: *first, second: *root });
                }
                Some(_) => {}
                None => taken.push((*duty, *root)),
            }
        }
        self.bound.extend(taken);
        self.floors.push(stop_line);
        self.phase = Phase::Imported;
        Ok(())
    }

    fn add(&mut self, attester: Address, floor: Slot) -> Result<(), CommandRejection> {
        match self.attester(attester).map(|known| known.released) {
            Some(Some(last_slot)) => Err(CommandRejection::Released { attester, last_slot }),
            Some(None) => Err(CommandRejection::AlreadyBound { attester }),
            None => {
                self.attesters.push(ModelAttester {
                    address: attester,
                    floor: Some(floor),
                    released: None,
                    frozen: None,
                    thawed: None,
                });
                Ok(())
            }
        }
    }

    fn release(&mut self, attester: Address, last_slot: Slot) -> Result<(), CommandRejection> {
        let known = self.attester(attester).ok_or(CommandRejection::Unbound { attester })?;
        if let Some(earlier) = known.released {
            let rejection = CommandRejection::Released { attester, last_slot: earlier };
            return if earlier == last_slot { Ok(()) } else { Err(rejection) };
        }
        if let Some(bound_slot) = self.highest(|duty| duty.attester == attester).filter(|highest| *highest > last_slot) {
            return Err(CommandRejection::BoundLater { attester, bound_slot, last_slot });
        }
        self.change(attester, |known| known.released = Some(last_slot));
        Ok(())
    }

    fn freeze(&mut self, duty: Duty, root: SigningRoot) -> Result<(), CommandRejection> {
        let attester = duty.attester;
        let known = self.attester(attester).ok_or(CommandRejection::Unbound { attester })?;
        if let Some(last_slot) = known.released.filter(|last_slot| *last_slot < duty.slot) {
            return Err(CommandRejection::Released { attester, last_slot });
        }
        if let Some(floor) = self.floor().into_iter().chain(known.floor).max().filter(|floor| *floor >= duty.slot) {
            return Err(CommandRejection::NoEvidence { duty, floor });
        }
        if self.root_of(&duty) == Some(root) {
            return Err(CommandRejection::NotForeign { duty });
        }
        self.change(attester, |known| known.frozen = known.frozen.or(Some(duty.slot)));
        Ok(())
    }

    fn unfreeze(&mut self, attester: Address, floor: Slot, reason: &str) -> Result<(), CommandRejection> {
        if reason == " " {
            return Err(CommandRejection::Reason { bytes: 1, limit: MAX_REASON_BYTES });
        }
        let known = self.attester(attester).ok_or(CommandRejection::Unbound { attester })?;
        let evidence = known.frozen.ok_or(CommandRejection::NotFrozen { attester })?;
        let lines = [Some(floor), Some(evidence), known.thawed, self.highest(|duty| duty.attester == attester)];
        let line = lines.into_iter().flatten().max();
        self.change(attester, |known| {
            known.frozen = None;
            known.thawed = line;
            known.floor = known.floor.into_iter().chain(line).max();
        });
        Ok(())
    }

    fn only_in(&self, phases: &[Phase]) -> Result<(), CommandRejection> {
        if phases.contains(&self.phase) { Ok(()) } else { Err(CommandRejection::OutOfOrder { phase: self.phase }) }
    }

    fn attester(&self, address: Address) -> Option<&ModelAttester> {
        self.attesters.iter().find(|known| known.address == address)
    }

    fn change(&mut self, address: Address, change: impl Fn(&mut ModelAttester)) {
        self.attesters.iter_mut().filter(|known| known.address == address).for_each(change);
    }

    fn highest(&self, of: impl Fn(&Duty) -> bool) -> Option<Slot> {
        self.live().iter().filter(|(duty, _)| of(duty)).map(|(duty, _)| duty.slot).max()
    }
}
