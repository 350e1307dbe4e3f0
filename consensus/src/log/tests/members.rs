//! Changing the members: real replicas, claims going on.

use std::sync::atomic::{AtomicBool, Ordering};

use super::cluster::new_attestations;
use super::*;
use crate::admission::Testimony;
use crate::membership::{MemberKind, MemberOrder, MemberRefusal};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

fn name(number: u64) -> ReplicaId {
    ReplicaId::new(number)
}

impl Cluster {
    /// Makes a replica's certificate, adds it as a learner and starts it.
    pub(super) async fn add(&mut self, id: u64, kind: MemberKind) -> SigningLog {
        let order = self.order_to_add(id, kind);
        // Of one that does not lead: it passes the order on.
        let leader = self.leader().await.replica();
        let other = self.logs().into_iter().find(|log| log.replica() != leader).unwrap();
        other.change_members(order).await.unwrap();
        let started = self.start(name(id)).await.unwrap();
        cluster::until(|| started.view().phase == Phase::Open).await;
        started
    }

    pub(super) fn order_to_add(&mut self, id: u64, kind: MemberKind) -> MemberOrder {
        let new = self.lay_out(id, kind);
        let file = ClusterFile::load(&self.config(id).cluster_directory.join("cluster.json")).unwrap();
        let mut fingerprint = [0; 32];
        hex::decode_to_slice(&file.replica(name(id)).unwrap().fingerprint, &mut fingerprint).unwrap();
        MemberOrder::Add { replica: name(id), address: new.address, fingerprint, kind }
    }

    pub(super) async fn change(&self, order: MemberOrder) -> MemberChanged {
        cluster::eventually(&format!("{order:?}"), async || {
            match self.leader().await.change_members(order.clone()).await {
                Ok(changed) => Some(changed),
                // What passes by itself.
                Err(
                    MemberError::Refused(MemberRefusal::Lags { .. } | MemberRefusal::Recent { .. } | MemberRefusal::UnderWay)
                    // An election on a slow machine: an order may be given again.
                    | MemberError::NotLeader { .. }
                    | MemberError::Unknown { .. },
                ) => None,
                Err(error) => panic!("{order:?}: {error}"),
            }
        })
        .await
    }

    /// Has a replica lead; on a slow machine an election may come between.
    async fn hand_to(&self, id: u64) {
        cluster::eventually(&format!("replica {id} leads"), async || {
            let leads = || self.log(id).role().borrow().active_term().map(|_| ());
            if leads().is_none() {
                let _not_taken = self.leader().await.hand_over(name(id)).await;
            }
            leads()
        })
        .await;
    }
}

