//! Going on from one replica when the others are lost (safety rule R12).

use bytes::Bytes;
use futures::future::BoxFuture;

use super::cluster::{Cluster, attestation, claim_one, duty_of, until};
use super::*;
use crate::membership::{Member, MemberKind, MemberOrder};
use crate::recovery::Memory;
use crate::survivor::{Confirmed, RecoverError, Recovered, recover_from_survivor, recover_with};
use crate::transport::{CallError, Fingerprint, Parcel, Refused, Request, Server, Serving, Wire, WireError};

fn name(number: u64) -> ReplicaId {
    ReplicaId::new(number)
}

fn confirmed(lost: &[u64]) -> Confirmed {
    Confirmed { lost: lost.iter().copied().map(ReplicaId::new).collect(), audit_ahead: false }
}

async fn recover(cluster: &Cluster, survivor: u64, lost: &[u64]) -> Result<Recovered, RecoverError> {
    recover_from_survivor(&cluster.config(survivor), &confirmed(lost), None).await
}

/// Three replicas of which something is signed, all stopped, and what was signed.
async fn stopped() -> (Cluster, DutyPayload) {
    let mut cluster = Cluster::created().await;
    let ours = attestation(10, 1);
    claim_one(&cluster.leader().await, &ours).await.unwrap();
    for log in cluster.logs() {
        until(|| log.bound(&duty_of(&ours)).is_some()).await;
    }
    for replica in cluster.ids() {
        cluster.kill(replica).await;
    }
    (cluster, ours)
}

