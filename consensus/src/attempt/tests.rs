//! The ledger's rules one by one, and the property they are for: the newest attempt wins in every pool.

use alloy_primitives::B256;
use ollin_guard::DutyKind;
use ollin_protocol::units::{BlockIndex, ReplicaId};
use proptest::prelude::*;

use super::*;

const PUBLISHER: Address = Address::repeat_byte(0x11);
const ROOT: SigningRoot = SigningRoot::new(B256::repeat_byte(7));

fn fees(wei: u128) -> Fees {
    Fees { max_priority_fee_per_gas: wei, max_fee_per_gas: wei * 10, max_fee_per_blob_gas: wei * 3 }
}

fn duty(slot: u64) -> Duty {
    Duty { slot: Slot::new(slot), kind: DutyKind::AttestationsAndSigners, attester: Address::repeat_byte(0x22) }
}

fn bundle(slot: u64, nonce: u64, wei: u128) -> AttemptRequest {
    let content = AttemptContent::Bundle { duty: duty(slot) };
    AttemptRequest { slot: Slot::new(slot), publisher: PUBLISHER, nonce, content, gas_limit: 1_000_000, fees: fees(wei) }
}

fn cancellation(slot: u64, nonce: u64, wei: u128) -> AttemptRequest {
    AttemptRequest { content: AttemptContent::Cancellation, ..bundle(slot, nonce, wei) }
}

fn record(ledger: &mut AttemptLedger, request: &AttemptRequest) -> Result<u32, AttemptRefusal> {
    let root = matches!(request.content, AttemptContent::Bundle { .. }).then_some(ROOT);
    ledger.record(request, root)
}

fn mined(nonce: u64) -> Outcome {
    Outcome::Mined {
        publisher: PUBLISHER,
        nonce,
        tx_hash: B256::repeat_byte(1),
        l1_block: L1BlockNumber::new(100),
        l1_block_hash: B256::repeat_byte(2),
    }
}

#[test]
fn the_first_attempt_sets_the_base_nonce_and_the_next_opens_after_mined() {
    let mut ledger = AttemptLedger::default();
    assert_eq!(ledger.publisher(PUBLISHER).next_nonce, None);
    assert_eq!(record(&mut ledger, &bundle(5, 40, 1)), Ok(0));
    assert_eq!(ledger.publisher(PUBLISHER).next_nonce, Some(40), "an open nonce is replaced, not passed over");
    let skipped = AttemptRefusal::Nonce { publisher: PUBLISHER, requested: 41, expected: 40 };
    assert_eq!(record(&mut ledger, &bundle(6, 41, 1)), Err(skipped));
    ledger.conclude(&mined(40)).unwrap();
    assert_eq!(ledger.publisher(PUBLISHER).next_nonce, Some(41));
    assert_eq!(record(&mut ledger, &bundle(6, 41, 1)), Ok(0));
    let spent = AttemptRefusal::Nonce { publisher: PUBLISHER, requested: 40, expected: 41 };
    assert_eq!(record(&mut ledger, &bundle(6, 40, 64)), Err(spent));
}

#[test]
fn every_fee_must_double_against_every_earlier_attempt() {
    let mut ledger = AttemptLedger::default();
    record(&mut ledger, &bundle(5, 0, 100)).unwrap();
    for short in 0..3 {
        let mut request = bundle(5, 0, 200);
        let fee = [
            &mut request.fees.max_priority_fee_per_gas,
            &mut request.fees.max_fee_per_gas,
            &mut request.fees.max_fee_per_blob_gas,
        ]
        .into_iter()
        .nth(short)
        .unwrap();
        *fee -= 1;
        assert!(matches!(record(&mut ledger, &request), Err(AttemptRefusal::FeeTooLow { .. })), "fee {short}");
    }
    assert_eq!(record(&mut ledger, &bundle(5, 0, 200)), Ok(1));
    assert_eq!(record(&mut ledger, &cancellation(6, 0, 400)), Ok(2));
    let mut beyond = bundle(6, 0, 400);
    beyond.fees.max_fee_per_gas = u128::MAX;
    beyond.fees.max_priority_fee_per_gas = u128::MAX;
    beyond.fees.max_fee_per_blob_gas = u128::MAX;
    assert_eq!(record(&mut ledger, &beyond), Ok(3));
    assert!(matches!(record(&mut ledger, &beyond), Ok(3)), "the newest attempt asked for again is the same attempt");
    beyond.gas_limit += 1;
    assert!(matches!(record(&mut ledger, &beyond), Err(AttemptRefusal::FeeTooLow { .. })), "twice the maximum does not exist");
}

