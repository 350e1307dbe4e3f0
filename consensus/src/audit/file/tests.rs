use alloy_primitives::{Address, B256};
use ollin_guard::{Binding, Claim, Duty, DutyKind, Guard, GuardCommand, Sighting};
use ollin_protocol::units::{L1BlockNumber, SigningRoot, Slot};

use super::*;
use crate::audit::{AuditEvent, AuditTrail, MAX_RECORDS};

const ALICE: Address = Address::repeat_byte(0xa1);
const BOB: Address = Address::repeat_byte(0xb0);
const SEEN: Sighting = Sighting::L1 { block: L1BlockNumber::new(7), transaction: B256::repeat_byte(8) };

fn root(byte: u8) -> SigningRoot {
    SigningRoot::new(B256::repeat_byte(byte))
}

fn claim(slot: u64, attesters: &[Address], byte: u8) -> GuardCommand {
    let duty = |attester: &Address| Duty { slot: Slot::new(slot), kind: DutyKind::Attestation, attester: *attester };
    let duties = attesters.iter().map(duty).collect();
    GuardCommand::Claim(vec![Claim { duties, root: root(byte), payload: vec![1] }])
}

fn set_up() -> Vec<GuardCommand> {
    let binding = Binding { chain_id: 1, rollup: Address::ZERO, attesters: [ALICE, BOB].into() };
    vec![GuardCommand::Bind(binding), GuardCommand::Open { floor: Slot::new(5) }]
}

fn applied(commands: &[GuardCommand]) -> AuditTrail {
    let (mut guard, mut trail) = (Guard::new(), AuditTrail::default());
    for (index, command) in (0..).zip(commands) {
        trail.apply(&mut guard, command, index);
    }
    trail
}

/// The segment that a writer makes of everything the trail keeps.
fn segment(trail: &AuditTrail, number: u64) -> String {
    let page = trail.page(number);
    let mut text = Header::new("c1".to_owned(), 1, page.base).to_line();
    let mut head = page.base;
    for record in &page.records {
        head = head.after(record);
        text += &record_line(record, &head);
    }
    text
}

fn checked(segments: &[&str]) -> Result<AuditSummary, AuditFault> {
    let mut check = AuditCheck::default();
    for text in segments {
        check.segment(text)?;
    }
    Ok(check.summary())
}

fn worked() -> AuditTrail {
    applied(&[set_up(), vec![claim(6, &[ALICE, BOB], 1), claim(7, &[ALICE], 2), claim(8, &[BOB], 3)]].concat())
}

#[test]
fn every_change_makes_one_record_and_what_changes_nothing_makes_none() {
    let quiet = [
        claim(6, &[ALICE], 1),
        claim(6, &[ALICE], 9),
        GuardCommand::Open { floor: Slot::new(9) },
        GuardCommand::RaiseFloor { slot: Slot::new(2) },
        GuardCommand::DropPayloads { slot: Slot::new(7) },
    ];
    let loud = vec![claim(6, &[ALICE, BOB], 1), claim(100, &[ALICE], 2)];
    let release = GuardCommand::ReleaseAttester { attester: ALICE, last_slot: Slot::new(200) };
    let foreign = Duty { slot: Slot::new(90), kind: DutyKind::Attestation, attester: BOB };
    let rest = vec![
        GuardCommand::RaiseFloor { slot: Slot::new(10) },
        GuardCommand::RaiseWatermark { slot: Slot::new(20) },
        GuardCommand::Foreign { duty: foreign, root: root(4), seen: SEEN },
        GuardCommand::Foreign { duty: foreign, root: root(5), seen: SEEN },
        GuardCommand::Unfreeze { attester: BOB, floor: Slot::new(70), reason: "gone".to_owned() },
        GuardCommand::Close { slot: Slot::new(50) },
        GuardCommand::AddAttester { attester: Address::ZERO, floor: Slot::new(60) },
        release.clone(),
        release,
    ];
    let trail = applied(&[set_up(), loud, quiet.to_vec(), rest].concat());
    let events: Vec<AuditEvent> = trail.page(0).records.into_iter().map(|record| record.event).collect();
    let duties = |slot, attesters: &[Address], byte| AuditEvent::Duties {
        slot: Slot::new(slot),
        kind: DutyKind::Attestation,
        attesters: attesters.to_vec(),
        root: root(byte),
    };
    let slot = Slot::new;
    assert_eq!(
        events,
        [
            AuditEvent::Bound { chain_id: 1, rollup: Address::ZERO, attesters: vec![ALICE, BOB] },
            AuditEvent::Opened { floor: slot(5) },
            duties(6, &[ALICE, BOB], 1),
            duties(100, &[ALICE], 2),
            AuditEvent::Floor { slot: slot(10) },
            AuditEvent::Floor { slot: slot(20) },
            AuditEvent::Watermark { slot: slot(20) },
            AuditEvent::Frozen { duty: foreign, root: root(4), seen: SEEN },
            AuditEvent::Unfrozen { attester: BOB, floor: slot(90), reason: "gone".to_owned() },
            AuditEvent::Floor { slot: slot(50) },
            AuditEvent::Closed { slot: slot(50) },
            AuditEvent::Added { attester: Address::ZERO, floor: slot(60) },
            AuditEvent::Released { attester: ALICE, last_slot: slot(200) },
        ]
    );
}

