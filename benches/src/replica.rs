//! One replica in a process of its own: the real signing log and the real keystore, driven over standard input.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256};
use anyhow::{Context, Result, bail};
use ollin_consensus::{Binding, ClaimRequest, ConsensusConfig, Duty, DutyKind, Grant, Memory, Parts, SigningLog};
use ollin_keystore::{Keystore, OutletRecord};
use ollin_protocol::field::Fr;
use ollin_protocol::header::CheckpointHeader;
use ollin_protocol::payload::{AttestationPayload, DutyPayload};
use ollin_protocol::signature::Signature;
use ollin_protocol::units::{ReplicaId, Slot};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::order::{Answer, Load, Look, Order, SlotTime, Spec, Timed};
use crate::slow_disk::SlowDisk;

const CHAIN: u64 = 31337;
const ROLLUP: Address = Address::repeat_byte(0xcc);
const FLOOR: Slot = Slot::new(5);
/// No slot of a run comes near.
const HORIZON: Slot = Slot::new(1 << 40);
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the node's housekeeping is done: horizon, watermark, payloads.
const TICK: Duration = Duration::from_millis(250);
/// Slots whose records stay, as with a chain whose finality is two epochs behind.
const KEEP: u64 = 64;

/// The running replica.
#[derive(Clone)]
struct Replica {
    log: SigningLog,
    keystore: Arc<Keystore>,
    attesters: Arc<Vec<Address>>,
    /// Numbers the duties: slot by slot, attester by attester.
    next: Arc<AtomicU64>,
    /// Records are kept for ever: nothing is forgotten while a history is made.
    keep: Arc<AtomicBool>,
}

/// Runs it until it is told to end, or its standard input closes.
pub(crate) async fn run(spec: Spec) -> Result<()> {
    let replica = Replica::open(&spec).await?;
    let tick = tokio::spawn(replica.clone().housekeep());
    let mut lines = lines();
    say(&Answer::Done)?;
    while let Some(line) = lines.recv().await {
        let order: Order = serde_json::from_str(&line).with_context(|| format!("an order: {line}"))?;
        let ends = matches!(order, Order::End);
        let answer = replica.serve(order).await.unwrap_or_else(|error| Answer::Failed(format!("{error:#}")));
        say(&answer)?;
        if ends {
            break;
        }
    }
    tick.abort();
    replica.log.shutdown().await;
    Ok(())
}

/// The lines of the standard input, read on a thread that ends with it.
fn lines() -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let Ok(line) = line else { return };
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn say(answer: &Answer) -> Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    Ok(out.flush()?)
}

impl Replica {
    async fn open(spec: &Spec) -> Result<Self> {
        let id = ReplicaId::new(spec.id);
        let listen = ([127, 0, 0, 1], spec.port).into();
        let mut config = ConsensusConfig::new(spec.directory.join("data"), spec.certificates.clone(), id, listen);
        let timers = spec.profile().timers();
        config.heartbeat = timers.heartbeat;
        config.election_timeout_min = timers.election_timeout_min;
        config.election_timeout_max = timers.election_timeout_max;
        config.anchor_directory = ollin_consensus::default_anchor_directory();
        let mut parts = Parts::of(&config)?;
        if spec.sync_delay_us > 0 {
            parts.disk = Box::new(SlowDisk::new(parts.disk, Duration::from_micros(spec.sync_delay_us)));
        }
        let log = SigningLog::open_with(config, parts).await?;
        let record = OutletRecord::open(&spec.directory.join("outlets.jsonl"))?;
        let keystore = Keystore::load(&spec.keystore)?.bind(id, CHAIN, ROLLUP, Some(record));
        let attesters: Vec<Address> = keystore.attesters().map(|entry| entry.address).collect();
        let highest = log.duties().iter().map(|(duty, _)| duty.slot.get()).max().unwrap_or(FLOOR.get());
        let next = (highest + 1) * attesters.len() as u64;
        Ok(Self {
            log,
            keystore: Arc::new(keystore),
            attesters: Arc::new(attesters),
            next: Arc::new(AtomicU64::new(next)),
            keep: Arc::default(),
        })
    }

    /// What the node does on every tick.
    async fn housekeep(self) {
        loop {
            self.log.set_slot_horizon(HORIZON);
            let slot = self.slot(self.next.load(Ordering::Relaxed));
            let acts = self.log.role().borrow().active_term().is_some();
            if acts && !self.keep.load(Ordering::Relaxed) {
                let deadline = Instant::now() + PATIENCE;
                // Both are of no consequence if leadership has gone meanwhile.
                drop(self.log.raise_watermark(Slot::new(slot.saturating_sub(KEEP)), deadline).await);
                drop(self.log.drop_payloads(Slot::new(slot.saturating_sub(3)), deadline).await);
            }
            tokio::time::sleep(TICK).await;
        }
    }

    fn slot(&self, number: u64) -> u64 {
        number / self.attesters.len() as u64
    }

    async fn serve(&self, order: Order) -> Result<Answer> {
        match order {
            Order::Create => self.create().await.map(|()| Answer::Done),
            Order::Look => Ok(Answer::Look(self.look())),
            Order::Load(load) => self.load(load).await.map(Answer::Load),
            Order::Slot { attesters } => self.sign_slot(attesters).await.map(Answer::Slot),
            Order::Succeed { old } => self.succeed(old).await,
            Order::History { slots, keep } => self.history(slots, keep).await.map(|()| Answer::Done),
            Order::End => Ok(Answer::Done),
        }
    }

