//! The log of a replica that does not run.

use super::*;
use crate::offline::{OfflineError, OfflineLog};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stopped_replicas_log_shows_what_was_committed_and_its_export_covers_what_may_have_been() {
    let mut cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let (bound, tail) = (attestation(10, 1), attestation(30, 1));
    cluster::claim_one(&leader, &bound).await.unwrap();
    let directory = cluster.config(leader.replica().get()).data_directory;
    let running = OfflineLog::read(&directory);
    assert!(matches!(running, Err(OfflineError::Directory(DirectoryError::InUse { .. }))), "{running:?}");

    // Nobody answers the leader any more: what it proposes stays in its log, and may be committed or not.
    let others: Vec<ReplicaId> = cluster.ids().into_iter().filter(|id| *id != leader.replica()).collect();
    for id in &others {
        cluster.log(id.get()).inner.shared.halt.halt("killed by the test".to_owned());
    }
    let unknown = leader.claim(vec![request(&tail)], Instant::now() + SECOND).await;
    assert!(unknown.is_err(), "{unknown:?}");
    let last = leader.view().last_log;
    let replica = leader.replica();
    drop(leader);
    for id in cluster.ids() {
        cluster.kill(id).await;
    }

    let read = OfflineLog::read(&directory).unwrap();
    let duties: Vec<Duty> = read.state().guard().duties().map(|(duty, _)| *duty).collect();
    assert_eq!((read.replica(), duties.as_slice()), (replica, [duty_of(&bound)].as_slice()));
    assert!(read.uncommitted() > 0, "the log ends at {last:?}");
    let file = read.export(None).unwrap();
    assert!(!file.duties().contains_key(&duty_of(&tail)), "another root may be committed for it");
    assert_eq!(file.stop_line(), Slot::new(30), "it may have been signed");
    // It was not changed: all of them go on.
    for id in cluster.ids() {
        cluster.start(id).await.unwrap();
    }
    cluster::claim_one(&cluster.leader().await, &bound).await.unwrap();
    let nothing = tempfile::tempdir().unwrap();
    assert!(OfflineLog::read(nothing.path()).is_err());
    assert_eq!(std::fs::read_dir(nothing.path()).unwrap().count(), 0);
    cluster.shutdown().await;
}
