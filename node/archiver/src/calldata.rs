//! The `propose` call behind a `CheckpointProposed` log.

use alloy_primitives::{Address, B256};
use ollin_l1::{CheckpointProposed, L1Transaction};
use ollin_protocol::multicall::{MULTICALL3, decode_aggregate3};
use ollin_protocol::propose::{PROPOSE_SELECTOR, ProposeCall};

/// Why the call was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalldataError {
    /// Neither the rollup nor Multicall3 was called: calls through other contracts need traces.
    #[error("transaction {transaction} calls {to:?}, neither the rollup nor Multicall3")]
    OtherContract {
        /// The transaction.
        transaction: B256,
        /// Whom it calls.
        to: Option<Address>,
    },
    /// None of the transaction's proposals is the one that was logged.
    #[error("none of {candidates} proposals in transaction {transaction} has the logged attestations and payload")]
    NoMatch {
        /// The transaction.
        transaction: B256,
        /// How many calls of `propose` it holds.
        candidates: usize,
    },
}

/// Finds the call whose attestations and payload are those that the rollup logged. A bundle may hold several proposals, of which
/// all but one failed.
///
/// # Errors
/// [`CalldataError`].
///
/// Source: npm @aztec/archiver 4.1.2, `src/l1/calldata_retriever.ts`.
pub fn recover_propose(
    transaction: &L1Transaction,
    rollup: Address,
    event: &CheckpointProposed,
) -> Result<ProposeCall, CalldataError> {
    let candidates: Vec<Vec<u8>> = match transaction.to {
        Some(to) if to == rollup => vec![transaction.input.to_vec()],
        Some(to) if to == MULTICALL3 => bundled(&transaction.input, rollup),
        to => {
            return Err(CalldataError::OtherContract { transaction: event.transaction, to });
        }
    };
    let logged = |call: &ProposeCall| {
        call.attestations.attestations_hash() == event.attestations_hash
            && call.args.payload_digest() == event.payload_digest
            && call.args.archive == event.archive
    };
    let mut decoded = candidates.iter().filter_map(|calldata| ProposeCall::decode(calldata).ok());
    let no_match = CalldataError::NoMatch { transaction: event.transaction, candidates: candidates.len() };
    decoded.find(logged).ok_or(no_match)
}

fn bundled(calldata: &[u8], rollup: Address) -> Vec<Vec<u8>> {
    let calls = decode_aggregate3(calldata).unwrap_or_default().into_iter();
    let proposals = calls.filter(|call| call.target == rollup && call.calldata.starts_with(&PROPOSE_SELECTOR));
    proposals.map(|call| call.calldata).collect()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;
    use ollin_protocol::field::Fr;
    use ollin_protocol::multicall::{BundledCall, encode_aggregate3};
    use ollin_protocol::units::{CheckpointNumber, L1BlockNumber, Slot};
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        rollup: Address,
        proposals: Vec<Proposal>,
    }

    #[derive(Deserialize)]
    struct Proposal {
        to: Address,
        input: Bytes,
        propose_calldata: Bytes,
        slot: u64,
        header_hash: Fr,
        checkpoint: u64,
        archive: Fr,
        versioned_blob_hashes: Vec<B256>,
        payload_digest: B256,
        attestations_hash: B256,
        transaction: B256,
    }

    impl Proposal {
        fn transaction(&self) -> L1Transaction {
            L1Transaction { to: Some(self.to), input: self.input.clone() }
        }

        fn event(&self) -> CheckpointProposed {
            CheckpointProposed {
                checkpoint: CheckpointNumber::new(self.checkpoint),
                archive: self.archive,
                versioned_blob_hashes: self.versioned_blob_hashes.clone(),
                payload_digest: self.payload_digest,
                attestations_hash: self.attestations_hash,
                l1_block: L1BlockNumber::new(1),
                l1_block_hash: B256::ZERO,
                transaction: self.transaction,
            }
        }
    }

    fn fixture() -> Fixture {
        serde_json::from_str(include_str!("../fixtures/proposals.json")).unwrap()
    }

    #[test]
    fn a_direct_call_and_one_through_multicall3_are_recovered() {
        let Fixture { rollup, proposals } = fixture();
        assert_eq!(proposals.iter().map(|proposal| proposal.to == MULTICALL3).collect::<Vec<_>>(), [true, false]);
        for proposal in proposals {
            let call = recover_propose(&proposal.transaction(), rollup, &proposal.event()).unwrap();
            assert_eq!(call.args.header.slot, Slot::new(proposal.slot));
            assert_eq!(call.args.header.hash(), proposal.header_hash);
        }
    }

    #[test]
    fn the_logged_one_of_several_proposals_is_taken() {
        let Fixture { rollup, proposals } = fixture();
        let call = |target, calldata: &Bytes| BundledCall { target, allow_failure: true, calldata: calldata.to_vec() };
        let [first, second] = [&proposals[0], &proposals[1]];
        let calls = vec![
            call(Address::ZERO, &second.propose_calldata),
            call(rollup, &first.propose_calldata),
            call(rollup, &Bytes::from_static(&PROPOSE_SELECTOR)),
            call(rollup, &second.propose_calldata),
        ];
        let bundle = L1Transaction { to: Some(MULTICALL3), input: encode_aggregate3(&calls).into() };
        let found = recover_propose(&bundle, rollup, &second.event()).unwrap();
        assert_eq!(found.args.header.slot, Slot::new(second.slot));
    }

    #[test]
    fn calldata_that_does_not_match_the_log_is_refused() {
        let Fixture { rollup, proposals } = fixture();
        let proposal = &proposals[0];
        let digest = CheckpointProposed { payload_digest: B256::ZERO, ..proposal.event() };
        let hash = CheckpointProposed { attestations_hash: B256::ZERO, ..proposal.event() };
        for event in [digest, hash] {
            let refusal = recover_propose(&proposal.transaction(), rollup, &event).unwrap_err();
            assert!(matches!(refusal, CalldataError::NoMatch { candidates: 1, .. }));
        }
        let elsewhere = L1Transaction { to: Some(Address::ZERO), ..proposal.transaction() };
        assert!(matches!(recover_propose(&elsewhere, rollup, &proposal.event()), Err(CalldataError::OtherContract { .. })));
        let created = L1Transaction { to: None, ..proposal.transaction() };
        assert!(matches!(recover_propose(&created, rollup, &proposal.event()), Err(CalldataError::OtherContract { .. })));
    }

    #[test]
    fn no_cut_calldata_is_taken_for_the_whole() {
        let Fixture { rollup, proposals } = fixture();
        for proposal in &proposals {
            for end in (0..proposal.input.len() - 32).step_by(7) {
                let cut = L1Transaction { input: proposal.input.slice(..end), ..proposal.transaction() };
                assert!(recover_propose(&cut, rollup, &proposal.event()).is_err(), "cut at {end}");
            }
        }
    }
}
