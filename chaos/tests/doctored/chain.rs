use alloy_primitives::B256;
use ollin_chaos::Violation;
use ollin_protocol::units::Slot;
use serde_json::json;

use crate::run::*;

#[test]
fn a_checkpoint_on_l1_that_nobody_attested_is_caught() {
    let run = Run::clean().with_fact(|fact| fact.payload_digest = B256::repeat_byte(0x99));
    assert!(matches!(run.judge().violations[..], [Violation::UnrecordedCheckpoint { .. }]));
}

#[test]
fn a_bundle_on_l1_that_nobody_signed_is_caught() {
    let violations = Run::clean().with_fact(|fact| fact.bundle_digest = B256::repeat_byte(0x99)).judge().violations;
    assert!(matches!(violations[..], [Violation::UnrecordedBundle { .. }, Violation::UnrecordedTransaction { .. }]));
}

#[test]
fn a_checkpoint_in_another_slot_than_the_claimed_one_is_caught() {
    let violations = Run::clean().with_fact(|fact| fact.slot = Slot::new(SLOT + 1)).judge().violations;
    assert_eq!(violations.len(), 3, "{violations:?}");
}

#[test]
fn a_forged_attempt_is_caught_when_it_lands() {
    let run = Run::clean().with_fact(|fact| fact.transaction = B256::repeat_byte(0x99));
    assert!(matches!(run.judge().violations[..], [Violation::UnrecordedTransaction { .. }]));
}

#[test]
fn a_transaction_that_lands_without_its_recorded_bundle_is_caught() {
    let run = Run::clean().edited(2, 4, "root", json!(null));
    assert!(matches!(run.judge().violations[..], [Violation::UnrecordedTransaction { .. }]));
}

#[test]
fn two_checkpoints_of_one_slot_are_caught() {
    let mut run = Run::clean();
    let mut second = run.facts[0];
    second.transaction = FIRST_TRANSACTION;
    run.facts.push(second);
    assert!(matches!(run.judge().violations[..], [Violation::TwoCheckpoints { .. }]));
}
