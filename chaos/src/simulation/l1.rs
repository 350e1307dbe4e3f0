//! L1: blocks, a pool by its rules for replacements, and what each machine sees of both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, keccak256};
use ollin_consensus::RecordedAttempt;
use ollin_consensus::simulation::World;
use ollin_protocol::units::{L1BlockNumber, Slot};
use parking_lot::Mutex;

use super::host::slot_at;
use super::story::HostId;

/// Who pays.
pub(super) const PUBLISHER: Address = Address::repeat_byte(0xb2);
/// So many blocks later a block is final.
const FINAL_AFTER: u64 = 6;
/// A transaction in the pool is taken into the next block in so many of a hundred cases, until L1 is healed.
const TAKEN_PERCENT: u64 = 80;
/// The longest that a transaction is on its way to the pool, until L1 is healed.
const WAY: Duration = Duration::from_millis(400);

/// L1, as it is. Clones are the same one.
#[derive(Clone)]
pub(super) struct L1 {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// The chain; a block's number is its place.
    blocks: Vec<Block>,
    /// At most one transaction for a nonce.
    pool: BTreeMap<u64, Transaction>,
    /// What is wrong with what a machine sees.
    trouble: BTreeMap<HostId, Trouble>,
    /// Makes every block's hash another one.
    made: u64,
    /// Transactions that get lost on the way or in the pool, in percent.
    dropped_percent: u64,
    /// Transactions in the pool that the next block takes, in percent.
    taken_percent: u64,
    /// How long a transaction is on its way at most.
    way: Duration,
}

#[derive(Clone)]
struct Block {
    at: Duration,
    hash: B256,
    mined: Vec<Transaction>,
}

/// An attempt on L1.
#[derive(Clone, Copy)]
struct Transaction {
    attempt: RecordedAttempt,
    hash: B256,
}

/// What is wrong with a machine's way to L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It sees the chain as it was so many blocks ago.
    Lags(u64),
    /// It is told that every block is final.
    AllFinal,
    /// It is told that every nonce is spent.
    AllSpent,
    /// Nothing answers.
    Gone,
}

/// A block, as far as others need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) number: u64,
    pub(super) at: Duration,
}

/// Where a transaction was included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) block: L1BlockNumber,
    pub(super) block_hash: B256,
    /// The rollup took its checkpoint.
    pub(super) took: bool,
}

