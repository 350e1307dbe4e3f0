use alloy_primitives::{Address, B256};
use ollin_chaos::Violation;
use serde_json::json;

use crate::run::*;

#[test]
fn one_attempt_as_two_transactions_is_caught_across_replicas() {
    let run = Run::clean().edited(2, 3, "transaction", json!(B256::repeat_byte(0xef)));
    let violations = run.judge().violations;
    let [Violation::TwoTransactions { first, second, first_origin, second_origin, .. }] = &violations[..] else {
        panic!("{violations:?}");
    };
    assert_eq!((*first, *second), (FIRST_TRANSACTION, B256::repeat_byte(0xef)));
    assert_eq!((first_origin.replica.get(), second_origin.replica.get()), (1, 2));
}

#[test]
fn one_transaction_as_two_attempts_is_caught() {
    let run = Run::clean().with(2, transaction(2, 250, 2, BUMP));
    assert!(matches!(run.judge().violations[..], [Violation::TwoAttempts { .. }]));
}

#[test]
fn one_attempt_for_two_slots_is_caught() {
    let mut line = transaction(2, 250, 1, BUMP);
    line["root"] = json!(null);
    assert!(matches!(Run::clean().with(2, line).judge().violations[..], [Violation::TwoDescriptions { .. }]));
}

#[test]
fn a_later_attempt_for_an_earlier_slot_is_caught() {
    let mut cancellation = transaction(2, 250, 2, B256::repeat_byte(0xe2));
    cancellation["root"] = json!(null);
    assert_eq!(Run::clean().with(2, cancellation.clone()).judge().violations, [], "a cancellation of the same slot is fine");
    cancellation["slot"] = json!(SLOT - 1);
    assert!(matches!(Run::clean().with(2, cancellation).judge().violations[..], [Violation::SlotFell { .. }]));
}

#[test]
fn the_same_number_at_another_nonce_or_publisher_is_another_attempt() {
    for (field, value) in [("nonce", json!(4)), ("publisher", json!(Address::repeat_byte(0xb1)))] {
        let mut line = transaction(2, 250, 0, B256::repeat_byte(0xe5));
        line[field] = value;
        assert_eq!(Run::clean().with(2, line).judge().violations, [], "{field}");
    }
}

#[test]
fn slots_are_compared_within_one_nonce_only() {
    let mut line = transaction(2, 250, 0, B256::repeat_byte(0xe5));
    line["nonce"] = json!(4);
    line["slot"] = json!(SLOT - 1);
    line["root"] = json!(null);
    assert_eq!(Run::clean().with(2, line).judge().violations, []);
}
