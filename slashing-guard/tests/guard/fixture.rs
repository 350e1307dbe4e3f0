//! Short words for the scripted histories.

use alloy_primitives::{Address, B256};
use ollin_guard::{Binding, Claim, Duty, DutyKind, Guard, GuardCommand, GuardReply, Refusal, Sighting, Verdict};
use ollin_protocol::units::{BlockIndex, L1BlockNumber, SigningRoot, Slot};

pub(crate) const ALICE: Address = Address::repeat_byte(0xa1);
pub(crate) const BOB: Address = Address::repeat_byte(0xb0);
pub(crate) const CAROL: Address = Address::repeat_byte(0xca);
pub(crate) const R1: SigningRoot = SigningRoot::new(B256::repeat_byte(1));
pub(crate) const R2: SigningRoot = SigningRoot::new(B256::repeat_byte(2));
pub(crate) const GRANTED: Verdict = Verdict::Granted { newly_bound: true };
pub(crate) const GRANTED_AGAIN: Verdict = Verdict::Granted { newly_bound: false };
pub(crate) const SEEN: Sighting = Sighting::L1 { block: L1BlockNumber::new(7), transaction: B256::repeat_byte(8) };
pub(crate) const FIRST_FLOOR: u64 = 10;

pub(crate) fn slot(number: u64) -> Slot {
    Slot::new(number)
}

pub(crate) fn block(attester: Address, number: u64, index: u64) -> Duty {
    Duty { attester, slot: slot(number), kind: DutyKind::BlockProposal { index: BlockIndex::new(index) } }
}

pub(crate) fn attestation(attester: Address, number: u64) -> Duty {
    Duty { attester, slot: slot(number), kind: DutyKind::Attestation }
}

pub(crate) fn binding() -> Binding {
    Binding { chain_id: 31_337, rollup: Address::repeat_byte(0x77), attesters: [ALICE, BOB].into() }
}

/// Bound to Alice and Bob, open above slot 10.
pub(crate) fn open_guard() -> Guard {
    let mut guard = Guard::new();
    done(&mut guard, &GuardCommand::Bind(binding()));
    done(&mut guard, &GuardCommand::Open { floor: slot(FIRST_FLOOR) });
    guard
}

pub(crate) fn done(guard: &mut Guard, command: &GuardCommand) {
    assert_eq!(guard.apply(command), GuardReply::Done, "{command:?}");
}

pub(crate) fn import(records: Vec<(Duty, SigningRoot)>, stop_line: u64) -> GuardCommand {
    GuardCommand::Import { records, stop_line: slot(stop_line) }
}

pub(crate) fn add(attester: Address, floor: u64) -> GuardCommand {
    GuardCommand::AddAttester { attester, floor: slot(floor) }
}

pub(crate) fn release(attester: Address, last_slot: u64) -> GuardCommand {
    GuardCommand::ReleaseAttester { attester, last_slot: slot(last_slot) }
}

pub(crate) fn foreign(duty: Duty, root: SigningRoot) -> GuardCommand {
    GuardCommand::Foreign { duty, root, seen: SEEN }
}

pub(crate) fn unfreeze(attester: Address, floor: u64) -> GuardCommand {
    GuardCommand::Unfreeze { attester, floor: slot(floor), reason: "the copy is gone".to_owned() }
}

pub(crate) fn below_floor(duty: Duty, floor: u64) -> Verdict {
    Verdict::Refused(Refusal::BelowFloor { duty, floor: slot(floor) })
}

/// A claim whose payload is spelled after its root.
pub(crate) fn claim_of(duties: &[Duty], root: SigningRoot) -> Claim {
    Claim { duties: duties.to_vec(), root, payload: payload_of(root) }
}

pub(crate) fn payload_of(root: SigningRoot) -> Vec<u8> {
    format!("payload of {root}").into_bytes()
}

pub(crate) fn claim_all(guard: &mut Guard, claims: &[Claim]) -> Vec<Verdict> {
    match guard.apply(&GuardCommand::Claim(claims.to_vec())) {
        GuardReply::Verdicts(verdicts) => verdicts,
        other @ (GuardReply::Done | GuardReply::Rejected(_)) => panic!("expected verdicts, got {other:?}"),
    }
}

pub(crate) fn claim(guard: &mut Guard, duty: Duty, root: SigningRoot) -> Verdict {
    let mut verdicts = claim_all(guard, &[claim_of(&[duty], root)]);
    assert_eq!(verdicts.len(), 1);
    verdicts.remove(0)
}

pub(crate) fn conflict(duty: Duty, bound: SigningRoot, requested: SigningRoot) -> Verdict {
    Verdict::Refused(Refusal::Conflict { duty, bound, requested, payload: Some(payload_of(bound)) })
}
