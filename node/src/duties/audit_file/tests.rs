#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use alloy_primitives::{Address, B256};
use ollin_consensus::audit::file::{AuditCheck, AuditSummary, Gap};
use ollin_consensus::audit::{AuditEvent, AuditRecord};
use ollin_guard::DutyKind;
use ollin_protocol::units::{SigningRoot, Slot};
use tempfile::TempDir;

use super::*;

fn record(number: u64) -> AuditRecord {
    let root = SigningRoot::new(B256::left_padding_from(&number.to_be_bytes()));
    let event = AuditEvent::Duties { slot: Slot::new(number), kind: DutyKind::Attestation, attesters: vec![Address::ZERO], root };
    AuditRecord { number, log_index: number, event }
}

fn head(count: u64) -> AuditHead {
    (0..count).map(record).fold(AuditHead::default(), |head, record| head.after(&record))
}

/// Records `first..end`, as a state shows them.
fn page(first: u64, end: u64) -> AuditPage {
    AuditPage { base: head(first), records: (first..end).map(record).collect() }
}

fn open(place: &TempDir) -> AuditFiles {
    AuditFiles::open(place.path().join("audit"), "c1".to_owned(), 1).unwrap()
}

fn checked(place: &TempDir) -> AuditSummary {
    let mut check = AuditCheck::default();
    for path in segments(&place.path().join("audit")).unwrap() {
        check.segment(&fs::read_to_string(path).unwrap()).unwrap();
    }
    check.summary()
}

#[test]
fn a_copy_goes_on_after_a_restart_and_after_a_line_that_was_cut() {
    let place = tempfile::tempdir().unwrap();
    open(&place).copy(&page(0, 3), &head(3)).unwrap();
    let path = place.path().join("audit").join(format!("{:020}.jsonl", 0));
    let whole = fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(whole - 5).unwrap();
    let mut files = open(&place);
    assert_eq!(files.next(), 2, "the cut record is written again");
    // A replica that starts has applied less than it had copied.
    files.copy(&page(0, 1), &head(1)).unwrap();
    files.copy(&page(2, 6), &head(6)).unwrap();
    let summary = checked(&place);
    assert_eq!((summary.head, summary.records, summary.gaps, summary.torn), (head(6), 6, vec![], false));
}

#[test]
fn segments_are_followed_by_new_ones_and_only_the_latest_stay() {
    let place = tempfile::tempdir().unwrap();
    let mut files = open(&place);
    files.segment_bytes = 2_000;
    for number in 0..400 {
        files.copy(&page(number, number + 1), &head(number + 1)).unwrap();
    }
    let paths = segments(&place.path().join("audit")).unwrap();
    assert_eq!(paths.len(), SEGMENTS);
    assert!(paths.iter().all(|path| fs::metadata(path).unwrap().len() < 2_600));
    let summary = checked(&place);
    assert_eq!((summary.head, summary.gaps), (head(400), vec![]));
    assert!(summary.base.count > 300 && summary.base == head(summary.base.count));
}

#[test]
fn what_the_state_keeps_no_more_is_a_gap() {
    let place = tempfile::tempdir().unwrap();
    let mut files = open(&place);
    files.copy(&page(0, 3), &head(3)).unwrap();
    files.copy(&page(7, 9), &head(9)).unwrap();
    assert_eq!(checked(&place).gaps, vec![Gap { first: 3, next: 7 }]);
    assert_eq!(open(&place).next(), 9);
}

#[test]
fn files_of_another_history_or_cluster_and_damaged_ones_are_set_aside_and_kept() {
    let place = tempfile::tempdir().unwrap();
    open(&place).copy(&page(0, 3), &head(3)).unwrap();
    // The same cluster with another history: not the same hash at the same count.
    let mut files = open(&place);
    let other = AuditHead { count: 3, hash: [7; 32] };
    let next = AuditPage { base: other, records: vec![record(3)] };
    files.copy(&next, &other.after(&record(3))).unwrap();
    assert_eq!(checked(&place).base, other);
    assert!(place.path().join("audit.aside-1").is_dir());
    let stranger = AuditFiles::open(place.path().join("audit"), "c2".to_owned(), 1).unwrap();
    assert_eq!(stranger.next(), 0);
    assert!(place.path().join("audit.aside-2").is_dir());
    fs::write(place.path().join("audit").join(format!("{:020}.jsonl", 0)), "no header\n").unwrap();
    assert_eq!(open(&place).next(), 0);
    assert!(place.path().join("audit.aside-3").is_dir());
}
