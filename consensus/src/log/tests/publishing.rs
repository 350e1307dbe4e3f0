//! Attempts: recorded by one leader, taken up by the next.

use alloy_primitives::Address;
use std::time::Instant;

use super::cluster::{self, Cluster, SECOND, bundle, duty_of};
use super::*;
use crate::attempt::{AttemptContent, AttemptRefusal, AttemptRequest, Fees, Outcome};

const PUBLISHER: Address = Address::repeat_byte(0xbb);

fn attempt(slot: u64, nonce: u64, wei: u128) -> AttemptRequest {
    AttemptRequest {
        slot: Slot::new(slot),
        publisher: PUBLISHER,
        nonce,
        content: AttemptContent::Bundle { duty: duty_of(&bundle(slot)) },
        gas_limit: 1_000_000,
        fees: Fees { max_priority_fee_per_gas: wei, max_fee_per_gas: wei, max_fee_per_blob_gas: wei },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_attempt_is_granted_with_its_bundle_and_the_successor_resumes_it() {
    let mut cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let deadline = || Instant::now() + SECOND * 10;
    let unbound = leader.record_attempt(attempt(10, 4, 1), deadline()).await;
    assert!(matches!(unbound, Err(AttemptError::Refused(AttemptRefusal::NoBundle { .. }))), "{unbound:?}");

    cluster::claim_one(&leader, &bundle(10)).await.unwrap();
    let grant = leader.record_attempt(attempt(10, 4, 1), deadline()).await.unwrap();
    assert_eq!((grant.attempt().number, grant.attempt().root), (0, Some(bundle(10).signing_root())));
    assert_eq!(grant.bundle().map(|bundle| DutyPayload::Bundle((**bundle).clone())), Some(bundle(10)));
    for follower in cluster.logs().into_iter().filter(|log| log.replica() != leader.replica()) {
        cluster::until(|| !follower.publisher_state(PUBLISHER).open.is_empty()).await;
        let refused = follower.reissue_attempt(PUBLISHER, 4, 0).await;
        assert!(matches!(refused, Err(AttemptError::NotLeader { .. })), "only who acts sends: {refused:?}");
    }
    let cheap = leader.record_attempt(AttemptRequest { gas_limit: 2, ..attempt(10, 4, 1) }, deadline()).await;
    assert!(matches!(cheap, Err(AttemptError::Refused(AttemptRefusal::FeeTooLow { least: 2, .. }))), "{cheap:?}");

    cluster.kill(leader.replica()).await;
    let successor = cluster.leader().await;
    let state = successor.publisher_state(PUBLISHER);
    assert_eq!((state.next_nonce, state.open.as_slice()), (Some(4), &[*grant.attempt()][..]));
    let again = successor.reissue_attempt(PUBLISHER, 4, 0).await.unwrap();
    assert_eq!(again, grant);
    let bumped = successor.record_attempt(attempt(10, 4, 2), deadline()).await.unwrap();
    assert_eq!(bumped.attempt().number, 1);
    let old = leader.reissue_attempt(PUBLISHER, 4, 0).await;
    assert!(matches!(old, Err(AttemptError::Halted { .. })));

    let mined = Outcome::Mined {
        publisher: PUBLISHER,
        nonce: 4,
        tx_hash: Default::default(),
        l1_block: ollin_protocol::units::L1BlockNumber::new(9),
        l1_block_hash: Default::default(),
    };
    successor.record_outcome(mined, deadline()).await.unwrap();
    let spent = successor.reissue_attempt(PUBLISHER, 4, 1).await;
    assert!(matches!(spent, Err(AttemptError::NotOpen { nonce: 4, number: 1 })));
    assert_eq!(successor.publisher_state(PUBLISHER).next_nonce, Some(5));
    cluster.shutdown().await;
}
