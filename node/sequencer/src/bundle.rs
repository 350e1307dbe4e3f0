//! The bundle for L1: attestations of the committee, packed in its order, with the arguments of `propose`.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use ollin_consensus::{Fault, planted};
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
        if recovered != Some(*attester) && !planted(Fault::BundleUnchecked) {
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

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use k256::ecdsa::SigningKey;

    use super::*;
    use crate::proposal::tests::claimed;

    const ROOT: SigningRoot = SigningRoot::new(B256::repeat_byte(7));

    fn address(number: u8) -> Address {
        recover(&ROOT, &sign(number)).unwrap()
    }

    fn sign(number: u8) -> Signature {
        let key = SigningKey::from_slice(&[number; 32]).unwrap();
        let (signature, recovery) = key.sign_prehash_recoverable(ROOT.get().as_slice()).unwrap();
        let (r, s) = signature.split_bytes();
        Signature::new(B256::from_slice(&r), B256::from_slice(&s), recovery.to_byte() + 27).unwrap()
    }

    fn committee() -> Vec<Address> {
        [1, 2, 3, 4].map(address).to_vec()
    }

    fn of(attestations: &[(Address, Signature)]) -> Result<BundlePayload, BundleError> {
        let attestations = attestations.iter().copied().collect();
        assemble(&claimed(), &ROOT, &committee(), address(3), &attestations, Vec::new())
    }

    #[test]
    fn a_bundle_holds_the_proposers_and_the_first_others_of_the_committee() {
        let all: Vec<_> = [1, 2, 3, 4].map(|number| (address(number), sign(number))).to_vec();
        assert_eq!(of(&all).unwrap().signers, [1, 2, 3].map(address), "two thirds and one, in the committee's order");
        assert_eq!(of(&all[1..]).unwrap().signers, [2, 3, 4].map(address));
    }

    #[test]
    fn a_bundle_that_l1_would_refuse_is_not_made() {
        let [first, second, proposer, fourth] = [1, 2, 3, 4].map(|number| (address(number), sign(number)));
        assert_eq!(of(&[first, second, fourth]), Err(BundleError::ProposerMissing { proposer: address(3) }));
        assert_eq!(of(&[first, proposer]), Err(BundleError::Insufficient { have: 2, needed: 3, committee: 4 }));
        let wrong = BundleError::WrongSigner { attester: address(2), recovered: Some(address(1)) };
        assert_eq!(of(&[first, (address(2), sign(1)), proposer]), Err(wrong), "a bad bundle once claimed is final");
    }
}
