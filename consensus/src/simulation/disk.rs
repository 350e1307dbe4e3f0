//! A disk in memory that forgets what was not synced.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::world::World;
use crate::store::{BASE, Batch, Change, Disk, DiskError, Record, Table, VOTE};

/// What a disk holds. Cloning shares it until one of the two changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    tables: BTreeMap<Table, Arc<BTreeMap<Bytes, Bytes>>>,
}

/// How long a simulated sync takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncTimes {
    /// At least.
    pub least: Duration,
    /// At most.
    pub most: Duration,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct MemoryDisk {
    name: String,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// With everything that was written.
    seen: Image,
    /// With everything that was synced.
    durable: Image,
    /// What was written and not synced, oldest first.
    unsynced: VecDeque<Batch>,
    /// How many batches have ever become durable.
    synced: u64,
    times: SyncTimes,
    failure: Option<String>,
}

impl Image {
    fn make(&mut self, batch: &Batch) {
        for change in &batch.changes {
            let (Change::Put { table, .. } | Change::Delete { table, .. }) = change;
            let table = Arc::make_mut(self.tables.entry(*table).or_default());
            match change {
                Change::Put { key, value, .. } => drop(table.insert(key.clone(), value.clone())),
                Change::Delete { key, .. } => drop(table.remove(key)),
            }
        }
    }

    /// What the store holds that its replica may have promised to others: its vote and its last entry. Opaque; two that are equal
    /// promise the same.
    pub fn promised(&self) -> Vec<Option<Bytes>> {
        let (log, meta) = (self.table(Table::Log), self.table(Table::Meta));
        let last = log.last_key_value();
        let base = last.is_none().then(|| meta.get(BASE.as_bytes()).cloned()).flatten();
        vec![meta.get(VOTE.as_bytes()).cloned(), last.map(|(index, _)| index.clone()), last.map(|(_, entry)| entry.clone()), base]
    }

    /// One table's records.
    pub fn table(&self, table: Table) -> Arc<BTreeMap<Bytes, Bytes>> {
        self.tables.get(&table).cloned().unwrap_or_default()
    }
}

impl MemoryDisk {
    /// An empty disk whose syncs take no time.
    pub fn new(name: impl Into<String>) -> Self {
        Self::of(name, Image::default())
    }

    /// A disk that holds `image`, all of it durable.
    pub fn of(name: impl Into<String>, image: Image) -> Self {
        let inner = Inner {
            seen: image.clone(),
            durable: image,
            unsynced: VecDeque::new(),
            synced: 0,
            times: SyncTimes { least: Duration::ZERO, most: Duration::ZERO },
            failure: None,
        };
        Self { name: name.into(), inner: Arc::new(Mutex::new(inner)) }
    }

    /// How long syncs take from now on; each draws from the world's seed.
    pub fn set_sync_times(&self, times: SyncTimes) {
        self.inner.lock().times = times;
    }

    /// Every further read, write and sync fails.
    pub fn fail(&self, reason: impl Into<String>) {
        self.inner.lock().failure = Some(reason.into());
    }

    /// Whether it was made to fail.
    pub fn is_failing(&self) -> bool {
        self.inner.lock().failure.is_some()
    }

    /// How many batches a crash could lose now.
    pub fn unsynced(&self) -> usize {
        self.inner.lock().unsynced.len()
    }

    /// Loses what was not synced, save the first `kept` batches, as a crash of the machine does. The process that used the disk
    /// must be dead.
    pub fn crash(&self, kept: usize) {
        let mut inner = self.inner.lock();
        let kept = kept.min(inner.unsynced.len());
        inner.settle(kept);
        inner.unsynced.clear();
        inner.seen = inner.durable.clone();
        inner.failure = None;
    }

    /// What is durable: what a backup of the disk would hold.
    pub fn image(&self) -> Image {
        self.inner.lock().durable.clone()
    }
}

impl Inner {
    /// The oldest `count` unsynced batches become durable.
    fn settle(&mut self, count: usize) {
        for batch in self.unsynced.drain(..count) {
            self.durable.make(&batch);
            self.synced += 1;
        }
    }

    fn check(&self) -> Result<(), DiskError> {
        match &self.failure {
            Some(reason) => Err(DiskError::Failed { reason: reason.clone() }),
            None => Ok(()),
        }
    }
}

