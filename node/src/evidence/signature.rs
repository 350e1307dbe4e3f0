//! Which of our attesters have signed a checkpoint on L1, and what.

use std::collections::BTreeSet;

use alloy_primitives::{Address, keccak256};
use ollin_consensus::{Duty, DutyKind, Evidence, Fault, SeenSignature, Sighting, planted};
use ollin_protocol::attestations::attestations_and_signers_message;
use ollin_protocol::propose::ProposeCall;
use ollin_protocol::signature::{RawSignature, Signature, eip191, recover};
use ollin_protocol::units::SigningRoot;

/// Every signature in `call` that is of one of `ours`: attestations, and the proposer's over all of them.
///
/// The proposer signs the packed attestations and the signers, and neither slot nor payload: anybody may put an old bundle of ours into
/// a new call. So that signature counts for the call's slot only if the attestations in it are of the call's payload, which bears the
/// slot.
pub(super) fn of_attesters(call: &ProposeCall, seen: Sighting, ours: &BTreeSet<Address>) -> Vec<SeenSignature> {
    let slot = call.args.header.slot;
    let root = call.args.attestation_root();
    let mut found = Vec::new();
    let mut is_of_this_payload = false;
    for (signer, signature) in call.attestations.signatures().iter().filter_map(|raw| signer(&root, raw)) {
        is_of_this_payload |= call.signers.contains(&signer);
        if ours.contains(&signer) {
            let duty = Duty { slot, kind: DutyKind::Attestation, attester: signer };
            found.extend(SeenSignature::verified(Evidence { duty, root, seen }, signature));
        }
    }
    let root = eip191(keccak256(attestations_and_signers_message(&call.attestations, &call.signers)));
    if let Some((signer, signature)) = signer(&root, &call.signature)
        && ours.contains(&signer)
    {
        let duty = Duty { slot, kind: DutyKind::AttestationsAndSigners, attester: signer };
        if is_of_this_payload || planted(Fault::OldBundleAsEvidence) {
            found.extend(SeenSignature::verified(Evidence { duty, root, seen }, signature));
        } else {
            tracing::warn!(%duty, %root, %seen, "a bundle with our signature and attestations of another payload: not evidence");
        }
    }
    found
}

fn signer(root: &SigningRoot, raw: &RawSignature) -> Option<(Address, Signature)> {
    let signature = raw.parse().ok()?;
    Some((recover(root, &signature).ok()?, signature))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{B256, Bytes};
    use ollin_protocol::units::L1BlockNumber;
    use serde::Deserialize;

    use super::*;

    const SEEN: Sighting = Sighting::L1 { block: L1BlockNumber::new(1), transaction: B256::ZERO };

    #[derive(Deserialize)]
    struct Fixture {
        proposals: Vec<Proposal>,
    }

    #[derive(Deserialize)]
    struct Proposal {
        propose_calldata: Bytes,
    }

    /// Two checkpoints as the contract took them.
    fn calls() -> [ProposeCall; 2] {
        let fixture: Fixture = serde_json::from_str(include_str!("../../archiver/fixtures/proposals.json")).unwrap();
        [0, 1].map(|at: usize| ProposeCall::decode(&fixture.proposals[at].propose_calldata).unwrap())
    }

    fn kinds(call: &ProposeCall, ours: &[Address]) -> Vec<(Address, DutyKind)> {
        let found = of_attesters(call, SEEN, &ours.iter().copied().collect());
        assert!(found.iter().all(|one| one.evidence().duty.slot == call.args.header.slot));
        found.iter().map(|one| (one.evidence().duty.attester, one.evidence().duty.kind)).collect()
    }

    #[test]
    fn every_attestation_and_the_proposers_bundle_are_found_and_nobody_elses() {
        for call in calls() {
            let all = kinds(&call, &call.signers);
            let attested = all.iter().filter(|(_, kind)| *kind == DutyKind::Attestation).count();
            let bundles: Vec<_> = all.iter().filter(|(_, kind)| *kind == DutyKind::AttestationsAndSigners).collect();
            assert_eq!((attested, bundles.len()), (call.signers.len(), 1));
            let proposer = bundles[0].0;
            assert!(call.signers.contains(&proposer));
            assert_eq!(kinds(&call, &[Address::ZERO]), []);
        }
    }

    /// Our published bundle of one slot in a stranger's call for another slot, which is ours too: the contract checks no more than the
    /// proposer's signature, and we have signed nothing in that slot.
    #[test]
    fn an_old_bundle_in_a_new_call_proves_nothing() {
        let [old, new] = calls();
        assert_ne!(old.args.header.slot, new.args.header.slot);
        let replayed = ProposeCall { args: new.args, ..old.clone() };
        assert_eq!(kinds(&replayed, &old.signers), []);
    }

    #[test]
    fn a_changed_payload_or_attestation_loses_its_signer() {
        let [call, _] = calls();
        let mut changed = call.clone();
        changed.args.fee_asset_price_modifier += 1;
        assert_eq!(kinds(&changed, &call.signers), []);
        let mut damaged = call.clone();
        let last = damaged.attestations.signatures_or_addresses.len() - 1;
        damaged.attestations.signatures_or_addresses[last] ^= 1;
        assert!(kinds(&damaged, &call.signers).len() < kinds(&call, &call.signers).len());
    }
}
