//! Killing the leader at a named point, and what is seen of it from outside.

use std::time::Duration;

use alloy::primitives::B256;
use anyhow::{Context, Result, ensure};
use ollin_chaos::{Emitted, History};

use crate::chain::Landed;
use crate::classify::{Gap, SlotFacts, SlotVerdict};
use crate::failpoint::Point;
use crate::report::Outcome;
use crate::wait::until;
use crate::world::World;

/// How long a cluster may be without a leader before a scenario gives up.
pub(super) const TAKEOVER: Duration = Duration::from_secs(20);

/// One kill and what followed.
#[derive(Clone, Debug)]
pub(super) struct Strike {
    pub point: Point,
    pub slot: u64,
    pub old_leader: u64,
    pub new_leader: u64,
    pub gap: Gap,
    /// Milliseconds from the kill to the first record in another replica's outlet record, of this slot.
    pub next_grant_ms: Option<u64>,
    pub landed: Option<Landed>,
    pub verdict: SlotVerdict,
}

/// A change of the world between reaching the point and the kill.
pub(super) enum Meanwhile {
    Nothing,
    InboxMessage,
    BaseFeeTwofold,
    ParentDropped,
}

/// Waits until the leader stands at `point`. For [`Point::AttemptSent`], L1 stands still from before the send, so that
/// "sent, not mined" is certain: [`release_l1`] lets it go on.
pub(super) async fn bring_to(world: &World, leader: u64, point: Point) -> Result<u64> {
    let patience = world.clock().slots(4);
    let points = world.replica(leader)?.failpoints();
    points.clear()?;
    if point == Point::AttemptSent {
        points.arm(Point::AttemptRecorded)?;
        points.reached(Point::AttemptRecorded, patience).await?;
        world.l1().pause_mining().await?;
        points.arm(point)?;
        points.release(Point::AttemptRecorded)?;
    } else {
        points.arm(point)?;
    }
    let reached = points.reached(point, patience).await;
    if reached.is_err() {
        release_l1(world, point).await?;
    }
    Ok(reached.with_context(|| world.log_tails(8))?.slot)
}

/// Lets L1 go on after [`bring_to`].
pub(super) async fn release_l1(world: &World, point: Point) -> Result<()> {
    if point == Point::AttemptSent {
        world.l1().resume_mining().await?;
    }
    Ok(())
}

/// Brings the leader to `point`, kills it there, watches the takeover and the slot, and restarts the killed replica.
pub(super) async fn strike(world: &mut World, point: Point, meanwhile: Meanwhile) -> Result<Strike> {
    let old_leader = world.settled(super::SETTLED).await?;
    let slot = bring_to(world, old_leader, point).await?;
    if point == Point::AttemptSent {
        check_unmined(world, slot).await?;
    }
    change(world, meanwhile).await?;
    let killed_ms = world.kill(old_leader)?;
    let (released, acting) = tokio::join!(release_l1(world, point), world.acting(Some(old_leader), TAKEOVER));
    released?;
    let (new_leader, active_ms) = acting?;
    let gap = Gap { from_ms: killed_ms, until_ms: active_ms };
    let landed = world.landed_or_over(slot).await?;
    let next_grant_ms = next_outlet(world, old_leader, slot, killed_ms)?;
    world.restart(old_leader).await?;
    let facts = SlotFacts { slot, l1_block: landed.as_ref().map(Landed::l1_block), claimed: point.claimed() };
    let verdict = SlotVerdict::of(facts, &[gap], world.clock());
    Ok(Strike { point, slot, old_leader, new_leader, gap, next_grant_ms, landed, verdict })
}

impl Strike {
    /// Column heads of [`Strike::row`].
    pub(super) const HEADS: [&str; 8] =
        ["point", "slot", "old leader", "new leader", "ms to active", "ms to next grant", "L1 block", "slot is"];