#[test]
fn fees_of_nothing_are_refused() {
    let mut ledger = AttemptLedger::default();
    let mut request = bundle(5, 0, 1);
    request.fees.max_priority_fee_per_gas = 0;
    assert!(matches!(record(&mut ledger, &request), Err(AttemptRefusal::FeeTooLow { least: 1, .. })));
    request.fees = Fees { max_priority_fee_per_gas: 2, max_fee_per_gas: 1, max_fee_per_blob_gas: 1 };
    assert!(matches!(record(&mut ledger, &request), Err(AttemptRefusal::NotATransaction { .. })));
}

#[test]
fn a_nonce_that_held_blobs_holds_blobs() {
    let mut ledger = AttemptLedger::default();
    record(&mut ledger, &cancellation(5, 0, 1)).unwrap();
    record(&mut ledger, &bundle(5, 0, 2)).unwrap();
    record(&mut ledger, &cancellation(6, 0, 4)).unwrap();
    let blobs: Vec<bool> = ledger.publisher(PUBLISHER).open.iter().map(|attempt| attempt.holds_blobs).collect();
    assert_eq!(blobs, [false, true, true]);
}

#[test]
fn a_transaction_of_a_past_slot_is_not_started_and_a_later_slot_replaces_at_the_same_nonce() {
    let mut ledger = AttemptLedger::default();
    record(&mut ledger, &bundle(5, 0, 1)).unwrap();
    assert_eq!(record(&mut ledger, &bundle(6, 0, 2)), Ok(1));
    let past = AttemptRefusal::PastSlot { requested: Slot::new(5), newest: Slot::new(6) };
    assert_eq!(record(&mut ledger, &bundle(5, 0, 4)), Err(past.clone()));
    ledger.conclude(&mined(0)).unwrap();
    assert_eq!(record(&mut ledger, &bundle(5, 1, 4)), Err(past), "also at the next nonce");
}

#[test]
fn only_a_bound_bundle_of_the_same_slot_is_recorded() {
    let mut ledger = AttemptLedger::default();
    let request = bundle(5, 0, 1);
    let refused = Err(AttemptRefusal::NoBundle { duty: duty(5), slot: Slot::new(5) });
    assert_eq!(ledger.record(&request, None), refused);
    let other_slot = AttemptRequest { content: AttemptContent::Bundle { duty: duty(4) }, ..request };
    assert!(matches!(ledger.record(&other_slot, Some(ROOT)), Err(AttemptRefusal::NoBundle { .. })));
    let block = Duty { kind: DutyKind::BlockProposal { index: BlockIndex::new(0) }, ..duty(5) };
    let other_kind = AttemptRequest { content: AttemptContent::Bundle { duty: block }, ..request };
    assert!(matches!(ledger.record(&other_kind, Some(ROOT)), Err(AttemptRefusal::NoBundle { .. })));
    assert_eq!(ledger, AttemptLedger::default(), "a refusal changes nothing");
}