impl L1 {
    /// A chain with one block.
    pub(super) fn new() -> Self {
        let genesis = Block { at: Duration::ZERO, hash: B256::ZERO, mined: Vec::new() };
        let (pool, trouble) = (BTreeMap::new(), BTreeMap::new());
        let (blocks, taken_percent, way) = (vec![genesis], TAKEN_PERCENT, WAY);
        let inner = Inner { blocks, pool, trouble, made: 0, dropped_percent: 0, taken_percent, way };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Makes the next block, of what is in the pool in the order of nonces. What it took, by attempt.
    pub(super) fn make_block(&self, world: &World) -> Vec<RecordedAttempt> {
        let mut inner = self.inner.lock();
        let mut mined = Vec::new();
        let mut next = inner.spent();
        while let Some(transaction) = inner.pool.get(&next).copied() {
            if world.below(100) >= inner.taken_percent {
                break;
            }
            inner.pool.remove(&next);
            mined.push(transaction);
            next += 1;
        }
        inner.made += 1;
        let hash = keccak256(inner.made.to_be_bytes());
        let attempts = mined.iter().map(|transaction| transaction.attempt).collect();
        inner.blocks.push(Block { at: world.elapsed(), hash, mined });
        attempts
    }

    /// The last `depth` blocks never were. Of their transactions some are in the pool again.
    pub(super) fn reorg(&self, world: &World, depth: u64) {
        let mut inner = self.inner.lock();
        let final_height = inner.height().saturating_sub(FINAL_AFTER);
        for _ in 0..depth.min(inner.height() - final_height) {
            for transaction in inner.blocks.pop().map(|block| block.mined).unwrap_or_default() {
                if world.below(2) == 0 {
                    inner.pool.entry(transaction.attempt.request.nonce).or_insert(transaction);
                }
            }
        }
    }

    pub(super) fn set_trouble(&self, host: HostId, trouble: Option<Trouble>) {
        let mut inner = self.inner.lock();
        inner.trouble.remove(&host);
        inner.trouble.extend(trouble.map(|trouble| (host, trouble)));
    }

    pub(super) fn set_dropped(&self, percent: u64) {
        self.inner.lock().dropped_percent = percent;
    }

    /// Everybody sees it as it is, and what arrives is taken into the next block.
    pub(super) fn heal(&self) {
        let mut inner = self.inner.lock();
        inner.trouble.clear();
        (inner.dropped_percent, inner.taken_percent, inner.way) = (0, 100, WAY / 20);
    }

    /// How long a transaction is on its way at most.
    pub(super) fn way(&self) -> Duration {
        self.inner.lock().way
    }

    /// A transaction arrives at the pool. It takes the place of another one at its nonce only if it pays twice as much in each of
    /// the three ways.
    pub(super) fn arrive(&self, world: &World, attempt: RecordedAttempt) {
        let mut inner = self.inner.lock();
        let is_dropped = world.below(100) < inner.dropped_percent;
        let nonce = attempt.request.nonce;
        let replaces = inner.pool.get(&nonce).is_none_or(|held| pays_twice(&attempt, &held.attempt));
        if !is_dropped && replaces && nonce >= inner.spent() {
            inner.pool.insert(nonce, Transaction { attempt, hash: transaction_hash(&attempt) });
        }
    }

    /// The newest block that a machine sees; `None` if nothing answers.
    pub(super) fn head(&self, host: HostId) -> Option<Head> {
        let inner = self.inner.lock();
        let number = inner.seen_by(host)?;
        Some(Head { number, at: inner.block(number)?.at })
    }

    /// How many transactions the publisher has made.
    pub(super) fn count(&self, host: HostId) -> Option<u64> {
        let inner = self.inner.lock();
        let height = inner.seen_by(host)?;
        let told = if inner.trouble.get(&host) == Some(&Trouble::AllSpent) { inner.spent() + 1 } else { 0 };
        Some(inner.spent_at(height).max(told))
    }

    /// The newest final block.
    pub(super) fn finalized(&self, host: HostId) -> Option<Head> {
        let inner = self.inner.lock();
        let height = inner.seen_by(host)?;
        let lies = inner.trouble.get(&host) == Some(&Trouble::AllFinal);
        let number = if lies { height } else { height.saturating_sub(FINAL_AFTER) };
        Some(Head { number, at: inner.block(number)?.at })
    }

    /// Where a transaction was included, if the machine sees it.
    pub(super) fn receipt(&self, host: HostId, hash: B256) -> Option<Receipt> {
        let inner = self.inner.lock();
        let height = inner.seen_by(host)?;
        let blocks = (0..=height).rev().filter_map(|number| Some((number, inner.block(number)?)));
        blocks.into_iter().find_map(|(number, block)| {
            let Transaction { attempt, .. } = block.mined.iter().find(|mined| mined.hash == hash)?;
            Some(Receipt {
                block: L1BlockNumber::new(number),
                block_hash: block.hash,
                took: attempt.request.slot == slot_at(block.at),
            })
        })
    }

    /// The last slot whose checkpoint a machine sees.
    pub(super) fn tip(&self, host: HostId) -> Option<Slot> {
        let inner = self.inner.lock();
        let height = inner.seen_by(host)?;
        inner.landed_at(height).max()
    }

    /// The slots whose checkpoint the rollup took.
    pub(super) fn landed(&self) -> Vec<Slot> {
        let inner = self.inner.lock();
        inner.landed_at(inner.height()).collect()
    }
}

impl Inner {
    fn height(&self) -> u64 {
        (self.blocks.len() as u64).saturating_sub(1)
    }

    fn block(&self, number: u64) -> Option<&Block> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    fn seen_by(&self, host: HostId) -> Option<u64> {
        match self.trouble.get(&host) {
            Some(Trouble::Gone) => None,
            Some(Trouble::Lags(blocks)) => Some(self.height().saturating_sub(*blocks)),
            Some(Trouble::AllFinal | Trouble::AllSpent) | None => Some(self.height()),
        }
    }

    fn mined(&self, height: u64) -> impl Iterator<Item = (&Block, &RecordedAttempt)> {
        let blocks = (0..=height).filter_map(|number| self.block(number));
        blocks.flat_map(|block| block.mined.iter().map(move |mined| (block, &mined.attempt)))
    }

    fn spent_at(&self, height: u64) -> u64 {
        self.mined(height).map(|(_, attempt)| attempt.request.nonce + 1).max().unwrap_or(0)
    }

    fn spent(&self) -> u64 {
        self.spent_at(self.height())
    }

