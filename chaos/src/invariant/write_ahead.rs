//! S2, as far as records show it: what rests on an earlier emission comes after it.
//!
//! A claim leaves no line, so its commit is not seen here. What is seen: nobody sends a bundle that was not signed, and nobody
//! signs a bundle in a slot for which the same attester has not yet signed its checkpoint and its own attestation.

use std::collections::BTreeMap;

use ollin_guard::{Duty, DutyKind};

use crate::{DutyKey, History, Origin, Signature, Violation};

/// Kinds that a proposer signs before the bundle: its checkpoint, and its own entry in the attestations.
const BEFORE_BUNDLE: [DutyKind; 2] = [DutyKind::CheckpointProposal, DutyKind::Attestation];

/// Checks the order of a slot's emissions over all replicas.
pub fn write_ahead(history: &History) -> Vec<Violation> {
    let mut signed: BTreeMap<DutyKey, Vec<(&Origin, &Signature)>> = BTreeMap::new();
    for (origin, signature) in history.signatures() {
        signed.entry(signature.key).or_default().push((origin, signature));
    }
    let mut violations = Vec::new();
    for (origin, signature) in history.signatures() {
        if signature.key.duty.kind == DutyKind::AttestationsAndSigners {
            violations.extend(BEFORE_BUNDLE.into_iter().filter_map(|kind| premature(&signed, origin, &signature.key, kind)));
        }
    }
    violations.extend(unsigned_bundles(history));
    violations
}

fn premature(
    signed: &BTreeMap<DutyKey, Vec<(&Origin, &Signature)>>,
    origin: &Origin,
    key: &DutyKey,
    kind: DutyKind,
) -> Option<Violation> {
    let earlier = DutyKey { duty: Duty { kind, ..key.duty }, ..*key };
    let seen = signed.get(&earlier).is_some_and(|lines| lines.iter().any(|(before, _)| before.precedes(origin)));
    (!seen).then(|| Violation::Premature { key: *key, missing: kind, origin: origin.clone() })
}

fn unsigned_bundles(history: &History) -> impl Iterator<Item = Violation> {
    history.transactions().filter_map(|(origin, transaction)| {
        let root = transaction.root?;
        let signed = history.signatures().any(|(before, signature)| {
            signature.is_bundle_of(transaction.attempt.chain_id, transaction.rollup, transaction.slot)
                && signature.root == root
                && before.precedes(origin)
        });
        let (attempt, slot) = (transaction.attempt, transaction.slot);
        (!signed).then(|| Violation::UnsignedBundle { attempt, slot, root, origin: origin.clone() })
    })
}
