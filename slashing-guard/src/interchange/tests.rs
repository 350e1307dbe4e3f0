#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use alloy_primitives::B256;
use ollin_protocol::units::{BlockIndex, L1BlockNumber};

use super::*;
use crate::{Claim, CommandRejection, DutyKind, GuardReply, Refusal, Sighting, Verdict};

const ALICE: Address = Address::repeat_byte(0xa1);
const BOB: Address = Address::repeat_byte(0xb0);
const CAROL: Address = Address::repeat_byte(0xca);
const FLOOR: u64 = 10;

fn root(byte: u8) -> SigningRoot {
    SigningRoot::new(B256::repeat_byte(byte))
}

fn duty(attester: Address, slot: u64, kind: DutyKind) -> Duty {
    Duty { attester, slot: Slot::new(slot), kind }
}

fn binding() -> Binding {
    Binding { chain_id: 31_337, rollup: Address::repeat_byte(0x77), attesters: [ALICE, BOB].into() }
}

fn done(guard: &mut Guard, command: &GuardCommand) {
    assert_eq!(guard.apply(command), GuardReply::Done, "{command:?}");
}

fn claim(guard: &mut Guard, duty: Duty, root: SigningRoot) -> Verdict {
    let claim = Claim { duties: vec![duty], root, payload: vec![1] };
    match guard.apply(&GuardCommand::Claim(vec![claim])) {
        GuardReply::Verdicts(mut verdicts) => verdicts.remove(0),
        other @ (GuardReply::Done | GuardReply::Rejected(_)) => panic!("{other:?}"),
    }
}

fn foreign_in(duty: Duty) -> GuardCommand {
    let seen = Sighting::L1 { block: L1BlockNumber::new(7), transaction: B256::ZERO };
    GuardCommand::Foreign { duty, root: root(5), seen }
}

/// Alice has signed one duty of every kind in slot 20, Bob one attestation in slot 21.
fn worked() -> Guard {
    let mut guard = Guard::new();
    done(&mut guard, &GuardCommand::Bind(binding()));
    done(&mut guard, &GuardCommand::Open { floor: Slot::new(FLOOR) });
    let kinds = [
        DutyKind::BlockProposal { index: BlockIndex::new(3) },
        DutyKind::CheckpointProposal,
        DutyKind::Attestation,
        DutyKind::AttestationsAndSigners,
        DutyKind::GovernanceVote,
        DutyKind::SlashingVote,
    ];
    for (kind, byte) in kinds.into_iter().zip(1..) {
        claim(&mut guard, duty(ALICE, 20, kind), root(byte));
    }
    claim(&mut guard, duty(BOB, 21, DutyKind::Attestation), root(9));
    guard
}

/// The same, with both released after slot 30.
fn released() -> Guard {
    let mut guard = worked();
    for attester in [ALICE, BOB] {
        done(&mut guard, &GuardCommand::ReleaseAttester { attester, last_slot: Slot::new(30) });
    }
    guard
}

fn exported(guard: &Guard) -> Interchange {
    Interchange::of(guard, None).unwrap()
}

/// Changes one text of a file and makes the checksum right again, as somebody would who edits it on purpose.
fn forged(text: &str, from: &str, to: &str) -> Vec<u8> {
    assert!(text.contains(from), "{from}");
    let changed = text.replacen(from, to, 1);
    let Err(InterchangeError::Checksum { found, computed }) = Interchange::parse(changed.as_bytes()) else {
        panic!("a changed file passes");
    };
    changed.replace(&found, &computed).into_bytes()
}

#[test]
fn a_file_is_read_as_it_was_written_with_every_kind_of_duty() {
    for guard in [worked(), released()] {
        let interchange = exported(&guard);
        assert_eq!(interchange.duties().len(), 7);
        assert_eq!(Interchange::parse(interchange.to_json().as_bytes()).unwrap(), interchange);
    }
}

#[test]
fn the_stop_line_is_the_release_or_else_whatever_is_highest_by_now() {
    let lines = |guard: &Guard| exported(guard).attesters().values().map(|standing| standing.stop_line.get()).collect::<Vec<_>>();
    assert_eq!(lines(&released()), [30, 30]);
    let mut guard = worked();
    assert_eq!(lines(&guard), [20, 21], "the highest bound slot");
    done(&mut guard, &GuardCommand::RaiseFloor { slot: Slot::new(25) });
    done(&mut guard, &GuardCommand::AddAttester { attester: CAROL, floor: Slot::new(40) });
    assert_eq!(lines(&guard), [25, 25, 40], "the cluster's floor, or its own");
    let foreign = duty(ALICE, 50, DutyKind::Attestation);
    done(&mut guard, &foreign_in(foreign));
    assert_eq!(lines(&guard), [50, 25, 40], "what its key has signed elsewhere");
    assert_eq!(exported(&guard).stop_line(), Slot::new(50));
}

