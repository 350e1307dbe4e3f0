//! A cluster of three on the loopback interface.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256};
use ollin_guard::{Binding, Duty, DutyKind, Phase, Refusal};
use ollin_protocol::attestations::CommitteeAttestations;
use ollin_protocol::blob::{BlobCommitment, encode_blob_input};
use ollin_protocol::field::Fr;
use ollin_protocol::header::CheckpointHeader;
use ollin_protocol::payload::{AttestationPayload, BundlePayload, DutyPayload};
use ollin_protocol::propose::ProposeArgs;
use ollin_protocol::signature::Signature;
use ollin_protocol::units::{CheckpointNumber, ReplicaId, Slot};
use tempfile::TempDir;

use super::super::{ClaimRequest, OpenError, SigningLog};
use crate::certificates::{self, NewReplica};
use crate::config::ConsensusConfig;
use crate::grant::Grant;
use crate::membership::MemberKind;
use crate::recovery::Memory;
use crate::rules::Supported;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const FLOOR: u64 = 5;
const ATTESTERS: [Address; 2] = [Address::repeat_byte(0xa1), Address::repeat_byte(0xa2)];
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Cluster {
    directory: TempDir,
    /// In memory: the replicas' anchors.
    anchors: TempDir,
    ports: BTreeMap<u64, u16>,
    /// Heartbeat interval, least and greatest election timeout.
    timers: [Duration; 3],
    /// The versions of the rules that some support; the others, those of a release.
    rules: BTreeMap<u64, Supported>,
    running: BTreeMap<u64, SigningLog>,
}

impl Cluster {
    /// Three running replicas without a cluster.
    pub(super) async fn started() -> Self {
        // Test machines are slow and shared: the leases are several times the defaults.
        let milliseconds = Duration::from_millis;
        Self::started_with([milliseconds(50), milliseconds(300), milliseconds(600)]).await
    }

    async fn started_with(timers: [Duration; 3]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let reserved: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: BTreeMap<u64, u16> = (1..).zip(reserved.iter().map(|held| held.local_addr().unwrap().port())).collect();
        let replicas: Vec<_> = ports.iter().map(|(id, port)| new_replica(*id, *port, MemberKind::Full)).collect();
        certificates::create(&directory.path().join("certificates"), &replicas).unwrap();
        drop(reserved);
        let anchors = tempfile::tempdir_in("/dev/shm").unwrap();
        let mut cluster = Self { directory, anchors, ports, timers, rules: BTreeMap::new(), running: BTreeMap::new() };
        for replica in cluster.ids() {
            cluster.start(replica).await.unwrap();
        }
        for log in cluster.logs() {
            log.memory().wait_for(|memory| *memory == Memory::Whole).await.unwrap();
        }
        cluster
    }

    /// Three replicas, bound and open above [`FLOOR`].
    pub(super) async fn created() -> Self {
        Self::started().await.create().await
    }

    /// The same with other timers.
    pub(super) async fn with_timers(heartbeat: Duration, min: Duration, max: Duration) -> Self {
        Self::started_with([heartbeat, min, max]).await.create().await
    }

    async fn create(self) -> Self {
        let cluster = self;
        cluster.log(2).create_cluster(binding(), Slot::new(FLOOR)).await.unwrap();
        for log in cluster.logs() {
            log.set_slot_horizon(Slot::new(1000));
            // Two of three open a cluster: the third may hear of it later, and a test may stop it before that.
            until(|| log.view().phase == Phase::Open).await;
            durable(&log).await;
        }
        cluster
    }

    /// A further replica with its certificate, not running and no member.
    pub(super) fn lay_out(&mut self, id: u64, kind: MemberKind) -> NewReplica {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        self.ports.insert(id, port);
        let new = new_replica(id, port, kind);
        certificates::extend(&self.directory.path().join("certificates"), std::slice::from_ref(&new)).unwrap();
        new
    }

    pub(super) fn ids(&self) -> Vec<ReplicaId> {
        self.ports.keys().map(|id| ReplicaId::new(*id)).collect()
    }

