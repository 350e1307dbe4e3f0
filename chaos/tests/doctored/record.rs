use alloy_primitives::B256;
use ollin_chaos::{History, ReadError, SignerKind, Violation};
use serde_json::json;

use crate::run::*;

#[test]
fn a_clean_run_passes_and_is_counted() {
    let judgement = Run::clean().judge();
    assert_eq!(judgement.violations, []);
    let counts = judgement.counts;
    assert_eq!((counts.replicas, counts.signatures, counts.duties), (2, 6, 4));
    assert_eq!((counts.transactions, counts.attempts, counts.checkpoints, counts.torn_lines), (3, 2, 1, 0));
}

#[test]
fn two_roots_for_one_duty_on_different_replicas_are_caught() {
    let run = Run::clean().with(2, signature(2, 250, "block_proposal", B256::repeat_byte(9)));
    let violations = run.judge().violations;
    let [Violation::TwoRoots { first, second, first_origin, second_origin, .. }] = &violations[..] else {
        panic!("{violations:?}");
    };
    assert_eq!((*first.get(), *second.get()), (B256::repeat_byte(1), B256::repeat_byte(9)));
    assert_eq!((first_origin.replica.get(), second_origin.replica.get()), (1, 2));
}

#[test]
fn two_roots_for_one_duty_in_one_file_are_caught() {
    let run = Run::clean().with(1, signature(1, 99_000, "attestation", B256::repeat_byte(9)));
    assert!(matches!(run.judge().violations[..], [Violation::TwoRoots { .. }]));
}

#[test]
fn another_attester_slot_index_rollup_or_chain_is_another_duty() {
    let other = signature(2, 250, "block_proposal", B256::repeat_byte(9));
    for (field, value) in
        [("attester", json!(ROLLUP)), ("slot", json!(8)), ("index", json!(1)), ("rollup", json!(ALICE)), ("chain_id", json!(1))]
    {
        let mut line = other.clone();
        line[field] = value;
        assert_eq!(Run::clean().with(2, line).judge().violations, [], "{field}");
    }
}

#[test]
fn two_signatures_of_one_root_are_caught_from_a_deterministic_signer_only() {
    let mut line = signature(2, 250, "attestation", attestation_root());
    line["signature"] = json!(format!("0x{}", "55".repeat(65)));
    let mut run = Run::clean().with(2, line);
    assert!(matches!(run.judge().violations[..], [Violation::TwoSignatures { .. }]));
    run.signer = SignerKind::Varying;
    assert_eq!(run.judge().violations, []);
}

#[test]
fn a_bundle_sent_before_anybody_signed_it_is_caught() {
    let run = Run::clean().without(|line| line["kind"] == "attestations_and_signers");
    let violations = run.judge().violations;
    assert_eq!(violations.iter().filter(|found| matches!(found, Violation::UnsignedBundle { .. })).count(), 3);

    let late = Run::clean().edited(1, 5, "time_ms", json!(1)).edited(1, 4, "time_ms", json!(900));
    assert_eq!(late.judge().violations, [], "within a file the order of lines counts, not the clock");
    let sent_by_another = Run::clean().edited(1, 4, "time_ms", json!(900)).edited(2, 2, "time_ms", json!(901));
    let swapped = {
        let mut run = sent_by_another;
        run.files[1].1.swap(1, 3);
        run
    };
    assert!(swapped.judge().violations.iter().any(|found| matches!(found, Violation::UnsignedBundle { .. })));
}

#[test]
fn a_bundle_signed_before_the_checkpoint_or_the_own_attestation_is_caught() {
    for kind in ["checkpoint_proposal", "attestation"] {
        let violations = Run::clean().without(|line| line["kind"] == kind).judge().violations;
        assert!(violations.iter().any(|found| matches!(found, Violation::Premature { .. })), "{kind}: {violations:?}");
    }
}

#[test]
fn a_checkpoint_signed_after_its_bundle_does_not_excuse_it() {
    let mut run = Run::clean();
    run.files[0].1.swap(0, 3);
    let violations = run.judge().violations;
    let premature = violations.iter().filter(|found| matches!(found, Violation::Premature { .. })).count();
    assert_eq!((premature, violations.len()), (2, 2), "{violations:?}");
}

#[test]
fn a_signature_of_another_bundle_does_not_excuse_the_one_that_was_sent() {
    let run = Run::clean().edited(2, 4, "root", json!(B256::repeat_byte(9)));
    assert!(run.judge().violations.iter().any(|found| matches!(found, Violation::UnsignedBundle { .. })));
}

#[test]
fn a_torn_last_line_is_tolerated_and_counted() {
    let run = Run::clean();
    let text = run.text_of(0);
    for cut in [1, 2, 50, text.lines().last().map_or(0, str::len)] {
        let mut history = History::default();
        history.add_record("replica-1.jsonl", &text.as_bytes()[..text.len() - cut]).unwrap();
        let whole = usize::from(cut == 1);
        assert_eq!((history.emissions.len(), history.torn_lines), (4 + whole, 1 - whole), "cut {cut}");
    }
}

#[test]
fn a_torn_line_in_the_middle_is_an_error() {
    let text = Run::clean().text_of(0);
    let end_of_first = text.find('\n').unwrap();
    let torn = [&text[..end_of_first - 20], &text[end_of_first..]].concat();
    let outcome = History::default().add_record("replica-1.jsonl", torn.as_bytes());
    assert!(matches!(outcome, Err(ReadError::Line { line: 1, .. })), "{outcome:?}");
    let joined = [&text[..end_of_first - 20], &text[end_of_first + 1..]].concat();
    let outcome = History::default().add_record("replica-1.jsonl", joined.as_bytes());
    assert!(matches!(outcome, Err(ReadError::Line { line: 1, .. })), "{outcome:?}");
}

#[test]
fn a_finished_last_line_that_is_no_outlet_line_is_an_error() {
    for text in ["{}\n", "\n", "{\"outlet\":\"keystore\"}\n", "\u{fffd}\n"] {
        assert!(matches!(History::default().add_record("a", text.as_bytes()), Err(ReadError::Line { line: 1, .. })), "{text:?}");
    }
}
