//! Duties for their operator: what is bound, what moves between clusters, what was missed, and the audit on disk.

pub(crate) mod audit_file;
pub(crate) mod command;
mod list;
pub(crate) mod missed;
mod official;
mod offline;
mod postgres;
pub(crate) mod serve;
pub(crate) mod verify;

use ollin_guard::{Duty, DutyKind};
use ollin_protocol::units::{BlockIndex, SigningRoot};
use ollin_rpc::view::{DutyWord, ListedDuty};

/// Kind and index in the words of the status page.
pub(crate) fn words(kind: DutyKind) -> (DutyWord, Option<BlockIndex>) {
    match kind {
        DutyKind::BlockProposal { index } => (DutyWord::BlockProposal, Some(index)),
        DutyKind::CheckpointProposal => (DutyWord::CheckpointProposal, None),
        DutyKind::Attestation => (DutyWord::Attestation, None),
        DutyKind::AttestationsAndSigners => (DutyWord::AttestationsAndSigners, None),
        DutyKind::GovernanceVote => (DutyWord::GovernanceVote, None),
        DutyKind::SlashingVote => (DutyWord::SlashingVote, None),
    }
}

fn listed(duty: &Duty, root: Option<&SigningRoot>) -> ListedDuty {
    let (kind, index) = words(duty.kind);
    ListedDuty { slot: duty.slot, kind, index, attester: duty.attester, root: root.map(|root| *root.get()) }
}
