use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};
use bytes::Bytes;
use ollin_guard::{Binding, Claim, Duty, DutyKind, Verdict};
use ollin_protocol::units::{SigningRoot, Slot};

use super::*;
use crate::attempt::{AttemptRefusal, AttemptRequest, Fees};

const ATTESTER: Address = Address::repeat_byte(1);

fn entry(index: u64, command: Command) -> Entry {
    let origin = Origin { replica: 1, boot: 2, sequence: index };
    Entry { term: 1, index, body: Body::Command(Bytes::from(Envelope { origin, command }.encode())) }
}

fn duty() -> Duty {
    Duty { slot: Slot::new(9), kind: DutyKind::AttestationsAndSigners, attester: ATTESTER }
}

fn history() -> Vec<Entry> {
    let binding = Binding { chain_id: 1, rollup: Address::ZERO, attesters: BTreeSet::from([ATTESTER]) };
    let claim = Claim { duties: vec![duty()], root: SigningRoot::new(B256::repeat_byte(4)), payload: vec![1] };
    let attempt = AttemptRequest {
        slot: Slot::new(9),
        publisher: ATTESTER,
        nonce: 0,
        content: AttemptContent::Bundle { duty: duty() },
        gas_limit: 1,
        fees: Fees { max_priority_fee_per_gas: 1, max_fee_per_gas: 1, max_fee_per_blob_gas: 1 },
    };
    let commands = [
        Command::Guard(GuardCommand::Bind(binding)),
        Command::Guard(GuardCommand::Open { floor: Slot::new(3) }),
        Command::Attempt(attempt),
        Command::Guard(GuardCommand::Claim(vec![claim])),
        Command::Attempt(attempt),
    ];
    (0..).zip(commands).map(|(index, command)| entry(index, command)).collect()
}

#[test]
fn a_bundle_is_recorded_only_once_its_duty_is_bound() {
    let mut state = State::default();
    let replies: Vec<Reply> = history().iter().map(|entry| state.apply(entry, None).unwrap().unwrap().reply).collect();
    let no_bundle = AttemptRefusal::NoBundle { duty: duty(), slot: Slot::new(9) };
    assert_eq!(
        replies,
        [
            Reply::Guard(GuardReply::Done),
            Reply::Guard(GuardReply::Done),
            Reply::Attempt(Err(no_bundle)),
            Reply::Guard(GuardReply::Verdicts(vec![Verdict::Granted { newly_bound: true }])),
            Reply::Attempt(Ok(0)),
        ]
    );
}

/// 20 slots of a cluster with 500 attesters, as the guard's own test has them, here with the audit beside them.
#[test]
fn a_snapshot_of_ten_thousand_live_duties_stays_under_five_mebibytes() {
    let attesters: Vec<Address> = (1_u64..=500).map(|number| Address::left_padding_from(&number.to_be_bytes())).collect();
    let binding = Binding { chain_id: 1, rollup: Address::ZERO, attesters: attesters.iter().copied().collect() };
    let mut commands = vec![GuardCommand::Bind(binding), GuardCommand::Open { floor: Slot::new(1_000_000) }];
    for slot in (1_000_001..=1_000_020).map(Slot::new) {
        let claim = |kind, attesters: &[Address], byte, bytes| Claim {
            duties: attesters.iter().map(|attester| Duty { slot, kind, attester: *attester }).collect(),
            root: SigningRoot::new(B256::repeat_byte(byte)),
            payload: vec![byte; bytes],
        };
        let block = |index| DutyKind::BlockProposal { index: ollin_protocol::units::BlockIndex::new(index) };
        let blocks = (0..3).map(|index| claim(block(index), &attesters[..1], 2, 8_700));
        let rest = [
            claim(DutyKind::Attestation, &attesters, 1, 450),
            claim(DutyKind::CheckpointProposal, &attesters[..1], 3, 9_100),
            claim(DutyKind::AttestationsAndSigners, &attesters[..1], 4, 5_000),
        ];
        commands.push(GuardCommand::Claim(blocks.chain(rest).collect()));
    }
    let mut state = State::default();
    for (index, command) in (0..).zip(commands) {
        state.apply(&entry(index, Command::Guard(command)), None).unwrap();
    }
    let bytes = state.encode();
    assert_eq!((state.guard().live_duties(), state.audit().head().count), (10_100, 122));
    assert!(bytes.len() < 5 << 20, "{} bytes", bytes.len());
    assert_eq!(State::decode(&bytes).unwrap(), state);
}