fn voters(log: &SigningLog) -> Vec<u64> {
    log.view().members.iter().filter(|member| member.voter).map(|member| member.raft_id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_a_replica_is_added_promoted_demoted_and_removed_and_another_replaces_a_voter() {
    let mut cluster = Cluster::created().await;
    let stop = std::sync::Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(new_attestations(cluster.logs(), std::sync::Arc::clone(&stop)));

    let fourth = cluster.add(4, MemberKind::Full).await;
    let id = fourth.view().raft_id;
    assert!(id > 3 && fourth.replica() == name(4), "{id}");
    assert_eq!(voters(&cluster.leader().await), [1, 2, 3]);
    cluster.change(MemberOrder::Promote { replica: name(4) }).await;
    assert_eq!(voters(&cluster.leader().await), [1, 2, 3, id]);
    let again = cluster.change(MemberOrder::Promote { replica: name(4) }).await;
    assert!(again.already && again.raft_id == id, "{again:?}");
    cluster.change(MemberOrder::Demote { replica: name(4) }).await;
    assert_eq!(voters(&cluster.leader().await), [1, 2, 3]);
    cluster.change(MemberOrder::Remove { replica: name(4) }).await;
    let again = cluster.change(MemberOrder::Remove { replica: name(4) }).await;
    assert!(again.already && again.raft_id == id && again.voters.len() == 3, "{again:?}");
    // The removed one hears it from whom it greets, and stops for good.
    cluster::until(|| fourth.view().halted.is_some_and(|reason| reason.contains("replica 4 was removed"))).await;
    let term = cluster.leader().await.view().term;
    drop(fourth);
    cluster.stop(name(4)).await;
    let again = cluster.start(name(4)).await.unwrap();
    cluster::until(|| again.view().halted.is_some_and(|reason| reason.contains("replica 4 was removed"))).await;
    drop(again);
    cluster.stop(name(4)).await;

    let leader = cluster.leader().await.replica();
    let old = cluster.ids().into_iter().find(|id| *id != leader && *id != name(4)).unwrap();
    let fifth = cluster.add(5, MemberKind::Full).await;
    assert!(fifth.view().raft_id > id, "ids only rise");
    let changed = cluster.change(MemberOrder::Replace { old, new: name(5) }).await;
    assert!(changed.voters.contains(&name(5)) && !changed.voters.contains(&old) && changed.voters.len() == 3);
    let retired = cluster.log(old.get());
    cluster::until(|| retired.view().halted.is_some()).await;
    assert_eq!(cluster.leader().await.view().term, term, "nobody campaigned through all that");

    stop.store(true, Ordering::Release);
    let granted = load.await.unwrap();
    println!("{granted} claims were granted meanwhile");
    assert!(granted > 0);
    drop((fifth, retired));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_that_catches_up_from_the_first_entry_takes_a_leader_that_joined_later() {
    let mut cluster = Cluster::created().await;
    let fourth = cluster.add(4, MemberKind::Full).await;
    cluster.change(MemberOrder::Promote { replica: name(4) }).await;
    cluster.hand_to(4).await;
    // The log still begins with the membership of 1, 2 and 3, and nobody but 4 sends it. This one is added while it leads; the next
    // one is known to a replica only that was down when it joined.
    let down = name(3);
    cluster.stop(down).await;
    let fifth = cluster.add(5, MemberKind::Full).await;
    cluster.change(MemberOrder::Promote { replica: name(5) }).await;
    cluster.hand_to(5).await;
    let ours = attestation(10, 1);
    cluster::claim_one(&cluster.leader().await, &ours).await.unwrap();
    let back = cluster.start(down).await.unwrap();
    cluster::until(|| back.bound(&duty_of(&ours)).is_some()).await;
    drop((fourth, fifth, back));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_emptied_replica_comes_back_under_a_new_id_and_its_old_id_is_retired() {
    let mut cluster = Cluster::created().await;
    let (ours, other) = (attestation(10, 1), attestation(10, 2));
    let leader = cluster.leader().await;
    cluster::claim_one(&leader, &ours).await.unwrap();
    let victim = cluster.ids().into_iter().find(|id| *id != leader.replica()).unwrap();
    let renew = MemberOrder::Renew { replica: victim };
    let refused = leader.change_members(renew.clone()).await;
    assert!(matches!(refused, Err(MemberError::Refused(MemberRefusal::Alive { .. }))), "{refused:?}");
    cluster.stop(victim).await;
    cluster.wipe(victim);
    let emptied = cluster.start(victim).await.unwrap();
    assert!(emptied.view().halted.unwrap().contains(&format!("ollin cluster heal {victim}")));
    let changed = cluster.change(renew).await;
    // It finds out by itself.
    let mut admitted = emptied.admitted();
    tokio::time::timeout(PATIENCE, admitted.wait_for(|admitted| *admitted)).await.unwrap().unwrap();
    assert!(emptied.role().has_changed().is_ok(), "whoever watches a halted replica waits on");
    drop((emptied, admitted));
    cluster.stop(victim).await;
    let healed = cluster.start(victim).await.unwrap();
    assert_eq!((healed.view().raft_id, healed.replica()), (changed.raft_id, victim));
    cluster.change(MemberOrder::Promote { replica: victim }).await;
    cluster::until(|| voters(&leader).contains(&changed.raft_id) && !voters(&leader).contains(&victim.get())).await;
    cluster::until(|| healed.bound(&duty_of(&ours)).is_some()).await;
    assert!(matches!(cluster::claim_one(&leader, &other).await, Err(Refusal::Conflict { .. })));

    // The same certificate, the old id: refused with the id under which the replica goes on.
    let testimony = Testimony::of(
        leader.inner.shared.me.cluster,
        &leader.inner.state.read(),
        true,
        &healed.inner.shared.members()[&changed.raft_id].fingerprint,
    );
    assert_eq!(testimony.standing, crate::admission::Standing::Member { id: changed.raft_id, open: false });
    assert_eq!(leader.inner.state.read().roster().retirement(victim.get()).unwrap().replica, victim);
    // Emptied again, it may not take the same id again.
    drop(healed);
    cluster.stop(victim).await;
    cluster.wipe(victim);
    let emptied = cluster.start(victim).await.unwrap();
    let halted = emptied.view().halted.unwrap();
    assert!(halted.contains(&format!("Raft id {}", changed.raft_id)), "{halted}");
    drop((emptied, leader));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_emptied_replica_that_starts_before_the_others_takes_no_part_when_they_come() {
    let mut cluster = Cluster::created().await;
    let leader = cluster.leader().await.replica();
    let victim = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    let ids = cluster.ids();
    for id in &ids {
        cluster.stop(*id).await;
    }
    cluster.wipe(victim);
    let emptied = cluster.start(victim).await.unwrap();
    assert_eq!(emptied.view().halted, None, "nobody is there to tell it that there is a cluster");
    for id in ids.into_iter().filter(|id| *id != victim) {
        cluster.start(id).await.unwrap();
    }
    cluster::until(|| emptied.view().halted.is_some_and(|reason| reason.contains("is empty"))).await;
    assert_eq!(emptied.view().last_log, None, "it acknowledged nothing in between");
    cluster::claim_one(&cluster.leader().await, &attestation(10, 1)).await.unwrap();
    drop(emptied);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_witness_votes_and_stores_but_never_acts() {
    let mut cluster = Cluster::created().await;
    let witness = cluster.add(4, MemberKind::Witness).await;
    let leader = cluster.leader().await;
    let old = cluster.ids().into_iter().find(|id| *id != leader.replica() && *id != name(4)).unwrap();
    cluster.change(MemberOrder::Replace { old, new: name(4) }).await;
    cluster.stop(old).await;
    let (ours, other) = (attestation(10, 1), attestation(10, 2));
    cluster::claim_one(&leader, &ours).await.unwrap();
    // Of two full voters and a witness one full one dies: the other acts, whoever was elected in between.
    let role = witness.role();
    let dead = leader.replica();
    drop(leader);
    cluster.kill(dead).await;
    let successor = cluster.leader().await;
    assert!(![dead, old, name(4)].contains(&successor.replica()));
    assert!(matches!(cluster::claim_one(&successor, &other).await, Err(Refusal::Conflict { .. })));
    cluster::claim_one(&successor, &ours).await.unwrap();
    let refused = successor.hand_over(name(4)).await;
    assert!(matches!(refused, Err(crate::leadership::HandOverError::Witness { .. })), "{refused:?}");
    // Made leader, it hands over and grants nothing.
    for round in 0..3 {
        let term = successor.view().term.get();
        successor.inner.raft.trigger().transfer_leader(witness.view().raft_id).await.unwrap();
        cluster::until(|| witness.view().term.get() > term).await;
        let refused = witness.claim(vec![request(&attestation(20, round))], Instant::now() + SECOND).await;
        assert!(matches!(refused, Err(ClaimError::NotLeader { .. } | ClaimError::TooEarly { .. })), "{refused:?}");
        cluster::until(|| successor.role().borrow().active_term().is_some_and(|active| active.get() >= term + 2)).await;
    }
    assert_eq!(*role.borrow(), Role::Standby);
    assert!(!role.has_changed().unwrap_or(false), "it never was anything else");
    // A second one would be half of a majority too many.
    let third = cluster.add(6, MemberKind::Witness).await;
    let refused = cluster.leader().await.change_members(MemberOrder::Replace { old: dead, new: name(6) }).await;
    assert!(
        matches!(refused, Err(MemberError::Refused(MemberRefusal::Witnesses { .. } | MemberRefusal::Lags { .. }))),
        "{refused:?}"
    );
    drop((witness, successor, third));
    cluster.shutdown().await;
}
