//! The bundle for L1: attestations of the committee, packed in its order, with the arguments of `propose`.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use ollin_protocol::attestations::{CommitteeAttestations, CommitteeEntry, required_signatures};
use ollin_protocol::payload::{BundlePayload, CheckpointPayload};
use ollin_protocol::propose::ProposeArgs;
use ollin_protocol::signature::{Signature, recover};
use ollin_protocol::units::SigningRoot;

/// Why no bundle is made. A bad bundle once claimed is final, so everything is checked before the claim (rule R16).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BundleError {
    /// Not enough attestations.
    #[error("{have} of {needed} attestations of a committee of {committee}")]
    Insufficient {
        /// Valid ones of committee members.
        have: usize,
        /// floor(2n/3) + 1.
        needed: usize,
        /// n.
        committee: usize,
    },
    /// The proposer's own attestation is missing: L1 refuses the checkpoint without it.
    #[error("the proposer {proposer} has no attestation among those collected")]
    ProposerMissing {
        /// The slot's proposer.
        proposer: Address,
    },
    /// A signature does not recover to the attester it is filed under.
    #[error("the attestation of {attester} recovers to {recovered:?}")]
    WrongSigner {
        /// Whose it should be.
        attester: Address,
        /// Whose it is, `None` if it recovers to nobody.
        recovered: Option<Address>,
    },
}

/// Packs the attestations of a checkpoint, trimmed to exactly the required number: the proposer's first, then committee order.
///
/// `blob_input` is the L1 argument with the blob commitments, as `blob::encode_blob_input` makes it.
///
/// # Errors
/// [`BundleError`]; nothing is packed then.
///
/// Source: npm @aztec/sequencer-client 4.1.2, `src/sequencer/checkpoint_proposal_job.ts`.
pub fn assemble(
    checkpoint: &CheckpointPayload,
    root: &SigningRoot,
    committee: &[Address],
    proposer: Address,
    attestations: &BTreeMap<Address, Signature>,
    blob_input: Vec<u8>,
) -> Result<BundlePayload, BundleError> {
    for (attester, signature) in attestations {
        let recovered = recover(root, signature).ok();
        if recovered != Some(*attester) {
            return Err(BundleError::WrongSigner { attester: *attester, recovered });
        }
    }
    if !attestations.contains_key(&proposer) || !committee.contains(&proposer) {
        return Err(BundleError::ProposerMissing { proposer });
    }
    let needed = required_signatures(committee.len());
    let others = committee.iter().filter(|member| **member != proposer && attestations.contains_key(*member));
    let chosen: Vec<Address> = std::iter::once(&proposer).chain(others).take(needed).copied().collect();
    if chosen.len() < needed {
        return Err(BundleError::Insufficient { have: chosen.len(), needed, committee: committee.len() });
    }
    let entries: Vec<CommitteeEntry> = committee
        .iter()
        .map(|member| match attestations.get(member) {
            Some(signature) if chosen.contains(member) => CommitteeEntry::Signed(*signature),
            Some(_) | None => CommitteeEntry::Unsigned(*member),
        })
        .collect();
    Ok(BundlePayload {
        attestations: CommitteeAttestations::pack(&entries),
        signers: committee.iter().filter(|member| chosen.contains(member)).copied().collect(),
        propose: ProposeArgs {
            archive: checkpoint.archive,
            fee_asset_price_modifier: checkpoint.fee_asset_price_modifier,
            header: checkpoint.header,
        },
        blob_input,
        checkpoint: checkpoint.checkpoint,
    })
}
