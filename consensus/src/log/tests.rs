//! Whole clusters in one process: real TLS on the loopback interface, real stores in temporary directories.

mod cluster;
mod evidence;
mod intruder;
mod latency;
mod leadership;
mod members;
mod offline;
mod publishing;
mod recovery;
mod survivor;
mod upgrade;

use std::collections::BTreeSet;
use std::time::Instant;

use ollin_guard::{Phase, Refusal};
use ollin_protocol::units::Slot;

use super::*;
use crate::directory::DirectoryError;
use crate::membership::MemberChanged;
use cluster::{Cluster, FLOOR, SECOND, attestation, bundle, duty_of, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_claim_is_granted_a_repeated_one_granted_again_and_another_root_refused_with_the_bound_payload() {
    let cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let (ours, other) = (attestation(10, 1), attestation(10, 2));
    for _ in 0..2 {
        let grant = cluster::claim_one(&leader, &ours).await.unwrap();
        assert_eq!((grant.duty(), grant.root()), (&duty_of(&ours), &ours.signing_root()));
        assert_eq!(**grant.payload(), ours);
    }
    let conflict = Refusal::Conflict {
        duty: duty_of(&ours),
        bound: ours.signing_root(),
        requested: other.signing_root(),
        payload: Some(ours.encode()),
    };
    assert_eq!(cluster::claim_one(&leader, &other).await, Err(conflict));
    let below = attestation(FLOOR, 1);
    assert!(matches!(cluster::claim_one(&leader, &below).await, Err(Refusal::BelowFloor { .. })));

    for replica in cluster.logs() {
        cluster::until(|| replica.bound(&duty_of(&ours)).is_some_and(|bound| bound.root == ours.signing_root())).await;
        assert_eq!(replica.duties_in_slot(Slot::new(10)).len(), 1);
        let view = replica.view();
        assert_eq!((view.phase, view.floor, view.members.len()), (Phase::Open, Some(Slot::new(FLOOR)), 3));
        if replica.replica() != leader.replica() {
            let refused = replica.claim(vec![request(&ours)], Instant::now() + SECOND).await;
            assert!(matches!(refused, Err(ClaimError::NotLeader { .. })), "{refused:?}");
        }
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_duties_and_payloads_are_claimed_in_one_entry() {
    let cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let before = leader.view().last_log;
    let batch = ClaimRequest { duties: cluster::duties_of_all(&attestation(10, 1)), payload: attestation(10, 1) };
    let answers = leader.claim(vec![batch, request(&bundle(10))], Instant::now() + SECOND * 5).await.unwrap();
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(Result::is_ok));
    let after = leader.view().last_log;
    assert_eq!(after.map(LogIndex::get), before.map(|index| index.get() + 1));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_that_imports_signs_nothing_at_or_below_the_stop_line_of_the_one_that_released() {
    let old = Cluster::created().await;
    let leader = old.leader().await;
    let signed = attestation(10, 1);
    cluster::claim_one(&leader, &signed).await.unwrap();
    let deadline = || Instant::now() + SECOND * 5;
    let attesters = cluster::binding().attesters;
    let attester = duty_of(&signed).attester;
    for attester in &attesters {
        let early = leader.release_attester(*attester, Slot::new(9), deadline()).await;
        assert_eq!(early.is_err(), *attester == duty_of(&signed).attester, "a duty is bound above");
        leader.release_attester(*attester, Slot::new(20), deadline()).await.ok();
    }
    let last = attestation(20, 1);
    cluster::claim_one(&leader, &last).await.unwrap();
    assert!(matches!(cluster::claim_one(&leader, &attestation(21, 1)).await, Err(Refusal::Released { .. })));
    let file = Interchange::parse(leader.export(None).unwrap().to_json().as_bytes()).unwrap();
    assert_eq!(file.stop_line(), Slot::new(20));

    let new = Cluster::started().await;
    let first = new.log(1);
    first.import_duties(cluster::binding(), &file, &BTreeSet::new()).await.unwrap();
    first.set_slot_horizon(Slot::new(1000));
    let sealed = cluster::claim_one(&new.leader().await, &attestation(30, 1)).await;
    assert_eq!(sealed, Err(Refusal::Sealed), "an import opens nothing");
    let again = first.import_duties(cluster::binding(), &file, &BTreeSet::new()).await;
    assert!(matches!(again, Err(CreateError::Command(CommandError::Rejected(_)))), "an import is taken once: {again:?}");
    first.create_cluster(cluster::binding(), Slot::new(FLOOR)).await.unwrap();
    let leader = new.leader().await;
    assert_eq!(leader.view().floor, Some(Slot::new(20)), "the opening cannot lower the stop line");
    for slot in 1..=20 {
        let refused = cluster::claim_one(&leader, &attestation(slot, 7)).await;
        assert!(matches!(refused, Err(Refusal::BelowFloor { .. } | Refusal::Conflict { .. })), "slot {slot}: {refused:?}");
    }
    cluster::claim_one(&leader, &attestation(21, 7)).await.unwrap();
    let late = leader.import_duties(cluster::binding(), &file, &BTreeSet::new()).await;
    assert!(matches!(late, Err(CreateError::Exists { .. })), "and never into an open log: {late:?}");
    // A key that comes later has a floor of its own; one that is bound is not added again.
    let newcomer = alloy_primitives::Address::repeat_byte(0xa9);
    leader.add_attester(newcomer, Slot::new(40), deadline()).await.unwrap();
    let bound = leader.add_attester(attester, Slot::new(0), deadline()).await;
    assert!(matches!(bound, Err(CommandError::Rejected(_))), "{bound:?}");
    for (slot, granted) in [(40, false), (41, true)] {
        let payload = attestation(slot, 1);
        let duties = vec![Duty { attester: newcomer, ..duty_of(&payload) }];
        let answers = leader.claim(vec![ClaimRequest { duties, payload }], deadline()).await.unwrap();
        assert_eq!(answers[0].is_ok(), granted, "slot {slot}: {answers:?}");
    }
    // Every replica has come to the same audit.
    for log in new.logs() {
        cluster::until(|| log.audit_head() == leader.audit_head()).await;
    }
    old.shutdown().await;
    new.shutdown().await;
}

/// The schedule: a creation stops half way, the machines restart, and the creation is asked for again at one that has not called the
/// roll: it would vote for itself in a term in which it may have voted already.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_creation_that_goes_on_after_a_restart_waits_for_the_roll_call() {
    let mut cluster = Cluster::started().await;
    let first = cluster.log(1);
    first.bind(cluster::binding(), Instant::now() + SECOND * 20).await.unwrap();
    for log in cluster.logs() {
        cluster::until(|| log.view().phase == Phase::Bound).await;
    }
    drop(first);
    for replica in cluster.ids() {
        cluster.kill(replica).await;
        cluster.forget_anchor(replica);
    }
    let first = cluster.start(ReplicaId::new(1)).await.unwrap();
    // What the closing goes by that the gap in the memory demands.
    first.set_slot_horizon(Slot::new(5));
    let before = first.inner.shared.recovery.promise().term();
    let creation = first.create_cluster(cluster::binding(), Slot::new(FLOOR));
    let waited = tokio::time::timeout(SECOND, creation).await;
    assert!(waited.is_err(), "two others have not answered: {waited:?}");
    assert_eq!(first.inner.shared.recovery.promise().term(), before, "it has voted");
    for other in [2, 3] {
        cluster.start(ReplicaId::new(other)).await.unwrap();
    }
    first.create_cluster(cluster::binding(), Slot::new(FLOOR)).await.unwrap();
    drop(first);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn elections_under_a_creation_only_delay_it() {
    let old = Cluster::created().await;
    let deadline = Instant::now() + SECOND * 5;
    for attester in &cluster::binding().attesters {
        old.leader().await.release_attester(*attester, Slot::new(20), deadline).await.unwrap();
    }
    let file = Interchange::parse(old.leader().await.export(None).unwrap().to_json().as_bytes()).unwrap();
    old.shutdown().await;

    let new = Cluster::started().await;
    let (first, rival) = (new.log(1), new.log(3));
    let creation = async {
        first.import_duties(cluster::binding(), &file, &BTreeSet::new()).await.unwrap();
        first.create_cluster(cluster::binding(), Slot::new(30)).await.unwrap();
    };
    // Every term of the replica that is asked is cut short as soon as it may have proposed something, and a little later each time.
    let rivalry = async {
        let mut role = first.inner.role.clone();
        for wait in 0..12 {
            let acts = tokio::time::timeout(SECOND, role.wait_for(|role| matches!(role, crate::role::Role::Active { .. })));
            if !matches!(acts.await, Ok(Ok(_))) {
                return;
            }
            tokio::time::sleep(SECOND / 1000 * wait).await;
            rival.inner.raft.trigger().elect(true).await.unwrap();
        }
    };
    tokio::join!(creation, rivalry);
    for log in new.logs() {
        cluster::until(|| log.view().phase == Phase::Open).await;
        assert_eq!(log.view().floor, Some(Slot::new(30)));
    }
    new.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_largest_import_reaches_every_replica() {
    use ollin_guard::limit::{MAX_CLAIMS, MAX_IMPORTED_DUTIES};
    use ollin_guard::{Claim, DutyKind, Guard, GuardCommand};
    use ollin_protocol::units::{BlockIndex, SigningRoot};

    let attesters = cluster::binding().attesters;
    let mut guard = Guard::new();
    guard.apply(&GuardCommand::Bind(cluster::binding()));
    guard.apply(&GuardCommand::Open { floor: Slot::new(FLOOR) });
    let claim = |index: u64| {
        let kind = DutyKind::BlockProposal { index: BlockIndex::new(index) };
        let duties = attesters.iter().map(|attester| Duty { slot: Slot::new(10), kind, attester: *attester }).collect();
        let root = SigningRoot::new(alloy_primitives::B256::left_padding_from(&index.to_be_bytes()));
        Claim { duties, root, payload: vec![1] }
    };
    let indices: Vec<u64> = (0..).take(MAX_IMPORTED_DUTIES / attesters.len()).collect();
    for indices in indices.chunks(MAX_CLAIMS) {
        guard.apply(&GuardCommand::Claim(indices.iter().map(|index| claim(*index)).collect()));
    }
    let file = Interchange::of(&guard, None).unwrap();
    assert_eq!(file.duties().len(), MAX_IMPORTED_DUTIES);

    let cluster = Cluster::started().await;
    let accepted = BTreeSet::from([ollin_guard::interchange::Doubt::Unreleased]);
    cluster.log(1).import_duties(cluster::binding(), &file, &accepted).await.unwrap();
    for log in cluster.logs() {
        cluster::until(|| log.view().phase == Phase::Imported).await;
        assert_eq!(log.duties().len(), MAX_IMPORTED_DUTIES);
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_hundred_attesters_attest_by_one_entry_of_the_log() {
    let cluster = Cluster::started().await;
    let attesters: std::collections::BTreeSet<_> =
        (1_u64..=500).map(|number| alloy_primitives::Address::left_padding_from(&number.to_be_bytes())).collect();
    let binding = ollin_guard::Binding { attesters: attesters.clone(), ..cluster::binding() };
    cluster.log(1).create_cluster(binding, Slot::new(FLOOR)).await.unwrap();
    let leader = cluster.leader().await;
    let payload = attestation(10, 1);
    let duties: Vec<Duty> = attesters.iter().map(|attester| Duty { attester: *attester, ..duty_of(&payload) }).collect();
    let before = leader.view().last_log.map(LogIndex::get).unwrap();
    let batch = ClaimRequest { duties: duties.clone(), payload: payload.clone() };
    let answers = leader.claim(vec![batch], Instant::now() + SECOND * 5).await.unwrap();
    let granted: Vec<Duty> = answers.into_iter().map(|answer| *answer.unwrap().duty()).collect();
    assert_eq!(granted, duties);
    assert_eq!(leader.view().last_log.map(LogIndex::get), Some(before + 1));
    let bytes = leader.inner.state.read().encode().len();
    assert!(bytes < 80_000, "{bytes} bytes of state: the payload is stored once");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_the_leaders_death_its_successor_grants_the_same_root_and_no_other() {
    let mut cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let (ours, other) = (attestation(10, 1), attestation(10, 2));
    cluster::claim_one(&leader, &ours).await.unwrap();
    let died = Instant::now();
    cluster.kill(leader.replica()).await;
    let successor = cluster.leader().await;
    assert_ne!(successor.replica(), leader.replica());
    assert!(matches!(cluster::claim_one(&successor, &other).await, Err(Refusal::Conflict { .. })));
    let grant = cluster::claim_one(&successor, &ours).await.unwrap();
    println!("grant {} ms after the leader's death", died.elapsed().as_millis());
    assert_eq!(grant.root(), &ours.signing_root());
    let dead = leader.claim(vec![request(&ours)], Instant::now() + SECOND).await;
    assert!(matches!(dead, Err(ClaimError::Halted { .. })));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_leader_that_shuts_down_hands_over() {
    let mut cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let (replica, term) = (leader.replica(), leader.view().term);
    drop(leader);
    cluster.stop(replica).await;
    let successor = cluster.leader().await;
    assert_eq!(successor.view().term.get(), term.get() + 1, "one election, and nobody waited for a lease");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_forgotten_when_all_replicas_restart() {
    let mut cluster = Cluster::created().await;
    let (ours, other) = (attestation(10, 1), attestation(10, 2));
    cluster::claim_one(&cluster.leader().await, &ours).await.unwrap();
    for replica in cluster.ids() {
        cluster.stop(replica).await;
    }
    for replica in cluster.ids() {
        cluster.start(replica).await.unwrap();
    }
    let leader = cluster.leader().await;
    assert!(matches!(cluster::claim_one(&leader, &other).await, Err(Refusal::Conflict { .. })));
    assert!(cluster::claim_one(&leader, &ours).await.is_ok());
    let again = leader.create_cluster(cluster::binding(), Slot::new(FLOOR)).await;
    assert!(matches!(again, Err(CreateError::Exists { .. })));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_that_lags_far_behind_is_caught_up_by_a_snapshot() {
    let mut cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let lagging = cluster.ids().into_iter().find(|id| *id != leader.replica()).unwrap();
    cluster.stop(lagging).await;
    let payloads: Vec<DutyPayload> = (10..110).map(|slot| attestation(slot, 1)).collect();
    for payload in &payloads {
        cluster::claim_one(&leader, payload).await.unwrap();
    }
    let first_kept = || leader.inner.shared.chain.read().first().map_or(0, |first| first.index);
    let missing = 20;
    cluster::until(|| first_kept() > missing).await;
    let caught_up = cluster.start(lagging).await.unwrap();
    let last = payloads.last().unwrap();
    cluster::until(|| caught_up.bound(&duty_of(last)).is_some()).await;
    assert!(
        payloads
            .iter()
            .all(|payload| { caught_up.bound(&duty_of(payload)).is_some_and(|bound| bound.root == payload.signing_root()) })
    );
    assert!(*caught_up.inner.progress.installed.borrow() > 0, "by a snapshot, not by entries");
    assert_eq!(caught_up.inner.state.read().encode().len(), leader.inner.state.read().encode().len());
    drop((leader, caught_up));

    // And what came by snapshot is there after a restart, and goes on.
    cluster.stop(lagging).await;
    let restarted = cluster.start(lagging).await.unwrap();
    cluster::until(|| restarted.bound(&duty_of(last)).is_some()).await;
    cluster::claim_one(&cluster.leader().await, &attestation(200, 1)).await.unwrap();
    cluster::until(|| restarted.bound(&duty_of(&attestation(200, 1))).is_some()).await;
    drop(restarted);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_quorum_a_claim_ends_at_its_deadline_and_nothing_is_granted() {
    let mut cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    for replica in cluster.ids() {
        if replica != leader.replica() {
            cluster.kill(replica).await;
        }
    }
    let started = Instant::now();
    let answer = leader.claim(vec![request(&attestation(10, 1))], Instant::now() + SECOND / 2).await;
    assert!(matches!(answer, Err(ClaimError::Unknown { .. } | ClaimError::NotLeader { .. })), "{answer:?}");
    assert!(started.elapsed() < SECOND * 2);
    let mut role = leader.role();
    role.wait_for(|role| *role == Role::Standby).await.unwrap();
    let answer = leader.claim(vec![request(&attestation(11, 1))], Instant::now() + SECOND).await;
    assert!(matches!(answer, Err(ClaimError::NotLeader { .. })), "nothing is logged after the lease: {answer:?}");
    assert_eq!(leader.bound(&duty_of(&attestation(11, 1))), None);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn claims_that_contradict_themselves_or_come_too_early_are_not_logged() {
    let cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let before = leader.view().last_log;
    let claim = |duties, payload| leader.claim(vec![ClaimRequest { duties, payload }], Instant::now() + SECOND);
    let payload = attestation(10, 1);
    let other_slot = Duty { slot: Slot::new(11), ..duty_of(&payload) };
    let other_kind = Duty { kind: ollin_guard::DutyKind::CheckpointProposal, ..duty_of(&payload) };
    for duty in [other_slot, other_kind] {
        let refused = claim(vec![duty], payload.clone()).await;
        assert!(matches!(refused, Err(ClaimError::Invalid(InvalidClaim::Mismatch { .. }))), "{refused:?}");
    }
    let nothing = claim(Vec::new(), payload.clone()).await;
    assert!(matches!(nothing, Err(ClaimError::Invalid(InvalidClaim::Empty))));
    let two = cluster::duties_of_all(&bundle(10));
    let many = claim(two, bundle(10)).await;
    assert!(matches!(many, Err(ClaimError::Invalid(InvalidClaim::ManyAttesters { count: 2, .. }))), "{many:?}");

    leader.set_slot_horizon(Slot::new(20));
    let early = leader.claim(vec![request(&attestation(21, 1))], Instant::now() + SECOND).await;
    let horizon = Some(Slot::new(20));
    assert!(matches!(early, Err(ClaimError::TooEarly { slot, horizon: found }) if slot == Slot::new(21) && found == horizon));
    assert_eq!(leader.view().last_log, before);
    cluster::claim_one_unlimited(&leader, &attestation(20, 1)).await.unwrap();
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn before_the_cluster_exists_nothing_is_granted_and_creation_needs_everyone() {
    let mut cluster = Cluster::started().await;
    let first = cluster.log(1);
    let refused = first.claim(vec![request(&attestation(10, 1))], Instant::now() + SECOND).await;
    assert!(matches!(refused, Err(ClaimError::TooEarly { horizon: None, .. })));
    first.set_slot_horizon(Slot::new(1000));
    let refused = first.claim(vec![request(&attestation(10, 1))], Instant::now() + SECOND).await;
    assert!(matches!(refused, Err(ClaimError::NotLeader { leader: None })), "{refused:?}");
    cluster.stop(ReplicaId::new(3)).await;
    let refused = first.create_cluster(cluster::binding(), Slot::new(FLOOR)).await;
    assert!(matches!(refused, Err(CreateError::Unreachable { replica, .. }) if replica == ReplicaId::new(3)), "{refused:?}");
    assert_eq!(first.view().phase, Phase::Unbound);
    drop(first);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_emptied_replica_is_refused_and_cannot_create_the_cluster_anew() {
    let mut cluster = Cluster::created().await;
    let victim = cluster.leader().await.replica();
    cluster.kill(victim).await;
    cluster.wipe(victim);
    let emptied = cluster.start(victim).await.unwrap();
    let halted = emptied.view().halted.unwrap();
    assert!(halted.contains("is empty") && halted.contains(&format!("ollin cluster heal {victim}")), "{halted}");
    let refused = emptied.create_cluster(cluster::binding(), Slot::new(1)).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(emptied.view().last_log, None, "it takes nothing from a leader either");
    drop(emptied);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_data_directory_and_one_replica_id_serve_one_process() {
    let cluster = Cluster::created().await;
    let same_directory = SigningLog::open(cluster.config(1)).await.err().unwrap();
    assert!(matches!(same_directory, OpenError::Directory(DirectoryError::InUse { pid: Some(_), .. })), "{same_directory}");

    let elsewhere = tempfile::tempdir().unwrap();
    let mut config = cluster.config(1);
    config.data_directory = elsewhere.path().to_owned();
    config.listen = ([127, 0, 0, 1], 0).into();
    let same_id = SigningLog::open(config).await.err().unwrap();
    let text = same_id.to_string();
    assert!(text.starts_with("another process with replica id 1 is alive at 127.0.0.1:"), "{text}");
    cluster::claim_one(&cluster.leader().await, &attestation(10, 1)).await.unwrap();
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_damaged_log_keeps_its_replica_from_starting_and_names_the_entry() {
    let mut cluster = Cluster::created().await;
    cluster::claim_one(&cluster.leader().await, &attestation(10, 1)).await.unwrap();
    let victim = ReplicaId::new(2);
    cluster.stop(victim).await;
    {
        let path = cluster.config(2).data_directory.join("raft");
        let database = rocksdb::DB::open_cf(&rocksdb::Options::default(), path, ["log", "meta", "state"]).unwrap();
        let family = database.cf_handle("log").unwrap();
        let key = 1u64.to_be_bytes();
        let mut record = database.get_cf(family, key).unwrap().unwrap();
        *record.last_mut().unwrap() ^= 1;
        database.put_cf(family, key, record).unwrap();
    }
    let refused = cluster.start(victim).await.err().unwrap();
    assert_eq!(refused.to_string(), "entry 1 of the log is damaged");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_member_with_another_history_halts_both_sides() {
    let cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let follower = cluster.logs().into_iter().find(|log| log.replica() != leader.replica()).unwrap();
    cluster::until(|| follower.view().phase == Phase::Open).await;
    // The follower's memory of entry 1 is changed: from here on it says that it holds another history.
    {
        let mut index = follower.inner.shared.chain.write();
        let last = index.last_position().unwrap();
        index.truncate_from(last.index);
        index.push(crate::chain::Position { chain: crate::chain::Chain::from_bytes([9; 32]), ..last });
    }
    cluster::until(|| leader.view().halted.is_some() && follower.view().halted.is_some()).await;
    assert!(leader.view().halted.unwrap().contains("diverge"));
    let refused = leader.claim(vec![request(&attestation(10, 1))], Instant::now() + SECOND).await;
    assert!(matches!(refused, Err(ClaimError::Halted { .. })));
    cluster.shutdown().await;
}
