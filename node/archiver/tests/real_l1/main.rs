//! The archiver and the L1 client against the real contracts on a development L1.

#![allow(clippy::unwrap_used, reason = "tests, helpers included")]

mod old_endpoint;
mod proposer;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256};
use ollin_archiver::{Archiver, ArchiverHandle, ArchiverView, keys_at_work};
use ollin_dev_l1::{DevL1, Options, Profile, Prover};
use ollin_l1::{L1, L1Config, L1Error, SendError, SimulationError, SimulationMethod};
use ollin_protocol::units::CheckpointNumber;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use proposer::{Manner, Proposer, l1_config, until};

const PATIENCE: Duration = Duration::from_secs(15);

/// An archiver at work.
struct Running {
    handle: ArchiverHandle,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(directory: &Path, l1: &L1) -> Self {
        let archiver = Archiver::open(directory, l1.clone()).unwrap();
        let (handle, shutdown) = (archiver.handle(), CancellationToken::new());
        let task = tokio::spawn(archiver.run(shutdown.clone()));
        Self { handle, shutdown, task }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }

    async fn view(&self, what: &str, condition: impl Fn(&ArchiverView) -> bool) -> Arc<ArchiverView> {
        let view = self.handle.view();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let seen = view.borrow().clone();
            if condition(&seen) {
                return seen;
            }
            let ArchiverView { l1_head, synced_at, tips, invalid, fault, last_error, .. } = seen.as_ref();
            let late = tokio::time::Instant::now() > deadline;
            assert!(!late, "waited for {what}: {l1_head:?} {synced_at:?} {tips:?} {invalid:?} {fault:?} {last_error:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn at_checkpoint(&self, number: u64) -> Arc<ArchiverView> {
        let number = CheckpointNumber::new(number);
        self.view(&format!("checkpoint {number}"), |view| view.synced_at.is_some() && view.tip.checkpoint == number).await
    }
}

async fn dev_l1(profile: Profile, prover: Prover) -> DevL1 {
    ollin_dev_l1::start(Options { prover, ..Options::new(profile) }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_and_messages_are_verified_unwound_and_read_again() {
    let dev = dev_l1(Profile::Demo, Prover::Off).await;
    let l1 = L1::connect(l1_config(&dev)).await.unwrap();
    l1.check_compatibility().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let archiver = Running::start(directory.path(), &l1);
    archiver.at_checkpoint(0).await;
    let proposer = Proposer { l1: &l1, dev: &dev, archiver: archiver.handle.clone() };

    // A message sent now is for checkpoint 2; its tree is sealed by checkpoint 1.
    let word = |byte: u8| B256::with_last_byte(byte);
    let message = dev.send_inbox_message(word(1), word(2), word(3)).await.unwrap();
    assert_eq!(message.checkpoint, 2);
    let second = CheckpointNumber::new(2);
    let open = until("the message", PATIENCE, async || {
        Some(archiver.handle.message_tree(second).unwrap()).filter(|tree| tree.leaves.len() == 1)
    })
    .await;
    assert!(!open.is_sealed && archiver.handle.messages(second).unwrap().is_none());

    let first = proposer.publish(Manner::Honest).await;
    let view = archiver.at_checkpoint(1).await;
    assert_eq!((&view.tip.chain, view.tip.slot), (&first.built.state, Some(first.slot)));
    assert_eq!(view.tips.checkpointed.block_hash, first.built.block_hash);
    assert_eq!(view.tips.proven.checkpoint, CheckpointNumber::new(0));
    let sealed = archiver.handle.messages(second).unwrap().expect("sealed by checkpoint 1");
    assert_eq!(sealed.iter().map(|leaf| B256::from(leaf.to_be_bytes())).collect::<Vec<_>>(), [message.leaf]);

    // Refused before anything is sent, with the contract's reason; also at an endpoint without `eth_simulateV1`.
    let old = l1_config(&dev);
    let old = L1Config { rpc_urls: vec![old_endpoint::in_front_of(&dev.info().rpc_url).await], ..old };
    let old = L1::connect(old).await.unwrap();
    let publisher = dev.info().publisher_keys[0].address;
    for (l1, method) in [(&l1, SimulationMethod::Simulate), (&old, SimulationMethod::Call)] {
        let (wrong, _, _, slot) = proposer.bundle(Manner::WrongFee).await;
        match l1.simulate_bundle(publisher, &wrong, l1.schedule().slot_start(slot)).await {
            Err(SimulationError::Refused { revert }) => assert_eq!(revert.name, "Rollup__InvalidManaMinFee", "{revert}"),
            other => panic!("{other:?}"),
        }
        let (right, _, _, slot) = proposer.bundle(Manner::Honest).await;
        let simulated = l1.simulate_bundle(publisher, &right, l1.schedule().slot_start(slot)).await.unwrap();
        assert_eq!(simulated.method, method);
    }
    assert!(matches!(l1.send_raw(&[2, 0xc0]).await, Err(SendError::Rejected(_))));

    // Before a cluster begins to sign with these keys it hears that they are at work; a stranger's are not.
    let keys: BTreeSet<Address> = dev.info().validators.iter().map(|one| one.address).collect();
    let heard = keys_at_work(&l1, &keys, first.slot).await.unwrap();
    let [heard] = heard.as_slice() else { panic!("one checkpoint, one validator: {heard:?}") };
    assert!(keys.contains(&heard.attester) && heard.slot == first.slot, "{heard:?}");
    assert_eq!(keys_at_work(&l1, &keys, first.slot.next().unwrap()).await.unwrap(), [], "it was earlier");
    assert_eq!(keys_at_work(&l1, &BTreeSet::from([Address::ZERO]), first.slot).await.unwrap(), []);

    // The second one, called directly, with the message in it.
    let published = proposer.publish(Manner::Direct).await;
    let view = archiver.at_checkpoint(2).await;
    assert_eq!(view.tip.chain, published.built.state);
    assert_ne!(published.built.header.in_hash, first.built.header.in_hash);

    // A reorg takes it away, and the next one takes its number and the message.
    let depth = l1.head().await.unwrap().number.get() - published.receipt.block.get() + 1;
    dev.reorg(depth).await.unwrap();
    let view = archiver.at_checkpoint(1).await;
    assert_eq!(view.tip.chain, first.built.state);
    let again = proposer.publish(Manner::Honest).await;
    let view = archiver.at_checkpoint(2).await;
    assert_eq!(view.tip.chain, again.built.state);
    assert_eq!(archiver.handle.checkpoint(second).unwrap().unwrap().header, again.built.header);

    // A restart goes on from the store; an empty store comes to the same state.
    drop(proposer);
    archiver.stop().await;
    let restarted = Archiver::open(directory.path(), l1.clone()).unwrap();
    assert_eq!(restarted.handle().view().borrow().tip, view.tip);
    drop(restarted);
    let other_directory = tempfile::tempdir().unwrap();
    let fresh = Running::start(other_directory.path(), &l1);
    assert_eq!(fresh.at_checkpoint(2).await.tip, view.tip);
    fresh.stop().await;
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_verified_stops_the_archiver_until_l1_drops_it() {
    let dev = dev_l1(Profile::Demo, Prover::Off).await;
    let l1 = L1::connect(l1_config(&dev)).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let archiver = Running::start(directory.path(), &l1);
    archiver.at_checkpoint(0).await;
    let proposer = Proposer { l1: &l1, dev: &dev, archiver: archiver.handle.clone() };
    for (manner, expected) in [
        (Manner::WithTransaction, "cannot yet verify blocks with transactions (checkpoint 1, slot "),
        (Manner::WrongHeaders, "is wrong: the hash of its block headers is "),
    ] {
        let published = proposer.publish(manner).await;
        let view = archiver.view("a fault", |view| view.fault.is_some()).await;
        assert!(view.fault.as_ref().unwrap().contains(expected), "{:?}", view.fault);
        assert_eq!(view.tip.checkpoint, CheckpointNumber::new(0));
        let depth = l1.head().await.unwrap().number.get() - published.receipt.block.get() + 1;
        dev.reorg(depth).await.unwrap();
        archiver.view("no fault", |view| view.fault.is_none() && view.last_error.is_none()).await;
    }
    proposer.publish(Manner::Honest).await;
    archiver.at_checkpoint(1).await;
    archiver.stop().await;
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_with_too_few_attestations_is_skipped_and_remembered() {
    let dev = dev_l1(Profile::Committee, Prover::Off).await;
    let l1 = L1::connect(l1_config(&dev)).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let archiver = Running::start(directory.path(), &l1);
    archiver.at_checkpoint(0).await;
    let proposer = Proposer { l1: &l1, dev: &dev, archiver: archiver.handle.clone() };
    let published = proposer.publish(Manner::OneAttestation).await;
    let view = archiver.view("an invalid checkpoint", |view| !view.invalid.is_empty()).await;
    let invalid = &view.invalid[0];
    assert_eq!((invalid.number, invalid.slot), (CheckpointNumber::new(1), Some(published.slot)));
    assert_eq!(invalid.reason, "1 signatures, 3 needed");
    assert_eq!((view.tip.checkpoint, &view.fault, &view.last_error), (CheckpointNumber::new(0), &None, &None));
    // It stays remembered over a restart, and is forgotten when L1 drops it.
    drop(proposer);
    archiver.stop().await;
    let archiver = Running::start(directory.path(), &l1);
    archiver.view("the invalid checkpoint", |view| view.invalid.len() == 1).await;
    let depth = l1.head().await.unwrap().number.get() - published.receipt.block.get() + 1;
    dev.reorg(depth).await.unwrap();
    archiver.view("a valid chain", |view| view.synced_at.is_some() && view.invalid.is_empty()).await;
    archiver.stop().await;
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_registry_and_a_dead_endpoint_are_told_apart() {
    let dev = dev_l1(Profile::Demo, Prover::Off).await;
    let config = l1_config(&dev);
    let connect = |config: L1Config| async { L1::connect(config).await.map(|_| ()).unwrap_err() };
    let nothing = connect(L1Config { registry: Address::repeat_byte(9), ..config.clone() }).await;
    assert!(matches!(nothing, L1Error::NoContract { .. }), "{nothing}");
    let other = connect(L1Config { registry: dev.info().inbox, ..config.clone() }).await;
    assert!(matches!(other, L1Error::NotARegistry { .. }), "{other}");
    let version = connect(L1Config { rollup_version: Some(12345), ..config.clone() }).await;
    assert!(matches!(version, L1Error::NoSuchRollup { version: 12345, .. }), "{version}");
    let dead = Url::parse("http://user:secret@127.0.0.1:1").unwrap();
    let unreachable = connect(L1Config { rpc_urls: vec![dead.clone()], ..config.clone() }).await;
    assert!(matches!(unreachable, L1Error::Unreachable(_)) && !unreachable.to_string().contains("secret"), "{unreachable}");
    let beside =
        L1Config { rpc_urls: vec![dead, dev.info().rpc_url.clone()], rollup_version: Some(dev.info().rollup_version), ..config };
    let l1 = L1::connect(beside).await.unwrap();
    l1.head().await.unwrap();
    let endpoints = l1.endpoints();
    assert!(!endpoints[0].healthy && endpoints[1].healthy, "{endpoints:?}");
    assert_eq!(l1.contracts().rollup, dev.info().rollup);
    assert_eq!(l1.constants().genesis_time, dev.info().genesis_time);
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes two epochs: about a minute and a half"]
async fn unproven_checkpoints_are_dropped_when_a_prune_is_due() {
    let dev = dev_l1(Profile::Prune, Prover::Off).await;
    let l1 = L1::connect(l1_config(&dev)).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let archiver = Running::start(directory.path(), &l1);
    archiver.at_checkpoint(0).await;
    let proposer = Proposer { l1: &l1, dev: &dev, archiver: archiver.handle.clone() };
    proposer.publish(Manner::Honest).await;
    archiver.at_checkpoint(1).await;
    // L1 itself still says that the pending tip is checkpoint 1: nothing prunes before the next proposal.
    let pruned = until("the prune", Duration::from_secs(120), async || {
        Some(archiver.handle.view().borrow().clone()).filter(|view| view.tip.checkpoint == CheckpointNumber::new(0))
    })
    .await;
    let status = l1.rollup_status(pruned.synced_at.unwrap().hash, CheckpointNumber::new(1)).await.unwrap();
    assert_eq!(status.pending, CheckpointNumber::new(1));
    let again = proposer.publish(Manner::Honest).await;
    assert_eq!(archiver.at_checkpoint(1).await.tip.chain, again.built.state);
    archiver.stop().await;
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes an epoch: about half a minute"]
async fn proven_and_finalized_tips_follow_the_prover() {
    let dev = dev_l1(Profile::Demo, Prover::On).await;
    let l1 = L1::connect(l1_config(&dev)).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let archiver = Running::start(directory.path(), &l1);
    archiver.at_checkpoint(0).await;
    let proposer = Proposer { l1: &l1, dev: &dev, archiver: archiver.handle.clone() };
    proposer.publish(Manner::Honest).await;
    let one = CheckpointNumber::new(1);
    let view = until("finality", Duration::from_secs(60), async || {
        Some(archiver.handle.view().borrow().clone()).filter(|view| view.tips.finalized.checkpoint == one)
    })
    .await;
    assert_eq!(view.tips.proven, view.tips.checkpointed);
    archiver.stop().await;
    dev.stop().await;
}
