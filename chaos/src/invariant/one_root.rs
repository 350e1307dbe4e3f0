//! S1: for every duty at most one signing root ever leaves any replica.

use std::collections::BTreeMap;

use crate::{DutyKey, Emitted, History, Origin, Signature, SignerKind, Violation};

/// Compares every signature with the first one seen for its duty, over all replicas and runs. The same root may leave any number
/// of times; from a deterministic signer it is then the same signature.
pub fn one_root(history: &History, signer: SignerKind) -> Vec<Violation> {
    let mut first_seen: BTreeMap<DutyKey, (&Origin, &Signature)> = BTreeMap::new();
    let mut violations = Vec::new();
    for (origin, signature) in history.signatures() {
        let (first_origin, first) = *first_seen.entry(signature.key).or_insert((origin, signature));
        if first.root != signature.root {
            violations.push(Violation::TwoRoots {
                key: signature.key,
                first: first.root,
                first_origin: first_origin.clone(),
                second: signature.root,
                second_origin: origin.clone(),
            });
        } else if signer == SignerKind::Deterministic && first.bytes != signature.bytes {
            violations.push(Violation::TwoSignatures {
                key: signature.key,
                first_origin: first_origin.clone(),
                second_origin: origin.clone(),
            });
        }
    }
    violations
}

impl History {
    pub(crate) fn signatures(&self) -> impl Iterator<Item = (&Origin, &Signature)> {
        self.emissions.iter().filter_map(|emission| match &emission.emitted {
            Emitted::Signature(signature) => Some((&emission.origin, signature)),
            Emitted::Transaction(_) => None,
        })
    }
}
