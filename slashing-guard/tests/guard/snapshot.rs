use alloy_primitives::{Address, B256};
use ollin_guard::{Binding, Claim, Duty, DutyKind, Guard, GuardCommand, SnapshotError};
use ollin_protocol::units::SigningRoot;

use crate::fixture::*;

const VERSION_BYTES: usize = 1;
const CHECKSUM_BYTES: usize = 4;

/// A guard with something in every field.
fn lived_in_guard() -> Guard {
    let mut guard = open_guard();
    claim_all(&mut guard, &[claim_of(&[attestation(ALICE, 11), attestation(BOB, 11)], R1)]);
    claim(&mut guard, block(ALICE, 100, 3), R2);
    done(&mut guard, &GuardCommand::RaiseWatermark { slot: slot(10) });
    done(&mut guard, &add(CAROL, 50));
    done(&mut guard, &release(BOB, 60));
    done(&mut guard, &foreign(block(CAROL, 70, 0), R1));
    guard
}

/// Replaces the body and makes the checksum right again.
fn sealed(version: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = [&[version], body].concat();
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn body_of(bytes: &[u8]) -> &[u8] {
    &bytes[VERSION_BYTES..bytes.len() - CHECKSUM_BYTES]
}

#[test]
fn a_snapshot_restores_the_same_guard() {
    for guard in [Guard::new(), open_guard(), lived_in_guard()] {
        assert_eq!(Guard::decode(&guard.encode()), Ok(guard));
    }
}

#[test]
fn no_truncated_snapshot_is_taken() {
    let bytes = lived_in_guard().encode();
    for end in 0..bytes.len() {
        assert!(Guard::decode(&bytes[..end]).is_err(), "{end} of {} bytes", bytes.len());
    }
    let body = body_of(&bytes);
    for end in 0..body.len() {
        assert!(Guard::decode(&sealed(bytes[0], &body[..end])).is_err(), "{end} of {} body bytes", body.len());
    }
}

#[test]
fn trailing_bytes_are_refused_even_under_a_right_checksum() {
    let bytes = lived_in_guard().encode();
    assert!(matches!(Guard::decode(&[&bytes[..], &[0]].concat()), Err(SnapshotError::Checksum { .. })));
    let longer = [body_of(&bytes), &[0]].concat();
    assert_eq!(Guard::decode(&sealed(bytes[0], &longer)), Err(SnapshotError::NotCanonical));
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = lived_in_guard().encode();
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << bit;
            assert!(Guard::decode(&damaged).is_err(), "bit {bit} of byte {position}");
        }
    }
}

#[test]
fn another_version_is_refused_by_name() {
    let bytes = lived_in_guard().encode();
    let other = bytes[0] + 1;
    assert_eq!(Guard::decode(&sealed(other, body_of(&bytes))), Err(SnapshotError::Version { found: other }));
}

#[test]
fn another_spelling_of_the_same_state_is_refused() {
    // The first byte of the body is the phase; postcard also reads the number 3 in two bytes.
    let bytes = lived_in_guard().encode();
    let body = body_of(&bytes);
    assert_eq!(body[0], 3);
    let spelled_long = [&[0x83, 0x00], &body[1..]].concat();
    assert_eq!(Guard::decode(&sealed(bytes[0], &spelled_long)), Err(SnapshotError::NotCanonical));
}

#[test]
fn a_state_that_no_commands_lead_to_is_refused() {
    // A sealed guard after an import differs from an open one by what the open one has lived through.
    for (phase, guard) in [(0, open_guard()), (1, open_guard()), (2, lived_in_guard())] {
        let bytes = guard.encode();
        let mut body = body_of(&bytes).to_vec();
        body[0] = phase;
        let outcome = Guard::decode(&sealed(bytes[0], &body));
        assert!(matches!(outcome, Err(SnapshotError::Inconsistent { .. })), "phase {phase}: {outcome:?}");
    }
}

#[test]
fn hostile_lengths_are_refused_without_reserving_memory() {
    let bytes = open_guard().encode();
    let (head, tail) = body_of(&bytes).split_at(body_of(&bytes).len() - 2);
    assert_eq!(tail, [0, 0], "the lengths of records and payloads");
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    for hostile in [[head, &huge, &[0]].concat(), [head, &[0], &huge].concat()] {
        assert!(matches!(Guard::decode(&sealed(bytes[0], &hostile)), Err(SnapshotError::Body(_))));
    }
}

/// 20 slots of a cluster with 500 attesters: each attests, and one of them proposes three blocks, a checkpoint and a bundle.
#[test]
fn ten_thousand_live_duties_stay_under_five_mebibytes() {
    let attesters: Vec<_> = (1_u64..=500).map(|number| Address::left_padding_from(&number.to_be_bytes())).collect();
    let mut guard = Guard::new();
    done(&mut guard, &GuardCommand::Bind(Binding { attesters: attesters.iter().copied().collect(), ..binding() }));
    done(&mut guard, &GuardCommand::Open { floor: slot(1_000_000) });
    for number in 1_000_001..=1_000_020 {
        let root = |salt: u8| SigningRoot::new(B256::repeat_byte(salt));
        let attestations = attesters.iter().map(|attester| attestation(*attester, number)).collect();
        let proposer = Duty { kind: DutyKind::CheckpointProposal, ..block(attesters[0], number, 0) };
        let bundle = Duty { kind: DutyKind::AttestationsAndSigners, ..proposer };
        let blocks = (0..3).map(|index| block(attesters[0], number, index));
        // Sizes as of 4.1.2 with a full committee of 48: two headers and up to 250 transaction hashes, 65-byte signatures.
        let mut claims = vec![Claim { duties: attestations, root: root(1), payload: vec![1; 450] }];
        claims.extend(blocks.map(|duty| Claim { duties: vec![duty], root: root(2), payload: vec![2; 8_700] }));
        claims.push(Claim { duties: vec![proposer], root: root(3), payload: vec![3; 9_100] });
        claims.push(Claim { duties: vec![bundle], root: root(4), payload: vec![4; 5_000] });
        assert!(claim_all(&mut guard, &claims).iter().all(|verdict| *verdict == GRANTED));
    }
    let bytes = guard.encode();
    assert!(guard.live_duties() >= 10_000);
    assert!(bytes.len() < 5 << 20, "{} bytes", bytes.len());
    assert_eq!(Guard::decode(&bytes), Ok(guard));
}

#[test]
fn the_formats_do_not_drift_without_a_new_version() {
    let tag = |command: &GuardCommand| postcard::to_stdvec(command).map(|bytes| bytes[0]);
    let commands = [
        GuardCommand::Bind(binding()),
        import(vec![], 1),
        GuardCommand::Open { floor: slot(1) },
        GuardCommand::Claim(vec![]),
        GuardCommand::RaiseFloor { slot: slot(1) },
        GuardCommand::RaiseWatermark { slot: slot(1) },
        GuardCommand::DropPayloads { slot: slot(1) },
        add(ALICE, 1),
        release(ALICE, 1),
        foreign(block(ALICE, 1, 0), R1),
        GuardCommand::Close { slot: slot(1) },
        unfreeze(ALICE, 1),
    ];
    for (position, command) in (0..).zip(&commands) {
        assert_eq!(tag(command), Ok(position), "{command:?}");
        let bytes = postcard::to_stdvec(command).unwrap();
        assert_eq!(postcard::from_bytes(&bytes).as_ref(), Ok(command));
    }
    let snapshot = crc32fast::hash(body_of(&lived_in_guard().encode()));
    assert_eq!(snapshot, 4_195_949_916, "the bytes of an unchanged state changed: raise the version");
}
