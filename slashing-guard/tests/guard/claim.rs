use ollin_guard::{Claim, Duty, DutyKind, GuardCommand, Refusal, Verdict};

use crate::fixture::*;

#[test]
fn a_bound_duty_refuses_another_root_and_regrants_its_own() {
    let mut guard = open_guard();
    let duty = block(ALICE, 11, 0);
    assert_eq!(claim(&mut guard, duty, R1), GRANTED);
    assert_eq!(claim(&mut guard, duty, R2), conflict(duty, R1, R2));
    assert_eq!(claim(&mut guard, duty, R1), GRANTED_AGAIN, "a retry after failover carries the same root");
}

#[test]
fn a_conflict_hands_back_the_payload_of_the_first_claim() {
    let mut guard = open_guard();
    let duty = block(ALICE, 11, 0);
    claim(&mut guard, duty, R1);
    let Verdict::Refused(Refusal::Conflict { payload, .. }) = claim(&mut guard, duty, R2) else { panic!("not a conflict") };
    assert_eq!(payload, Some(payload_of(R1)));
}

#[test]
fn attester_slot_kind_and_index_each_make_a_duty_of_their_own() {
    let mut guard = open_guard();
    let base = block(ALICE, 11, 0);
    let others = [
        block(BOB, 11, 0),
        block(ALICE, 12, 0),
        block(ALICE, 11, 1),
        Duty { kind: DutyKind::CheckpointProposal, ..base },
        Duty { kind: DutyKind::Attestation, ..base },
        Duty { kind: DutyKind::AttestationsAndSigners, ..base },
        Duty { kind: DutyKind::GovernanceVote, ..base },
        Duty { kind: DutyKind::SlashingVote, ..base },
    ];
    assert_eq!(claim(&mut guard, base, R1), GRANTED);
    for duty in others {
        assert_eq!(claim(&mut guard, duty, R2), GRANTED, "{duty}");
    }
    assert_eq!(guard.live_duties(), 9);
}

#[test]
fn a_batch_gets_a_verdict_for_each_duty_and_one_refusal_spares_the_others() {
    let mut guard = open_guard();
    let (alice, bob, carol) = (attestation(ALICE, 11), attestation(BOB, 11), attestation(CAROL, 11));
    claim(&mut guard, bob, R2);
    let verdicts = claim_all(&mut guard, &[claim_of(&[alice, bob, carol], R1)]);
    let unbound = Verdict::Refused(Refusal::Unbound { attester: CAROL });
    assert_eq!(verdicts, [GRANTED, conflict(bob, R2, R1), unbound]);
    assert_eq!(guard.bound(&carol), None);
}

#[test]
fn claims_of_one_entry_are_decided_in_order() {
    let mut guard = open_guard();
    // Many times: an order by chance would be the right one once in a while.
    for number in 11..60 {
        let duty = block(ALICE, number, 0);
        let verdicts = claim_all(&mut guard, &[claim_of(&[duty], R1), claim_of(&[duty], R2), claim_of(&[duty], R1)]);
        assert_eq!(verdicts, [GRANTED, conflict(duty, R1, R2), GRANTED_AGAIN]);
    }
}

#[test]
fn a_batch_stores_its_payload_once() {
    let mut guard = open_guard();
    let payload = vec![7; 10_000];
    let batch = Claim { duties: vec![attestation(ALICE, 11), attestation(BOB, 11)], root: R1, payload };
    claim_all(&mut guard, &[batch]);
    assert!(guard.encode().len() < 11_000, "{} bytes", guard.encode().len());
    assert_eq!(guard.bound(&attestation(BOB, 11)).and_then(|bound| bound.payload).map(<[u8]>::len), Some(10_000));
}

#[test]
fn the_first_payload_of_a_root_stays() {
    let mut guard = open_guard();
    let first = Claim { payload: b"first".to_vec(), ..claim_of(&[attestation(ALICE, 11)], R1) };
    let second = Claim { payload: b"second".to_vec(), ..claim_of(&[attestation(ALICE, 11), attestation(BOB, 11)], R1) };
    assert_eq!(claim_all(&mut guard, &[first, second]), [GRANTED, GRANTED_AGAIN, GRANTED]);
    for attester in [ALICE, BOB] {
        assert_eq!(guard.bound(&attestation(attester, 11)).and_then(|bound| bound.payload), Some(&b"first"[..]));
    }
}

#[test]
fn a_refused_duty_stores_no_payload() {
    let mut guard = open_guard();
    let before = guard.encode();
    claim(&mut guard, attestation(CAROL, 11), R1);
    claim(&mut guard, attestation(ALICE, FIRST_FLOOR), R1);
    assert_eq!(guard.encode(), before);
}

#[test]
fn a_slot_shows_what_is_bound_in_it_and_nothing_of_its_neighbours() {
    let mut guard = open_guard();
    let duties = [block(ALICE, 12, 0), block(ALICE, 12, 1), attestation(BOB, 12)];
    for duty in [block(ALICE, 11, 9), duties[0], duties[1], duties[2], block(ALICE, 13, 0)] {
        claim(&mut guard, duty, R1);
    }
    let found: Vec<_> = guard.bound_in_slot(slot(12)).map(|(duty, bound)| (*duty, bound.root)).collect();
    assert_eq!(found, duties.map(|duty| (duty, R1)));
}

#[test]
fn a_dropped_payload_leaves_the_root_bound_and_does_not_come_back() {
    let mut guard = open_guard();
    let duty = block(ALICE, 11, 0);
    claim(&mut guard, duty, R1);
    claim(&mut guard, block(ALICE, 20, 0), R1);
    done(&mut guard, &GuardCommand::DropPayloads { slot: slot(11) });
    assert_eq!(claim(&mut guard, duty, R1), GRANTED_AGAIN);
    assert_eq!(guard.bound(&duty).map(|bound| (bound.root, bound.payload)), Some((R1, None)));
    let refusal = Refusal::Conflict { duty, bound: R1, requested: R2, payload: None };
    assert_eq!(claim(&mut guard, duty, R2), Verdict::Refused(refusal));
}

#[test]
fn payloads_of_the_highest_slots_stay_whatever_l1_calls_final() {
    let mut guard = open_guard();
    for number in [17, 18, 19, 20] {
        claim(&mut guard, block(ALICE, number, 0), R1);
    }
    done(&mut guard, &GuardCommand::DropPayloads { slot: slot(u64::MAX) });
    let kept = |number| guard.bound(&block(ALICE, number, 0)).is_some_and(|bound| bound.payload.is_some());
    assert_eq!([17, 18, 19, 20].map(kept), [false, false, true, true]);
}
