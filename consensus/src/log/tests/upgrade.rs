//! Raising the version of the rules in a cluster whose programs differ (safety rule R13).

use super::cluster::{Cluster, attestation, claim_one, until};
use super::*;
use crate::membership::{MemberKind, MemberOrder};
use crate::rules::{RulesVersion, Supported, UpgradeRefusal, Upgraded};

fn name(number: u64) -> ReplicaId {
    ReplicaId::new(number)
}

/// Starts a replica again with a program that knows the next version.
async fn exchange(cluster: &mut Cluster, id: u64) {
    cluster.stop(name(id)).await;
    cluster.set_rules(id, Supported::BUILD);
    cluster.start(name(id)).await.unwrap();
}

/// Asks until every member has been heard.
async fn upgrade(cluster: &Cluster) -> Result<Upgraded, UpgradeError> {
    let attempt = async || match cluster.leader().await.upgrade().await {
        // What passes by itself, after a start or an election.
        Err(
            UpgradeError::NotLeader { .. }
            | UpgradeError::Unknown { .. }
            | UpgradeError::Refused(UpgradeRefusal::Unheard { .. } | UpgradeRefusal::UnderWay),
        ) => None,
        answer => Some(answer),
    };
    cluster::eventually("an upgrade", attempt).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_version_is_raised_only_when_every_member_supports_it() {
    let mut cluster = Cluster::created().await;
    let nothing_newer = upgrade(&cluster).await.unwrap();
    assert_eq!(nothing_newer, Upgraded { version: RulesVersion::FIRST, already: true });
    for id in [1, 2] {
        exchange(&mut cluster, id).await;
    }
    let heard = |cluster: &Cluster, log: &SigningLog| {
        let supports = |id: u64| if id == 3 { Supported::RELEASED } else { cluster.config(id).rules };
        log.view().members.iter().all(|member| member.rules == Some(supports(member.id.get())))
    };
    for log in cluster.logs() {
        until(|| heard(&cluster, &log)).await;
    }
    let refused = upgrade(&cluster).await;
    let lacking = vec![(name(3), Supported::RELEASED)];
    let expected = UpgradeRefusal::Unsupported { version: RulesVersion::NEXT, lacking };
    assert!(matches!(&refused, Err(UpgradeError::Refused(refusal)) if *refusal == expected), "{refused:?}");
    // A silent one may have any program.
    cluster.stop(name(3)).await;
    cluster.set_rules(3, Supported::BUILD);
    until(|| cluster.logs().iter().all(|log| log.view().members[2].rules.is_none())).await;
    let silent = cluster.leader().await.upgrade().await;
    assert!(matches!(silent, Err(UpgradeError::Refused(UpgradeRefusal::Unheard { .. }))), "{silent:?}");
    cluster.start(name(3)).await.unwrap();
    until(|| cluster.logs().iter().all(|log| log.view().members[2].rules == Some(Supported::BUILD))).await;

    let raised = upgrade(&cluster).await.unwrap();
    assert_eq!(raised.version, RulesVersion::NEXT);
    let again = upgrade(&cluster).await.unwrap();
    assert_eq!(again, Upgraded { version: RulesVersion::NEXT, already: true });
    claim_one(&cluster.leader().await, &attestation(40, 1)).await.unwrap();
    for log in cluster.logs() {
        until(|| log.view().floor == Some(Slot::new(38))).await;
        assert_eq!(log.rules(), RulesVersion::NEXT);
    }
    let heads: BTreeSet<String> = cluster.logs().iter().map(|log| log.audit_head().to_string()).collect();
    assert_eq!(heads.len(), 1, "all judge alike: {heads:?}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_old_program_stops_in_front_of_the_new_rules() {
    let mut cluster = Cluster::created().await;
    for id in 1..=3 {
        exchange(&mut cluster, id).await;
    }
    assert_eq!(upgrade(&cluster).await.unwrap().version, RulesVersion::NEXT);
    let follower = cluster.ids().into_iter().find(|id| cluster.log(id.get()).view().leader != Some(*id)).unwrap();
    let behind = cluster.log(follower.get());
    until(|| behind.rules() == RulesVersion::NEXT).await;
    drop(behind);
    cluster.stop(follower).await;
    cluster.set_rules(follower.get(), Supported::RELEASED);
    // By the entry in its own log.
    let refused = cluster.start(follower).await.err().unwrap();
    assert!(matches!(refused, OpenError::Apply { .. }), "{refused}");
    let reason = refused.to_string();
    assert!(reason.contains("raises the rules to version 2") && reason.contains("supports version 1"), "{reason}");
    // By a snapshot of the others.
    cluster.wipe(follower);
    for slot in 100..150 {
        claim_one(&cluster.leader().await, &attestation(slot, 1)).await.unwrap();
    }
    // And as a new member: it is not let in.
    let order = MemberOrder::Renew { replica: follower };
    cluster::eventually("a new id", async || cluster.leader().await.change_members(order.clone()).await.ok()).await;
    let old = cluster.start(follower).await.unwrap();
    let reason = old.view().halted.unwrap();
    assert!(reason.contains("version 2 of the rules is in force") && reason.contains("supports version 1"), "{reason}");
    drop(old);
    cluster.kill(follower).await;
    cluster.set_rules(follower.get(), Supported::BUILD);
    let exchanged = cluster.start(follower).await.unwrap();
    until(|| exchanged.rules() == RulesVersion::NEXT && exchanged.view().floor == Some(Slot::new(147))).await;
    // It has the others' snapshot now: an old program is not even opened on it.
    drop(exchanged);
    cluster.stop(follower).await;
    cluster.set_rules(follower.get(), Supported::RELEASED);
    let refused = cluster.start(follower).await.err().unwrap();
    assert!(matches!(refused, OpenError::Rules { version: RulesVersion::NEXT, .. }), "{refused}");
    cluster.shutdown().await;
}

/// A learner counts as a voter does, and one that has no store yet may have any program.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_learner_is_waited_for_too() {
    let mut cluster = Cluster::created().await;
    for id in 1..=3 {
        exchange(&mut cluster, id).await;
    }
    let add = cluster.order_to_add(4, MemberKind::Witness);
    cluster.leader().await.change_members(add).await.unwrap();
    let leader = cluster.leader().await;
    let others = |log: &SigningLog| log.view().members.iter().take(3).all(|member| member.rules == Some(Supported::BUILD));
    until(|| others(&leader)).await;
    let refused = leader.upgrade().await;
    let unheard = |refusal: &UpgradeRefusal| *refusal == UpgradeRefusal::Unheard { replicas: vec![name(4)] };
    assert!(matches!(&refused, Err(UpgradeError::Refused(refusal)) if unheard(refusal)), "{refused:?}");
    drop(leader);
    cluster.start(name(4)).await.unwrap();
    until(|| cluster.logs().iter().any(|log| log.view().members.iter().any(|member| member.rules == Some(Supported::RELEASED))))
        .await;
    let refused = upgrade(&cluster).await;
    assert!(matches!(refused, Err(UpgradeError::Refused(UpgradeRefusal::Unsupported { .. }))), "{refused:?}");
    exchange(&mut cluster, 4).await;
    let attempt = async || match upgrade(&cluster).await {
        // What it reported before it was stopped.
        Err(UpgradeError::Refused(UpgradeRefusal::Unsupported { .. })) => None,
        answer => Some(answer.unwrap()),
    };
    let raised = cluster::eventually("an upgrade by the exchanged one", attempt).await;
    assert_eq!(raised.version, RulesVersion::NEXT);
    cluster.shutdown().await;
}