/// The schedule of the rule: what the lost ones may have signed in a slot that had begun is not signed anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_survivor_goes_on_with_all_that_was_bound_and_grants_nothing_in_slots_that_had_begun() {
    let (mut cluster, ours) = stopped().await;
    let before = ClusterFile::load(&cluster.config(3).cluster_directory.join("cluster.json")).unwrap();
    let recovered = recover(&cluster, 3, &[1, 2]).await.unwrap();
    assert_eq!((recovered.replica, &recovered.retired, recovered.already), (name(3), &before.cluster_id, false));
    assert_eq!(recovered.lost, [name(1), name(2)]);
    let file = ClusterFile::load(&cluster.config(3).cluster_directory.join("cluster.json")).unwrap();
    assert_eq!((&file.cluster_id, &file.replicas), (&recovered.cluster_id, &before.replicas), "only the id is new");
    assert_ne!(file.cluster_id, before.cluster_id);

    let survivor = cluster.start(name(3)).await.unwrap();
    let leads = || survivor.view().leader == Some(name(3));
    until(leads).await;
    let view = survivor.view();
    assert_eq!((view.members.len(), view.raft_id), (1, recovered.raft_id), "alone, under a Raft id that was never used");
    assert!(view.raft_id > 3 && view.halted.is_none(), "{view:?}");
    assert_eq!(survivor.audit_head(), recovered.audit, "the audit goes on");
    assert_eq!(*survivor.memory().borrow(), Memory::Doubtful, "its first start demands a closing");
    survivor.set_slot_horizon(Slot::new(1000));
    until(|| survivor.role().borrow().active_term().is_some()).await;
    assert_eq!(survivor.view().closed, Some(Slot::new(1001)));
    for payload in [attestation(10, 2), attestation(1000, 1), ours.clone()] {
        let refused = claim_one(&survivor, &payload).await;
        assert!(matches!(refused, Err(Refusal::Closed { .. })), "it may be signed with another root already: {refused:?}");
    }
    assert_eq!(survivor.bound(&duty_of(&ours)).map(|bound| bound.root), Some(ours.signing_root()), "nothing is forgotten");
    survivor.set_slot_horizon(Slot::new(1002));
    assert!(cluster::claim_one_unlimited(&survivor, &attestation(1002, 1)).await.is_ok());
    drop(survivor);
    cluster.kill(name(3)).await;
    let again = cluster.start(name(3)).await.unwrap();
    assert_eq!(again.view().raft_id, recovered.raft_id);
    drop(again);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_member_of_the_retired_cluster_stops_when_it_hears_of_it_and_stays_stopped() {
    let (mut cluster, _) = stopped().await;
    let recovered = recover(&cluster, 3, &[1, 2]).await.unwrap();
    let survivor = cluster.start(name(3)).await.unwrap();
    // Its old copy comes back, with its old cluster.json.
    let old = cluster.start(name(1)).await.unwrap();
    until(|| old.view().halted.is_some()).await;
    let reason = old.view().halted.unwrap();
    let retired = format!("cluster {} was retired", recovered.retired);
    assert!(reason.contains(&retired) && reason.contains(&recovered.cluster_id), "{reason}");
    assert!(reason.contains("ollin cluster discard") && reason.contains("ollin cluster add"), "{reason}");
    assert_eq!(survivor.view().halted, None);
    drop(old);
    cluster.kill(name(1)).await;
    // Nobody is there to tell it again.
    drop(survivor);
    cluster.kill(name(3)).await;
    let old = cluster.start(name(1)).await.unwrap();
    assert_eq!(old.view().halted, Some(reason), "a restart does not forget it");
    drop(old);
    cluster.kill(name(1)).await;
    let refused = recover(&cluster, 1, &[2, 3]).await.unwrap_err();
    assert_eq!(refused.code(), "retired", "{refused}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_who_shows_the_recorded_certificate_can_stop_a_replica() {
    let (mut cluster, _) = stopped().await;
    let old_cluster = ClusterFile::load(&cluster.config(2).cluster_directory.join("cluster.json")).unwrap();
    let recovered = recover(&cluster, 3, &[1, 2]).await.unwrap();
    let survivor = cluster.start(name(3)).await.unwrap();
    until(|| survivor.view().leader.is_some()).await;
    let files = || cluster.config(2).cluster_directory;
    let (id, members) = (old_cluster.cluster_id_bytes().unwrap(), old_cluster.members().unwrap());
    let mut elsewhere = members.clone();
    elsewhere.entry(3).and_modify(|member: &mut Member| member.fingerprint = [0; 32]);
    let (client, shared) = intruder::intruder(id, 2, files(), elsewhere);
    let error = intruder::refused(&client, 3, Request::Hello).await;
    assert!(matches!(error, CallError::Unreachable { .. }), "another certificate at its address: {error}");
    assert!(!shared.halt.is_halted());
    // A replica that had another cluster, which nobody retired.
    let (client, shared) = intruder::intruder([0xee; 16], 3, cluster.config(3).cluster_directory, members.clone());
    intruder::refused(&client, 3, Request::Hello).await;
    assert!(!shared.halt.is_halted(), "{:?}", shared.halt.reason());
    // The member itself.
    let (client, shared) = intruder::intruder(id, 2, files(), members);
    let error = intruder::refused(&client, 3, Request::Hello).await;
    let by = |refused: &Refused| matches!(refused, Refused::RetiredCluster { by } if hex::encode(by) == recovered.cluster_id);
    assert!(matches!(&error, CallError::Refused { refused, .. } if by(refused)), "{error}");
    assert!(shared.halt.is_halted());
    drop(survivor);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lost_host_is_taken_in_again_under_its_name_with_the_new_cluster_file() {
    let (mut cluster, ours) = stopped().await;
    recover(&cluster, 3, &[1, 2]).await.unwrap();
    let survivor = cluster.start(name(3)).await.unwrap();
    survivor.set_slot_horizon(Slot::new(1000));
    until(|| survivor.role().borrow().active_term().is_some()).await;
    cluster.wipe(name(1));
    let listed = ClusterFile::load(&cluster.config(1).cluster_directory.join("cluster.json")).unwrap();
    let own = listed.replica(name(1)).unwrap();
    let mut fingerprint = [0; 32];
    hex::decode_to_slice(&own.fingerprint, &mut fingerprint).unwrap();
    let order = MemberOrder::Add { replica: name(1), address: own.address.clone(), fingerprint, kind: MemberKind::Full };
    survivor.change_members(order).await.unwrap();
    // With the old cluster's file it is told so.
    let old_file = cluster.start(name(1)).await.unwrap();
    until(|| old_file.view().halted.is_some()).await;
    let reason = old_file.view().halted.unwrap();
    assert!(reason.contains("copy cluster.json from one of them"), "{reason}");
    drop(old_file);
    cluster.kill(name(1)).await;
    let file = |id: u64| cluster.config(id).cluster_directory.join("cluster.json");
    std::fs::copy(file(3), file(1)).unwrap();
    let joined = cluster.start(name(1)).await.unwrap();
    until(|| joined.bound(&duty_of(&ours)).is_some()).await;
    assert!(joined.view().raft_id > survivor.view().raft_id);
    // Its store has heard that the old cluster was retired. That says nothing of the one that it is of now.
    survivor.change_members(MemberOrder::Promote { replica: name(1) }).await.unwrap();
    until(|| joined.view().members.iter().filter(|member| member.voter).count() == 2).await;
    drop((joined, survivor));
    for id in [3, 1] {
        cluster.kill(name(id)).await;
    }
    let again = recover(&cluster, 1, &[3]).await.unwrap();
    assert_eq!(again.replica, name(1));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_running_replica_a_living_quorum_unnamed_losses_and_an_older_disk_are_refused() {
    let (mut cluster, _) = stopped().await;
    let code = async |cluster: &Cluster, lost: &[u64]| recover(cluster, 3, lost).await.unwrap_err().code();
    cluster.start(name(3)).await.unwrap();
    assert_eq!(code(&cluster, &[1, 2]).await, "running");
    cluster.kill(name(3)).await;

    cluster.start(name(2)).await.unwrap();
    assert_eq!(code(&cluster, &[1, 2]).await, "quorum_reachable");
    cluster.kill(name(2)).await;

    for lost in [&[][..], &[1], &[1, 2, 3]] {
        let refused = recover(&cluster, 3, lost).await.unwrap_err();
        assert_eq!(refused.code(), "unconfirmed");
        assert!(refused.to_string().contains("with keys") && refused.to_string().contains("--confirm-lost 1,2"), "{refused}");
    }
    cluster.wipe(name(2));
    let refused = recover(&cluster, 2, &[1, 3]).await.unwrap_err();
    assert_eq!(refused.code(), "empty");
    assert!(!cluster.config(2).data_directory.exists(), "nothing is made");

    cluster.save(name(3));
    let mut copy = cluster.config(3);
    copy.data_directory = cluster.saved(name(3));
    let refused = recover_from_survivor(&copy, &confirmed(&[1, 2]), None).await.unwrap_err();
    assert_eq!(refused.code(), "copied", "{refused}");
    // In place, an older one.
    cluster.start(name(1)).await.unwrap();
    cluster.start(name(3)).await.unwrap();
    claim_one(&cluster.leader().await, &attestation(11, 1)).await.unwrap();
    let log = cluster.log(3);
    cluster::durably_bound(&log, &attestation(11, 1)).await;
    drop(log);
    cluster.kill(name(1)).await;
    cluster.kill(name(3)).await;
    cluster.restore(name(3));
    assert_eq!(code(&cluster, &[1, 2]).await, "rolled_back");
    cluster.shutdown().await;
}

/// The schedule: replica 1 went on and signs; its cluster does not know replica 3 any more, and would never dial it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_second_survivor_does_not_go_on_beside_the_first() {
    let (mut cluster, _) = stopped().await;
    let first = recover(&cluster, 1, &[2, 3]).await.unwrap();
    let running = cluster.start(name(1)).await.unwrap();
    until(|| running.view().leader.is_some()).await;
    let refused = recover(&cluster, 3, &[1, 2]).await.unwrap_err();
    assert!(matches!(&refused, RecoverError::WentOn { cluster, .. } if *cluster == first.cluster_id), "{refused}");
    drop(running);
    cluster.shutdown().await;
}

/// The schedule: of five, three that cannot be reached from here go on signing, and the one that can is confirmed as lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_voter_that_is_confirmed_as_lost_may_answer() {
    let mut cluster = Cluster::created().await;
    for id in [4, 5] {
        cluster.add(id, MemberKind::Full).await;
        cluster.change(MemberOrder::Promote { replica: name(id) }).await;
    }
    let log = cluster.log(3);
    until(|| log.view().members.iter().filter(|member| member.voter).count() == 5).await;
    drop(log);
    for id in [1, 2, 4, 5, 3] {
        cluster.kill(name(id)).await;
    }
    let running = cluster.start(name(1)).await.unwrap();
    let refused = recover(&cluster, 3, &[1, 2, 4, 5]).await.unwrap_err();
    assert!(matches!(&refused, RecoverError::LostAnswer { answering } if *answering == [name(1)]), "{refused}");
    drop(running);
    cluster.shutdown().await;
}

/// A wire on which replica 1 answers something that nobody understands, and nobody else answers.
struct Garbled(fn() -> Result<Bytes, WireError>);

impl Wire for Garbled {
    fn fingerprint(&self) -> Fingerprint {
        [0; 32]
    }

    fn carry(&self, parcel: Parcel) -> BoxFuture<'_, Result<Bytes, WireError>> {
        let silent = || Err(WireError::Unreachable { reason: "no route".to_owned() });
        let answer = if parcel.name == name(1) { (self.0)() } else { silent() };
        Box::pin(async move { answer })
    }

    fn listen(&self, _server: Server, _stop: CancellationToken) -> BoxFuture<'_, std::io::Result<Serving>> {
        Box::pin(async { Err(std::io::Error::other("nobody is served")) })
    }
}

