//! Keys that sign elsewhere: reported by whoever sees it, frozen everywhere, answered by an operator (safety rule R10).

use ollin_guard::{CommandRejection, Evidence, Sighting};
use ollin_protocol::signature::{Signature, recover};
use ollin_protocol::units::L1BlockNumber;

use super::cluster::{Cluster, attestation, claim_one, duty_of, until};
use super::*;
use crate::audit::AuditEvent;
use crate::fitness::Report;

const SEEN: Sighting = Sighting::L1 { block: L1BlockNumber::new(7), transaction: alloy_primitives::B256::ZERO };

/// A signature over the payload's root, of whoever it is of, and that attester.
fn signed(payload: &DutyPayload) -> (SeenSignature, Duty) {
    let root = payload.signing_root();
    let some = |byte| Signature::new(alloy_primitives::B256::with_last_byte(byte), alloy_primitives::B256::with_last_byte(9), 27);
    let mut made = (1..=u8::MAX).filter_map(|byte| some(byte).ok());
    let (signature, attester) = made.find_map(|one| Some((one, recover(&root, &one).ok()?))).unwrap();
    let duty = Duty { attester, ..duty_of(payload) };
    let evidence = Evidence { duty, root, seen: SEEN };
    assert_eq!(SeenSignature::verified(Evidence { root: attestation(99, 9).signing_root(), ..evidence }, signature), None);
    (SeenSignature::verified(evidence, signature).unwrap(), duty)
}

async fn claim_for(log: &SigningLog, attester: Address, slot: u64) -> Result<crate::Grant, Refusal> {
    log.set_slot_horizon(Slot::new(1000));
    let payload = attestation(slot, 1);
    let duties = vec![Duty { attester, ..duty_of(&payload) }];
    log.claim(vec![ClaimRequest { duties, payload }], Instant::now() + SECOND * 30).await.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_foreign_signature_that_a_follower_sees_freezes_its_attester_everywhere_until_an_operator_answers() {
    let cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let (seen, Duty { attester, .. }) = signed(&attestation(20, 2));
    leader.add_attester(attester, Slot::new(FLOOR), Instant::now() + SECOND * 5).await.unwrap();
    claim_for(&leader, attester, 10).await.unwrap();
    let follower = cluster.logs().into_iter().find(|log| log.replica() != leader.replica()).unwrap();
    until(|| follower.attesters().iter().any(|(known, _)| *known == attester)).await;
    follower.report_signature(seen).await.unwrap();
    for log in cluster.logs() {
        until(|| log.view().frozen == [*seen.evidence()]).await;
    }
    for slot in [10, 21] {
        assert_eq!(claim_for(&leader, attester, slot).await, Err(Refusal::Frozen { attester }));
    }
    claim_one(&leader, &attestation(21, 1)).await.unwrap();
    let open = Report { can_grant: true, ..Report::default() };
    leader.set_report(open.clone());
    assert!(leader.report().can_grant, "the others sign on");

    leader.unfreeze(attester, Slot::new(15), "the copy is gone".to_owned(), Instant::now() + SECOND * 5).await.unwrap();
    assert_eq!(leader.view().frozen, []);
    let thawed = Slot::new(20);
    for slot in [10, 20] {
        let duty = Duty { attester, ..duty_of(&attestation(slot, 1)) };
        assert_eq!(claim_for(&leader, attester, slot).await, Err(Refusal::Thawed { duty, thawed }));
    }
    claim_for(&leader, attester, 21).await.unwrap();
    let answered = |event: &AuditEvent| matches!(event, AuditEvent::Unfrozen { floor, reason, .. } if *floor == thawed && reason == "the copy is gone");
    assert!(leader.audit_page(0).records.iter().any(|record| answered(&record.event)));
    let again = follower.report_signature(seen).await;
    assert!(matches!(again, Err(CommandError::Rejected(CommandRejection::NoEvidence { .. }))), "{again:?}");
    drop((leader, follower));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_cluster_has_bound_is_no_evidence_even_to_a_leader_that_is_told_so() {
    let cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let (seen, duty) = signed(&attestation(20, 1));
    leader.add_attester(duty.attester, Slot::new(FLOOR), Instant::now() + SECOND * 5).await.unwrap();
    claim_for(&leader, duty.attester, 20).await.unwrap();
    let follower = cluster.logs().into_iter().find(|log| log.replica() != leader.replica()).unwrap();
    let before = leader.view().last_log;
    // As a follower would report it that has not applied the claim yet.
    let told = follower.inner.client.call(
        leader.inner.shared.me.replica,
        crate::transport::Lane::Heartbeat,
        crate::transport::Request::Evidence(seen),
        SECOND * 5,
    );
    let answer = told.await.unwrap();
    let expected = CommandRejection::NotForeign { duty };
    assert!(matches!(&answer, crate::transport::Response::Evidence(Err(found)) if *found == expected), "{answer:?}");
    assert_eq!(leader.view().last_log, before, "nothing came into the log");
    assert_eq!(leader.view().frozen, []);
    drop((leader, follower));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_whose_attesters_are_all_frozen_reports_that_it_grants_nothing() {
    let cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let (seen, Duty { attester, .. }) = signed(&attestation(20, 2));
    let deadline = Instant::now() + SECOND * 10;
    leader.add_attester(attester, Slot::new(FLOOR), deadline).await.unwrap();
    for other in cluster::binding().attesters {
        leader.release_attester(other, Slot::new(FLOOR), deadline).await.unwrap();
    }
    let open = Report { can_grant: true, ..Report::default() };
    leader.set_report(open.clone());
    assert!(leader.report().can_grant);
    leader.report_signature(seen).await.unwrap_or_else(|error| panic!("{error}"));
    leader.set_report(open);
    assert!(!leader.report().can_grant);
    drop(leader);
    cluster.shutdown().await;
}
