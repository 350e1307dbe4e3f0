//! A disk whose syncs take longer.

use std::time::Duration;

use ollin_consensus::{Batch, Disk, DiskError, Record, Table};

/// The real disk, and a pause after each sync of it: while it lasts nothing written counts as durable.
pub(crate) struct SlowDisk {
    disk: Box<dyn Disk>,
    delay: Duration,
}

impl SlowDisk {
    pub(crate) fn new(disk: Box<dyn Disk>, delay: Duration) -> Self {
        Self { disk, delay }
    }
}

impl Disk for SlowDisk {
    fn place(&self) -> String {
        self.disk.place()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<bytes::Bytes>, DiskError> {
        self.disk.get(table, key)
    }

    fn scan(&self, table: Table, first: &[u8]) -> Box<dyn Iterator<Item = Result<Record, DiskError>> + '_> {
        self.disk.scan(table, first)
    }

    fn write(&self, batch: Batch) -> Result<(), DiskError> {
        self.disk.write(batch)
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.disk.sync()?;
        std::thread::sleep(self.delay);
        Ok(())
    }
}
