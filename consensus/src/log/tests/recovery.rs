//! Restarts of every kind: of one process and of all, over the disk that was left and over older ones (safety rules R6, R7, R8).

use super::cluster::{Cluster, attestation, claim_one, duty_of, until};
use super::*;
use crate::membership::rule::Answering;
use crate::membership::{MemberOrder, MemberRefusal};
use crate::recovery::{Memory, Promise, Recovering, StartRefusal};
use crate::transport::{CallError, Refused, Request};

const NEXT: u64 = 1001;

/// What both sides of a gap claim: one duty, two payloads.
fn two_payloads() -> (DutyPayload, DutyPayload) {
    (attestation(10, 1), attestation(10, 2))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_continues_the_one_before_asks_nobody() {
    let mut cluster = Cluster::created().await;
    claim_one(&cluster.leader().await, &attestation(10, 1)).await.unwrap();
    for replica in cluster.ids() {
        cluster.kill(replica).await;
    }
    // Alone: nobody could answer.
    let first = cluster.start(ReplicaId::new(1)).await.unwrap();
    assert_eq!(*first.memory().borrow(), Memory::Whole);
    drop(first);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_an_anchor_it_waits_for_all_others_and_nothing_is_closed() {
    let mut cluster = Cluster::created().await;
    let ours = attestation(10, 1);
    claim_one(&cluster.leader().await, &ours).await.unwrap();
    let (victim, other) = (ReplicaId::new(1), ReplicaId::new(2));
    cluster.kill(victim).await;
    cluster.kill(other).await;
    cluster.forget_anchor(victim);
    let restarted = cluster.start(victim).await.unwrap();
    assert_eq!(*restarted.memory().borrow(), Memory::Recovering, "it does not know what it has forgotten");
    until(|| restarted.view().waits_for == [other]).await;
    let open = crate::fitness::Report { can_grant: true, ..crate::fitness::Report::default() };
    restarted.set_report(open.clone());
    assert!(!restarted.report().can_grant, "a replica that recovers is not fit to lead");
    // Until then it takes no part in anything of Raft, whoever asks.
    let vote = crate::raft::VoteRecord { term: 1 << 40, voted_for: 3, committed: false };
    let leads = crate::raft::VoteRecord { committed: true, ..vote };
    let asked = || crate::transport::VoteAsked { vote, last: Some((1 << 39, 1 << 40)), transfer: true };
    let append = Request::Append { vote: leads, prev: None, prev_chain: None, entries: Vec::new(), commit: None };
    for request in [Request::PreVote(asked()), Request::Vote(asked()), append] {
        let error = super::intruder::refused(&cluster.log(3).inner.client, 1, request).await;
        assert!(matches!(error, CallError::Refused { refused: Refused::NotServing { .. }, .. }), "{error}");
    }
    assert!(matches!(restarted.proceed_without(ReplicaId::new(3)), Err(ProceedError::NotMissing { .. })));
    // Nobody leads: of the others only one runs. So the order is judged as a leader would, by what answers at the address.
    let asked = cluster.log(3).answers_of(&MemberOrder::Renew { replica: victim }).await;
    assert_eq!(asked, [(1, Answering::Recovers)].into());
    cluster.start(other).await.unwrap();
    restarted.memory().wait_for(|memory| *memory == Memory::Whole).await.unwrap();
    restarted.set_report(open);
    assert!(restarted.report().can_grant);
    claim_one(&cluster.leader().await, &ours).await.unwrap();
    until(|| restarted.bound(&duty_of(&ours)).is_some()).await;
    assert_eq!(restarted.view().closed, None);
    drop(restarted);
    cluster.shutdown().await;
}

/// Safety rule R6: no vote in a term that was heard of, since the process before may have given one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_term_that_was_heard_of_is_raised_durably_by_a_vote_for_nobody() {
    let mut cluster = Cluster::created().await;
    let alone = cluster.log(1);
    for other in [2, 3] {
        cluster.kill(ReplicaId::new(other)).await;
    }
    let heard = alone.view().term.get() + 50;
    let inner = &alone.inner;
    let recovering = Recovering {
        recovery: inner.shared.recovery.clone(),
        raft: inner.raft.clone(),
        client: inner.client.clone(),
        shared: inner.shared.clone(),
        state: Arc::clone(&inner.state),
        progress: inner.progress.clone(),
        membership: Default::default(),
        stop: CancellationToken::new(),
    };
    // While the lease of the leader that is gone lasts, Raft votes for nobody else: that would be another's.
    let deadline = Instant::now() + SECOND * 30;
    while let Err(reason) = recovering.raise_vote(heard).await {
        assert!(Instant::now() < deadline, "{reason}");
    }
    let vote = inner.shared.recovery.promise().vote;
    let nobodys = vote.is_some_and(|vote| vote.term >= heard && vote.voted_for == 0 && !vote.committed);
    assert!(nobodys, "it may have voted in term {heard}, and holds {vote:?}");
    drop(recovering);
    drop(alone);
    cluster.shutdown().await;
}

/// Safety rule R6: no campaign before the log has come as far as the others' had.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_behind_what_it_heard_of_campaigns_only_once_its_log_has_come_as_far() {
    let mut cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let mut others = cluster.ids().into_iter().filter(|id| *id != leader.replica());
    let (victim, alive) = (others.next().unwrap(), others.next().unwrap());
    cluster.kill(victim).await;
    cluster.forget_anchor(victim);
    let ours = attestation(10, 1);
    claim_one(&leader, &ours).await.unwrap();
    until(|| cluster.log(alive.get()).bound(&duty_of(&ours)).is_some()).await;
    let heard = cluster.log(alive.get()).inner.shared.recovery.promise();
    // Nobody leads from here on, and who is left, started anew, does not campaign: what the victim lacks does not reach it.
    let gone = leader.replica();
    drop(leader);
    for replica in [gone, alive] {
        cluster.kill(replica).await;
    }
    let alive = cluster.start(alive).await.unwrap();
    alive.set_campaigns(false);
    let restarted = cluster.start(victim).await.unwrap();
    until(|| restarted.view().waits_for == [gone]).await;
    restarted.proceed_without(gone).unwrap();
    restarted.memory().wait_for(|memory| *memory == Memory::Doubtful).await.unwrap();
    let recovery = restarted.inner.shared.recovery.clone();
    let campaigns = tokio::time::timeout(SECOND, until(|| recovery.may_campaign())).await;
    assert!(campaigns.is_err(), "it campaigns with a shorter log: {} of {heard}", recovery.promise());
    alive.set_campaigns(true);
    until(|| recovery.may_campaign()).await;
    assert!(recovery.promise().place() >= heard.place());
    drop((restarted, alive));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_all_machines_lost_their_memory_the_slots_that_had_begun_are_closed_before_anything_is_granted() {
    let mut cluster = Cluster::created().await;
    let (ours, _) = two_payloads();
    claim_one(&cluster.leader().await, &ours).await.unwrap();
    cluster.restart_all_machines().await;
    let leader = cluster.leader().await;
    let refused = claim_one(&leader, &ours).await;
    let closed = Slot::new(NEXT);
    assert_eq!(refused, Err(Refusal::Closed { duty: duty_of(&ours), closed }), "even what is bound");
    assert_eq!(leader.view().closed, Some(closed));
    leader.set_slot_horizon(Slot::new(NEXT + 1));
    let next = attestation(NEXT + 1, 1);
    assert!(cluster::claim_one_unlimited(&leader, &next).await.is_ok());
    for log in cluster.logs() {
        log.memory().wait_for(|memory| *memory == Memory::Whole).await.unwrap();
    }
    drop(leader);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_leader_closes_before_it_knows_which_slot_it_is() {
    let mut cluster = Cluster::created().await;
    claim_one(&cluster.leader().await, &attestation(10, 1)).await.unwrap();
    cluster.restart_all_machines().await;
    until(|| cluster.logs().iter().any(|log| log.view().leader == Some(log.replica()))).await;
    let leads = |log: &SigningLog| log.view().leader == Some(log.replica());
    let leader = cluster.logs().into_iter().find(leads).unwrap();
    assert_eq!(leader.role().borrow().active_term(), None);
    assert_eq!(leader.view().closed, None);
    leader.set_slot_horizon(Slot::new(50));
    leader.role().wait_for(|role| role.active_term().is_some()).await.unwrap();
    assert_eq!(leader.view().closed, Some(Slot::new(51)));
    drop(leader);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_was_rolled_back_is_refused_by_the_anchor_and_by_who_has_seen_more() {
    let mut cluster = Cluster::created().await;
    claim_one(&cluster.leader().await, &attestation(10, 1)).await.unwrap();
    let victim = cluster.ids().into_iter().find(|id| cluster.log(id.get()).view().leader != Some(*id)).unwrap();
    cluster.kill(victim).await;
    cluster.save(victim);
    cluster.start(victim).await.unwrap();
    let later = attestation(11, 1);
    claim_one(&cluster.leader().await, &later).await.unwrap();
    let caught_up = cluster.log(victim.get());
    cluster::durably_bound(&caught_up, &later).await;
    drop(caught_up);
    // Every other replica hears of it in the next greeting.
    let own_place = cluster.log(victim.get()).inner.shared.recovery.promise().place();
    let others: Vec<SigningLog> = cluster.logs().into_iter().filter(|log| log.replica() != victim).collect();
    let heard = |log: &SigningLog| log.inner.shared.recovery.heard_of(victim.get()).and_then(|promise| promise.place());
    until(|| others.iter().all(|log| heard(log) >= own_place)).await;
    cluster.kill(victim).await;
    cluster.restore(victim);
    let refused = cluster.start(victim).await.err().unwrap();
    assert!(matches!(refused, OpenError::Start(StartRefusal::RolledBack { .. })), "{refused}");
    // The machine was restored too: only the others can tell.
    cluster.forget_anchor(victim);
    let restored = cluster.start(victim).await.unwrap();
    until(|| restored.view().halted.is_some()).await;
    let reason = restored.view().halted.unwrap();
    assert!(reason.contains("rolled back") && reason.contains(&format!("ollin cluster heal {victim}")), "{reason}");
    // While it runs over that store a new Raft id would wait for it in vain; the order says what has to be done first.
    let renew = MemberOrder::Renew { replica: victim };
    let answer = cluster.leader().await.change_members(renew).await;
    let Err(MemberError::Refused(MemberRefusal::InDoubt { replica, reason: says })) = answer else { panic!("{answer:?}") };
    assert!(replica == victim && says == reason, "{says}");
    drop((restored, others));
    cluster.shutdown().await;
}

/// Safety rule R6's own schedule: {1, 3} commit while 2 lags; 3 goes down; 1 comes back over an older disk; {1, 2} would elect, and
/// bind the duty anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_rolled_back_disk_and_a_lagging_one_have_forgotten_is_not_granted_anew() {
    let mut cluster = Cluster::created().await;
    let (first, lagging, third) = (ReplicaId::new(1), ReplicaId::new(2), ReplicaId::new(3));
    cluster.leader().await;
    cluster.kill(lagging).await;
    cluster.leader().await;
    cluster.kill(first).await;
    cluster.save(first);
    cluster.start(first).await.unwrap();
    let (ours, other) = two_payloads();
    claim_one(&cluster.leader().await, &ours).await.unwrap();
    cluster.kill(third).await;
    cluster.kill(first).await;
    cluster.restore(first);
    cluster.forget_anchor(first);
    let first = cluster.start(first).await.unwrap();
    cluster.start(lagging).await.unwrap();
    until(|| first.view().waits_for == [third]).await;
    let refused = first.claim(vec![request(&other)], Instant::now() + SECOND).await;
    assert!(refused.is_err(), "nobody leads: {refused:?}");
    assert_eq!(cluster.log(2).view().leader, None);

    first.proceed_without(third).unwrap();
    let leader = cluster.leader().await;
    for payload in [&other, &ours] {
        assert!(matches!(claim_one(&leader, payload).await, Err(Refusal::Closed { .. })), "it was granted to the other payload");
    }
    assert_eq!(first.proceed_without(third), Err(ProceedError::NotRecovering { replica: first.replica() }));
    drop((first, leader));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_of_a_data_directory_is_refused() {
    let mut cluster = Cluster::created().await;
    cluster.kill(ReplicaId::new(2)).await;
    cluster.save(ReplicaId::new(2));
    let mut config = cluster.config(2);
    config.data_directory = cluster.saved(ReplicaId::new(2));
    let refused = SigningLog::open(config).await.err().unwrap();
    assert!(matches!(refused, OpenError::Start(StartRefusal::Copied { .. })), "{refused}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_vote_counts_only_for_the_process_at_the_members_address() {
    let mut cluster = Cluster::created().await;
    let (voter, candidate) = (cluster.log(1), ReplicaId::new(2));
    let (members, id) = (voter.inner.shared.members(), voter.inner.shared.me.cluster);
    let last = voter.view().term.get();
    cluster.kill(candidate).await;
    // It has the certificate and a log as good as any, but it does not listen at the address.
    let (client, _) = super::intruder::intruder(id, 2, cluster.config(2).cluster_directory, members);
    let vote = crate::raft::VoteRecord { term: last + 100, voted_for: 2, committed: false };
    let asked = || crate::transport::VoteAsked { vote, last: Some((last + 99, 1 << 40)), transfer: true };
    let leads = crate::raft::VoteRecord { committed: true, ..vote };
    let append = Request::Append { vote: leads, prev: None, prev_chain: None, entries: Vec::new(), commit: None };
    for request in [Request::Vote(asked()), Request::PreVote(asked()), append] {
        let error = super::intruder::refused(&client, 1, request).await;
        assert!(matches!(error, CallError::Refused { refused: Refused::Unconfirmed { replica: 2 }, .. }), "{error}");
    }
    let Promise { vote, .. } = voter.inner.shared.recovery.promise();
    assert!(vote.is_some_and(|vote| vote.term < last + 100));
    drop(voter);
    cluster.shutdown().await;
}
