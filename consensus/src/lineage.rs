//! Which clusters this one came from: each was retired when it lost its quorum and one replica went on (safety rule R12).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Retired clusters that are remembered. A member of an earlier one is refused as from any other cluster.
const KEPT: usize = 16;

/// The retired clusters, the latest last. Part of the replicated state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Lineage(VecDeque<Ancestor>);

/// One retired cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ancestor {
    cluster: [u8; 16],
    /// The log index of the recovery that retired it; the membership of the new cluster is the entry after it.
    index: u64,
}

impl Lineage {
    /// Notes that the entry at `index` retires `cluster`.
    pub(crate) fn retire(&mut self, cluster: [u8; 16], index: u64) {
        self.0.push_back(Ancestor { cluster, index });
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    /// Whether this cluster goes on in the place of `cluster`.
    pub(crate) fn has_retired(&self, cluster: &[u8; 16]) -> bool {
        self.0.iter().any(|ancestor| ancestor.cluster == *cluster)
    }

    /// Whether a membership at `index` is of a retired cluster, or the one that ended it.
    pub(crate) fn ended_by(&self, index: u64) -> bool {
        self.0.back().is_some_and(|ancestor| index <= ancestor.index.saturating_add(1))
    }

    /// Whether some sequence of recoveries up to `applied` leads here; asked of decoded ones.
    pub(crate) fn is_consistent(&self, applied: Option<u64>) -> bool {
        let rises = self.0.iter().zip(self.0.iter().skip(1)).all(|(one, next)| one.index < next.index);
        rises && self.0.len() <= KEPT && self.0.back().map(|ancestor| ancestor.index) <= applied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retired_cluster_is_remembered_with_the_memberships_that_ended_in_it() {
        let mut lineage = Lineage::default();
        assert!(!lineage.has_retired(&[1; 16]) && !lineage.ended_by(0));
        lineage.retire([1; 16], 40);
        assert!(lineage.has_retired(&[1; 16]) && !lineage.has_retired(&[2; 16]));
        assert!(lineage.ended_by(12) && lineage.ended_by(41) && !lineage.ended_by(42));
        assert!(lineage.is_consistent(Some(40)) && !lineage.is_consistent(Some(39)) && !lineage.is_consistent(None));
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut lineage = Lineage::default();
        for number in 0..=u8::try_from(KEPT).unwrap() {
            lineage.retire([number; 16], u64::from(number));
        }
        assert!(!lineage.has_retired(&[0; 16]) && lineage.has_retired(&[1; 16]));
        assert!(lineage.is_consistent(Some(99)));
    }
}