    async fn create(&self) -> Result<()> {
        let binding = Binding { chain_id: CHAIN, rollup: ROLLUP, attesters: self.attesters.iter().copied().collect() };
        self.log.create_cluster(binding, FLOOR).await?;
        Ok(())
    }

    fn look(&self) -> Look {
        let view = self.log.view();
        Look {
            active: self.log.role().borrow().active_term().is_some(),
            whole: view.memory == Memory::Whole,
            leader: view.leader.map(ReplicaId::get),
            applied: view.applied.map_or(0, |index| index.get()),
            halted: view.halted,
            duties: self.log.duties().len(),
        }
    }

    async fn claim(&self, duties: Vec<Duty>, payload: DutyPayload) -> Result<Vec<Grant>> {
        let answers = self.log.claim(vec![ClaimRequest { duties, payload }], Instant::now() + PATIENCE).await?;
        answers.into_iter().map(|answer| answer.map_err(|refusal| anyhow::anyhow!("refused: {refusal:?}"))).collect()
    }

    /// The next duty that nobody has claimed.
    fn next_duty(&self) -> Result<Duty> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let at = usize::try_from(number % self.attesters.len() as u64)?;
        Ok(Duty { attester: self.attesters[at], slot: Slot::new(self.slot(number)), kind: DutyKind::Attestation })
    }

    async fn load(&self, load: Load) -> Result<Timed> {
        let started = Instant::now();
        let until = started + Duration::from_millis(load.millis);
        let mut callers = JoinSet::new();
        for _ in 0..load.callers {
            let replica = self.clone();
            callers.spawn(async move { replica.call_until(until, load.signs).await });
        }
        let mut all = Timed::default();
        while let Some(caller) = callers.join_next().await {
            let Timed { claim_us, total_us, .. } = caller??;
            all.claim_us.extend(claim_us);
            all.total_us.extend(total_us);
        }
        all.elapsed_us = micros(started);
        Ok(all)
    }

    async fn call_until(&self, until: Instant, signs: bool) -> Result<Timed> {
        let mut timed = Timed::default();
        while Instant::now() < until {
            let duty = self.next_duty()?;
            let payload = attestation(duty.slot);
            let started = Instant::now();
            let grant = self.claim(vec![duty], payload).await?.pop().context("one answer for one duty")?;
            timed.claim_us.push(u32::try_from(micros(started))?);
            if signs {
                self.keystore.sign(grant)?;
            }
            timed.total_us.push(u32::try_from(micros(started))?);
        }
        Ok(timed)
    }

    /// A slot of its own for the first attesters.
    fn next_slot(&self) -> Slot {
        let attesters = self.attesters.len() as u64;
        let slot = self.slot(self.next.load(Ordering::Relaxed)) + 1;
        self.next.store((slot + 1) * attesters, Ordering::Relaxed);
        Slot::new(slot)
    }

    async fn claim_slot(&self, attesters: usize) -> Result<Vec<Grant>> {
        let slot = self.next_slot();
        let duty = |attester: &Address| Duty { attester: *attester, slot, kind: DutyKind::Attestation };
        self.claim(self.attesters.iter().take(attesters).map(duty).collect(), attestation(slot)).await
    }

    async fn sign_slot(&self, attesters: usize) -> Result<SlotTime> {
        let started = Instant::now();
        let grants = self.claim_slot(attesters).await?;
        let claim_us = micros(started);
        let asked = grants.len();
        let signed = tokio::task::block_in_place(|| self.keystore.sign_all(grants));
        let total_us = micros(started);
        let count = signed.iter().filter(|one| one.is_ok()).count();
        if count != attesters || asked != attesters {
            bail!("{count} signatures of {attesters}");
        }
        Ok(SlotTime { claim_us, total_us })
    }

    async fn history(&self, slots: u64, keep: bool) -> Result<()> {
        self.keep.store(keep, Ordering::Relaxed);
        for _ in 0..slots {
            self.claim_slot(self.attesters.len()).await?;
        }
        Ok(())
    }

    async fn succeed(&self, old: u64) -> Result<Answer> {
        let mut role = self.log.role();
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if role.borrow_and_update().active_term().is_some() {
                // Others may have claimed what this replica has not numbered.
                self.next_slot();
                self.claim_slot(1).await?;
                return Ok(Answer::Succeed { leads: true });
            }
            if self.log.view().leader.is_some_and(|leader| leader.get() != old && leader != self.log.replica()) {
                return Ok(Answer::Succeed { leads: false });
            }
            // A change of the role is heard at once; that another one leads, within a few milliseconds.
            drop(tokio::time::timeout(Duration::from_millis(5), role.changed()).await);
        }
        bail!("no leader but {old} within {} s", PATIENCE.as_secs())
    }
}

fn attestation(slot: Slot) -> DutyPayload {
    let proposer_signature = Signature::new(B256::with_last_byte(1), B256::with_last_byte(2), 27).expect("a constant in range");
    let header = CheckpointHeader { slot, timestamp: slot.get() * 72, ..CheckpointHeader::default() };
    DutyPayload::Attestation(AttestationPayload {
        header,
        archive: Fr::from_u64(slot.get()),
        fee_asset_price_modifier: 0,
        proposer_signature,
    })
}

/// Bytes of the payload that every claim carries: peers are given as many.
pub(crate) fn payload_bytes() -> usize {
    attestation(Slot::new(1000)).encode().len()
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
