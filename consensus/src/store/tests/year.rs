//! A year of a cluster on the real store, with the load left in and the waiting left out.
//!
//! 438,000 slots of 72 s. In each month the cluster works 500 slots in a row and then every twentieth: four attesters propose,
//! attest and publish. Payloads have an eighth of their usual size, so that the test stays short; the write-ahead log still turns
//! over.

use std::fs;

use alloy_primitives::{Address, B256};
use ollin_guard::{Binding, Claim, Duty, DutyKind, GuardCommand};
use ollin_protocol::units::{BlockIndex, L1BlockNumber, SigningRoot, Slot};

use super::*;
use crate::attempt::{AttemptContent, AttemptRequest, Fees, MinedAt, Outcome};
use crate::command::{Command, Envelope, Origin};

const MONTHS: u64 = 12;
const MONTH_SLOTS: u64 = 36_500;
const DENSE_SLOTS: u64 = 500;
const EVERY: u64 = 20;
/// As `ConsensusConfig` has it by default, and as openraft is told.
const SNAPSHOT_EVERY: u64 = 5_000;
const KEPT: u64 = 2 * SNAPSHOT_EVERY;
/// Slots whose entries are synced together.
const GROUP: usize = 20;
const PUBLISHER: Address = Address::repeat_byte(0x99);

fn attesters() -> Vec<Address> {
    (1..=4).map(Address::repeat_byte).collect()
}

fn claim(slot: Slot, kind: DutyKind, attesters: &[Address], bytes: usize) -> Claim {
    let duties = attesters.iter().map(|attester| Duty { slot, kind, attester: *attester }).collect();
    let root = SigningRoot::new(B256::left_padding_from(&slot.get().to_be_bytes()));
    Claim { duties, root, payload: vec![1; bytes] }
}

/// What one slot of ours puts into the log.
fn slot_of_ours(slot: Slot, nonce: u64) -> Vec<Command> {
    let attesters = attesters();
    let proposer = &attesters[..1];
    let block = DutyKind::BlockProposal { index: BlockIndex::new(0) };
    let claims = vec![
        claim(slot, block, proposer, 1_100),
        claim(slot, DutyKind::CheckpointProposal, proposer, 1_150),
        claim(slot, DutyKind::Attestation, &attesters, 60),
        claim(slot, DutyKind::AttestationsAndSigners, proposer, 650),
    ];
    let duty = Duty { slot, kind: DutyKind::AttestationsAndSigners, attester: attesters[0] };
    let fees = Fees { max_priority_fee_per_gas: 1, max_fee_per_gas: 1, max_fee_per_blob_gas: 1 };
    let content = AttemptContent::Bundle { duty };
    let attempt = AttemptRequest { slot, publisher: PUBLISHER, nonce, content, gas_limit: 1, fees };
    let mined = MinedAt { tx_hash: B256::ZERO, l1_block: L1BlockNumber::new(slot.get()), l1_block_hash: B256::ZERO };
    let MinedAt { tx_hash, l1_block, l1_block_hash } = mined;
    vec![
        Command::Guard(GuardCommand::Claim(claims)),
        Command::Attempt(attempt),
        Command::Outcome(Outcome::Mined { publisher: PUBLISHER, nonce, tx_hash, l1_block, l1_block_hash }),
        Command::Outcome(Outcome::Settled { publisher: PUBLISHER, nonce }),
        Command::Guard(GuardCommand::DropPayloads { slot: slot.saturating_sub(2) }),
        Command::Guard(GuardCommand::RaiseWatermark { slot: slot.saturating_sub(40) }),
    ]
}

/// A replica's store, driven as openraft drives it.
struct Replica {
    opened: Opened,
    index: u64,
    snapshot_at: u64,
}

