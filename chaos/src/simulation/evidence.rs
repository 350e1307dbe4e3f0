//! What is on the disks, read from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ollin_consensus::Table;
use ollin_consensus::simulation::{Image, MemoryDisk};
use ollin_protocol::units::SigningRoot;
use parking_lot::Mutex;

use super::story::{Evidence, HostId};

/// The stores of all Raft ids. Clones are the same ones.
#[derive(Clone, Default)]
pub(super) struct Disks {
    stores: Arc<Mutex<BTreeMap<u64, Store>>>,
}

#[derive(Default)]
struct Store {
    /// More than one where a copy acts beside it.
    disks: BTreeMap<HostId, MemoryDisk>,
    /// A fault has taken contents away: what it held is not known any more.
    doubtful: bool,
}

impl Disks {
    /// A process has opened its store under this Raft id.
    pub(super) fn opened(&self, raft_id: u64, host: HostId, disk: MemoryDisk) {
        self.stores.lock().entry(raft_id).or_default().disks.insert(host, disk);
    }

    /// What a machine's disk held is not there any more.
    pub(super) fn taken(&self, host: HostId) {
        for store in self.stores.lock().values_mut() {
            store.doubtful |= store.disks.remove(&host).is_some();
        }
    }

    /// How many disks of `voters` hold a root durably, in an entry or in a snapshot; of two configurations, of the one that has less
    /// than the other of what it needs.
    pub(super) fn evidence(&self, root: &SigningRoot, voters: &[BTreeSet<u64>], applied: bool) -> Evidence {
        let stores = self.stores.lock();
        let holds = |id: &&u64| stores.get(id).is_some_and(|store| store.holds(root));
        let counted = voters.iter().map(|voters| (voters.iter().filter(holds).count(), voters.len() / 2 + 1));
        let lacking = |(durable, quorum): &(usize, usize)| quorum.saturating_sub(*durable);
        let (durable, quorum) = counted.max_by_key(lacking).unwrap_or((0, 1));
        Evidence { durable, quorum, applied }
    }
}

impl Store {
    fn holds(&self, root: &SigningRoot) -> bool {
        self.doubtful || self.disks.values().any(|disk| holds(&disk.image(), root))
    }
}

fn holds(image: &Image, root: &SigningRoot) -> bool {
    let needle = root.get().as_slice();
    let tables = [Table::Log, Table::State];
    // Mostly it is in one of the last entries.
    tables.iter().any(|table| image.table(*table).values().rev().any(|value| contains(value, needle)))
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window[0] == needle[0] && window == needle)
}
