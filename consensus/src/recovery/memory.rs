//! How far a replica's memory can be relied on, and who demands a closing.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use ollin_guard::{Fault, planted};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// How far a process's memory can be relied on. In every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Memory {
    /// It was started and does not know yet what it has forgotten: it neither votes nor acknowledges.
    Recovering,
    /// It takes part, but the cluster as a whole may have forgotten something: a closing is demanded.
    Doubtful,
    /// It remembers whatever it has promised, or what it forgot was closed.
    Whole,
}

/// The demands for a closing that this process has heard and no applied closing has settled: Raft ids and boot nonces of the
/// processes that doubt. They travel in every frame, and are adopted before Raft sees it: whoever counts on a doubtful vote or
/// acknowledgement, or follows a doubtful leader, carries the doubt on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demands {
    open: Arc<Mutex<BTreeSet<(u64, u64)>>>,
}

impl Demands {
    /// Whether any of them was new.
    pub(crate) fn adopt(&self, demands: &[(u64, u64)]) -> bool {
        let mut open = self.open.lock();
        let before = open.len();
        open.extend(demands);
        open.len() != before
    }

    /// Forgets what is settled. Whether that was any.
    pub(crate) fn settle(&self, settled: &VecDeque<(u64, u64)>) -> bool {
        let mut open = self.open.lock();
        let before = open.len();
        open.retain(|demand| !settled.contains(demand));
        open.len() != before
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.lock().is_empty()
    }

    /// The demands that no closing has settled.
    pub(crate) fn open(&self, settled: &VecDeque<(u64, u64)>) -> Vec<(u64, u64)> {
        self.open.lock().iter().filter(|demand| !settled.contains(demand) && !planted(Fault::DemandsForgotten)).copied().collect()
    }

    /// All that are known, for a frame.
    pub(crate) fn all(&self) -> Vec<(u64, u64)> {
        self.open.lock().iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demand_is_open_until_a_closing_names_its_very_process() {
        let demands = Demands::default();
        assert!(demands.is_empty());
        assert!(demands.adopt(&[(3, 31)]) && !demands.adopt(&[(3, 31)]));
        assert!(!demands.settle(&VecDeque::from([(3, 30)])), "an earlier process was settled, this one was not");
        assert_eq!(demands.open(&VecDeque::from([(3, 30)])), [(3, 31)]);
        assert_eq!(demands.all(), [(3, 31)]);
        let settled = VecDeque::from([(3, 31)]);
        assert_eq!(demands.open(&settled), []);
        assert!(demands.settle(&settled) && demands.is_empty());
    }
}