#[test]
fn equal_histories_give_equal_bytes_and_a_snapshot_goes_on_where_it_was_taken() {
    let mut whole = State::default();
    for entry in history() {
        whole.apply(&entry, None).unwrap();
    }
    for cut in 0..history().len() {
        let mut state = State::default();
        for entry in &history()[..cut] {
            state.apply(entry, None).unwrap();
        }
        let mut resumed = State::decode(&state.encode()).unwrap();
        assert_eq!(resumed, state);
        for entry in &history()[cut..] {
            resumed.apply(entry, None).unwrap();
        }
        assert_eq!(resumed.encode(), whole.encode());
    }
}

#[test]
fn an_unknown_command_and_a_repeated_entry_stop_before_anything_changes() {
    let mut state = State::default();
    state.apply(&history()[0], None).unwrap();
    let before = state.clone();
    let unknown = Entry { term: 1, index: 1, body: Body::Command(Bytes::from_static(&[2, 0])) };
    assert!(matches!(state.apply(&unknown, None), Err(ApplyError::Command { index: 1, .. })));
    assert!(matches!(state.apply(&history()[0], None), Err(ApplyError::Repeated { index: 0, applied: 0 })));
    assert_eq!(state, before);
}

/// Safety rule R13: one history, replicas that support different versions.
#[test]
fn a_version_that_is_not_supported_stops_a_replica_before_it_applies_and_the_others_judge_alike() {
    let raise = |index, version| entry(index, Command::Upgrade { version });
    let claim = |index, slot: u64| {
        let duty = Duty { slot: Slot::new(slot), ..duty() };
        let claim = Claim { duties: vec![duty], root: SigningRoot::new(B256::repeat_byte(4)), payload: vec![1] };
        entry(index, Command::Guard(GuardCommand::Claim(vec![claim])))
    };
    let (mut old, mut new) = (State::default(), State::default());
    let begun: Vec<Entry> = history().into_iter().take(2).chain([claim(2, 9)]).collect();
    for entry in &begun {
        old.apply_as(Supported::RELEASED, entry, None).unwrap();
        new.apply_as(Supported::BUILD, entry, None).unwrap();
    }
    assert_eq!((old.rules(), new.encode()), (RulesVersion::FIRST, old.encode()), "whoever supports more judges by the old rules");
    assert_eq!(new.guard().floor(), Some(Slot::new(3)));

    let before = old.clone();
    let stopped = old.apply_as(Supported::RELEASED, &raise(3, RulesVersion::NEXT), None);
    assert!(matches!(stopped, Err(ApplyError::Rules { index: 3, version: RulesVersion::NEXT, .. })), "{stopped:?}");
    assert_eq!(old, before, "it stops before the entry");

    let raised = new.apply_as(Supported::BUILD, &raise(3, RulesVersion::NEXT), None).unwrap().unwrap();
    assert_eq!((raised.reply, new.rules()), (Reply::Upgraded(RulesVersion::NEXT), RulesVersion::NEXT));
    for again in [RulesVersion::NEXT, RulesVersion::FIRST] {
        let index = new.applied().unwrap().index + 1;
        new.apply_as(Supported::BUILD, &raise(index, again), None).unwrap();
        assert_eq!(new.rules(), RulesVersion::NEXT, "it only rises");
    }
    let mut other = State::decode(&new.encode()).unwrap();
    for state in [&mut new, &mut other] {
        state.apply_as(Supported::BUILD, &claim(6, 20), None).unwrap();
        assert_eq!(state.guard().floor(), Some(Slot::new(18)), "the rules of version 2");
    }
    assert_eq!(new.encode(), other.encode(), "a snapshot carries the version");
}

#[test]
fn a_snapshot_under_rules_of_another_program_is_named_whatever_else_is_in_it() {
    let unknown = sealed::seal(&(9_u16, "a form that is not known here"));
    assert_eq!(State::rules_of(&unknown).map(RulesVersion::get), Ok(9));
    assert!(matches!(State::decode(&unknown), Err(StateBytesError::Rules { .. })));
}

#[test]
fn damaged_bytes_are_no_state() {
    let mut state = State::default();
    for entry in history() {
        state.apply(&entry, None).unwrap();
    }
    let bytes = state.encode();
    for position in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        assert!(State::decode(&changed).is_err(), "changed at {position}");
    }
}
