//! What the transport refuses: other certificates, other clusters, other senders, other processes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::cluster::Cluster;
use super::*;
use crate::certificates;
use crate::chain::{Chain, ChainIndex, Position};
use crate::entry::{Body, Entry};
use crate::halt::Halt;
use crate::membership::Member;
use crate::raft::VoteRecord;
use crate::recovery::{Promise, Recovery};
use crate::retired::RetiredMark;
use crate::transport::{CallError, Lane, Refused, Request, Self_, TlsIdentity, TlsWire};

/// A client that says it is `replica` of `cluster` and shows the certificate in `files`.
pub(super) fn intruder(cluster: [u8; 16], replica: u64, files: PathBuf, members: BTreeMap<u64, Member>) -> (Client, Shared) {
    let me = Self_ { cluster, name: ReplicaId::new(replica), replica, boot: 77 };
    let recovery = Recovery::whole(far_ahead());
    let shared = Shared::new(me, members, Arc::default(), recovery, Halt::new());
    let wire = TlsWire::new(([127, 0, 0, 1], 0).into(), TlsIdentity::load(&files).unwrap()).unwrap();
    (Client::new(shared.clone(), Arc::new(wire), RetiredMark::default()), shared)
}

/// No store lacks it: it is of a term that no replica has reached.
fn far_ahead() -> Promise {
    Promise { vote: Some(VoteRecord { term: 1 << 20, voted_for: 0, committed: false }), last: None }
}

pub(super) async fn refused(client: &Client, to: u64, request: Request) -> CallError {
    client.call(to, Lane::Heartbeat, request, SECOND * 5).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_the_members_own_certificate_speaks_for_it() {
    let mut cluster = Cluster::created().await;
    let (members, id) = {
        let first = cluster.log(1);
        (first.inner.shared.members(), first.inner.shared.me.cluster)
    };
    let files = |replica: u64| cluster.config(replica).cluster_directory;

    let (client, _) = intruder(id, 3, files(2), members.clone());
    let error = refused(&client, 1, Request::Hello).await;
    assert!(matches!(error, CallError::Refused { refused: Refused::Sender, .. }), "2's certificate for 3: {error}");

    let (client, _) = intruder([0xee; 16], 2, files(2), members.clone());
    let error = refused(&client, 1, Request::Hello).await;
    assert!(matches!(error, CallError::Refused { refused: Refused::Cluster, .. }), "another cluster: {error}");

    // The same CA, but a certificate that no member has: a second set of certificates stands in for a removed member's.
    let elsewhere = tempfile::tempdir().unwrap();
    let replicas = [certificates::NewReplica::full(ReplicaId::new(2), "127.0.0.1:1".to_owned())];
    certificates::create(elsewhere.path(), &replicas).unwrap();
    let foreign = elsewhere.path().join("replica-2");
    std::fs::copy(files(2).join("ca.pem"), foreign.join("ca.pem")).unwrap();
    let (client, _) = intruder(id, 2, foreign, members.clone());
    let error = refused(&client, 1, Request::Hello).await;
    assert!(matches!(error, CallError::Broken { .. } | CallError::Unreachable { .. }), "another CA: {error}");

    // And a client does not speak to a server whose certificate is not the recorded one.
    let mut wrong = members.clone();
    wrong.get_mut(&1).unwrap().fingerprint = [0; 32];
    let (client, _) = intruder(id, 2, files(2), wrong);
    let error = refused(&client, 1, Request::Hello).await;
    assert!(matches!(error, CallError::Unreachable { .. }), "a server with another certificate: {error}");

    // A second process with a member's own certificate: refused while the first is alive, taken for it once that one is gone.
    let (client, _) = intruder(id, 2, files(2), members);
    let error = refused(&client, 1, Request::Hello).await;
    assert!(matches!(error, CallError::Refused { refused: Refused::Duplicate { replica: 2, .. }, .. }), "{error}");
    cluster.kill(ReplicaId::new(2)).await;
    let answer = client.hello(1, SECOND * 5).await.unwrap();
    assert!(answer.has_log);
    cluster.shutdown().await;
}

/// The schedule: a machine is stopped, a copy of it votes and acknowledges under its id and ends, and the machine goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_stood_still_while_another_one_took_its_place_stops() {
    let mut cluster = Cluster::created().await;
    let (members, id) = {
        let first = cluster.log(1);
        (first.inner.shared.members(), first.inner.shared.me.cluster)
    };
    let (paused, shared) = intruder(id, 2, cluster.config(2).cluster_directory, members);
    cluster.kill(ReplicaId::new(2)).await;
    paused.hello(1, SECOND * 5).await.unwrap();
    // Another process takes part. Its promise is what the paused one has, and more.
    let copy = Self_ { boot: 78, ..shared.me };
    let more = Promise { last: Some(Position { term: 1 << 20, index: 9, chain: Chain::default() }), ..far_ahead() };
    let copied = Shared::new(copy, shared.members(), Arc::default(), Recovery::whole(more), Halt::new());
    let wire =
        TlsWire::new(([127, 0, 0, 1], 0).into(), TlsIdentity::load(&cluster.config(2).cluster_directory).unwrap()).unwrap();
    let copied = Client::new(copied, Arc::new(wire), RetiredMark::default());
    copied.hello(1, SECOND * 5).await.unwrap();
    let error = paused.hello(1, SECOND * 5).await.unwrap_err();
    assert!(matches!(error, CallError::Refused { refused: Refused::Superseded { id: 2, boot: 77 }, .. }), "{error}");
    let reason = shared.halt.reason().unwrap();
    assert!(reason.contains("restart this one"), "{reason}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_frame_with_another_chain_at_a_common_entry_halts_who_hears_it() {
    let mut cluster = Cluster::created().await;
    let first = cluster.log(1);
    let known = first.inner.shared.chain.read().at(1).unwrap();
    let files = cluster.config(2).cluster_directory;
    let (client, shared) = intruder(first.inner.shared.me.cluster, 2, files, first.inner.shared.members());
    // The intruder takes the place of a replica that is gone.
    cluster.kill(ReplicaId::new(2)).await;
    let mut index = ChainIndex::default();
    index.push(Position { chain: Chain::from_bytes([1; 32]), ..known });
    *shared.chain.write() = index;
    let error = refused(&client, 1, Request::Hello).await;
    assert!(matches!(error, CallError::Refused { refused: Refused::Diverged { index: 1, .. }, .. }), "{error}");
    assert!(first.view().halted.is_some() && shared.halt.is_halted(), "both sides stop");
    drop(first);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_frame_that_would_break_rafts_assertions_is_refused_before_raft_sees_it() {
    let mut cluster = Cluster::created().await;
    let first = cluster.log(1);
    let files = cluster.config(2).cluster_directory;
    let (client, _) = intruder(first.inner.shared.me.cluster, 2, files, first.inner.shared.members());
    // The intruder takes the place of a replica that is gone.
    cluster.kill(ReplicaId::new(2)).await;
    let entry = |index| Entry { term: 1, index, body: Body::Blank };
    let append = |term, entries| {
        let vote = VoteRecord { term, voted_for: 2, committed: true };
        Request::Append { vote, prev: None, prev_chain: None, entries, commit: None }
    };
    for request in [append(9, vec![entry(0), entry(2)]), append(9, vec![entry(7)]), append(u64::MAX, vec![])] {
        let error = refused(&client, 1, request).await;
        assert!(matches!(error, CallError::Refused { refused: Refused::Request { .. }, .. }), "{error}");
    }
    assert_eq!(first.view().halted, None);
    drop(first);
    cluster.shutdown().await;
}