    pub(super) fn config(&self, id: u64) -> ConsensusConfig {
        let at = |name: String| self.directory.path().join(name);
        let listen = ([127, 0, 0, 1], self.ports[&id]).into();
        let certificates = at("certificates".to_owned()).join(format!("replica-{id}"));
        let mut config = ConsensusConfig::new(at(format!("store-{id}")), certificates, ReplicaId::new(id), listen);
        [config.heartbeat, config.election_timeout_min, config.election_timeout_max] = self.timers;
        config.snapshot_every = 20;
        config.rules = self.rules.get(&id).copied().unwrap_or_default();
        config.anchor_directory = Some(self.anchors.path().join(format!("replica-{id}")));
        config
    }

    /// What its program supports from its next start on.
    pub(super) fn set_rules(&mut self, id: u64, rules: Supported) {
        self.rules.insert(id, rules);
    }

    pub(super) async fn start(&mut self, replica: ReplicaId) -> Result<SigningLog, OpenError> {
        let log = SigningLog::open(self.config(replica.get())).await?;
        self.running.insert(replica.get(), log.clone());
        Ok(log)
    }

    pub(super) async fn stop(&mut self, replica: ReplicaId) {
        self.running.remove(&replica.get()).unwrap().shutdown().await;
    }

    /// Stops a replica without a word to the others.
    pub(super) async fn kill(&mut self, replica: ReplicaId) {
        let log = self.running.remove(&replica.get()).unwrap();
        log.inner.shared.halt.halt("killed by the test".to_owned());
        log.stop().await;
    }

    /// As when the replica's machine was restarted.
    pub(super) fn forget_anchor(&self, replica: ReplicaId) {
        std::fs::remove_dir_all(self.config(replica.get()).anchor_directory.unwrap()).unwrap();
    }

    /// As after a power cut.
    pub(super) async fn restart_all_machines(&mut self) {
        for replica in self.ids() {
            self.kill(replica).await;
            self.forget_anchor(replica);
        }
        for replica in self.ids() {
            self.start(replica).await.unwrap();
        }
    }

    /// Where [`Self::save`] keeps a copy of a stopped replica's directory.
    pub(super) fn saved(&self, replica: ReplicaId) -> PathBuf {
        self.directory.path().join(format!("saved-{replica}"))
    }

    pub(super) fn save(&self, replica: ReplicaId) {
        copy(&self.config(replica.get()).data_directory, &self.saved(replica));
    }

    /// Brings back what was saved, in place: the directory stays the same, its contents are older.
    pub(super) fn restore(&self, replica: ReplicaId) {
        let directory = self.config(replica.get()).data_directory;
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
        }
        copy(&self.saved(replica), &directory);
    }

    pub(super) fn wipe(&self, replica: ReplicaId) {
        std::fs::remove_dir_all(self.config(replica.get()).data_directory).unwrap();
    }

    pub(super) fn log(&self, id: u64) -> SigningLog {
        self.running[&id].clone()
    }

    pub(super) fn logs(&self) -> Vec<SigningLog> {
        self.running.values().cloned().collect()
    }

    /// The replica that acts.
    pub(super) async fn leader(&self) -> SigningLog {
        let acts = |log: &SigningLog| {
            // As the node does on every tick: a leader that has to close slots waits for it.
            log.set_slot_horizon(Slot::new(1000));
            log.role().borrow().active_term().is_some()
        };
        until(|| self.running.values().any(acts)).await;
        let leader = self.running.values().find(|log| acts(log)).unwrap().clone();
        leader.set_slot_horizon(Slot::new(1000));
        leader
    }

    pub(super) async fn shutdown(mut self) {
        for replica in self.ids() {
            if let Some(log) = self.running.remove(&replica.get()) {
                log.shutdown().await;
            }
        }
    }
}

fn new_replica(id: u64, port: u16, kind: MemberKind) -> NewReplica {
    NewReplica { replica: ReplicaId::new(id), address: format!("127.0.0.1:{port}"), kind }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, name) = {
            let entry = entry.unwrap();
            (entry.path(), entry.file_name())
        };
        if entry.is_dir() { copy(&entry, &to.join(name)) } else { assert!(std::fs::copy(entry, to.join(name)).is_ok()) }
    }
}

pub(super) fn binding() -> Binding {
    Binding { chain_id: 31337, rollup: Address::repeat_byte(0xcc), attesters: BTreeSet::from(ATTESTERS) }
}

fn header(slot: u64) -> CheckpointHeader {
    CheckpointHeader { slot: Slot::new(slot), timestamp: slot * 12, ..CheckpointHeader::default() }
}