impl Replica {
    async fn append(&mut self, commands: Vec<Command>) {
        let entry = |(index, command)| {
            let origin = Origin { replica: 7, boot: 1, sequence: index };
            Entry { term: 1, index, body: Body::Command(Bytes::from(Envelope { origin, command }.encode())) }
        };
        let entries: Vec<Entry> = (self.index..).zip(commands).map(entry).collect();
        let records = entries.iter().map(|entry| entry.clone().into_raft().unwrap());
        self.opened.log.blocking_append(records).await.unwrap();
        for entry in &entries {
            self.opened.state.write().apply(entry, self.opened.chain.read().at(entry.index)).unwrap().unwrap();
        }
        self.index += u64::try_from(entries.len()).unwrap();
        if self.index - self.snapshot_at >= SNAPSHOT_EVERY {
            self.opened.machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
            self.snapshot_at = self.index;
            if let Some(upto) = self.index.checked_sub(KEPT + 1) {
                self.opened.log.purge(log_id(1, upto)).await.unwrap();
            }
        }
    }

    fn kept(&self) -> u64 {
        let chain = self.opened.chain.read();
        chain.last().map_or(0, |last| last.index + 1) - chain.first().map_or(0, |first| first.index)
    }
}

fn disk_bytes(directory: &Path) -> u64 {
    let size = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        // RocksDB takes files away meanwhile.
        let Ok(metadata) = fs::metadata(&path) else { return 0 };
        if metadata.is_dir() { disk_bytes(&path) } else { metadata.len() }
    };
    fs::read_dir(directory).unwrap().map(size).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn log_state_snapshot_and_disk_stay_flat_over_a_year() {
    let directory = tempfile::tempdir().unwrap();
    let mut replica = Replica { opened: open(directory.path()).unwrap(), index: 0, snapshot_at: 0 };
    let binding = Binding { chain_id: 1, rollup: Address::ZERO, attesters: attesters().into_iter().collect() };
    let set_up = [GuardCommand::Bind(binding), GuardCommand::Open { floor: Slot::new(99) }];
    replica.append(set_up.into_iter().map(Command::Guard).collect()).await;
    let mut nonce = 0;
    let mut months = Vec::new();
    for month in 0..MONTHS {
        let ours = (0..MONTH_SLOTS).filter(|slot| *slot < DENSE_SLOTS || slot % EVERY == 0);
        let ours: Vec<Slot> = ours.map(|slot| Slot::new(100 + month * MONTH_SLOTS + slot)).collect();
        let mut most = [0; 3];
        for group in ours.chunks(GROUP) {
            let mut commands = Vec::new();
            for slot in group {
                commands.extend(slot_of_ours(*slot, nonce));
                nonce += 1;
            }
            replica.append(commands).await;
            let live = u64::try_from(replica.opened.state.read().guard().live_duties()).unwrap();
            most = [most[0].max(replica.kept()), most[1].max(live), most[2]];
            if group[0].get() % 500 == 0 {
                most[2] = most[2].max(u64::try_from(replica.opened.state.read().encode().len()).unwrap());
            }
        }
        let disk = disk_bytes(directory.path());
        println!(
            "month {month}: at most {} entries, {} live duties, {} bytes of state; {disk} bytes on disk",
            most[0], most[1], most[2]
        );
        months.push((most, disk));
    }
    let state = replica.opened.state.read().clone();
    assert!(replica.index > 160_000 && state.audit().head().count > 100_000, "the load was there");
    assert!(state.guard().watermark() > Some(Slot::new(MONTHS * MONTH_SLOTS - 200)));
    // The first months fill what is bounded, the write-ahead log of 64 MiB last; from then on nothing grows.
    let (filled, rest) = months.split_at(8);
    let highest = |measure: fn(&([u64; 3], u64)) -> u64| filled.iter().map(measure).max().unwrap_or(0);
    for (month, (most, disk)) in (8..).zip(rest) {
        assert!(most[0] <= KEPT + SNAPSHOT_EVERY + 200, "month {month}: {} entries", most[0]);
        assert!(most[1] <= highest(|(most, _)| most[1]), "month {month}: {} live duties", most[1]);
        assert!(most[2] <= highest(|(most, _)| most[2]) * 11 / 10, "month {month}: {} bytes of state", most[2]);
        assert!(*disk <= highest(|(_, disk)| *disk), "month {month}: {disk} bytes on disk");
    }
    assert!(months.iter().all(|(_, disk)| *disk <= 96 << 20));
}