/// Whoever answers at all may sign, also one whose program is newer than this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_answer_that_is_not_understood_is_one() {
    let (cluster, _) = stopped().await;
    let config = cluster.config(3);
    let answers: [fn() -> Result<Bytes, WireError>; 3] = [
        || Ok(Bytes::new()),
        || Ok(Bytes::from_static(b"\x7fnext year's format")),
        || Err(WireError::Broken { reason: "HTTP 500".to_owned() }),
    ];
    for answer in answers {
        let parts = Parts { wire: Arc::new(Garbled(answer)), ..Parts::of(&config).unwrap() };
        let refused = recover_with(&config, parts, &confirmed(&[1, 2]), None).await.unwrap_err();
        assert!(matches!(refused, RecoverError::Unreadable { replica, .. } if replica == name(1)), "{refused}");
    }
    cluster.shutdown().await;
}

/// The schedule: a replica that was away while all the others were replaced knows only those.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_that_missed_a_change_of_the_members_does_not_go_on() {
    let mut cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let away = cluster.ids().into_iter().find(|id| Some(*id) != leader.view().leader).unwrap();
    cluster.kill(away).await;
    drop(leader);
    let others: Vec<u64> = cluster.ids().into_iter().filter(|id| *id != away).map(ReplicaId::get).collect();
    let order = cluster.order_to_add(4, MemberKind::Full);
    cluster.change(order).await;
    let refused = recover(&cluster, away.get(), &others).await.unwrap_err();
    assert!(matches!(refused, RecoverError::Outdated { .. }), "{refused}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_recovery_that_was_cut_off_before_the_cluster_file_is_finished_by_the_same_command() {
    let (mut cluster, _) = stopped().await;
    let file = cluster.config(3).cluster_directory.join("cluster.json");
    let old = std::fs::read(&file).unwrap();
    let first = recover(&cluster, 3, &[1, 2]).await.unwrap();
    std::fs::write(&file, old).unwrap();
    let refused = cluster.start(name(3)).await.err().unwrap();
    assert!(matches!(refused, OpenError::Store(_)), "{refused}");
    let second = recover(&cluster, 3, &[1, 2]).await.unwrap();
    assert!(second.already);
    assert_eq!((second.cluster_id, second.raft_id), (first.cluster_id, first.raft_id));
    let third = recover(&cluster, 3, &[1, 2]).await.unwrap_err();
    assert_eq!(third.code(), "alone", "{third}");
    cluster.start(name(3)).await.unwrap();
    cluster.shutdown().await;
}
