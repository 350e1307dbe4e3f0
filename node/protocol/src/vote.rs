//! Votes of the slot's proposer on L1: EIP-712 digests, which are the signing roots themselves.

use alloy_primitives::{Address, U256, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct};
use serde::{Deserialize, Serialize};

use crate::units::{SigningRoot, Slot};

/// Bytes of an EIP-712 message.
const MESSAGE_BYTES: usize = 66;

mod abi {
    #![allow(missing_docs, unreachable_pub, reason = "generated")]
    alloy_sol_types::sol! {
        struct Signal { address payload; uint256 slot; address instance; }
        struct Vote { bytes votes; uint256 slot; }
    }
}

/// A signal for a governance payload.
///
/// Source: npm @aztec/ethereum 4.1.2, `src/contracts/empire_base.ts`; npm @aztec/l1-artifacts 4.1.2, `EmpireBase`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GovernanceSignal {
    /// L1 chain id.
    pub chain_id: u64,
    /// The governance proposer contract.
    pub verifying_contract: Address,
    /// The payload signalled for.
    pub payload: Address,
    /// The slot in which the signal lands.
    pub slot: Slot,
    /// The rollup.
    pub instance: Address,
}

/// A vote of the tally slashing proposer.
///
/// Source: npm @aztec/ethereum 4.1.2, `src/contracts/tally_slashing_proposer.ts`; npm @aztec/l1-artifacts 4.1.2, `TallySlashingProposer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlashingVote {
    /// L1 chain id.
    pub chain_id: u64,
    /// The slashing proposer contract.
    pub verifying_contract: Address,
    /// Packed votes: see [`pack_votes`].
    pub votes: Vec<u8>,
    /// The slot in which the vote lands.
    pub slot: Slot,
}

/// How severely a validator should be slashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlashLevel {
    /// Not at all.
    None,
    /// The small amount.
    Small,
    /// The medium amount.
    Medium,
    /// The large amount.
    Large,
}

impl GovernanceSignal {
    /// The EIP-712 digest.
    pub fn signing_root(&self) -> SigningRoot {
        SigningRoot::new(keccak256(self.message()))
    }

    /// `0x1901 ‖ domain separator ‖ struct hash`, whose keccak-256 is the digest.
    pub fn message(&self) -> [u8; MESSAGE_BYTES] {
        let signal = abi::Signal { payload: self.payload, slot: U256::from(self.slot.get()), instance: self.instance };
        message(&signal, &domain("EmpireBase", self.chain_id, self.verifying_contract))
    }
}

impl SlashingVote {
    /// The EIP-712 digest.
    pub fn signing_root(&self) -> SigningRoot {
        SigningRoot::new(keccak256(self.message()))
    }

    /// `0x1901 ‖ domain separator ‖ struct hash`, whose keccak-256 is the digest.
    pub fn message(&self) -> [u8; MESSAGE_BYTES] {
        let vote = abi::Vote { votes: self.votes.clone().into(), slot: U256::from(self.slot.get()) };
        message(&vote, &domain("TallySlashingProposer", self.chain_id, self.verifying_contract))
    }
}

/// Packs levels, epoch by epoch in committee order: two bits each, four to a byte, the first in the low bits.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/slashing/tally.ts`.
pub fn pack_votes(levels: &[SlashLevel]) -> Vec<u8> {
    levels.chunks(4).map(|four| four.iter().rev().fold(0, |byte, level| (byte << 2) | level.bits())).collect()
}

/// Reads packed levels; every byte holds four.
pub fn unpack_votes(votes: &[u8]) -> Vec<SlashLevel> {
    votes.iter().flat_map(|byte| [0, 2, 4, 6].map(|shift| SlashLevel::from_bits(byte >> shift))).collect()
}

impl SlashLevel {
    const fn bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Small => 1,
            Self::Medium => 2,
            Self::Large => 3,
        }
    }

    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::None,
            1 => Self::Small,
            2 => Self::Medium,
            _ => Self::Large,
        }
    }
}

fn message(value: &impl SolStruct, domain: &Eip712Domain) -> [u8; MESSAGE_BYTES] {
    let mut message = [0; MESSAGE_BYTES];
    message[..2].copy_from_slice(&[0x19, 0x01]);
    message[2..34].copy_from_slice(domain.separator().as_slice());
    message[34..].copy_from_slice(value.eip712_hash_struct().as_slice());
    message
}

fn domain(name: &'static str, chain_id: u64, verifying_contract: Address) -> Eip712Domain {
    Eip712Domain {
        name: Some(name.into()),
        version: Some("1".into()),
        chain_id: Some(U256::from(chain_id)),
        verifying_contract: Some(verifying_contract),
        salt: None,
    }
}