/// Alice has claimed a duty, and her key has signed it elsewhere under another root: no cluster may sign it under ours any more.
#[test]
fn what_a_key_that_signed_elsewhere_had_bound_is_not_handed_on() {
    let stolen = duty(ALICE, 20, DutyKind::Attestation);
    let mut frozen = worked();
    done(&mut frozen, &foreign_in(stolen));
    let mut thawed = frozen.clone();
    let answer = GuardCommand::Unfreeze { attester: ALICE, floor: Slot::new(25), reason: "gone".to_owned() };
    done(&mut thawed, &answer);
    for (mut old, stop_line) in [(frozen, 30), (thawed, 30)] {
        for attester in [ALICE, BOB] {
            done(&mut old, &GuardCommand::ReleaseAttester { attester, last_slot: Slot::new(30) });
        }
        let file = exported(&old);
        assert_eq!(file.attesters()[&ALICE].stop_line, Slot::new(stop_line));
        assert_eq!(file.duties().keys().map(|duty| duty.attester).collect::<Vec<_>>(), [BOB]);
        let mut next = Guard::new();
        done(&mut next, &GuardCommand::Bind(binding()));
        done(&mut next, &file.command(&binding(), &[Doubt::Frozen].into()).unwrap());
        done(&mut next, &GuardCommand::Open { floor: Slot::new(12) });
        let asked = claim(&mut next, stolen, root(3));
        assert!(matches!(asked, Verdict::Refused(Refusal::BelowFloor { .. })), "{asked:?}");
    }
    let mut late = worked();
    done(&mut late, &foreign_in(stolen));
    done(&mut late, &GuardCommand::ReleaseAttester { attester: ALICE, last_slot: Slot::new(30) });
    done(&mut late, &GuardCommand::Unfreeze { attester: ALICE, floor: Slot::new(40), reason: "gone".to_owned() });
    assert_eq!(exported(&late).attesters()[&ALICE].stop_line, Slot::new(40), "what its key may have signed elsewhere");
}

#[test]
fn whoever_cannot_see_everything_raises_the_stop_lines_of_those_that_were_not_released() {
    let lines = |interchange: &Interchange| interchange.attesters().values().map(|one| one.stop_line.get()).collect::<Vec<_>>();
    let mut unreleased = exported(&worked());
    unreleased.raise_stop_lines(Slot::new(19));
    assert_eq!(lines(&unreleased), [20, 21]);
    unreleased.raise_stop_lines(Slot::new(40));
    assert_eq!(lines(&unreleased), [40, 40]);
    assert_eq!(Interchange::parse(unreleased.to_json().as_bytes()).unwrap(), unreleased);
    let mut promised = exported(&released());
    promised.raise_stop_lines(Slot::new(40));
    assert_eq!(lines(&promised), [30, 30]);
}

#[test]
fn an_export_can_be_of_some_attesters_but_not_of_strangers_nor_of_a_sealed_cluster() {
    let only = Interchange::of(&worked(), Some(&[BOB].into())).unwrap();
    assert_eq!((only.attesters().len(), only.duties().len()), (1, 1));
    assert_eq!(Interchange::of(&worked(), Some(&[CAROL].into())), Err(ExportRefusal::Unbound { attester: CAROL }));
    assert_eq!(Interchange::of(&Guard::new(), None), Err(ExportRefusal::NotOpen { phase: Phase::Unbound }));
}

#[test]
fn nothing_new_is_granted_at_or_below_the_stop_line_of_an_import() {
    let command = exported(&released()).command(&binding(), &BTreeSet::new()).unwrap();
    let mut next = Guard::new();
    done(&mut next, &GuardCommand::Bind(binding()));
    done(&mut next, &command);
    assert_eq!(next.floor(), Some(Slot::new(30)));
    // A first floor below the stop line does not lower it: the clock of the new cluster may be wrong.
    done(&mut next, &GuardCommand::Open { floor: Slot::new(12) });
    assert_eq!(next.floor(), Some(Slot::new(30)));
    for slot in [1, 20, 21, 30] {
        for attester in [ALICE, BOB] {
            let asked = duty(attester, slot, DutyKind::CheckpointProposal);
            let verdict = claim(&mut next, asked, root(99));
            assert!(matches!(verdict, Verdict::Refused(Refusal::BelowFloor { .. } | Refusal::Conflict { .. })), "{asked}");
        }
    }
    assert_eq!(claim(&mut next, duty(BOB, 31, DutyKind::Attestation), root(99)), Verdict::Granted { newly_bound: true });
}

