//! Leadership that moves: by hand, by a death that is seen, and away from a disk that hangs.

use std::time::{Duration, Instant};

use super::cluster::{self, Cluster, SECOND, attestation, request};
use crate::leadership::HandOverError;
use crate::log::ClaimError;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn leadership_goes_where_it_is_handed_without_waiting_for_a_lease() {
    let cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let to = cluster.ids().into_iter().find(|id| *id != leader.replica()).unwrap();
    let term = leader.view().term;
    let handed = leader.hand_over_by_fitness(to).await.unwrap();
    println!("handed over in {} ms", handed.took.as_millis());
    assert_eq!(handed.to, to);
    let successor = cluster.leader().await;
    assert_eq!((successor.replica(), successor.view().term.get()), (to, term.get() + 1));
    assert_eq!(leader.report().hand_overs_ms.len(), 1, "the others hear of it: no ping-pong");
    let again = leader.hand_over(to).await;
    assert_eq!(leader.report().hand_overs_ms.len(), 1, "an order does not count");
    assert!(matches!(again, Err(HandOverError::NotLeader { leader: Some(known) }) if known == to), "{again:?}");
    let itself = successor.hand_over(to).await;
    assert!(matches!(itself, Err(HandOverError::NotAVoter { .. })), "{itself:?}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_transfer_that_nobody_takes_ends_in_an_election_and_the_cluster_acts_again() {
    let mut cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let dead = cluster.ids().into_iter().find(|id| *id != leader.replica()).unwrap();
    cluster.kill(dead).await;
    // The third one votes and does not campaign: nobody is left to end the term but the leader that can do nothing in it.
    cluster.logs().iter().filter(|log| log.replica() != leader.replica()).for_each(|log| log.set_campaigns(false));
    let refused = leader.hand_over(dead).await;
    assert!(matches!(refused, Err(HandOverError::NotTaken { to, .. }) if to == dead), "{refused:?}");
    let next = cluster.leader().await;
    assert_eq!(next.replica(), leader.replica());
    cluster::claim_one(&next, &attestation(10, 1)).await.unwrap();
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn claims_in_flight_when_leadership_moves_end_soon_and_the_successor_grants_their_roots() {
    let cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let to = cluster.ids().into_iter().find(|id| *id != leader.replica()).unwrap();
    let claims: Vec<_> = (10..40)
        .map(|slot| {
            let log = leader.clone();
            tokio::spawn(async move {
                let started = Instant::now();
                // A deadline far away: it must not be what ends the wait.
                let outcome = log.claim(vec![request(&attestation(slot, 1))], started + SECOND * 60).await;
                (slot, outcome.map(|mut answers| answers.remove(0).unwrap()), started.elapsed())
            })
        })
        .collect();
    leader.hand_over(to).await.unwrap();
    let successor = cluster.leader().await;
    let mut counts = [0; 3];
    for claim in claims {
        let (slot, outcome, took) = claim.await.unwrap();
        assert!(took < SECOND * 5, "slot {slot}: {took:?}");
        match outcome {
            Ok(_) => counts[0] += 1,
            Err(ClaimError::NotLeader { .. }) => counts[1] += 1,
            Err(ClaimError::Unknown { .. }) => counts[2] += 1,
            Err(other) => panic!("slot {slot}: {other}"),
        }
        cluster::claim_one(&successor, &attestation(slot, 1)).await.unwrap();
    }
    println!("{} granted before, {} moved, {} unknown", counts[0], counts[1], counts[2]);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_leaders_death_is_seen_by_its_connections_long_before_its_lease_ends() {
    let lease = SECOND * 20;
    let mut cluster = Cluster::with_timers(Duration::from_millis(100), SECOND * 10, lease).await;
    let leader = cluster.leader().await.replica();
    let died = Instant::now();
    cluster.kill(leader).await;
    let successor = cluster.leader().await;
    let took = died.elapsed();
    println!("{} ms from the leader's death to its successor's first act", took.as_millis());
    assert!(took < SECOND * 10, "nobody waited for a timer: {took:?}");
    cluster::claim_one(&successor, &attestation(10, 1)).await.unwrap();
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_broken_connection_to_a_living_leader_changes_nothing() {
    let cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let term = leader.view().term;
    for log in cluster.logs() {
        for _ in 0..5 {
            log.inner().shared.leadership.connection_broke(leader.replica().get());
        }
    }
    // Longer than eight rounds of pre-votes take, with every stagger.
    let looked = Instant::now();
    for slot in 10.. {
        cluster::claim_one(&leader, &attestation(slot, 1)).await.unwrap();
        if looked.elapsed() > SECOND {
            break;
        }
    }
    assert_eq!(leader.view().term, term);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_leader_whose_sync_does_not_end_grants_nothing_and_gives_up_leadership() {
    let cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    // As if the sync thread had begun and not come back; a real sync in between ends it, and another one hangs.
    let clock = leader.inner().sync_clock.clone();
    let hang = || {
        if clock.age().is_none() {
            clock.begin()
        }
    };
    let others = |log: &crate::SigningLog| log.replica() != leader.replica();
    let acts = |log: &crate::SigningLog| log.role().borrow().active_term().is_some();
    // Nobody takes over yet: what it does not grant, it does not for its disk.
    let leadership = leader.inner().shared.leadership.clone();
    let turn = leadership.hold_turn().await;
    cluster::until(|| {
        hang();
        *leadership.stalled().borrow() && !acts(&leader)
    })
    .await;
    assert!(leader.leaderless().is_none(), "it leads");
    hang();
    let refused = leader.claim(vec![request(&attestation(10, 1))], Instant::now() + SECOND).await;
    assert!(matches!(refused, Err(ClaimError::NotLeader { .. })), "{refused:?}");
    drop(turn);
    cluster::until(|| {
        hang();
        cluster.logs().iter().any(|log| others(log) && acts(log))
    })
    .await;
    let refused = leader.claim(vec![request(&attestation(10, 1))], Instant::now() + SECOND).await;
    assert!(matches!(refused, Err(ClaimError::NotLeader { .. })), "{refused:?}");
    cluster.shutdown().await;
}