    fn landed_at(&self, height: u64) -> impl Iterator<Item = Slot> {
        let taken = self.mined(height).filter(|(block, attempt)| attempt.request.slot == slot_at(block.at));
        taken.map(|(_, attempt)| attempt.request.slot)
    }
}

fn pays_twice(new: &RecordedAttempt, held: &RecordedAttempt) -> bool {
    let fees = |attempt: &RecordedAttempt| {
        let fees = attempt.request.fees;
        [fees.max_priority_fee_per_gas, fees.max_fee_per_gas, fees.max_fee_per_blob_gas]
    };
    fees(new).into_iter().zip(fees(held)).all(|(new, held)| new >= held.saturating_mul(2))
}

/// The same attempt is the same bytes, whoever signs it.
pub(super) fn transaction_hash(attempt: &RecordedAttempt) -> B256 {
    keccak256(format!("{attempt:?}"))
}

#[cfg(test)]
mod tests {
    use ollin_consensus::{AttemptContent, AttemptRequest, Fees};

    use super::*;

    const HOST: HostId = HostId(1);

    fn attempt(nonce: u64, number: u32, fee: u128) -> RecordedAttempt {
        let fees = Fees { max_priority_fee_per_gas: fee, max_fee_per_gas: fee, max_fee_per_blob_gas: fee };
        let slot = slot_at(Duration::ZERO);
        let content = AttemptContent::Cancellation;
        let request = AttemptRequest { slot, publisher: PUBLISHER, nonce, content, gas_limit: 1, fees };
        RecordedAttempt { number, request, holds_blobs: false, root: None }
    }

    fn mined(l1: &L1, world: &World) -> Vec<u32> {
        // A miner may leave a transaction for later.
        (0..20).flat_map(|_| l1.make_block(world)).map(|attempt| attempt.number).collect()
    }

    #[test]
    fn of_two_attempts_the_dearer_one_is_mined_in_whatever_order_they_arrive() {
        for order in [[0, 1], [1, 0]] {
            let (world, l1) = (World::new(1), L1::new());
            for number in order {
                l1.arrive(&world, attempt(0, number, 1 << number));
            }
            assert_eq!(mined(&l1, &world), [1], "{order:?}");
            assert_eq!(l1.count(HOST), Some(1));
        }
        let (world, l1) = (World::new(1), L1::new());
        l1.arrive(&world, attempt(0, 0, 10));
        l1.arrive(&world, attempt(0, 1, 19));
        assert_eq!(mined(&l1, &world), [0], "not twice as much: the pool refuses it");
    }

    #[test]
    fn a_nonce_waits_for_those_before_it_and_a_spent_one_is_not_taken() {
        let (world, l1) = (World::new(1), L1::new());
        l1.arrive(&world, attempt(1, 0, 1));
        assert_eq!(mined(&l1, &world), [0_u32; 0]);
        l1.arrive(&world, attempt(0, 7, 1));
        assert_eq!(mined(&l1, &world), [7, 0]);
        l1.arrive(&world, attempt(0, 8, 9));
        assert_eq!(mined(&l1, &world), [0_u32; 0]);
    }

    #[test]
    fn what_a_reorg_takes_back_has_no_receipt_until_it_is_mined_again() {
        let (world, l1) = (World::new(1), L1::new());
        let one = attempt(0, 0, 1);
        while l1.receipt(HOST, transaction_hash(&one)).is_none() {
            l1.arrive(&world, one);
            l1.make_block(&world);
        }
        assert_eq!(l1.receipt(HOST, transaction_hash(&one)).map(|receipt| receipt.took), Some(true));
        assert_eq!(l1.tip(HOST), Some(one.request.slot));
        l1.reorg(&world, 1);
        assert_eq!((l1.receipt(HOST, transaction_hash(&one)), l1.count(HOST), l1.tip(HOST)), (None, Some(0), None));
    }

    #[test]
    fn a_machine_in_trouble_sees_less_or_is_lied_to_and_others_are_not() {
        let (world, l1) = (World::new(1), L1::new());
        (0..10).for_each(|_| drop(l1.make_block(&world)));
        let seen = |trouble| {
            l1.set_trouble(HOST, trouble);
            (l1.head(HOST).map(|head| head.number), l1.finalized(HOST).map(|head| head.number), l1.count(HOST))
        };
        let honest = (Some(10), Some(10 - FINAL_AFTER), Some(0));
        assert_eq!(seen(None), honest);
        assert_eq!(seen(Some(Trouble::Lags(3))), (Some(7), Some(7 - FINAL_AFTER), Some(0)));
        assert_eq!(seen(Some(Trouble::AllFinal)), (Some(10), Some(10), Some(0)));
        assert_eq!(seen(Some(Trouble::AllSpent)), (Some(10), Some(10 - FINAL_AFTER), Some(1)));
        assert_eq!(seen(Some(Trouble::Gone)), (None, None, None));
        assert_eq!(l1.head(HostId(2)).map(|head| head.number), Some(10));
        l1.heal();
        assert_eq!(seen(None), honest);
    }
}
