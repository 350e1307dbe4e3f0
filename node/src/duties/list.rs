//! `ollin duties list`: what is bound, from a running replica or from a stopped one's directory.

use alloy_primitives::Address;
use ollin_consensus::Binding;
use ollin_consensus::audit::AuditHead;
use ollin_guard::{AttesterState, Duty};
use ollin_protocol::units::{ReplicaId, SigningRoot, Slot};
use ollin_rpc::view::{AttesterStanding, AuditPosition, DutyList};

use super::listed;

/// What a replica holds.
pub(super) struct Held {
    pub(super) cluster_id: String,
    pub(super) replica: ReplicaId,
    pub(super) phase: String,
    pub(super) binding: Option<Binding>,
    pub(super) floor: Option<Slot>,
    pub(super) watermark: Option<Slot>,
    pub(super) closed: Option<Slot>,
    pub(super) audit: AuditHead,
    pub(super) attesters: Vec<(Address, AttesterState)>,
    /// In the guard's order: by slot.
    pub(super) duties: Vec<(Duty, SigningRoot)>,
}

impl Held {
    /// The newest duties, of one attester or in one slot if one is named, at most so many. A root is shown where `shows_root` says so of
    /// its slot.
    pub(super) fn list(
        self,
        (attester, slot, limit): (Option<Address>, Option<Slot>, usize),
        has_key: impl Fn(&Address) -> Option<bool>,
        shows_root: impl Fn(Slot) -> bool,
    ) -> DutyList {
        let mut duties = self.duties;
        duties.retain(|(duty, _)| {
            attester.is_none_or(|attester| duty.attester == attester) && slot.is_none_or(|slot| duty.slot == slot)
        });
        let total = duties.len();
        let newest = duties.iter().rev().take(limit);
        let standing = |(address, state): (Address, AttesterState)| AttesterStanding {
            address,
            key: has_key(&address),
            floor: state.floor,
            released: state.released,
            frozen: state.frozen.map(|evidence| listed(&evidence.duty, Some(&evidence.root))),
            seen: state.frozen.map(|evidence| evidence.seen.to_string()),
            thawed: state.thawed,
        };
        DutyList {
            cluster_id: self.cluster_id,
            replica: self.replica,
            phase: self.phase,
            chain_id: self.binding.as_ref().map(|binding| binding.chain_id),
            rollup: self.binding.as_ref().map(|binding| binding.rollup),
            floor: self.floor,
            watermark: self.watermark,
            closed: self.closed,
            audit: AuditPosition { records: self.audit.count, hash: hex::encode(self.audit.hash) },
            attesters: self.attesters.into_iter().map(standing).collect(),
            total,
            duties: newest.map(|(duty, root)| listed(duty, Some(root).filter(|_| shows_root(duty.slot)))).collect(),
        }
    }
}
