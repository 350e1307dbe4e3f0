//! What this process saw of the latest slots while they ran.

use std::collections::BTreeMap;

use ollin_guard::Refusal;
use ollin_protocol::units::{ReplicaId, Slot};
use ollin_publisher::{PublishHindrance, PublishReport};
use ollin_rpc::view::MissReason;
use ollin_sequencer::{Hindrance, SlotReport};

/// Slots that are remembered until they are judged.
const SLOTS: usize = 128;

/// One look at the cluster and at L1.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) leader: Option<ReplicaId>,
    pub(super) unfit: Option<String>,
    pub(super) halted: Option<String>,
    pub(super) open: bool,
    pub(super) l1_answers: bool,
}

/// One slot as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SlotSeen {
    /// Looks in it; none if this process did not run.
    pub(super) looks: u32,
    /// Looks that found no leader.
    pub(super) leaderless: u32,
    /// Looks that found this replica unable to lead.
    pub(super) unfit: u32,
    /// What made it so, last.
    pub(super) unfit_for: String,
    /// Looks that found L1 silent.
    pub(super) l1_silent: u32,
    /// Looks that found the cluster sealed.
    pub(super) sealed: u32,
    /// Who led, in that order.
    pub(super) leaders: Vec<ReplicaId>,
    /// Why this replica had stopped granting.
    pub(super) halted: Option<String>,
    /// What sequencer or publisher said last.
    pub(super) hindrance: Option<(MissReason, String)>,
}

/// The latest slots.
#[derive(Debug, Default)]
pub(super) struct Seen {
    slots: BTreeMap<Slot, SlotSeen>,
}

impl Seen {
    pub(super) fn look(&mut self, slot: Slot, look: &Look) {
        let seen = self.slot(slot);
        seen.looks += 1;
        if let Some(reasons) = &look.unfit {
            seen.unfit += 1;
            seen.unfit_for.clone_from(reasons);
        }
        seen.l1_silent += u32::from(!look.l1_answers);
        seen.sealed += u32::from(!look.open);
        seen.halted.clone_from(&look.halted);
        match look.leader {
            None => seen.leaderless += 1,
            Some(leader) if seen.leaders.last() != Some(&leader) => seen.leaders.push(leader),
            Some(_) => {}
        }
    }

    pub(super) fn sequencer(&mut self, report: SlotReport) {
        let reason = match report.hindrance {
            Hindrance::L1Behind => MissReason::L1Behind,
            Hindrance::L1Down => MissReason::L1Down,
            Hindrance::NotProposable => MissReason::NotProposable,
            Hindrance::HandingOver => MissReason::Failover,
            Hindrance::NoQuorum => MissReason::NoQuorum,
            Hindrance::Halted => MissReason::Halted,
            Hindrance::Late => MissReason::Late,
            Hindrance::NothingToBuild => MissReason::NothingToBuild,
            Hindrance::NotBuilt => MissReason::NotBuilt,
            Hindrance::InputChanged => MissReason::InputChanged,
            Hindrance::TooFewAttestations => MissReason::TooFewAttestations,
            Hindrance::SignerFailed => MissReason::SignerFailed,
            Hindrance::Refused(refusal) => of_refusal(&refusal),
        };
        self.state(report.slot, reason, report.detail);
    }

    pub(super) fn publisher(&mut self, report: PublishReport) {
        let reason = match report.hindrance {
            PublishHindrance::NotMined => MissReason::NotMined,
            PublishHindrance::L1Down => MissReason::L1Down,
            PublishHindrance::FeesAboveCap => MissReason::FeesAboveCap,
            PublishHindrance::Failed | PublishHindrance::Refused => MissReason::PublishFailed,
            PublishHindrance::NoQuorum => MissReason::NoQuorum,
            PublishHindrance::SignerFailed => MissReason::SignerFailed,
            PublishHindrance::Late => MissReason::Late,
        };
        self.state(report.slot, reason, report.detail);
    }

    /// That a slot is late follows from what kept it waiting before, whoever said that: the first cause is the one to know.
    fn state(&mut self, slot: Slot, reason: MissReason, detail: String) {
        let seen = self.slot(slot);
        if reason != MissReason::Late || seen.hindrance.is_none() {
            seen.hindrance = Some((reason, detail));
        }
    }

    pub(super) fn of(&self, slot: Slot) -> SlotSeen {
        self.slots.get(&slot).cloned().unwrap_or_default()
    }

    /// Forgets `slot` and what lies before it.
    pub(super) fn forget(&mut self, slot: Slot) {
        self.slots.retain(|seen, _| *seen > slot);
    }

    fn slot(&mut self, slot: Slot) -> &mut SlotSeen {
        while self.slots.len() >= SLOTS && !self.slots.contains_key(&slot) {
            self.slots.pop_first();
        }
        self.slots.entry(slot).or_default()
    }
}

