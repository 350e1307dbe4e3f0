//! An append-only Poseidon2 tree, held by the roots of its complete left subtrees.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::field::Fr;
use crate::hash::poseidon2_hash;
use crate::header::Snapshot;

/// The greatest height of a tree: that of the note hash and nullifier trees.
const MAX_HEIGHT: u8 = 42;

/// An append-only tree that can be extended and rooted, and forgets its leaves.
///
/// Node `level` is the root of the complete subtree of that height which ends at the edge; it exists when bit `level` of the
/// size is set. The size never exceeds `u32::MAX`, since snapshots write it in four bytes.
///
/// Source: npm @aztec/world-state 4.1.2 (native append-only trees), npm @aztec/stdlib 4.1.2, `src/trees/append_only_tree_snapshot.ts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredFrontier", into = "StoredFrontier")]
pub struct Frontier {
    height: u8,
    size: u64,
    nodes: Vec<Option<Fr>>,
}

/// Why leaves could not be appended, or stored bytes are no frontier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// No room left.
    #[error("{count} leaves do not fit a tree of height {height} with {size}")]
    Full {
        /// Leaves to append.
        count: u64,
        /// Height of the tree.
        height: u8,
        /// Its size.
        size: u64,
    },
    /// A subtree can only begin at a multiple of its width.
    #[error("a subtree of height {level} cannot begin at leaf {size}")]
    Unaligned {
        /// Height of the subtree.
        level: u8,
        /// Size of the tree.
        size: u64,
    },
    /// A stored frontier contradicts itself.
    #[error("stored frontier of height {height} and size {size} has {nodes} nodes")]
    Inconsistent {
        /// Stored height.
        height: u8,
        /// Stored size.
        size: u64,
        /// Stored nodes.
        nodes: usize,
    },
}

/// The stored form: only the nodes that exist, lowest level first.
#[derive(Serialize, Deserialize)]
struct StoredFrontier {
    height: u8,
    size: u64,
    nodes: Vec<Fr>,
}

impl Frontier {
    /// An empty tree; heights above 42 (the protocol's greatest) are taken as 42.
    pub fn new(height: u8) -> Self {
        let height = height.min(MAX_HEIGHT);
        Self { height, size: 0, nodes: vec![None; usize::from(height) + 1] }
    }

    /// Number of leaves, padding included.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Height: the tree holds 2^height leaves.
    pub const fn height(&self) -> u8 {
        self.height
    }

    /// Appends one leaf.
    ///
    /// # Errors
    /// [`TreeError::Full`].
    pub fn append(&mut self, leaf: Fr) -> Result<(), TreeError> {
        self.append_padded_subtree(0, &[leaf])
    }

    /// Appends a subtree of height `level` that begins with `leaves` and goes on with zeros.
    ///
    /// # Errors
    /// [`TreeError::Full`] if the leaves exceed the subtree or the subtree the tree; [`TreeError::Unaligned`].
    pub fn append_padded_subtree(&mut self, level: u8, leaves: &[Fr]) -> Result<(), TreeError> {
        let count = u64::try_from(leaves.len()).unwrap_or(u64::MAX);
        let full = TreeError::Full { count, height: self.height, size: self.size };
        if level > self.height || count > 1 << level {
            return Err(full);
        }
        if !self.size.is_multiple_of(1 << level) {
            return Err(TreeError::Unaligned { level, size: self.size });
        }
        let size = self.size + (1 << level);
        if size > self.capacity() {
            return Err(full);
        }
        self.carry(level, padded_root(level, leaves));
        self.size = size;
        Ok(())
    }

    /// The root over all 2^height leaves, absent ones being zero.
    pub fn root(&self) -> Fr {
        let mut root: Option<Fr> = None;
        for (level, node) in (0..self.height).zip(&self.nodes) {
            root = match (node, root) {
                (Some(left), right) => Some(poseidon2_hash(&[*left, right.unwrap_or_else(|| empty_root(level))])),
                (None, Some(left)) => Some(poseidon2_hash(&[left, empty_root(level)])),
                (None, None) => None,
            };
        }
        let whole = self.nodes.get(usize::from(self.height)).copied().flatten();
        whole.or(root).unwrap_or_else(|| empty_root(self.height))
    }

    /// Root and size as headers carry them.
    pub fn snapshot(&self) -> Snapshot {
        let size = u32::try_from(self.size).expect("capacity() keeps the size within u32");
        Snapshot { root: self.root(), next_available_leaf_index: size }
    }

    fn capacity(&self) -> u64 {
        (1u64 << self.height).min(u64::from(u32::MAX))
    }

    /// Adds a complete subtree at the edge, merging equal heights as a binary counter does.
    fn carry(&mut self, level: u8, subtree: Fr) {
        let mut node = subtree;
        for place in self.nodes.iter_mut().skip(usize::from(level)) {
            match place.take() {
                Some(left) => node = poseidon2_hash(&[left, node]),
                None => {
                    *place = Some(node);
                    return;
                }
            }
        }
    }
}

/// The root of a tree of `level` levels whose leaves are all zero.
pub fn empty_root(level: u8) -> Fr {
    static ROOTS: OnceLock<Vec<Fr>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        std::iter::successors(Some(Fr::ZERO), |below| Some(poseidon2_hash(&[*below, *below])))
            .take(usize::from(MAX_HEIGHT) + 1)
            .collect()
    });
    roots.get(usize::from(level)).copied().unwrap_or_default()
}