    /// One row of the report.
    pub(super) fn row(&self) -> Vec<String> {
        vec![
            self.point.to_string(),
            self.slot.to_string(),
            self.old_leader.to_string(),
            self.new_leader.to_string(),
            self.gap.until_ms.saturating_sub(self.gap.from_ms).to_string(),
            self.next_grant_ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string()),
            self.landed.as_ref().map_or_else(|| "-".to_owned(), |one| one.l1_block().to_string()),
            self.verdict.to_string(),
        ]
    }

    /// Records the row and the statement that the slot was not lost.
    pub(super) fn report(&self, outcome: &mut Outcome) {
        outcome.table.row(self.row());
        outcome
            .check(format!("killed at {}: slot {} {}", self.point, self.slot, self.verdict), self.verdict != SlotVerdict::Lost);
    }
}

/// Milliseconds from `killed_ms` to the first record for `slot` by a replica other than `killed`.
fn next_outlet(world: &World, killed: u64, slot: u64, killed_ms: u64) -> Result<Option<u64>> {
    let history = world.outlets()?;
    let others = history.emissions.iter().filter(|one| one.origin.replica.get() != killed && slot_of(&one.emitted) == slot);
    let times = others.map(|one| one.origin.time_ms).filter(|time_ms| *time_ms >= killed_ms);
    Ok(times.min().map(|time_ms| time_ms.saturating_sub(killed_ms)))
}

/// The slot that an emission is about.
pub(super) fn slot_of(emitted: &Emitted) -> u64 {
    match emitted {
        Emitted::Signature(signature) => signature.key.duty.slot.get(),
        Emitted::Transaction(transaction) => transaction.slot.get(),
    }
}

/// Attempts that left for `slot`, over all replicas: their numbers and transactions, by time.
pub(super) fn attempts(history: &History, slot: u64) -> Vec<(u32, B256)> {
    let sent = history.emissions.iter().filter_map(|one| match &one.emitted {
        Emitted::Transaction(transaction) if transaction.slot.get() == slot => {
            Some((one.origin.time_ms, transaction.attempt.number, transaction.hash))
        }
        Emitted::Transaction(_) | Emitted::Signature(_) => None,
    });
    let mut sent: Vec<_> = sent.collect();
    sent.sort_unstable();
    sent.into_iter().map(|(_, number, hash)| (number, hash)).collect()
}

/// The line in which a replica says why it gave `slot` up.
pub(super) fn given_up(world: &World, slot: u64) -> Result<Option<String>> {
    for replica in world.replicas() {
        let log = std::fs::read_to_string(replica.directory().join("log"))?;
        let says = |line: &&str| line.contains("slot missed") && line.contains(&format!("slot={slot} "));
        if let Some(line) = log.lines().find(says) {
            return Ok(line.split_once("reason=").map(|(_, reason)| reason.to_owned()));
        }
    }
    Ok(None)
}

/// The attempt must be at L1 and in no block: otherwise the point was not what its name says.
async fn check_unmined(world: &World, slot: u64) -> Result<()> {
    let (_, sent) = attempts(&world.outlets()?, slot).pop().context("attempt-sent was reached without an outlet record of it")?;
    let look = || async { world.chain().transaction(sent).await.ok().flatten() };
    let transaction = until("the attempt at L1", Duration::from_secs(2), look).await?;
    ensure!(transaction.get("blockNumber").is_none_or(serde_json::Value::is_null), "the attempt was mined while L1 stood still");
    Ok(())
}

async fn change(world: &World, meanwhile: Meanwhile) -> Result<()> {
    match meanwhile {
        Meanwhile::Nothing => {}
        Meanwhile::InboxMessage => {
            let word = B256::with_last_byte;
            world.l1().send_inbox_message(word(7), word(1), word(2)).await?;
        }
        Meanwhile::BaseFeeTwofold => {
            let fee = u128::from(world.chain().base_fee_wei().await?);
            world.l1().set_next_base_fee(fee.saturating_mul(2)).await?;
            next_l1_block(world).await?;
        }
        Meanwhile::ParentDropped => {
            world.chain().drop_newest_checkpoint().await?;
            next_l1_block(world).await?;
        }
    }
    Ok(())
}

/// Waits for an L1 block that shows a change.
async fn next_l1_block(world: &World) -> Result<()> {
    let before = world.chain().head_number().await?;
    let mined = || async { world.chain().head_number().await.ok().filter(|head| *head > before).map(|_| ()) };
    Ok(until("a further L1 block", Duration::from_secs(10), mined).await?)
}