pub(super) fn of_refusal(refusal: &Refusal) -> MissReason {
    match refusal {
        Refusal::Conflict { .. } => MissReason::Conflict,
        Refusal::BelowFloor { .. } | Refusal::BelowWatermark { .. } => MissReason::Floor,
        Refusal::Unbound { .. } | Refusal::Released { .. } => MissReason::Unbound,
        Refusal::Frozen { .. } | Refusal::Thawed { .. } => MissReason::Frozen,
        Refusal::Sealed => MissReason::Sealed,
        Refusal::Closed { .. } => MissReason::Closed,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops where it fails")]
mod tests {
    use alloy_primitives::{Address, B256};
    use ollin_guard::{Duty, DutyKind};
    use ollin_protocol::units::SigningRoot;

    use super::*;

    const SLOT: Slot = Slot::new(20);

    #[test]
    fn every_obstacle_has_its_reason() {
        let duty = Duty { slot: SLOT, kind: DutyKind::CheckpointProposal, attester: Address::ZERO };
        let root = SigningRoot::new(B256::ZERO);
        let refused = |refusal| Hindrance::Refused(refusal);
        let of_sequencer = [
            (Hindrance::L1Behind, MissReason::L1Behind),
            (Hindrance::L1Down, MissReason::L1Down),
            (Hindrance::NotProposable, MissReason::NotProposable),
            (Hindrance::HandingOver, MissReason::Failover),
            (Hindrance::NoQuorum, MissReason::NoQuorum),
            (Hindrance::Halted, MissReason::Halted),
            (Hindrance::Late, MissReason::Late),
            (Hindrance::NothingToBuild, MissReason::NothingToBuild),
            (Hindrance::NotBuilt, MissReason::NotBuilt),
            (Hindrance::InputChanged, MissReason::InputChanged),
            (Hindrance::TooFewAttestations, MissReason::TooFewAttestations),
            (Hindrance::SignerFailed, MissReason::SignerFailed),
            (refused(Refusal::Conflict { duty, bound: root, requested: root, payload: None }), MissReason::Conflict),
            (refused(Refusal::BelowFloor { duty, floor: SLOT }), MissReason::Floor),
            (refused(Refusal::BelowWatermark { duty, watermark: SLOT }), MissReason::Floor),
            (refused(Refusal::Unbound { attester: Address::ZERO }), MissReason::Unbound),
            (refused(Refusal::Frozen { attester: Address::ZERO }), MissReason::Frozen),
            (refused(Refusal::Thawed { duty, thawed: SLOT }), MissReason::Frozen),
            (refused(Refusal::Released { attester: Address::ZERO, last_slot: SLOT }), MissReason::Unbound),
            (refused(Refusal::Sealed), MissReason::Sealed),
            (refused(Refusal::Closed { duty, closed: SLOT }), MissReason::Closed),
        ];
        for (hindrance, reason) in of_sequencer {
            let mut seen = Seen::default();
            seen.sequencer(SlotReport { slot: SLOT, hindrance, detail: "why".to_owned() });
            assert_eq!(seen.of(SLOT).hindrance, Some((reason, "why".to_owned())));
        }
        let of_publisher = [
            (PublishHindrance::NotMined, MissReason::NotMined),
            (PublishHindrance::L1Down, MissReason::L1Down),
            (PublishHindrance::FeesAboveCap, MissReason::FeesAboveCap),
            (PublishHindrance::Failed, MissReason::PublishFailed),
            (PublishHindrance::Refused, MissReason::PublishFailed),
            (PublishHindrance::NoQuorum, MissReason::NoQuorum),
            (PublishHindrance::SignerFailed, MissReason::SignerFailed),
            (PublishHindrance::Late, MissReason::Late),
        ];
        for (hindrance, reason) in of_publisher {
            let mut seen = Seen::default();
            seen.publisher(PublishReport { slot: SLOT, hindrance, detail: "why".to_owned() });
            assert_eq!(seen.of(SLOT).hindrance, Some((reason, "why".to_owned())));
        }
    }

    #[test]
    fn what_kept_a_slot_waiting_is_told_and_not_that_it_then_was_late() {
        let mut seen = Seen::default();
        let report = |hindrance| SlotReport { slot: SLOT, hindrance, detail: String::new() };
        seen.sequencer(report(Hindrance::Late));
        seen.sequencer(report(Hindrance::L1Down));
        seen.sequencer(report(Hindrance::Late));
        assert_eq!(seen.of(SLOT).hindrance.unwrap().0, MissReason::L1Down);
        let published = |hindrance| PublishReport { slot: SLOT, hindrance, detail: String::new() };
        seen.publisher(published(PublishHindrance::NotMined));
        seen.publisher(published(PublishHindrance::Late));
        seen.sequencer(report(Hindrance::Late));
        assert_eq!(seen.of(SLOT).hindrance.unwrap().0, MissReason::NotMined, "it was sent");
    }
}
