//! Multicall3's `aggregate3`: how a slot's bundle travels in one L1 transaction.

use alloy_primitives::{Address, address};
use alloy_sol_types::abi::decode_params;
use alloy_sol_types::abi::token::{DynSeqToken, PackedSeqToken, WordToken};
use alloy_sol_types::{SolCall, SolValue};

/// Where Multicall3 stands on every chain.
///
/// Source: npm @aztec/ethereum 4.1.2, `src/contracts/multicall.ts`.
pub const MULTICALL3: Address = address!("cA11bde05977b3631167028862bE2a173976CA11");

mod abi {
    #![allow(missing_docs, unreachable_pub, reason = "generated")]
    alloy_sol_types::sol! {
        struct Call3 { address target; bool allowFailure; bytes callData; }
        function aggregate3(Call3[] calls);
    }
}

/// The selector of `aggregate3`.
pub const AGGREGATE3_SELECTOR: [u8; 4] = abi::aggregate3Call::SELECTOR;

/// One call of a bundle. All are sent with `allowFailure`, so that a vote lands although the proposal fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundledCall {
    /// The contract.
    pub target: Address,
    /// Whether the bundle goes on when this call reverts.
    pub allow_failure: bool,
    /// Selector and arguments.
    pub calldata: Vec<u8>,
}

/// Why calldata is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum MulticallError {
    /// Another selector.
    #[error("not a call of aggregate3")]
    Selector,
    /// Not the ABI encoding.
    #[error("calldata of aggregate3: {0}")]
    Abi(#[from] alloy_sol_types::Error),
    /// The calls overlap: together they are longer than the calldata, which no honest encoder makes.
    #[error("{calls} bytes of calls in {calldata} bytes of calldata")]
    Overlapping {
        /// Bytes of all calls.
        calls: usize,
        /// Bytes given.
        calldata: usize,
    },
}

/// The calldata of `aggregate3`, selector first.
pub fn encode_aggregate3(calls: &[BundledCall]) -> Vec<u8> {
    let calls = calls.iter().map(|call| abi::Call3 {
        target: call.target,
        allowFailure: call.allow_failure,
        callData: call.calldata.clone().into(),
    });
    abi::aggregate3Call { calls: calls.collect() }.abi_encode()
}

/// The calls in calldata of `aggregate3`, selector first.
///
/// # Errors
/// [`MulticallError`].
pub fn decode_aggregate3(calldata: &[u8]) -> Result<Vec<BundledCall>, MulticallError> {
    let body = calldata.strip_prefix(&AGGREGATE3_SELECTOR).ok_or(MulticallError::Selector)?;
    let (tokens,): (DynSeqToken<(WordToken, WordToken, PackedSeqToken<'_>)>,) = decode_params(body)?;
    // Nothing is copied before the sum is known: many entries may point at the same long bytes.
    let total = tokens.0.iter().fold(0usize, |sum, (_, _, bytes)| sum.saturating_add(bytes.0.len()));
    if total > calldata.len() {
        return Err(MulticallError::Overlapping { calls: total, calldata: calldata.len() });
    }
    let call = |(target, allow_failure, bytes): &(WordToken, WordToken, PackedSeqToken<'_>)| {
        Ok(BundledCall {
            target: Address::abi_decode(target.0.as_slice())?,
            allow_failure: bool::abi_decode(allow_failure.0.as_slice())?,
            calldata: bytes.0.to_vec(),
        })
    };
    tokens.0.iter().map(call).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_that_share_bytes_are_refused_before_they_are_copied() {
        let calls = vec![BundledCall { target: MULTICALL3, allow_failure: true, calldata: vec![7; 320] }; 3];
        let mut encoded = encode_aggregate3(&calls);
        // Words behind selector and array head: three offsets. All now point at the first entry.
        let first: Vec<u8> = encoded[4 + 64..4 + 96].to_vec();
        for entry in 1..3 {
            encoded[4 + 64 + 32 * entry..4 + 96 + 32 * entry].copy_from_slice(&first);
        }
        encoded.truncate(4 + 64 + 96 + 128 + 320);
        assert!(matches!(decode_aggregate3(&encoded), Err(MulticallError::Overlapping { calls: 960, .. })));
    }

    #[test]
    fn another_selector_is_no_bundle() {
        assert!(matches!(decode_aggregate3(&[0; 68]), Err(MulticallError::Selector)));
        assert!(matches!(decode_aggregate3(&[]), Err(MulticallError::Selector)));
    }

    proptest! {
        #[test]
        fn bundles_read_back_and_no_cut_one_does(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..4)) {
            let calls: Vec<_> = bodies
                .into_iter()
                .map(|calldata| BundledCall { target: MULTICALL3, allow_failure: true, calldata })
                .collect();
            let encoded = encode_aggregate3(&calls);
            prop_assert_eq!(decode_aggregate3(&encoded).unwrap(), calls);
            for cut in 0..encoded.len() - 31 {
                prop_assert!(decode_aggregate3(&encoded[..cut]).is_err());
            }
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode_aggregate3(&[AGGREGATE3_SELECTOR.as_slice(), &noise].concat());
        }
    }
}