impl Disk for MemoryDisk {
    fn place(&self) -> String {
        self.name.clone()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, DiskError> {
        let inner = self.inner.lock();
        inner.check()?;
        Ok(inner.seen.table(table).get(key).cloned())
    }

    fn scan(&self, table: Table, first: &[u8]) -> Box<dyn Iterator<Item = Result<Record, DiskError>> + '_> {
        let (records, checked) = {
            let inner = self.inner.lock();
            (inner.seen.table(table), inner.check())
        };
        if let Err(error) = checked {
            return Box::new(std::iter::once(Err(error)));
        }
        let mut from = Bound::Included(Bytes::copy_from_slice(first));
        Box::new(std::iter::from_fn(move || {
            let (key, value) = records.range((from.clone(), Bound::Unbounded)).next()?;
            from = Bound::Excluded(key.clone());
            Some(Ok((key.clone(), value.clone())))
        }))
    }

    fn write(&self, batch: Batch) -> Result<(), DiskError> {
        let mut inner = self.inner.lock();
        inner.check()?;
        inner.seen.make(&batch);
        inner.unsynced.push_back(batch);
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        let mut inner = self.inner.lock();
        inner.check()?;
        let all = inner.unsynced.len();
        inner.settle(all);
        Ok(())
    }

    /// What is written while it runs is not part of it.
    fn sync_in_task(&self) -> Option<BoxFuture<'_, Result<(), DiskError>>> {
        let world = World::current()?;
        let (times, goal) = {
            let inner = self.inner.lock();
            (inner.times, inner.synced + inner.unsynced.len() as u64)
        };
        let spread = times.most.saturating_sub(times.least).as_micros();
        let extra = Duration::from_micros(world.below(u64::try_from(spread).unwrap_or(u64::MAX)));
        let done = world.sleep(times.least + extra);
        Some(Box::pin(async move {
            done.await;
            let mut inner = self.inner.lock();
            inner.check()?;
            let left = usize::try_from(goal.saturating_sub(inner.synced)).unwrap_or(usize::MAX).min(inner.unsynced.len());
            inner.settle(left);
            Ok(())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(key: &str) -> Batch {
        let mut batch = Batch::default();
        batch.put(Table::Log, key, key.to_owned());
        batch.put(Table::Meta, "last", key.to_owned());
        batch
    }

    fn keys(disk: &MemoryDisk) -> Vec<String> {
        disk.scan(Table::Log, b"").map(|record| String::from_utf8(record.unwrap().0.to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_crash_loses_a_tail_of_what_was_not_synced_and_nothing_else() {
        for kept in 0..=3 {
            let disk = MemoryDisk::new("disk");
            disk.write(batch("a")).unwrap();
            disk.sync().unwrap();
            for key in ["b", "c"] {
                disk.write(batch(key)).unwrap();
            }
            assert_eq!(keys(&disk), ["a", "b", "c"], "what was written is seen at once");
            assert_eq!(disk.unsynced(), 2);
            disk.crash(kept);
            assert_eq!(keys(&disk), ["a", "b", "c"][..(1 + kept).min(3)]);
            let last = disk.get(Table::Meta, b"last").unwrap().unwrap();
            assert_eq!(last.as_ref(), keys(&disk).last().unwrap().as_bytes(), "a batch is kept whole or not at all");
        }
    }

    #[test]
    fn a_scan_sees_one_moment_and_an_image_is_a_backup() {
        let disk = MemoryDisk::new("disk");
        disk.write(batch("a")).unwrap();
        disk.sync().unwrap();
        let mut scan = disk.scan(Table::Log, b"");
        disk.write(batch("b")).unwrap();
        assert_eq!((scan.next().is_some(), scan.next().is_some()), (true, false));
        drop(scan);
        let backup = disk.image();
        disk.sync().unwrap();
        assert_eq!(keys(&MemoryDisk::of("restored", backup)), ["a"]);
        assert_eq!(keys(&disk), ["a", "b"]);
    }

    #[test]
    fn what_is_written_during_a_sync_is_not_part_of_it() {
        let world = World::new(1);
        let disk = MemoryDisk::new("disk");
        let time = Duration::from_millis(10);
        disk.set_sync_times(SyncTimes { least: time, most: time });
        disk.write(batch("a")).unwrap();
        let syncing = disk.clone();
        drop(world.spawn(async move { syncing.sync_in_task().unwrap().await.unwrap() }));
        world.run_until(time / 2).unwrap();
        disk.write(batch("b")).unwrap();
        world.run_until(time * 2).unwrap();
        assert_eq!(disk.unsynced(), 1);
        disk.crash(0);
        assert_eq!(keys(&disk), ["a"]);
    }

    #[test]
    fn a_failed_disk_fails_every_call_until_the_machine_restarts() {
        let disk = MemoryDisk::new("disk");
        disk.fail("no medium");
        assert!(disk.write(batch("a")).is_err() && disk.sync().is_err() && disk.get(Table::Log, b"a").is_err());
        assert!(disk.scan(Table::Log, b"").next().unwrap().is_err());
        disk.crash(0);
        disk.write(batch("a")).unwrap();
    }
}
