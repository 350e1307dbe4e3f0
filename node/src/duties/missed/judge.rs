//! What of one slot was ours, what of it was missed, and why: a plain function over what is known.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use ollin_guard::{AttesterState, Duty, DutyKind};
use ollin_protocol::units::{ReplicaId, Slot};
use ollin_rpc::view::{DutyWord, MissReason, MissedDuty};

use super::seen::SlotSeen;

/// A slot that is over.
#[derive(Clone, Debug)]
pub(super) struct SlotFacts {
    pub(super) slot: Slot,
    pub(super) replica: ReplicaId,
    /// Whose turn it was.
    pub(super) proposer: Option<Address>,
    /// Its committee.
    pub(super) committee: Vec<Address>,
    /// Attesters of this replica's keystore.
    pub(super) keys: BTreeSet<Address>,
    /// Every attester that the cluster ever signed for.
    pub(super) standings: BTreeMap<Address, AttesterState>,
    pub(super) floor: Option<Slot>,
    pub(super) closed: Option<Slot>,
    /// What the log binds in it.
    pub(super) bound: BTreeSet<Duty>,
    /// Who signed the checkpoint that L1 holds for it; `None` if it holds none.
    pub(super) signers: Option<Vec<Address>>,
    pub(super) seen: SlotSeen,
}

/// Every duty of ours that was missed in the slot.
///
/// A slot without a checkpoint is its proposer's miss: there was nothing to attest to. With one, an attester of its committee has
/// missed its attestation if neither L1 nor the log holds it.
pub(super) fn judge(facts: &SlotFacts) -> Vec<MissedDuty> {
    let ours = |attester: &Address| facts.is_ours(attester);
    match (&facts.signers, facts.proposer.filter(ours)) {
        (None, None) => Vec::new(),
        (None, Some(proposer)) => {
            let (reason, detail) = facts.why(&proposer, DutyKind::CheckpointProposal);
            vec![facts.missed(DutyWord::CheckpointProposal, vec![proposer], reason, detail)]
        }
        (Some(signers), proposer) => {
            let attestation = |attester: &Address| Duty { slot: facts.slot, kind: DutyKind::Attestation, attester: *attester };
            let missing = facts
                .committee
                .iter()
                .filter(|member| ours(member) && !signers.contains(member) && !facts.bound.contains(&attestation(member)));
            let mut by_reason: BTreeMap<(MissReason, String), Vec<Address>> = BTreeMap::new();
            for member in missing {
                by_reason.entry(facts.why_not_attested(member, proposer.is_some())).or_default().push(*member);
            }
            let missed = |((reason, detail), attesters)| facts.missed(DutyWord::Attestation, attesters, reason, detail);
            by_reason.into_iter().map(missed).collect()
        }
    }
}

