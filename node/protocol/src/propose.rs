//! The calldata of `Rollup.propose` and the digest that attesters sign.

use alloy_primitives::{Address, B256, I256, U256, keccak256};
use alloy_sol_types::SolCall;
use serde::{Deserialize, Serialize};

use crate::attestations::CommitteeAttestations;
use crate::field::{FieldError, Fr};
use crate::header::{CheckpointHeader, GasFees};
use crate::multicall::{BundledCall, encode_aggregate3};
use crate::payload::BundlePayload;
use crate::signature::{RawSignature, Signature, eip191};
use crate::units::{SigningRoot, Slot};

/// Domain of checkpoint attestations. Source: npm @aztec/stdlib 4.1.2, `src/p2p/signature_utils.ts`.
const CHECKPOINT_ATTESTATION_DOMAIN: u64 = 1;

/// The greatest change of the fee-asset price in one checkpoint, basis points.
///
/// Source: npm @aztec/ethereum 4.1.2, `src/contracts/fee_asset_price_oracle.ts`; npm @aztec/l1-artifacts 4.1.2, `FeeLib`.
pub const MAX_FEE_ASSET_PRICE_MODIFIER: i64 = 100;

/// The selector of `propose`.
pub const PROPOSE_SELECTOR: [u8; 4] = abi::proposeCall::SELECTOR;

mod abi {
    #![allow(missing_docs, unreachable_pub, clippy::too_many_arguments, reason = "generated")]
    alloy_sol_types::sol! {
        struct GasFees { uint128 feePerDaGas; uint128 feePerL2Gas; }
        struct ProposedHeader {
            bytes32 lastArchiveRoot; bytes32 blockHeadersHash; bytes32 blobsHash; bytes32 inHash; bytes32 outHash;
            uint256 slotNumber; uint256 timestamp; address coinbase; bytes32 feeRecipient; GasFees gasFees; uint256 totalManaUsed;
        }
        struct OracleInput { int256 feeAssetPriceModifier; }
        struct ProposeArgs { bytes32 archive; OracleInput oracleInput; ProposedHeader header; }
        struct CommitteeAttestations { bytes signatureIndices; bytes signaturesOrAddresses; }
        struct Signature { uint8 v; bytes32 r; bytes32 s; }
        function propose(
            ProposeArgs args, CommitteeAttestations attestations, address[] signers,
            Signature attestationsAndSignersSignature, bytes blobInput
        );
    }
}

/// What is proposed: the first argument of `propose`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposeArgs {
    /// Archive root after the checkpoint.
    pub archive: Fr,
    /// Change of the fee-asset price, basis points, -100..=100.
    pub fee_asset_price_modifier: i64,
    /// The checkpoint's header.
    pub header: CheckpointHeader,
}

/// A whole call of `propose`.
///
/// Source: npm @aztec/l1-artifacts 4.1.2, `IRollupCore.propose`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposeCall {
    /// What is proposed.
    pub args: ProposeArgs,
    /// The committee's attestations, packed.
    pub attestations: CommitteeAttestations,
    /// The members that signed, in committee order.
    pub signers: Vec<Address>,
    /// The proposer's signature over attestations and signers; all zero in a rollup without committee.
    pub signature: RawSignature,
    /// Number of blobs and their commitments.
    pub blob_input: Vec<u8>,
}

/// Why calldata is no `propose` that this node can follow.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// Not the selector or not the ABI encoding.
    #[error("calldata of propose: {0}")]
    Abi(#[from] alloy_sol_types::Error),
    /// A word of the header is no field element.
    #[error("{what} in calldata of propose: {source}")]
    Field {
        /// Which word.
        what: &'static str,
        /// What is wrong.
        source: FieldError,
    },
    /// A number exceeds its type.
    #[error("{what} in calldata of propose is out of range")]
    Range {
        /// Which number.
        what: &'static str,
    },
}