#[test]
fn what_was_written_checks_and_ends_at_the_states_head() {
    let trail = worked();
    let summary = checked(&[&segment(&trail, 0)]).unwrap();
    assert_eq!((summary.head, summary.records, summary.duties), (trail.head(), 5, 4));
    assert_eq!((summary.gaps, summary.torn), (vec![], false));
}

#[test]
fn a_changed_character_a_record_taken_out_or_put_in_is_found() {
    let text = segment(&worked(), 0);
    let header = text.find('\n').unwrap();
    for (position, character) in text.char_indices().skip(header + 1).filter(|(_, character)| character.is_ascii_alphanumeric()) {
        let mut changed = text.clone();
        changed.replace_range(position..=position, if character == '7' { "8" } else { "7" });
        assert!(checked(&[&changed]).is_err(), "{character} at {position}");
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for gone in 1..lines.len() - 1 {
        let kept: String = lines.iter().enumerate().filter(|(line, _)| *line != gone).map(|(_, line)| *line).collect();
        assert!(matches!(checked(&[&kept]), Err(AuditFault::Number { .. })), "line {gone} taken out");
    }
    let doubled: String = [&lines[..3], &lines[2..]].concat().concat();
    assert!(matches!(checked(&[&doubled]), Err(AuditFault::Number { .. })));
}

#[test]
fn a_rewritten_chain_is_internally_right_and_found_by_another_replicas_audit() {
    let other = applied(&[set_up(), vec![claim(6, &[ALICE, BOB], 1), claim(7, &[ALICE], 8), claim(8, &[BOB], 3)]].concat());
    let (mut one, mut two) = (AuditCheck::default(), AuditCheck::default());
    one.segment(&segment(&worked(), 0)).unwrap();
    two.segment(&segment(&other, 0)).unwrap();
    assert!(matches!(one.agree(&two), Err(AuditFault::Diverged { number: 3, .. })));
    assert!(one.contains(&worked().head().hash) && !one.contains(&other.head().hash));
}

#[test]
fn a_log_that_has_forgotten_what_was_copied_from_it_or_is_another_one_is_named() {
    let copied = |trail: &AuditTrail| {
        let mut check = AuditCheck::default();
        check.segment(&segment(trail, 0)).unwrap();
        check
    };
    let (whole, shorter) = (worked(), applied(&[set_up(), vec![claim(6, &[ALICE, BOB], 1)]].concat()));
    assert!(copied(&whole).leads_to(&whole.page(0)).is_ok());
    assert!(copied(&shorter).leads_to(&whole.page(0)).is_ok(), "the copy lags behind");
    assert!(matches!(copied(&whole).leads_to(&shorter.page(0)), Err(AuditFault::Ahead { .. })), "it was rolled back");
    let other = applied(&[set_up(), vec![claim(6, &[ALICE, BOB], 1), claim(7, &[ALICE], 8), claim(8, &[BOB], 3)]].concat());
    assert!(matches!(copied(&whole).leads_to(&other.page(0)), Err(AuditFault::Diverged { number: 3, .. })));
}

#[test]
fn segments_continue_each_other_and_a_snapshot_leaves_a_gap_with_its_bounds() {
    let trail = worked();
    let whole = segment(&trail, 0);
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let first: String = lines[..3].concat();
    let second = segment(&trail, 2);
    let summary = checked(&[&first, &second]).unwrap();
    assert_eq!((summary.head, summary.records, summary.gaps), (trail.head(), 5, vec![]));
    let later = segment(&trail, 4);
    let summary = checked(&[&first, &later]).unwrap();
    assert_eq!((summary.head, summary.gaps), (trail.head(), vec![Gap { first: 2, next: 4 }]));
    assert!(matches!(checked(&[&second, &first]), Err(AuditFault::Segment { .. })));
    let foreign = second.replacen("\"c1\"", "\"c2\"", 1);
    assert!(matches!(checked(&[&first, &foreign]), Err(AuditFault::OtherCluster { .. })));
}

#[test]
fn a_line_that_was_cut_counts_for_nothing_and_says_where_to_go_on() {
    let trail = worked();
    let text = segment(&trail, 0);
    let last = text.trim_end().rfind('\n').unwrap() + 1;
    for cut in last + 1..text.len() {
        let (head, whole) = end(&text[..cut]).unwrap();
        assert_eq!((head.count, whole), (trail.head().count - 1, last));
        assert!(checked(&[&text[..cut]]).unwrap().torn);
    }
    assert_eq!(end(&text).unwrap(), (trail.head(), text.len()));
}

#[test]
fn a_duty_with_two_roots_is_found_though_every_hash_is_right() {
    let mut head = AuditHead::default();
    let mut text = Header::new("c1".to_owned(), 1, head).to_line();
    for (number, byte) in [(0, 1), (1, 2)] {
        let event =
            AuditEvent::Duties { slot: Slot::new(6), kind: DutyKind::Attestation, attesters: vec![ALICE], root: root(byte) };
        let record = AuditRecord { number, log_index: number, event };
        head = head.after(&record);
        text += &record_line(&record, &head);
    }
    assert!(matches!(checked(&[&text]), Err(AuditFault::TwoRoots { number: 1, .. })));
}

#[test]
fn other_formats_and_versions_are_refused_by_name() {
    let text = segment(&worked(), 0);
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    assert!(matches!(checked(&[&newer]), Err(AuditFault::Version { found: 2 })));
    let other = text.replacen("ollin-audit", "something", 1);
    assert!(matches!(checked(&[&other]), Err(AuditFault::Format { .. })));
    assert!(matches!(checked(&[""]), Err(AuditFault::Header { .. })));
}

#[test]
fn the_state_keeps_a_bounded_tail_and_the_hash_before_it() {
    let slots = 6..6 + u64::try_from(MAX_RECORDS).unwrap() + 100;
    let commands: Vec<_> = set_up().into_iter().chain(slots.map(|slot| claim(slot, &[ALICE], 1))).collect();
    let trail = applied(&commands);
    let page = trail.page(0);
    assert_eq!((page.base.count, page.records.len()), (102, MAX_RECORDS));
    assert_eq!(page.records.iter().fold(page.base, |head, record| head.after(record)), trail.head());
    assert!(trail.is_consistent());
    // Fed piece by piece, as to a file, the chain is whole.
    let (mut guard, mut live, mut check) = (Guard::new(), AuditTrail::default(), AuditCheck::default());
    for (index, command) in (0..).zip(&commands) {
        let from = live.head().count;
        live.apply(&mut guard, command, index);
        check.segment(&segment(&live, from)).unwrap();
    }
    assert_eq!((check.summary().head, check.summary().gaps), (trail.head(), vec![]));
}
