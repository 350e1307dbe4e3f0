//! How long a claim takes, beside what it cannot be faster than. Prints; a loaded machine must not fail a build.

use std::io::Write;
use std::time::{Duration, Instant};

use super::cluster::{self, Cluster, SECOND, attestation};
use crate::transport::{Lane, Request};

const ROUNDS: u64 = 200;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_latency_of_a_claim_is_printed_with_its_floor() {
    let cluster = Cluster::created().await;
    let leader = cluster.leader().await;
    let mut claims = Vec::new();
    for slot in 0..ROUNDS {
        let started = Instant::now();
        cluster::claim_one(&leader, &attestation(10 + slot, 1)).await.unwrap();
        claims.push(started.elapsed());
    }
    let peer = cluster.ids().into_iter().find(|id| *id != leader.replica()).unwrap();
    let mut trips = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        leader.inner.client.call(peer.get(), Lane::Heartbeat, Request::Hello, SECOND * 5).await.unwrap();
        trips.push(started.elapsed());
    }
    let directory = tempfile::tempdir_in(cluster.config(1).data_directory).unwrap();
    let mut file = std::fs::File::create(directory.path().join("floor")).unwrap();
    let mut syncs = Vec::new();
    for _ in 0..ROUNDS {
        file.write_all(&[7; 2048]).unwrap();
        let started = Instant::now();
        file.sync_data().unwrap();
        syncs.push(started.elapsed());
    }
    let (claim, trip, sync) = (median(claims), median(trips), median(syncs));
    println!("claim: median {claim:?}; floor {:?} = fdatasync {sync:?} + round trip {trip:?} ({ROUNDS} of each)", sync + trip);
    drop(directory);
    cluster.shutdown().await;
}
