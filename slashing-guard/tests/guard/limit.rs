use alloy_primitives::Address;
use ollin_guard::limit::{
    MAX_ATTESTERS, MAX_CLAIM_DUTIES, MAX_CLAIMS, MAX_COMMAND_PAYLOAD_BYTES, MAX_IMPORTED_DUTIES, MAX_LIVE_DUTIES,
    MAX_PAYLOAD_BYTES,
};
use ollin_guard::{Binding, Claim, CommandRejection, Duty, Guard, GuardCommand, GuardReply};
use ollin_protocol::units::BlockIndex;

use crate::fixture::*;

/// Asserts that `claims` are rejected so and that nothing of them was bound.
fn rejects(claims: Vec<Claim>, rejection: CommandRejection) {
    let mut guard = open_guard();
    assert_eq!(guard.apply(&GuardCommand::Claim(claims)), GuardReply::Rejected(rejection));
    assert_eq!(guard, open_guard());
}

fn with_payload(index: u64, bytes: usize) -> Claim {
    Claim { payload: vec![1; bytes], ..claim_of(&[block(ALICE, 11, index)], R1) }
}

fn blocks(count: usize) -> Vec<Duty> {
    (0..).map(|index| block(ALICE, 11, index)).take(count).collect()
}

#[test]
fn a_command_has_claims_and_a_claim_has_duties() {
    rejects(vec![], CommandRejection::ClaimCount { count: 0, limit: MAX_CLAIMS });
    let good = claim_of(&[block(ALICE, 11, 0)], R1);
    let empty = CommandRejection::DutyCount { claim: 1, count: 0, limit: MAX_CLAIM_DUTIES };
    rejects(vec![good, claim_of(&[], R1)], empty);
}

#[test]
fn more_claims_than_the_limit_are_rejected_whole() {
    let claims: Vec<_> = blocks(MAX_CLAIMS + 1).into_iter().map(|duty| claim_of(&[duty], R1)).collect();
    rejects(claims.clone(), CommandRejection::ClaimCount { count: MAX_CLAIMS + 1, limit: MAX_CLAIMS });
    assert_eq!(claim_all(&mut open_guard(), &claims[1..]).len(), MAX_CLAIMS);
}

#[test]
fn more_duties_than_the_limit_are_rejected_whole() {
    let batch = claim_of(&[attestation(ALICE, 11)].repeat(MAX_CLAIM_DUTIES + 1), R1);
    let count = MAX_CLAIM_DUTIES + 1;
    rejects(vec![batch], CommandRejection::DutyCount { claim: 0, count, limit: MAX_CLAIM_DUTIES });
}

#[test]
fn a_payload_is_neither_empty_nor_over_the_limit() {
    for bytes in [0, MAX_PAYLOAD_BYTES + 1] {
        rejects(vec![with_payload(0, bytes)], CommandRejection::PayloadSize { claim: 0, bytes, limit: MAX_PAYLOAD_BYTES });
    }
    assert_eq!(claim_all(&mut open_guard(), &[with_payload(0, MAX_PAYLOAD_BYTES)]), [GRANTED]);
}

#[test]
fn payloads_of_one_command_share_a_limit() {
    let full = MAX_COMMAND_PAYLOAD_BYTES / MAX_PAYLOAD_BYTES;
    let mut claims: Vec<_> = (0..).map(|index| with_payload(index, MAX_PAYLOAD_BYTES)).take(full).collect();
    claims.push(with_payload(99, 1));
    let bytes = MAX_COMMAND_PAYLOAD_BYTES + 1;
    rejects(claims, CommandRejection::CommandPayloadSize { bytes, limit: MAX_COMMAND_PAYLOAD_BYTES });
}