fn padded_root(level: u8, leaves: &[Fr]) -> Fr {
    if leaves.iter().all(Fr::is_zero) {
        return empty_root(level);
    }
    let mut nodes = leaves.to_vec();
    for height in 0..level {
        nodes = nodes.chunks(2).map(|pair| parent(height, pair)).collect();
    }
    nodes.first().copied().unwrap_or_default()
}

fn parent(height: u8, pair: &[Fr]) -> Fr {
    let left = pair.first().copied().unwrap_or_else(|| empty_root(height));
    let right = pair.get(1).copied().unwrap_or_else(|| empty_root(height));
    poseidon2_hash(&[left, right])
}

impl From<Frontier> for StoredFrontier {
    fn from(frontier: Frontier) -> Self {
        Self { height: frontier.height, size: frontier.size, nodes: frontier.nodes.into_iter().flatten().collect() }
    }
}

impl TryFrom<StoredFrontier> for Frontier {
    type Error = TreeError;

    fn try_from(stored: StoredFrontier) -> Result<Self, TreeError> {
        let StoredFrontier { height, size, nodes } = stored;
        let inconsistent = TreeError::Inconsistent { height, size, nodes: nodes.len() };
        if height > MAX_HEIGHT {
            return Err(inconsistent);
        }
        let mut frontier = Self::new(height);
        if size > frontier.capacity() || u64::try_from(nodes.len()) != Ok(u64::from(size.count_ones())) {
            return Err(inconsistent);
        }
        let mut rest = nodes.into_iter();
        for (level, place) in frontier.nodes.iter_mut().enumerate() {
            if size >> level & 1 == 1 {
                *place = rest.next();
            }
        }
        frontier.size = size;
        Ok(frontier)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The root by its definition, over all leaves.
    fn root_by_definition(height: u8, leaves: &[u64]) -> Fr {
        let mut nodes: Vec<Fr> = (0..1usize << height).map(|i| Fr::from_u64(leaves.get(i).copied().unwrap_or(0))).collect();
        while nodes.len() > 1 {
            nodes = nodes.chunks(2).map(poseidon2_hash).collect();
        }
        nodes[0]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn every_size_roots_as_the_whole_tree_and_survives_storage(leaves in prop::collection::vec(0u64..3, 0..=16)) {
            let mut tree = Frontier::new(4);
            for leaf in &leaves {
                tree.append(Fr::from_u64(*leaf)).unwrap();
            }
            prop_assert_eq!(tree.root(), root_by_definition(4, &leaves));
            let stored = postcard::to_allocvec(&tree).unwrap();
            prop_assert_eq!(&postcard::from_bytes::<Frontier>(&stored).unwrap(), &tree);
            for cut in 0..stored.len() {
                prop_assert!(postcard::from_bytes::<Frontier>(&stored[..cut]).is_err());
            }
        }

        #[test]
        fn a_padded_subtree_equals_its_leaves_and_zeros(first in prop::collection::vec(0u64..3, 0..=4), second in prop::collection::vec(0u64..3, 0..=4)) {
            let mut by_subtree = Frontier::new(4);
            let mut leaves = Vec::new();
            for part in [&first, &second] {
                by_subtree.append_padded_subtree(2, &part.iter().map(|leaf| Fr::from_u64(*leaf)).collect::<Vec<_>>()).unwrap();
                leaves.extend(part.iter().copied().chain(std::iter::repeat(0)).take(4));
            }
            prop_assert_eq!(by_subtree.size(), 8);
            prop_assert_eq!(by_subtree.root(), root_by_definition(4, &leaves));
        }
    }

    #[test]
    fn a_full_tree_takes_no_leaf_and_stays_as_it_was() {
        let mut tree = Frontier::new(2);
        tree.append_padded_subtree(2, &[Fr::from_u64(1)]).unwrap();
        let before = tree.clone();
        assert_eq!(tree.append(Fr::ZERO), Err(TreeError::Full { count: 1, height: 2, size: 4 }));
        assert_eq!(tree, before);
    }

    #[test]
    fn an_unaligned_or_overfull_subtree_is_refused() {
        let mut tree = Frontier::new(4);
        tree.append(Fr::ZERO).unwrap();
        assert_eq!(tree.append_padded_subtree(1, &[]), Err(TreeError::Unaligned { level: 1, size: 1 }));
        assert!(matches!(tree.append_padded_subtree(1, &[Fr::ZERO; 3]), Err(TreeError::Full { count: 3, .. })));
        assert!(matches!(tree.append_padded_subtree(5, &[]), Err(TreeError::Full { .. })));
        assert!(matches!(tree.append_padded_subtree(200, &[]), Err(TreeError::Full { .. })));
    }

    #[test]
    fn the_size_stays_within_the_four_bytes_of_a_snapshot() {
        let mut tree = Frontier::new(36);
        for _ in 0..63 {
            tree.append_padded_subtree(26, &[]).unwrap();
        }
        assert!(tree.append_padded_subtree(26, &[]).is_err(), "2^32 leaves");
        assert_eq!(tree.snapshot().next_available_leaf_index, 63 << 26);
    }

    #[test]
    fn a_stored_frontier_with_a_node_too_many_is_refused() {
        let stored = StoredFrontier { height: 4, size: 1, nodes: vec![Fr::ZERO; 2] };
        assert!(Frontier::try_from(stored).is_err());
        assert!(Frontier::try_from(StoredFrontier { height: 4, size: 17, nodes: vec![Fr::ZERO; 2] }).is_err());
        assert!(Frontier::try_from(StoredFrontier { height: 43, size: 0, nodes: vec![] }).is_err());
    }
}
