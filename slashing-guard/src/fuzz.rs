//! Hostile bytes for the guard's state, its commands and the interchange file.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};
use ollin_fuzz::Fuzz;
use ollin_protocol::units::{BlockIndex, L1BlockNumber, SigningRoot, Slot};

use crate::interchange::{Doubt, Interchange, InterchangeError};
use crate::{Binding, Claim, Duty, DutyKind, Guard, GuardCommand, GuardReply, Sighting, Verdict};

const ALICE: Address = Address::repeat_byte(0xa1);
const BOB: Address = Address::repeat_byte(0xb0);
const CAROL: Address = Address::repeat_byte(0xca);

fn slot(number: u64) -> Slot {
    Slot::new(number)
}

fn root(byte: u8) -> SigningRoot {
    SigningRoot::new(B256::repeat_byte(byte))
}

fn binding() -> Binding {
    Binding { chain_id: 31_337, rollup: Address::repeat_byte(0x77), attesters: [ALICE, BOB].into() }
}

fn claim(attesters: &[Address], number: u64, kind: DutyKind, byte: u8) -> Claim {
    let duties = attesters.iter().map(|attester| Duty { slot: slot(number), kind, attester: *attester }).collect();
    Claim { duties, root: root(byte), payload: vec![byte; 3] }
}

/// A history with every command in it.
fn history() -> Vec<GuardCommand> {
    let seen = Sighting::L1 { block: L1BlockNumber::new(7), transaction: B256::repeat_byte(8) };
    let frozen = Duty { slot: slot(70), kind: DutyKind::Attestation, attester: CAROL };
    vec![
        GuardCommand::Bind(binding()),
        GuardCommand::Import {
            records: vec![(Duty { slot: slot(4), kind: DutyKind::SlashingVote, attester: BOB }, root(9))],
            stop_line: slot(5),
        },
        GuardCommand::Open { floor: slot(10) },
        GuardCommand::Claim(vec![
            claim(&[ALICE, BOB], 11, DutyKind::Attestation, 1),
            claim(&[ALICE], 100, DutyKind::BlockProposal { index: BlockIndex::new(3) }, 2),
        ]),
        GuardCommand::Claim(vec![claim(&[BOB], 11, DutyKind::Attestation, 2)]),
        GuardCommand::RaiseFloor { slot: slot(12) },
        GuardCommand::RaiseWatermark { slot: slot(10) },
        GuardCommand::DropPayloads { slot: slot(11) },
        GuardCommand::AddAttester { attester: CAROL, floor: slot(50) },
        GuardCommand::ReleaseAttester { attester: BOB, last_slot: slot(60) },
        GuardCommand::Foreign { duty: frozen, root: root(1), seen },
        GuardCommand::Unfreeze { attester: CAROL, floor: slot(75), reason: "the other cluster is gone".to_owned() },
        GuardCommand::Close { slot: slot(80) },
    ]
}

fn guard_after(commands: &[GuardCommand]) -> Guard {
    let mut guard = Guard::new();
    for command in commands {
        guard.apply(command);
    }
    guard
}

/// The body under a right checksum.
fn sealed(body: &[u8]) -> Vec<u8> {
    let version = Guard::new().encode()[0];
    let mut bytes = [&[version], body].concat();
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// Bodies are mutated, the checksum is made right: else none would get past it.
#[test]
fn a_state_that_is_accepted_is_spelled_as_a_guard_spells_it() {
    let body = |count| {
        let bytes = guard_after(&history()[..count]).encode();
        bytes[1..bytes.len() - 4].to_vec()
    };
    let last = history();
    Fuzz::new("guard-state").seeds((0..=last.len()).map(body)).longest(4096).run(|bytes| {
        assert!(Guard::decode(bytes).is_err(), "noise with a checksum of its own");
        let bytes = sealed(bytes);
        let Ok(mut guard) = Guard::decode(&bytes) else { return };
        assert_eq!(guard.encode(), bytes);
        // Nothing that comes after it panics, and none of it is refused as a state.
        for command in &last {
            guard.apply(command);
        }
        assert_eq!(Guard::decode(&guard.encode()).as_ref(), Ok(&guard));
    });
}

/// Inputs are lists of commands. Whatever they are: no duty is granted two roots, and every state can be stored.
#[test]
fn no_list_of_commands_grants_two_roots_or_leads_to_a_state_that_is_refused() {
    let seeds = (1..=history().len()).map(|count| postcard::to_allocvec(&history()[..count].to_vec()).unwrap());
    Fuzz::new("guard-commands").seeds(seeds).longest(4096).run(|bytes| {
        let Ok(commands) = postcard::from_bytes::<Vec<GuardCommand>>(bytes) else { return };
        let (mut guard, mut granted) = (Guard::new(), BTreeMap::<Duty, SigningRoot>::new());
        for command in &commands {
            let reply = guard.apply(command);
            if let (GuardCommand::Claim(claims), GuardReply::Verdicts(verdicts)) = (command, &reply) {
                let duties = claims.iter().flat_map(|claim| claim.duties.iter().map(|duty| (*duty, claim.root)));
                for ((duty, root), verdict) in duties.zip(verdicts) {
                    if matches!(verdict, Verdict::Granted { .. }) {
                        assert_eq!(*granted.entry(duty).or_insert(root), root, "{duty} was granted two roots");
                    }
                }
            }
        }
        assert_eq!(Guard::decode(&guard.encode()).as_ref(), Ok(&guard), "after {commands:?}");
        let Ok(file) = Interchange::of(&guard, None) else { return };
        assert_eq!(Interchange::parse(file.to_json().as_bytes()).unwrap(), file);
    });
}

/// The checksum is made right where it was found wrong.
#[test]
fn an_interchange_file_that_is_accepted_has_one_meaning() {
    let file = |count| Interchange::of(&guard_after(&history()[..count]), None).ok();
    let seeds: Vec<Vec<u8>> = (1..=history().len()).filter_map(file).map(|file| file.to_json().into_bytes()).collect();
    let words =
        ["\"duties\":[", "\"frozen\":null", "\"kind\":\"block_proposal\",\"index\":0", "\"released\":true", "\"stop_line\":"];
    Fuzz::new("interchange").seeds(seeds).words(&words).longest(8192).run(|bytes| {
        let parsed = match Interchange::parse(bytes) {
            Err(InterchangeError::Checksum { found, computed }) if !found.is_empty() => {
                Interchange::parse(String::from_utf8_lossy(bytes).replacen(&found, &computed, 1).as_bytes())
            }
            other => other,
        };
        let Ok(file) = parsed else { return };
        assert_eq!(Interchange::parse(file.to_json().as_bytes()).unwrap(), file);
        assert!(file.duties().keys().all(|duty| duty.slot <= file.stop_line()));
        let attesters: BTreeSet<Address> = file.attesters().keys().copied().collect();
        let binding = Binding { chain_id: file.chain_id(), rollup: file.rollup(), attesters };
        let doubts = BTreeSet::from([Doubt::Unreleased, Doubt::Frozen]);
        let mut guard = guard_after(&[GuardCommand::Bind(binding.clone())]);
        assert_eq!(guard.apply(&file.command(&binding, &doubts).unwrap()), GuardReply::Done);
        assert_eq!(guard.floor(), Some(file.stop_line()));
    });
}