#[test]
fn a_batch_is_of_one_slot_and_one_kind() {
    let first = attestation(ALICE, 11);
    for other in [attestation(BOB, 12), block(BOB, 11, 0)] {
        rejects(vec![claim_of(&[first, other], R1)], CommandRejection::MixedBatch { claim: 0, first, other });
    }
    let (first, other) = (block(ALICE, 11, 0), block(ALICE, 11, 1));
    assert_eq!(other.kind, ollin_guard::DutyKind::BlockProposal { index: BlockIndex::new(1) });
    rejects(vec![claim_of(&[first, other], R1)], CommandRejection::MixedBatch { claim: 0, first, other });
}

#[test]
fn a_binding_has_a_limited_number_of_attesters() {
    let mut attesters: Vec<_> =
        (1_u64..).map(|number| Address::left_padding_from(&number.to_be_bytes())).take(MAX_ATTESTERS).collect();
    let full = Binding { attesters: attesters.iter().copied().collect(), ..binding() };
    attesters.push(ALICE);
    let over = Binding { attesters: attesters.into_iter().collect(), ..binding() };
    let rejected = GuardReply::Rejected(CommandRejection::TooManyAttesters { count: MAX_ATTESTERS + 1, limit: MAX_ATTESTERS });
    let mut guard = Guard::new();
    assert_eq!(guard.apply(&GuardCommand::Bind(over)), rejected);
    done(&mut guard, &GuardCommand::Bind(full));
    done(&mut guard, &GuardCommand::Open { floor: slot(1) });
    assert_eq!(guard.apply(&GuardCommand::AddAttester { attester: ALICE, floor: slot(1) }), rejected);
}

#[test]
fn a_full_state_still_regrants_what_is_bound() {
    let attesters: Vec<Address> =
        (1_u64..).map(|number| Address::left_padding_from(&number.to_be_bytes())).take(MAX_CLAIM_DUTIES).collect();
    let mut guard = Guard::new();
    done(&mut guard, &GuardCommand::Bind(Binding { attesters: attesters.iter().copied().collect(), ..binding() }));
    done(&mut guard, &GuardCommand::Open { floor: slot(1) });
    let batch = |index| claim_of(&attesters.iter().map(|attester| block(*attester, 11, index)).collect::<Vec<_>>(), R1);
    let indices: Vec<u64> = (0..).take(MAX_LIVE_DUTIES / MAX_CLAIM_DUTIES).collect();
    for indices in indices.chunks(MAX_CLAIMS) {
        let claims: Vec<_> = indices.iter().map(|index| batch(*index)).collect();
        assert!(claim_all(&mut guard, &claims).iter().all(|verdict| *verdict == GRANTED));
    }
    assert_eq!(claim(&mut guard, block(attesters[0], 11, 0), R1), GRANTED_AGAIN);
    let rejection = CommandRejection::Full { live: MAX_LIVE_DUTIES, asked: 1, limit: MAX_LIVE_DUTIES };
    let one_more = GuardCommand::Claim(vec![claim_of(&[block(attesters[0], 12, 0)], R1)]);
    assert_eq!(guard.apply(&one_more), GuardReply::Rejected(rejection));
}

#[test]
fn an_import_within_its_limit_fits_in_one_command_and_one_beyond_is_rejected_whole() {
    let mut guard = Guard::new();
    done(&mut guard, &GuardCommand::Bind(binding()));
    let records = |count| import(blocks(count).into_iter().map(|duty| (duty, R1)).collect(), 11);
    let rejection = CommandRejection::ImportTooLarge { count: MAX_IMPORTED_DUTIES + 1, limit: MAX_IMPORTED_DUTIES };
    assert_eq!(guard.apply(&records(MAX_IMPORTED_DUTIES + 1)), GuardReply::Rejected(rejection));
    let full = records(MAX_IMPORTED_DUTIES);
    let bytes = postcard::to_stdvec(&full).map(|bytes| bytes.len()).unwrap_or(usize::MAX);
    assert!(bytes < 7 << 20, "{bytes} bytes in the log");
    done(&mut guard, &full);
}
