//! A bundle tried out before it is sent.
//!
//! Simulations carry no blobs, so the rollup's own switch for the blob check is overridden. The bundle allows its calls to fail:
//! whether `propose` would succeed is read from the results inside it, never from the outer call.

use alloy::eips::BlockNumberOrTag;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, U64};
use alloy::providers::Provider;
use alloy::rpc::types::simulate::{SimBlock, SimulatePayload};
use alloy::rpc::types::state::{StateOverride, StateOverridesBuilder};
use alloy::rpc::types::{BlockOverrides, TransactionRequest};
use alloy::sol_types::SolValue;
use alloy::sol_types::abi::decode_params;
use alloy::sol_types::abi::token::{DynSeqToken, PackedSeqToken, WordToken};
use alloy::transports::RpcError;
use serde::Deserialize;

use crate::client::{L1, answer};
use crate::contract::propose_position;
use crate::error::L1Error;
use crate::revert::Revert;

/// Most gas of one transaction (EIP-7825).
pub const TRANSACTION_GAS_LIMIT: u64 = 16_777_216;
/// Storage slot of the rollup with its switch `checkBlob`.
const CHECK_BLOB_SLOT: u8 = 4;
/// Codes of an endpoint that lacks a method: JSON-RPC's own and EIP-1474's.
const METHOD_MISSING_CODES: [i64; 2] = [-32601, -32004];

/// How a bundle was tried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulationMethod {
    /// `eth_simulateV1`: gas was measured.
    Simulate,
    /// `eth_call`, since the endpoint lacks `eth_simulateV1`: gas is the most that a transaction may use.
    Call,
}

/// `propose` would succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatedPropose {
    /// Gas of the whole bundle, before refunds, without the evaluation of blobs.
    pub gas: u64,
    /// Where that number comes from.
    pub method: SimulationMethod,
}

/// Why a bundle should not be sent now.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The rollup would refuse the checkpoint.
    #[error("propose would be refused: {revert}")]
    Refused {
        /// Its reason.
        revert: Revert,
    },
    /// The call data is no Multicall3 bundle with a `propose` of our rollup in it.
    #[error("the call data is no bundle with a propose of the rollup {rollup}")]
    NoPropose {
        /// The rollup.
        rollup: Address,
    },
    /// The bundle could not be tried out.
    #[error(transparent)]
    L1(#[from] L1Error),
}

/// The part of its answer that matters here.
#[derive(Debug, Deserialize)]
pub(crate) struct BlockResult {
    pub(crate) calls: Vec<OuterCall>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OuterCall {
    return_data: Bytes,
    gas_used: U64,
    #[serde(default)]
    max_used_gas: Option<U64>,
    status: U64,
    #[serde(default)]
    error: Option<OuterError>,
}

#[derive(Debug, Deserialize)]
struct OuterError {
    #[serde(default)]
    data: Option<Bytes>,
    #[serde(default)]
    message: String,
}

impl L1 {
    /// Tries out a Multicall3 bundle with a `propose` in a block at `timestamp` (at least one second after the latest block).
    ///
    /// # Errors
    /// [`SimulationError::Refused`] with the decoded reason if the rollup would not take the checkpoint.
    ///
    /// Source: npm @aztec/sequencer-client 4.1.2, `src/publisher/sequencer-publisher.ts`.
    pub async fn simulate_bundle(
        &self,
        from: Address,
        multicall_data: &[u8],
        timestamp: u64,
    ) -> Result<SimulatedPropose, SimulationError> {
        let rollup = self.contracts().rollup;
        let position = propose_position(multicall_data, rollup).ok_or(SimulationError::NoPropose { rollup })?;
        let head = self.head().await?;
        let block_overrides = BlockOverrides {
            time: Some(timestamp.max(head.timestamp.saturating_add(1))),
            gas_limit: Some(TRANSACTION_GAS_LIMIT.saturating_mul(2)),
            ..BlockOverrides::default()
        };
        let check_blob = (B256::with_last_byte(CHECK_BLOB_SLOT), B256::ZERO);
        let state_overrides = StateOverridesBuilder::default().with_state_diff(rollup, [check_blob]).build();
        let request = TransactionRequest::default()
            .with_from(from)
            .with_to(self.contracts().multicall)
            .with_input(Bytes::copy_from_slice(multicall_data))
            .with_gas_limit(TRANSACTION_GAS_LIMIT);
        let (returned, simulated) = match self.simulate(&request, &block_overrides, &state_overrides).await? {
            Some(call) => measured(call)?,
            None => {
                let call = self.provider().call(request).overrides(state_overrides).with_block_overrides(block_overrides);
                let simulated = SimulatedPropose { gas: TRANSACTION_GAS_LIMIT, method: SimulationMethod::Call };
                (answer("Multicall3.aggregate3", call.await)?, simulated)
            }
        };
        inner_outcome(&returned, position)?;
        Ok(simulated)
    }