impl ProposeArgs {
    /// What an attester signs: four words, `uint8 1 | archive | int256 modifier | header hash`.
    ///
    /// Source: npm @aztec/stdlib 4.1.2, `src/p2p/consensus_payload.ts`.
    pub fn attestation_message(&self) -> [u8; 128] {
        let words = [
            Fr::from_u64(CHECKPOINT_ATTESTATION_DOMAIN).to_be_bytes(),
            self.archive.to_be_bytes(),
            modifier_word(self.fee_asset_price_modifier),
            self.header.hash().to_be_bytes(),
        ];
        let mut message = [0; 128];
        for (place, word) in message.chunks_exact_mut(32).zip(words) {
            place.copy_from_slice(&word);
        }
        message
    }

    /// The digest in the event and in L1's storage: keccak-256 of [`Self::attestation_message`], not wrapped.
    pub fn payload_digest(&self) -> B256 {
        keccak256(self.attestation_message())
    }

    /// The signing root of an attestation: EIP-191 of [`Self::payload_digest`].
    pub fn attestation_root(&self) -> SigningRoot {
        eip191(self.payload_digest())
    }
}

impl ProposeCall {
    /// The calldata, selector first.
    pub fn encode(&self) -> Vec<u8> {
        let call = abi::proposeCall {
            args: abi::ProposeArgs {
                archive: self.args.archive.to_word(),
                oracleInput: abi::OracleInput {
                    feeAssetPriceModifier: I256::from_raw(U256::from_be_bytes(modifier_word(self.args.fee_asset_price_modifier))),
                },
                header: encode_header(&self.args.header),
            },
            attestations: abi::CommitteeAttestations {
                signatureIndices: self.attestations.signature_indices.clone().into(),
                signaturesOrAddresses: self.attestations.signatures_or_addresses.clone().into(),
            },
            signers: self.signers.clone(),
            attestationsAndSignersSignature: abi::Signature { v: self.signature.v, r: self.signature.r, s: self.signature.s },
            blobInput: self.blob_input.clone().into(),
        };
        call.abi_encode()
    }

    /// Reads calldata, selector first, as leniently in its layout as L1 does.
    ///
    /// # Errors
    /// [`ProposeError`]: not this call, a word that is no field element, a number out of range.
    pub fn decode(calldata: &[u8]) -> Result<Self, ProposeError> {
        let call = abi::proposeCall::abi_decode(calldata)?;
        let modifier = call.args.oracleInput.feeAssetPriceModifier;
        Ok(Self {
            args: ProposeArgs {
                archive: field("archive", call.args.archive)?,
                fee_asset_price_modifier: i64::try_from(modifier)
                    .map_err(|_| ProposeError::Range { what: "feeAssetPriceModifier" })?,
                header: decode_header(&call.args.header)?,
            },
            attestations: CommitteeAttestations {
                signature_indices: call.attestations.signatureIndices.into(),
                signatures_or_addresses: call.attestations.signaturesOrAddresses.into(),
            },
            signers: call.signers,
            signature: RawSignature {
                v: call.attestationsAndSignersSignature.v,
                r: call.attestationsAndSignersSignature.r,
                s: call.attestationsAndSignersSignature.s,
            },
            blob_input: call.blobInput.into(),
        })
    }
}

/// The calldata of the slot's L1 transaction: `aggregate3` of Multicall3 around `propose`, which may fail alone.
///
/// Source: npm @aztec/ethereum 4.1.2, `src/contracts/multicall.ts`.
pub fn encode_bundle_calldata(rollup: Address, bundle: &BundlePayload, signature: &Signature) -> Vec<u8> {
    let calldata = bundle.propose_call(signature).encode();
    encode_aggregate3(&[BundledCall { target: rollup, allow_failure: true, calldata }])
}

fn encode_header(header: &CheckpointHeader) -> abi::ProposedHeader {
    abi::ProposedHeader {
        lastArchiveRoot: header.last_archive_root.to_word(),
        blockHeadersHash: header.block_headers_hash.to_word(),
        blobsHash: header.blobs_hash.to_word(),
        inHash: header.in_hash.to_word(),
        outHash: header.epoch_out_hash.to_word(),
        slotNumber: U256::from(header.slot.get()),
        timestamp: U256::from(header.timestamp),
        coinbase: header.coinbase,
        feeRecipient: header.fee_recipient.to_word(),
        gasFees: abi::GasFees { feePerDaGas: header.gas_fees.fee_per_da_gas, feePerL2Gas: header.gas_fees.fee_per_l2_gas },
        totalManaUsed: header.total_mana_used.to_u256(),
    }
}

