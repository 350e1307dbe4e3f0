#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::fs;

use alloy_primitives::{Address, B256};
use ollin_consensus::audit::file::{Header, record_line};
use ollin_consensus::audit::{AuditEvent, AuditHead, AuditRecord};
use ollin_guard::{DutyKind, Guard, GuardCommand};
use ollin_protocol::units::{SigningRoot, Slot};

use super::*;

/// An audit directory of one duty a slot; `last` is the root of the last one.
fn audit(directory: &Path, last: u8) -> [u8; 32] {
    fs::create_dir_all(directory).unwrap();
    let mut head = AuditHead::default();
    let mut text = Header::new("c1".to_owned(), 1, head).to_line();
    for (number, root) in [(0, 1), (1, 2), (2, last)] {
        let (slot, root) = (Slot::new(number + 6), SigningRoot::new(B256::repeat_byte(root)));
        let event = AuditEvent::Duties { slot, kind: DutyKind::Attestation, attesters: vec![Address::ZERO], root };
        let record = AuditRecord { number, log_index: number, event };
        head = head.after(&record);
        text += &record_line(&record, &head);
    }
    fs::write(directory.join("00000000000000000000.jsonl"), text).unwrap();
    head.hash
}

fn interchange() -> String {
    let mut guard = Guard::new();
    let binding = ollin_guard::Binding { chain_id: 1, rollup: Address::ZERO, attesters: [Address::repeat_byte(1)].into() };
    guard.apply(&GuardCommand::Bind(binding));
    guard.apply(&GuardCommand::Open { floor: Slot::new(5) });
    Interchange::of(&guard, None).unwrap().to_json()
}

#[test]
fn audits_of_two_replicas_and_a_file_hold_and_a_data_directory_is_understood() {
    let place = tempfile::tempdir().unwrap();
    let (one, two) = (place.path().join("one"), place.path().join("two"));
    let head = audit(&one.join("audit"), 3);
    audit(&two, 3);
    let file = place.path().join("file.json");
    fs::write(&file, interchange()).unwrap();
    let verified = verify(&[one, two, file], Some(&head)).unwrap();
    assert!(verified.valid, "{}", verified.text());
    assert!(verified.text().contains("3 records hold, 3 duties"));
    assert!(verified.text().contains("1 attesters were not released"));
}

#[test]
fn what_does_not_hold_is_named() {
    let place = tempfile::tempdir().unwrap();
    let (one, two) = (place.path().join("one"), place.path().join("two"));
    let (head, other) = (audit(&one, 3), audit(&two, 4));
    let verified = verify(&[one.clone(), two.clone()], None).unwrap();
    assert!(!verified.valid && verified.text().contains("disagree: record 2"), "{}", verified.text());
    assert!(verify(std::slice::from_ref(&one), Some(&head)).unwrap().valid);
    assert!(!verify(std::slice::from_ref(&one), Some(&other)).unwrap().valid);
    let segment = one.join("00000000000000000000.jsonl");
    let changed = fs::read_to_string(&segment).unwrap().replacen("\"slot\":7", "\"slot\":8", 1);
    fs::write(&segment, changed).unwrap();
    let verified = verify(&[segment], None).unwrap();
    assert!(!verified.valid && verified.text().contains("record 1 has hash"), "{}", verified.text());
    let file = place.path().join("file.json");
    fs::write(&file, interchange().replacen("\"stop_line\": 5", "\"stop_line\": 4", 1)).unwrap();
    let verified = verify(&[file], None).unwrap();
    assert!(!verified.valid && verified.text().contains("changed after it was written"), "{}", verified.text());
}

#[test]
fn nothing_to_check_is_an_error_and_not_a_pass() {
    let place = tempfile::tempdir().unwrap();
    assert!(verify(&[place.path().to_owned()], None).is_err());
    assert!(verify(&[place.path().join("absent")], None).is_err());
}
