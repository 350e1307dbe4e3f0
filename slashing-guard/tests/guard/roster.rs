use ollin_guard::limit::MAX_REASON_BYTES;
use ollin_guard::{CommandRejection, Evidence, Guard, GuardCommand, GuardReply, Refusal, Verdict};

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
    assert_eq!(kept, [(ALICE, Evidence { duty: first, root: R2, seen: SEEN })]);
}

/// Continues the history of `a_frozen_attester_is_not_granted_even_what_is_bound`: the operator's answer must not undo it.
#[test]
fn an_unfrozen_attester_signs_above_the_new_floor_and_nothing_below_it_not_even_what_is_bound() {
    let mut guard = open_guard();
    let (duty, next) = (block(ALICE, 15, 0), block(ALICE, 21, 0));
    claim(&mut guard, duty, R1);
    done(&mut guard, &foreign(duty, R2));
    done(&mut guard, &unfreeze(ALICE, 20));
    assert_eq!(claim(&mut guard, next, R1), GRANTED);
    for below in [duty, block(ALICE, 20, 0)] {
        let thawed = Refusal::Thawed { duty: below, thawed: slot(20) };
        assert_eq!(claim(&mut guard, below, R1), Verdict::Refused(thawed));
    }
    assert_eq!(claim(&mut guard, block(BOB, 15, 0), R1), GRANTED, "the others keep the cluster's floor");
    assert_eq!(Guard::decode(&guard.encode()).as_ref(), Ok(&guard));
}

#[test]
fn the_slots_of_the_evidence_and_of_what_is_bound_prevail_over_a_lower_floor() {
    for (bound, evidence, line) in [(18, 30, 30), (40, 30, 40)] {
        let mut guard = open_guard();
        claim(&mut guard, block(ALICE, bound, 0), R1);
        done(&mut guard, &foreign(attestation(ALICE, evidence), R2));
        done(&mut guard, &unfreeze(ALICE, 12));
        let refused = claim(&mut guard, block(ALICE, line, 1), R1);
        assert_eq!(refused, Verdict::Refused(Refusal::Thawed { duty: block(ALICE, line, 1), thawed: slot(line) }));
        assert_eq!(claim(&mut guard, block(ALICE, line + 1, 0), R1), GRANTED);
    }
}

#[test]
fn evidence_that_was_answered_freezes_nobody_again_and_later_evidence_does() {
    let mut guard = open_guard();
    done(&mut guard, &foreign(block(ALICE, 15, 0), R2));
    done(&mut guard, &unfreeze(ALICE, 20));
    for old in [block(ALICE, 15, 0), block(ALICE, 20, 0)] {
        let rejection = CommandRejection::NoEvidence { duty: old, floor: slot(20) };
        assert_eq!(guard.apply(&foreign(old, R2)), GuardReply::Rejected(rejection));
    }
    assert_eq!(claim(&mut guard, block(ALICE, 22, 0), R1), GRANTED);
    done(&mut guard, &foreign(block(ALICE, 21, 0), R2));
    assert_eq!(claim(&mut guard, block(ALICE, 22, 0), R1), Verdict::Refused(Refusal::Frozen { attester: ALICE }));
    done(&mut guard, &unfreeze(ALICE, 5));
    assert_eq!(claim(&mut guard, block(ALICE, 23, 0), R1), GRANTED);
    assert!(
        matches!(claim(&mut guard, block(ALICE, 22, 0), R1), Verdict::Refused(Refusal::Thawed { .. })),
        "the line never falls"
    );
}

#[test]
fn an_answer_needs_a_frozen_attester_and_a_reason_that_fits() {
    let mut guard = open_guard();
    let rejected = |rejection| GuardReply::Rejected(rejection);
    assert_eq!(guard.apply(&unfreeze(ALICE, 20)), rejected(CommandRejection::NotFrozen { attester: ALICE }));
    assert_eq!(guard.apply(&unfreeze(CAROL, 20)), rejected(CommandRejection::Unbound { attester: CAROL }));
    done(&mut guard, &foreign(block(ALICE, 15, 0), R2));
    let before = guard.clone();
    for bytes in [0, MAX_REASON_BYTES + 1] {
        let reason = "r".repeat(bytes);
        let reply = guard.apply(&GuardCommand::Unfreeze { attester: ALICE, floor: slot(20), reason });
        assert_eq!(reply, rejected(CommandRejection::Reason { bytes, limit: MAX_REASON_BYTES }));
    }
    assert_eq!(guard, before);
    let reason = "r".repeat(MAX_REASON_BYTES);
    done(&mut guard, &GuardCommand::Unfreeze { attester: ALICE, floor: slot(20), reason });
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