#[test]
fn mined_is_not_final_and_settled_forgets() {
    let mut ledger = AttemptLedger::default();
    record(&mut ledger, &bundle(5, 0, 1)).unwrap();
    let not_mined = AttemptRefusal::NotMined { publisher: PUBLISHER, nonce: 0 };
    assert_eq!(ledger.conclude(&Outcome::Settled { publisher: PUBLISHER, nonce: 0 }), Err(not_mined));
    ledger.conclude(&mined(0)).unwrap();
    record(&mut ledger, &bundle(6, 1, 1)).unwrap();
    assert_eq!(ledger.open_attempt(PUBLISHER, 0, 0), None, "a spent nonce is not sent again");

    ledger.conclude(&Outcome::Reorged { publisher: PUBLISHER, nonce: 0 }).unwrap();
    assert!(ledger.open_attempt(PUBLISHER, 0, 0).is_some());
    assert_eq!(ledger.publisher(PUBLISHER).next_nonce, Some(0), "the gap is closed first");
    assert_eq!(record(&mut ledger, &cancellation(6, 0, 2)), Ok(1));
    assert_eq!(record(&mut ledger, &bundle(6, 1, 2)), Ok(1), "both open nonces may be raised");

    ledger.conclude(&mined(0)).unwrap();
    for _ in 0..2 {
        ledger.conclude(&Outcome::Settled { publisher: PUBLISHER, nonce: 0 }).unwrap();
    }
    let state = ledger.publisher(PUBLISHER);
    assert_eq!((state.mined.len(), state.open.len(), state.next_nonce), (0, 2, Some(1)));
}

#[test]
fn a_foreign_spend_drops_the_open_nonces_up_to_it_and_nothing_else() {
    let mut ledger = AttemptLedger::default();
    record(&mut ledger, &bundle(5, 3, 1)).unwrap();
    ledger.conclude(&mined(3)).unwrap();
    record(&mut ledger, &bundle(6, 4, 1)).unwrap();
    ledger.conclude(&Outcome::ForeignSpend { publisher: PUBLISHER, nonce: 6 }).unwrap();
    let state = ledger.publisher(PUBLISHER);
    assert_eq!((state.open.len(), state.mined.len(), state.next_nonce), (0, 1, Some(7)));
    assert_eq!(record(&mut ledger, &bundle(6, 7, 1)), Ok(0), "the same bundle goes under the next nonce");
    let other = Address::repeat_byte(0x99);
    assert!(ledger.conclude(&Outcome::ForeignSpend { publisher: other, nonce: 0 }).is_err());
}

#[test]
fn the_ledger_is_bounded() {
    let mut ledger = AttemptLedger::default();
    for count in 0..MAX_ATTEMPTS {
        record(&mut ledger, &bundle(5, 0, 1 << count)).unwrap();
    }
    assert!(matches!(record(&mut ledger, &bundle(5, 0, 1 << 64)), Err(AttemptRefusal::Full { limit: MAX_ATTEMPTS, .. })));
    let mut ledger = AttemptLedger::default();
    for nonce in 0..u64::try_from(MAX_NONCES).unwrap() {
        record(&mut ledger, &bundle(5, nonce, 1)).unwrap();
        ledger.conclude(&mined(nonce)).unwrap();
    }
    let next = u64::try_from(MAX_NONCES).unwrap();
    assert!(matches!(record(&mut ledger, &bundle(5, next, 1)), Err(AttemptRefusal::Full { limit: MAX_NONCES, .. })));
    ledger.conclude(&Outcome::Settled { publisher: PUBLISHER, nonce: 0 }).unwrap();
    assert_eq!(record(&mut ledger, &bundle(5, next, 1)), Ok(0), "settled nonces make room");
    let mut ledger = AttemptLedger::default();
    for number in 0..=MAX_PUBLISHERS {
        let publisher = Address::left_padding_from(&ReplicaId::new(u64::try_from(number).unwrap()).get().to_be_bytes());
        let answer = record(&mut ledger, &AttemptRequest { publisher, ..bundle(5, 0, 1) });
        assert_eq!(answer.is_ok(), number < MAX_PUBLISHERS);
    }
}

