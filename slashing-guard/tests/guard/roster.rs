use ollin_guard::{CommandRejection, Evidence, GuardReply, Refusal, Verdict};

use crate::fixture::*;

#[test]
fn an_added_attester_has_a_floor_of_its_own() {
    let mut guard = open_guard();
    done(&mut guard, &add(CAROL, 30));
    let at = block(CAROL, 30, 0);
    assert_eq!(claim(&mut guard, at, R1), below_floor(at, 30));
    assert_eq!(claim(&mut guard, block(CAROL, 31, 0), R1), GRANTED);
    assert_eq!(claim(&mut guard, block(ALICE, 30, 0), R1), GRANTED, "the others keep the cluster's floor");
}

#[test]
fn the_clusters_floor_holds_for_an_added_attester_too() {
    let mut guard = open_guard();
    done(&mut guard, &add(CAROL, 3));
    let duty = block(CAROL, FIRST_FLOOR, 0);
    assert_eq!(claim(&mut guard, duty, R1), below_floor(duty, FIRST_FLOOR));
}

#[test]
fn adding_a_bound_attester_again_does_not_touch_it() {
    let mut guard = open_guard();
    let before = guard.clone();
    let reply = guard.apply(&add(ALICE, 0));
    assert_eq!(reply, GuardReply::Rejected(CommandRejection::AlreadyBound { attester: ALICE }));
    assert_eq!(guard, before);
}

#[test]
fn a_released_attester_is_granted_nothing_after_its_last_slot() {
    let mut guard = open_guard();
    done(&mut guard, &release(ALICE, 20));
    assert_eq!(claim(&mut guard, block(ALICE, 20, 0), R1), GRANTED);
    let released = Refusal::Released { attester: ALICE, last_slot: slot(20) };
    assert_eq!(claim(&mut guard, block(ALICE, 21, 0), R1), Verdict::Refused(released));
    assert_eq!(guard.binding().map(|binding| binding.attesters), Some([BOB].into()));
}

#[test]
fn a_release_is_irrevocable() {
    let mut guard = open_guard();
    done(&mut guard, &release(ALICE, 20));
    done(&mut guard, &release(ALICE, 20));
    let rejected = GuardReply::Rejected(CommandRejection::Released { attester: ALICE, last_slot: slot(20) });
    for command in [release(ALICE, 19), release(ALICE, 21), add(ALICE, 30)] {
        assert_eq!(guard.apply(&command), rejected, "{command:?}");
    }
}

#[test]
fn an_attester_is_not_released_before_a_slot_that_it_is_bound_in() {
    let mut guard = open_guard();
    claim(&mut guard, block(ALICE, 25, 0), R1);
    claim(&mut guard, block(BOB, 40, 0), R1);
    let reply = guard.apply(&release(ALICE, 24));
    let rejection = CommandRejection::BoundLater { attester: ALICE, bound_slot: slot(25), last_slot: slot(24) };
    assert_eq!(reply, GuardReply::Rejected(rejection));
    done(&mut guard, &release(ALICE, 25));
}

#[test]
fn a_foreign_signature_freezes_its_attester_and_no_other() {
    let mut guard = open_guard();
    done(&mut guard, &foreign(block(ALICE, 15, 0), R2));
    assert_eq!(claim(&mut guard, block(ALICE, 30, 0), R1), Verdict::Refused(Refusal::Frozen { attester: ALICE }));
    assert_eq!(claim(&mut guard, block(BOB, 30, 0), R1), GRANTED);
}

/// A leader claims and dies before it signs; another copy of the key signs the same duty under another root; the successor would
/// go on with the claimed root and make the second signature, with the proof of the first in hand.
#[test]
fn a_frozen_attester_is_not_granted_even_what_is_bound() {
    let mut guard = open_guard();
    let duty = block(ALICE, 15, 0);
    claim(&mut guard, duty, R1);
    done(&mut guard, &foreign(duty, R2));
    assert_eq!(claim(&mut guard, duty, R1), Verdict::Refused(Refusal::Frozen { attester: ALICE }));
    assert_eq!(guard.bound(&duty).map(|bound| bound.root), Some(R1), "the record stays, for the operator and for S1");
}

#[test]
fn the_first_evidence_is_kept() {
    let mut guard = open_guard();
    let (first, second) = (block(ALICE, 15, 0), block(ALICE, 16, 0));
    done(&mut guard, &foreign(first, R2));
    done(&mut guard, &foreign(second, R1));
    let kept: Vec<_> = guard.attesters().filter_map(|(address, state)| Some((*address, state.frozen?))).collect();
    assert_eq!(kept, [(ALICE, Evidence { duty: first, root: R2 })]);
}

#[test]
fn our_own_signature_heard_again_is_no_evidence() {
    let mut guard = open_guard();
    let duty = block(ALICE, 15, 0);
    claim(&mut guard, duty, R1);
    let reply = guard.apply(&foreign(duty, R1));
    assert_eq!(reply, GuardReply::Rejected(CommandRejection::NotForeign { duty }));
    assert_eq!(claim(&mut guard, duty, R1), GRANTED_AGAIN);
}

#[test]
fn what_is_signed_at_the_floor_or_after_the_release_is_no_evidence() {
    let mut guard = open_guard();
    let old = block(ALICE, FIRST_FLOOR, 0);
    let no_evidence = CommandRejection::NoEvidence { duty: old, floor: slot(FIRST_FLOOR) };
    assert_eq!(guard.apply(&foreign(old, R1)), GuardReply::Rejected(no_evidence));
    done(&mut guard, &release(ALICE, 20));
    let released = CommandRejection::Released { attester: ALICE, last_slot: slot(20) };
    let later = foreign(block(ALICE, 21, 0), R1);
    assert_eq!(guard.apply(&later), GuardReply::Rejected(released));
    assert_eq!(claim(&mut guard, block(ALICE, 20, 0), R1), GRANTED);
}

#[test]
fn commands_about_unknown_attesters_are_rejected() {
    let mut guard = open_guard();
    let rejected = GuardReply::Rejected(CommandRejection::Unbound { attester: CAROL });
    assert_eq!(guard.apply(&release(CAROL, 20)), rejected);
    assert_eq!(guard.apply(&foreign(block(CAROL, 20, 0), R1)), rejected);
}