    /// `None` if the endpoint lacks the method.
    async fn simulate(
        &self,
        request: &TransactionRequest,
        block_overrides: &BlockOverrides,
        state_overrides: &StateOverride,
    ) -> Result<Option<OuterCall>, L1Error> {
        const CALL: &str = "eth_simulateV1";
        let block = SimBlock::default()
            .with_block_overrides(block_overrides.clone())
            .with_state_overrides(state_overrides.clone())
            .call(request.clone());
        let payload = SimulatePayload::default().extend(block);
        let answer = self.provider().raw_request(CALL.into(), (payload, BlockNumberOrTag::Latest)).await;
        let blocks: Vec<BlockResult> = match answer {
            Ok(blocks) => blocks,
            Err(RpcError::ErrorResp(payload)) if METHOD_MISSING_CODES.contains(&payload.code) => return Ok(None),
            Err(error) => return Err(L1Error::from_transport(CALL, error)),
        };
        let call = blocks.into_iter().flat_map(|block| block.calls).next();
        call.map(Some).ok_or(L1Error::Malformed { call: CALL, reason: "no call in its answer".to_owned() })
    }
}

/// What the bundle returned and used, unless the outer call itself failed.
pub(crate) fn measured(call: OuterCall) -> Result<(Bytes, SimulatedPropose), SimulationError> {
    if call.status.is_zero() {
        let (data, message) = call.error.map(|error| (error.data.unwrap_or_default(), error.message)).unwrap_or_default();
        let data = if data.is_empty() { call.return_data } else { data };
        return Err(if data.is_empty() {
            L1Error::Malformed { call: "eth_simulateV1", reason: format!("the bundle fails as a whole: {message}") }.into()
        } else {
            SimulationError::Refused { revert: Revert::decode(&data) }
        });
    }
    let gas = call.max_used_gas.unwrap_or_default().max(call.gas_used).to::<u64>();
    Ok((call.return_data, SimulatedPropose { gas, method: SimulationMethod::Simulate }))
}

/// The outcome of the call at `position` of the bundle.
pub(crate) fn inner_outcome(returned: &[u8], position: usize) -> Result<(), SimulationError> {
    const CALL: &str = "Multicall3.aggregate3";
    let malformed = |reason: String| L1Error::Malformed { call: CALL, reason };
    // Only the one that is asked for is copied: many results may point at the same long bytes.
    let (results,): (DynSeqToken<(WordToken, PackedSeqToken<'_>)>,) =
        decode_params(returned).map_err(|error| malformed(error.to_string()))?;
    let Some((success, data)) = results.0.get(position) else {
        return Err(malformed("fewer results than calls".to_owned()).into());
    };
    match bool::abi_decode_validate(success.0.as_slice()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(SimulationError::Refused { revert: Revert::decode(data.0) }),
        Err(error) => Err(malformed(error.to_string()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::CallResult;

    fn results(success: bool, data: &[u8]) -> Vec<u8> {
        vec![CallResult { success, returnData: Bytes::copy_from_slice(data) }].abi_encode()
    }

    #[test]
    fn a_refused_propose_inside_a_successful_bundle_is_refused() {
        assert!(inner_outcome(&results(true, &[]), 0).is_ok());
        let refusal = inner_outcome(&results(false, &[0x33, 0x87, 0x36, 0xad]), 0).unwrap_err();
        assert_eq!(refusal.to_string(), "propose would be refused: Rollup__InvalidCoinbase()");
        assert!(matches!(inner_outcome(&results(true, &[]), 1), Err(SimulationError::L1(_))), "no result for the propose");
        assert!(matches!(inner_outcome(&[], 0), Err(SimulationError::L1(_))));
    }

    #[test]
    fn gas_is_what_was_used_before_refunds() {
        let call = |text: &str| measured(serde_json::from_str(text).unwrap());
        let (_, simulated) =
            call(r#"{"returnData":"0x","gasUsed":"0x10","maxUsedGas":"0x20","status":"0x1","logs":[]}"#).unwrap();
        assert_eq!(simulated.gas, 32);
        let error = call(
            r#"{"returnData":"0x","gasUsed":"0x10","status":"0x0","error":{"code":3,"message":"execution reverted","data":"0x338736ad"}}"#,
        );
        assert_eq!(error.unwrap_err().to_string(), "propose would be refused: Rollup__InvalidCoinbase()");
    }
}