#[test]
fn an_attester_that_was_not_released_needs_a_word_and_so_does_a_frozen_one() {
    let interchange = exported(&worked());
    let none = BTreeSet::new();
    assert_eq!(interchange.command(&binding(), &none), Err(ImportRefusal::Unreleased { attester: ALICE }));
    assert!(interchange.command(&binding(), &[Doubt::Unreleased].into()).is_ok());
    let mut guard = worked();
    done(&mut guard, &foreign_in(duty(BOB, 22, DutyKind::Attestation)));
    for attester in [ALICE, BOB] {
        done(&mut guard, &GuardCommand::ReleaseAttester { attester, last_slot: Slot::new(30) });
    }
    let interchange = exported(&guard);
    assert_eq!(Interchange::parse(interchange.to_json().as_bytes()).unwrap(), interchange);
    assert_eq!(interchange.command(&binding(), &none), Err(ImportRefusal::Frozen { attester: BOB }));
    assert_eq!(interchange.command(&binding(), &[Doubt::Unreleased].into()), Err(ImportRefusal::Frozen { attester: BOB }));
    assert!(interchange.command(&binding(), &[Doubt::Frozen].into()).is_ok());
}

#[test]
fn a_file_of_another_chain_or_rollup_or_with_a_stranger_is_refused_whole() {
    let interchange = exported(&released());
    let none = BTreeSet::new();
    for other in [Binding { chain_id: 1, ..binding() }, Binding { rollup: CAROL, ..binding() }] {
        assert!(matches!(interchange.command(&other, &none), Err(ImportRefusal::OtherRollup { .. })));
    }
    let without_bob = Binding { attesters: [ALICE, CAROL].into(), ..binding() };
    assert_eq!(interchange.command(&without_bob, &none), Err(ImportRefusal::Unbound { attester: BOB }));
}

#[test]
fn a_changed_character_or_a_cut_is_found() {
    let text = exported(&released()).to_json();
    for (position, character) in text.char_indices().filter(|(_, character)| character.is_ascii_alphanumeric()) {
        let other = if character == '7' { "8" } else { "7" };
        let mut damaged = text.clone();
        damaged.replace_range(position..=position, other);
        assert!(Interchange::parse(damaged.as_bytes()).is_err(), "{character} at {position}");
    }
    let text = text.trim_end();
    for end in 0..text.len() {
        assert!(Interchange::parse(&text.as_bytes()[..end]).is_err(), "cut at {end}");
    }
    assert!(Interchange::parse(format!("{text} 1").as_bytes()).is_err());
}

#[test]
fn another_version_is_refused_by_name_whatever_else_it_holds() {
    let newer = br#"{"format":"ollin-interchange","version":2,"novelty":true}"#;
    assert!(matches!(Interchange::parse(newer), Err(InterchangeError::Version { found: 2 })));
    let other = br#"{"format":"eip-3076","version":1}"#;
    assert!(matches!(Interchange::parse(other), Err(InterchangeError::Format { .. })));
}

#[test]
fn a_file_that_no_export_writes_is_refused_even_under_a_right_checksum() {
    let text = exported(&released()).to_json();
    let refusals = [
        (forged(&text, "\"stop_line\": 30", "\"stop_line\": 29"), "stop line 29"),
        (forged(&text, "\"slot\": 20", "\"slot\": 31"), "above its attester's stop line"),
        (forged(&text, "\"checkpoint_proposal\"", "\"slashing_vote\""), "listed twice"),
        (forged(&text, "\"index\": 3,", ""), "index"),
        (text.replacen("\"version\": 1,", "\"version\": 1, \"extra\": 1,", 1).into_bytes(), "extra"),
        (text.replacen("\"released\": true,", "", 1).into_bytes(), "released"),
    ];
    for (bytes, words) in refusals {
        let error = Interchange::parse(&bytes).unwrap_err();
        let whole = format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default());
        assert!(whole.contains(words), "{whole}, expected {words}");
    }
}

#[test]
fn an_import_with_a_record_above_its_stop_line_is_refused_whole() {
    let mut guard = Guard::new();
    done(&mut guard, &GuardCommand::Bind(binding()));
    let above = duty(ALICE, 31, DutyKind::Attestation);
    let command = GuardCommand::Import { records: vec![(above, root(1))], stop_line: Slot::new(30) };
    let rejection = CommandRejection::ImportBeyondStopLine { duty: above, stop_line: Slot::new(30) };
    assert_eq!(guard.apply(&command), GuardReply::Rejected(rejection));
    assert_eq!((guard.phase(), guard.floor(), guard.live_duties()), (Phase::Bound, None, 0));
}