/// An attestation in `slot`; each `variant` has a root of its own.
pub(super) fn attestation(slot: u64, variant: u64) -> DutyPayload {
    let proposer_signature = Signature::new(B256::with_last_byte(1), B256::with_last_byte(2), 27).unwrap();
    let archive = Fr::from_u64(variant);
    DutyPayload::Attestation(AttestationPayload {
        header: header(slot),
        archive,
        fee_asset_price_modifier: 0,
        proposer_signature,
    })
}

/// A bundle in `slot`.
pub(super) fn bundle(slot: u64) -> DutyPayload {
    DutyPayload::Bundle(BundlePayload {
        attestations: CommitteeAttestations { signature_indices: vec![0], signatures_or_addresses: vec![7; 20] },
        signers: vec![ATTESTERS[0]],
        propose: ProposeArgs { archive: Fr::from_u64(1), fee_asset_price_modifier: 0, header: header(slot) },
        blob_input: encode_blob_input(&[BlobCommitment::new([0xc0; 48])]).unwrap(),
        checkpoint: CheckpointNumber::new(slot),
    })
}

pub(super) fn duty_of(payload: &DutyPayload) -> Duty {
    let kind = match payload {
        DutyPayload::Block(block) => DutyKind::BlockProposal { index: block.index },
        DutyPayload::Checkpoint(_) => DutyKind::CheckpointProposal,
        DutyPayload::Attestation(_) => DutyKind::Attestation,
        DutyPayload::Bundle(_) => DutyKind::AttestationsAndSigners,
        DutyPayload::GovernanceVote(_) => DutyKind::GovernanceVote,
        DutyPayload::SlashingVote(_) => DutyKind::SlashingVote,
    };
    Duty { attester: ATTESTERS[0], slot: payload.slot(), kind }
}

pub(super) fn duties_of_all(payload: &DutyPayload) -> Vec<Duty> {
    ATTESTERS.iter().map(|attester| Duty { attester: *attester, ..duty_of(payload) }).collect()
}

pub(super) fn request(payload: &DutyPayload) -> ClaimRequest {
    ClaimRequest { duties: vec![duty_of(payload)], payload: payload.clone() }
}

/// One duty's answer.
pub(super) async fn claim_one(log: &SigningLog, payload: &DutyPayload) -> Result<Grant, Refusal> {
    log.set_slot_horizon(Slot::new(1000));
    claim_one_unlimited(log, payload).await
}

/// The same under the horizon that is set.
pub(super) async fn claim_one_unlimited(log: &SigningLog, payload: &DutyPayload) -> Result<Grant, Refusal> {
    let mut answers = log.claim(vec![request(payload)], Instant::now() + PATIENCE).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// Waits until a replica has bound a payload, and holds it on its own disk: a quorum of others is enough to apply it.
pub(super) async fn durably_bound(log: &SigningLog, payload: &DutyPayload) {
    until(|| log.bound(&duty_of(payload)).is_some()).await;
    durable(log).await;
}

/// Waits until all that a replica applied is on its disk.
async fn durable(log: &SigningLog) {
    let durable = || log.inner.shared.recovery.promise().place().map(|(_, index)| index);
    until(|| durable() >= log.view().applied.map(crate::role::LogIndex::get)).await;
}

/// Waits for a condition, with a deadline.
pub(super) async fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "the condition did not come true in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Tries until an attempt comes to something, with a deadline.
pub(super) async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(outcome) = attempt().await {
            return outcome;
        }
        assert!(Instant::now() < deadline, "{what}: it did not come true in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Claims of ever new slots at whichever replica acts, until `stop`; returns how many were granted.
pub(super) async fn new_attestations(logs: Vec<SigningLog>, stop: Arc<AtomicBool>) -> u64 {
    let mut granted = 0;
    for slot in 100.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let payload = attestation(slot, 1);
        for log in &logs {
            log.set_slot_horizon(Slot::new(u64::from(u32::MAX)));
            let answer = log.claim(vec![request(&payload)], Instant::now() + SECOND).await;
            granted += answer.map_or(0, |answers| u64::try_from(answers.iter().filter(|answer| answer.is_ok()).count()).unwrap());
        }
    }
    granted
}