fn decode_header(header: &abi::ProposedHeader) -> Result<CheckpointHeader, ProposeError> {
    let slot = u32::try_from(header.slotNumber).map_err(|_| ProposeError::Range { what: "slotNumber" })?;
    Ok(CheckpointHeader {
        last_archive_root: field("lastArchiveRoot", header.lastArchiveRoot)?,
        block_headers_hash: field("blockHeadersHash", header.blockHeadersHash)?,
        blobs_hash: field("blobsHash", header.blobsHash)?,
        in_hash: field("inHash", header.inHash)?,
        epoch_out_hash: field("outHash", header.outHash)?,
        slot: Slot::new(u64::from(slot)),
        timestamp: u64::try_from(header.timestamp).map_err(|_| ProposeError::Range { what: "timestamp" })?,
        coinbase: header.coinbase,
        fee_recipient: field("feeRecipient", header.feeRecipient)?,
        gas_fees: GasFees { fee_per_da_gas: header.gasFees.feePerDaGas, fee_per_l2_gas: header.gasFees.feePerL2Gas },
        total_mana_used: Fr::from_u256(header.totalManaUsed)
            .map_err(|source| ProposeError::Field { what: "totalManaUsed", source })?,
    })
}

fn field(what: &'static str, word: B256) -> Result<Fr, ProposeError> {
    Fr::try_from(word).map_err(|source| ProposeError::Field { what, source })
}

/// The two's complement word of a signed number.
pub(crate) fn modifier_word(modifier: i64) -> [u8; 32] {
    let mut word = if modifier < 0 { [0xff; 32] } else { [0; 32] };
    word[24..].copy_from_slice(&modifier.to_be_bytes());
    word
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        let calldata = ProposeCall {
            args: ProposeArgs::default(),
            attestations: CommitteeAttestations::default(),
            signers: Vec::new(),
            signature: RawSignature::default(),
            blob_input: Vec::new(),
        }
        .encode();
        // Words behind the selector: 1 is the modifier, 7 the slot, 8 the timestamp.
        for (word, name) in [(1, "feeAssetPriceModifier"), (7, "slotNumber"), (8, "timestamp")] {
            let mut wild = calldata.clone();
            wild[4 + 32 * word + 8] = 1;
            assert!(matches!(ProposeCall::decode(&wild), Err(ProposeError::Range { what }) if what == name));
        }
        let mut wild = calldata;
        wild[4 + 32 * 10] = 0xff;
        assert!(matches!(ProposeCall::decode(&wild), Err(ProposeError::Field { what: "feeRecipient", .. })));
    }

    proptest! {
        #[test]
        fn calls_read_back(
            archive in any::<u64>(), modifier in -100i64..=100, slot in any::<u32>(), lengths in (0usize..70, 0usize..70, 0usize..5, 0usize..70), v in any::<u8>(),
        ) {
            let header = CheckpointHeader { slot: Slot::new(slot.into()), total_mana_used: Fr::from_u64(archive), ..CheckpointHeader::default() };
            let call = ProposeCall {
                args: ProposeArgs { archive: Fr::from_u64(archive), fee_asset_price_modifier: modifier, header },
                attestations: CommitteeAttestations { signature_indices: vec![1; lengths.0], signatures_or_addresses: vec![2; lengths.1] },
                signers: vec![Address::repeat_byte(3); lengths.2],
                signature: RawSignature { v, r: B256::repeat_byte(4), s: B256::repeat_byte(0xff) },
                blob_input: vec![5; lengths.3],
            };
            prop_assert_eq!(ProposeCall::decode(&call.encode()).unwrap(), call);
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..900)) {
            let _ = ProposeCall::decode(&[PROPOSE_SELECTOR.as_slice(), &noise].concat());
        }
    }
}
