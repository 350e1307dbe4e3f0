use ollin_guard::limit::KEEP_SLOTS;
use ollin_guard::{GuardCommand, Refusal, Verdict};

use crate::fixture::*;

#[test]
fn nothing_new_is_bound_at_or_below_the_floor() {
    let mut guard = open_guard();
    let at = block(ALICE, FIRST_FLOOR, 0);
    assert_eq!(claim(&mut guard, at, R1), below_floor(at, FIRST_FLOOR));
    assert_eq!(claim(&mut guard, block(ALICE, FIRST_FLOOR + 1, 0), R1), GRANTED);
}

#[test]
fn what_is_bound_stays_claimable_below_a_raised_floor() {
    let mut guard = open_guard();
    let (bound, unbound) = (block(ALICE, 11, 0), block(ALICE, 11, 1));
    claim(&mut guard, bound, R1);
    done(&mut guard, &GuardCommand::RaiseFloor { slot: slot(30) });
    assert_eq!(claim(&mut guard, bound, R1), GRANTED_AGAIN);
    assert_eq!(claim(&mut guard, bound, R2), conflict(bound, R1, R2));
    let refusal = Refusal::BelowFloor { duty: unbound, floor: slot(30) };
    assert_eq!(claim(&mut guard, unbound, R1), Verdict::Refused(refusal));
}

#[test]
fn floor_and_watermark_never_fall() {
    let mut guard = open_guard();
    claim(&mut guard, block(ALICE, 1_000, 0), R1);
    done(&mut guard, &GuardCommand::RaiseWatermark { slot: slot(300) });
    done(&mut guard, &GuardCommand::RaiseFloor { slot: slot(500) });
    done(&mut guard, &GuardCommand::RaiseWatermark { slot: slot(200) });
    done(&mut guard, &GuardCommand::RaiseFloor { slot: slot(400) });
    assert_eq!((guard.watermark(), guard.floor()), (Some(slot(300)), Some(slot(500))));
}

#[test]
fn nothing_is_granted_at_or_below_a_closed_slot_not_even_what_is_bound() {
    let mut guard = open_guard();
    let (bound, above) = (block(ALICE, 11, 0), block(ALICE, 31, 0));
    claim(&mut guard, bound, R1);
    claim(&mut guard, above, R1);
    done(&mut guard, &GuardCommand::Close { slot: slot(30) });
    done(&mut guard, &GuardCommand::Close { slot: slot(20) });
    assert_eq!((guard.closed(), guard.floor()), (Some(slot(30)), Some(slot(30))), "neither falls");
    let refusal = |duty| Verdict::Refused(Refusal::Closed { duty, closed: slot(30) });
    assert_eq!(claim(&mut guard, bound, R1), refusal(bound), "its root may be the one that lost");
    assert_eq!(claim(&mut guard, bound, R2), refusal(bound));
    assert_eq!(claim(&mut guard, block(ALICE, 30, 1), R1), refusal(block(ALICE, 30, 1)));
    assert_eq!(claim(&mut guard, above, R1), GRANTED_AGAIN);
}

#[test]
fn records_at_the_watermark_are_gone_and_every_claim_there_is_refused() {
    let mut guard = open_guard();
    let (at, above) = (block(ALICE, 20, 0), block(ALICE, 21, 0));
    claim(&mut guard, at, R1);
    claim(&mut guard, above, R1);
    claim(&mut guard, block(ALICE, 20 + KEEP_SLOTS, 0), R1);
    done(&mut guard, &GuardCommand::RaiseWatermark { slot: slot(20) });
    let refusal = Refusal::BelowWatermark { duty: at, watermark: slot(20) };
    assert_eq!(guard.bound(&at), None);
    assert_eq!(claim(&mut guard, at, R1), Verdict::Refused(refusal.clone()), "its own root too: nothing remembers it");
    assert_eq!(claim(&mut guard, at, R2), Verdict::Refused(refusal));
    assert_eq!(claim(&mut guard, above, R1), GRANTED_AGAIN);
}

#[test]
fn a_lying_l1_cannot_raise_the_watermark_over_the_present() {
    let mut guard = open_guard();
    let present = block(ALICE, 100, 0);
    claim(&mut guard, present, R1);
    done(&mut guard, &GuardCommand::RaiseWatermark { slot: slot(u64::MAX) });
    assert_eq!(guard.watermark(), Some(slot(100 - KEEP_SLOTS)));
    assert_eq!(claim(&mut guard, present, R1), GRANTED_AGAIN);
}

#[test]
fn the_watermark_stays_where_less_than_keep_slots_were_bound() {
    let mut guard = open_guard();
    done(&mut guard, &GuardCommand::RaiseWatermark { slot: slot(5) });
    assert_eq!(guard.watermark(), None, "nothing is bound");
    claim(&mut guard, block(ALICE, KEEP_SLOTS - 1, 0), R1);
    done(&mut guard, &GuardCommand::RaiseWatermark { slot: slot(5) });
    assert_eq!(guard.watermark(), None);
}

#[test]
fn the_floor_rises_with_the_watermark() {
    let mut guard = open_guard();
    claim(&mut guard, block(ALICE, 200, 0), R1);
    done(&mut guard, &GuardCommand::RaiseWatermark { slot: slot(90) });
    assert_eq!((guard.watermark(), guard.floor()), (Some(slot(90)), Some(slot(90))));
}

#[test]
fn the_watermark_takes_payloads_along() {
    let mut guard = open_guard();
    claim(&mut guard, block(ALICE, 20, 0), R1);
    claim(&mut guard, block(ALICE, 20 + KEEP_SLOTS, 0), R2);
    let both = guard.encode().len();
    done(&mut guard, &GuardCommand::RaiseWatermark { slot: slot(20) });
    assert!(guard.encode().len() + payload_of(R1).len() < both);
    assert_eq!(guard.live_duties(), 1);
}