/// A pool's blob rule: a replacement must raise each of the three fees by 100 % and keep the kind of transaction.
fn deliver(pool: &mut Option<RecordedAttempt>, attempt: &RecordedAttempt) {
    let replaces = pool.is_none_or(|held| {
        let (old, new) = (held.request.fees, attempt.request.fees);
        new.max_priority_fee_per_gas >= 2 * old.max_priority_fee_per_gas
            && new.max_fee_per_gas >= 2 * old.max_fee_per_gas
            && new.max_fee_per_blob_gas >= 2 * old.max_fee_per_blob_gas
    });
    if replaces {
        *pool = Some(*attempt);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Record { slot: u64, nonce: u64, tip: u128, cap: u128, blob: u128, cancels: bool },
    Conclude { kind: u8, nonce: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let fee = || 0u128..200;
    prop_oneof![
        3 => (0u64..6, 0u64..4, fee(), fee(), fee(), any::<bool>())
            .prop_map(|(slot, nonce, tip, cap, blob, cancels)| Step::Record { slot, nonce, tip, cap, blob, cancels }),
        1 => (0u8..4, 0u64..4).prop_map(|(kind, nonce)| Step::Conclude { kind, nonce }),
    ]
}

proptest! {
    #[test]
    fn in_whatever_order_attempts_reach_a_pool_the_newest_wins(
        wei in prop::collection::vec((1u128..1000, 1u128..1000, 1u128..1000, any::<bool>()), 1..40),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
    ) {
        let mut ledger = AttemptLedger::default();
        for (tip, cap, blob, cancels) in wei {
            let fees = Fees { max_priority_fee_per_gas: tip, max_fee_per_gas: tip + cap, max_fee_per_blob_gas: blob };
            let request = if cancels { cancellation(1, 0, 1) } else { bundle(1, 0, 1) };
            let _ = record(&mut ledger, &AttemptRequest { fees, ..request });
        }
        let attempts = ledger.publisher(PUBLISHER).open;
        let mut pool = None;
        let mut newest = 0;
        for index in order {
            let attempt = index.get(&attempts);
            newest = newest.max(attempt.number);
            deliver(&mut pool, attempt);
        }
        prop_assert_eq!(pool.map(|attempt| attempt.number), Some(newest));
    }

    #[test]
    fn no_history_breaks_the_ledgers_own_rules(steps in prop::collection::vec(step(), 0..120)) {
        let mut ledger = AttemptLedger::default();
        let mut newest_slot = 0;
        for step in steps {
            let before = ledger.clone();
            let refused = match step {
                Step::Record { slot, nonce, tip, cap, blob, cancels } => {
                    let fees = Fees { max_priority_fee_per_gas: tip, max_fee_per_gas: cap, max_fee_per_blob_gas: blob };
                    let request = if cancels { cancellation(slot, nonce, 1) } else { bundle(slot, nonce, 1) };
                    let answer = record(&mut ledger, &AttemptRequest { fees, ..request });
                    if answer.is_ok() {
                        prop_assert!(slot >= newest_slot, "an attempt of a past slot was recorded");
                        newest_slot = slot;
                    }
                    answer.is_err()
                }
                Step::Conclude { kind, nonce } => {
                    let publisher = PUBLISHER;
                    let outcome = match kind {
                        0 => mined(nonce),
                        1 => Outcome::Settled { publisher, nonce },
                        2 => Outcome::Reorged { publisher, nonce },
                        _ => Outcome::ForeignSpend { publisher, nonce },
                    };
                    ledger.conclude(&outcome).is_err()
                }
            };
            prop_assert!(!refused || ledger == before, "a refusal changed the ledger");
            prop_assert!(ledger.is_consistent());
            let bytes = postcard::to_allocvec(&ledger).unwrap();
            prop_assert_eq!(&postcard::from_bytes::<AttemptLedger>(&bytes).unwrap(), &ledger);
        }
    }
}
