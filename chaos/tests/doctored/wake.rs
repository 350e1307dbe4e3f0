use alloy_primitives::B256;
use ollin_chaos::{Violation, Wake};
use ollin_protocol::units::ReplicaId;
use serde_json::{Value, json};

use crate::run::*;

/// Replica 1 is stopped after its last line and goes on at 300 ms.
fn woken(line: Value) -> Vec<Violation> {
    woken_until(line, None)
}

fn woken_until(line: Value, until_ms: Option<u64>) -> Vec<Violation> {
    let mut run = Run::clean().with(1, line);
    run.wakes.push(Wake { replica: ReplicaId::new(1), woke_at_ms: 300, until_ms });
    run.judge().violations
}

#[test]
fn what_somebody_emitted_before_may_be_repeated_after_a_pause() {
    assert_eq!(woken(signature(1, 310, "attestation", attestation_root())), []);
    assert_eq!(woken(transaction(1, 310, 1, BUMP)), []);
}

#[test]
fn a_new_signature_after_a_pause_is_caught() {
    let mut line = signature(1, 310, "attestation", B256::repeat_byte(8));
    line["slot"] = json!(SLOT + 1);
    let violations = woken(line);
    let [Violation::NewAfterWake { origin, .. }] = &violations[..] else { panic!("{violations:?}") };
    assert_eq!((origin.replica.get(), origin.time_ms, origin.line), (1, 310, 6));
}

#[test]
fn a_new_transaction_after_a_pause_is_caught() {
    let violations = woken(transaction(1, 310, 2, B256::repeat_byte(0xe2)));
    assert!(matches!(violations[..], [Violation::NewAfterWake { .. }]), "{violations:?}");
}

#[test]
fn what_another_replica_emits_later_does_not_excuse_the_woken_one() {
    let late = transaction(2, 320, 2, B256::repeat_byte(0xe2));
    let mut run = Run::clean().with(1, transaction(1, 310, 2, B256::repeat_byte(0xe2))).with(2, late);
    run.wakes.push(Wake { replica: ReplicaId::new(1), woke_at_ms: 300, until_ms: None });
    assert!(matches!(run.judge().violations[..], [Violation::NewAfterWake { .. }]));
}

#[test]
fn lines_before_the_wake_after_its_window_and_of_others_are_not_its_concern() {
    let new = |time_ms| transaction(1, time_ms, 2, B256::repeat_byte(0xe2));
    assert_eq!(woken(new(299)), []);
    assert_eq!(woken_until(new(401), Some(400)), []);
    assert_eq!(woken_until(new(400), Some(400)).len(), 1);
    let mut run = Run::clean();
    run.wakes.push(Wake { replica: ReplicaId::new(1), woke_at_ms: 150, until_ms: None });
    assert_eq!(run.judge().violations, [], "replica 2 goes on as it likes");
}