/// The reason as JSON, metrics and texts spell it.
pub(super) fn word(reason: MissReason) -> String {
    serde_json::to_value(reason).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

impl SlotFacts {
    /// What it would be if L1 took the slot's checkpoint back; `None` if its proposer is not ours.
    pub(super) fn lost_to_reorg(&self) -> Option<MissedDuty> {
        let proposer = self.proposer.filter(|proposer| self.is_ours(proposer))?;
        let detail = "its checkpoint had landed, and L1 took it back after the slot".to_owned();
        Some(self.missed(DutyWord::CheckpointProposal, vec![proposer], MissReason::LostToReorg, detail))
    }

    /// Ours: its key is here or the cluster signs for it, and it was not released before the slot.
    fn is_ours(&self, attester: &Address) -> bool {
        match self.standings.get(attester) {
            Some(state) => state.released.is_none_or(|last_slot| self.slot <= last_slot),
            None => self.keys.contains(attester),
        }
    }

    fn missed(&self, kind: DutyWord, attesters: Vec<Address>, reason: MissReason, detail: String) -> MissedDuty {
        MissedDuty { slot: self.slot, kind, attesters, reason, detail }
    }

    fn why_not_attested(&self, attester: &Address, ours_proposed: bool) -> (MissReason, String) {
        if let Some(reason) = self.not_permitted(attester, DutyKind::Attestation) {
            return reason;
        }
        if ours_proposed {
            return self.circumstances();
        }
        let detail = "the proposal is another proposer's, and those reach us by p2p only".to_owned();
        (MissReason::NoP2p, detail)
    }

    /// What the log would not grant comes first, then what the engines said, then what was seen around them.
    fn why(&self, attester: &Address, kind: DutyKind) -> (MissReason, String) {
        self.not_permitted(attester, kind).unwrap_or_else(|| self.circumstances())
    }

    fn not_permitted(&self, attester: &Address, kind: DutyKind) -> Option<(MissReason, String)> {
        let Some(state) = self.standings.get(attester) else {
            // A replica without the cluster's log knows nobody's standing.
            if self.standings.is_empty() && self.seen.sealed > 0 {
                return None;
            }
            return Some((MissReason::Unbound, "its key is in the keystore, and the cluster does not sign for it".to_owned()));
        };
        if let Some(evidence) = state.frozen {
            return Some((MissReason::Frozen, format!("its key has signed elsewhere: {} ({})", evidence.duty, evidence.seen)));
        }
        if let Some(thawed) = state.thawed.filter(|thawed| self.slot <= *thawed) {
            return Some((
                MissReason::Frozen,
                format!("its key had signed elsewhere: nothing is signed for it up to slot {thawed}"),
            ));
        }
        if self.bound.contains(&Duty { slot: self.slot, kind, attester: *attester }) {
            return None;
        }
        if let Some(closed) = self.closed.filter(|closed| self.slot <= *closed) {
            return Some((MissReason::Closed, format!("slots up to {closed} are closed: the memory of a replica had a gap")));
        }
        let floor = self.floor.max(state.floor).filter(|floor| self.slot <= *floor)?;
        Some((MissReason::Floor, format!("nothing new is signed up to the floor {floor}")))
    }

    fn circumstances(&self) -> (MissReason, String) {
        let seen = &self.seen;
        if let Some(hindrance) = &seen.hindrance {
            return hindrance.clone();
        }
        if seen.looks == 0 {
            return (MissReason::NotRunning, "this replica did not run in the slot".to_owned());
        }
        let mostly = |looks: u32| looks.saturating_mul(2) > seen.looks;
        if mostly(seen.sealed) {
            let detail = seen.halted.clone().unwrap_or_else(|| "the cluster was not open".to_owned());
            return (MissReason::Sealed, detail);
        }
        let others_led = seen.leaders.iter().any(|leader| *leader != self.replica);
        if mostly(seen.unfit) && !others_led {
            return (MissReason::Unfit, format!("this replica could not lead, and no other one did: {}", seen.unfit_for));
        }
        if mostly(seen.leaderless) {
            return (MissReason::NoQuorum, format!("no leader in {} of {} looks", seen.leaderless, seen.looks));
        }
        if seen.leaders.len() > 1 {
            let leaders: Vec<String> = seen.leaders.iter().map(ToString::to_string).collect();
            return (MissReason::Failover, format!("replicas {} led, one after the other", leaders.join(", ")));
        }
        if let Some(leader) = seen.leaders.first().filter(|leader| **leader != self.replica) {
            return (MissReason::LedElsewhere, format!("replica {leader} led: ask it"));
        }
        if let Some(reason) = &seen.halted {
            return (MissReason::Halted, reason.clone());
        }
        if mostly(seen.l1_silent) {
            return (MissReason::L1Down, format!("L1 did not answer in {} of {} looks", seen.l1_silent, seen.looks));
        }
        let claimed = self.bound.iter().any(|duty| duty.kind == DutyKind::AttestationsAndSigners);
        match claimed {
            true => (MissReason::NotMined, "its bundle was claimed, and no block of the slot took it".to_owned()),
            false => (MissReason::Late, "this replica led, and the slot ended before its bundle was claimed".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use ollin_guard::{Evidence, Sighting};
    use ollin_protocol::units::{L1BlockNumber, SigningRoot};

    use super::*;

    const OURS: Address = Address::repeat_byte(0xa1);
    const ALSO_OURS: Address = Address::repeat_byte(0xa2);
    const THEIRS: Address = Address::repeat_byte(0xee);
    const SLOT: Slot = Slot::new(20);
    const ME: ReplicaId = ReplicaId::new(1);

    /// Our slot, led by this replica all the time, with nothing signed and nothing on L1.
    fn facts() -> SlotFacts {
        SlotFacts {
            slot: SLOT,
            replica: ME,
            proposer: Some(OURS),
            committee: vec![OURS, ALSO_OURS, THEIRS],
            keys: [OURS, ALSO_OURS].into(),
            standings: [(OURS, AttesterState::default()), (ALSO_OURS, AttesterState::default())].into(),
            floor: Some(Slot::new(5)),
            closed: None,
            bound: BTreeSet::new(),
            signers: None,
            seen: SlotSeen { looks: 100, leaders: vec![ME], ..SlotSeen::default() },
        }
    }

    fn duty(kind: DutyKind, attester: Address) -> Duty {
        Duty { slot: SLOT, kind, attester }
    }

    fn reasons(facts: &SlotFacts) -> Vec<(DutyWord, MissReason)> {
        judge(facts).into_iter().map(|missed| (missed.kind, missed.reason)).collect()
    }

    #[test]
    fn a_landed_slot_with_all_our_attestations_is_not_missed() {
        let landed = SlotFacts { signers: Some(vec![OURS, ALSO_OURS]), ..facts() };
        assert_eq!(judge(&landed), []);
        // L1 takes as many as it needs: one that was signed and left out is not missed.
        let left_out = SlotFacts { signers: Some(vec![OURS]), bound: [duty(DutyKind::Attestation, ALSO_OURS)].into(), ..facts() };
        assert_eq!(judge(&left_out), []);
    }

    #[test]
    fn a_slot_of_another_proposer_without_checkpoint_asks_nothing_of_us() {
        assert_eq!(judge(&SlotFacts { proposer: Some(THEIRS), ..facts() }), []);
        assert_eq!(judge(&SlotFacts { proposer: None, ..facts() }), []);
    }

    #[test]
    fn attestations_to_another_proposers_checkpoint_are_missed_for_want_of_p2p() {
        let theirs = SlotFacts { proposer: Some(THEIRS), signers: Some(vec![THEIRS]), ..facts() };
        let missed = judge(&theirs);
        assert_eq!(reasons(&theirs), [(DutyWord::Attestation, MissReason::NoP2p)]);
        assert_eq!(missed[0].attesters, [OURS, ALSO_OURS]);
    }

    #[test]
    fn every_missed_proposal_has_the_most_telling_reason() {
        let zero = alloy_primitives::B256::ZERO;
        let seen_at = Sighting::L1 { block: L1BlockNumber::new(7), transaction: zero };
        let frozen = Evidence { duty: duty(DutyKind::Attestation, OURS), root: SigningRoot::new(zero), seen: seen_at };
        let of = |state: AttesterState| [(OURS, state)].into();
        let seen = |seen: SlotSeen| SlotFacts { seen, ..facts() };
        let looks = SlotSeen { looks: 100, leaders: vec![ME], ..SlotSeen::default() };
        let said = Some((MissReason::FeesAboveCap, "fees".to_owned()));
        let cases = [
            (SlotFacts { standings: BTreeMap::new(), ..facts() }, MissReason::Unbound),
            (
                SlotFacts { standings: BTreeMap::new(), ..seen(SlotSeen { sealed: 100, leaderless: 100, ..looks.clone() }) },
                MissReason::Sealed,
            ),
            (
                SlotFacts { standings: of(AttesterState { frozen: Some(frozen), ..AttesterState::default() }), ..facts() },
                MissReason::Frozen,
            ),
            (
                SlotFacts {
                    standings: of(AttesterState { thawed: Some(SLOT), floor: Some(SLOT), ..AttesterState::default() }),
                    ..facts()
                },
                MissReason::Frozen,
            ),
            (SlotFacts { floor: Some(SLOT), ..facts() }, MissReason::Floor),
            (
                SlotFacts { standings: of(AttesterState { floor: Some(SLOT), ..AttesterState::default() }), ..facts() },
                MissReason::Floor,
            ),
            (SlotFacts { closed: Some(SLOT), floor: Some(SLOT), ..facts() }, MissReason::Closed),
            (seen(SlotSeen { hindrance: said, leaderless: 90, ..looks.clone() }), MissReason::FeesAboveCap),
            (seen(SlotSeen::default()), MissReason::NotRunning),
            (seen(SlotSeen { sealed: 60, ..looks.clone() }), MissReason::Sealed),
            (seen(SlotSeen { unfit: 60, leaderless: 60, unfit_for: "disk".to_owned(), ..looks.clone() }), MissReason::Unfit),
            (seen(SlotSeen { unfit: 60, leaders: vec![ReplicaId::new(2)], ..looks.clone() }), MissReason::LedElsewhere),
            (seen(SlotSeen { leaderless: 60, ..looks.clone() }), MissReason::NoQuorum),
            (seen(SlotSeen { leaders: vec![ReplicaId::new(2), ME], ..looks.clone() }), MissReason::Failover),
            (seen(SlotSeen { leaders: vec![ReplicaId::new(2)], ..looks.clone() }), MissReason::LedElsewhere),
            (seen(SlotSeen { halted: Some("disk".to_owned()), ..looks.clone() }), MissReason::Halted),
            (seen(SlotSeen { l1_silent: 60, ..looks.clone() }), MissReason::L1Down),
            (SlotFacts { bound: [duty(DutyKind::AttestationsAndSigners, OURS)].into(), ..facts() }, MissReason::NotMined),
            (seen(looks), MissReason::Late),
        ];
        for (facts, reason) in cases {
            assert_eq!(reasons(&facts), [(DutyWord::CheckpointProposal, reason)]);
            assert!(judge(&facts).iter().all(|missed| !missed.detail.is_empty()));
        }
    }

    #[test]
    fn what_was_bound_under_an_earlier_floor_is_not_missed_because_of_it() {
        let bound = [duty(DutyKind::CheckpointProposal, OURS)].into();
        let raised = SlotFacts { floor: Some(SLOT), bound, ..facts() };
        assert_eq!(reasons(&raised), [(DutyWord::CheckpointProposal, MissReason::Late)]);
    }

    #[test]
    fn a_released_attesters_later_slots_are_no_longer_ours() {
        let released = |last: u64| AttesterState { released: Some(Slot::new(last)), ..AttesterState::default() };
        let after = SlotFacts { standings: [(OURS, released(19))].into(), ..facts() };
        assert_eq!(judge(&after), []);
        let within = SlotFacts { standings: [(OURS, released(20))].into(), ..facts() };
        assert_eq!(reasons(&within), [(DutyWord::CheckpointProposal, MissReason::Late)]);
    }
}
