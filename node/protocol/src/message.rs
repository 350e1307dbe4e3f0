//! Messages between L1 and L2, as their trees hold them.

use alloy_primitives::{Address, B256, FixedBytes, U256, keccak256};
use serde::{Deserialize, Serialize};

use crate::field::Fr;
use crate::hash::sha256_to_field;

/// A message that L1's inbox took for L2.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/messaging/l1_to_l2_message.ts`; npm @aztec/l1-artifacts 4.1.2, `Hash.sha256ToField(L1ToL2Msg)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxMessage {
    /// Sender on L1.
    pub sender: Address,
    /// L1 chain id.
    pub chain_id: u64,
    /// Recipient on L2.
    pub recipient: Fr,
    /// The rollup's version.
    pub version: u64,
    /// Content.
    pub content: Fr,
    /// Hash of the secret that consumes it.
    pub secret_hash: Fr,
    /// Index over all messages: 1024 per checkpoint.
    pub index: u64,
}

/// A message from L2 to L1.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/hash/hash.ts`; npm @aztec/l1-artifacts 4.1.2, `Hash.sha256ToField(L2ToL1Msg)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxMessage {
    /// Sender on L2.
    pub sender: Fr,
    /// The rollup's version.
    pub version: u64,
    /// Recipient on L1.
    pub recipient: Address,
    /// L1 chain id.
    pub chain_id: u64,
    /// Content.
    pub content: Fr,
}

impl InboxMessage {
    /// The leaf: seven words, hashed.
    pub fn leaf(&self) -> Fr {
        let words = [
            Fr::from_address(self.sender),
            Fr::from_u64(self.chain_id),
            self.recipient,
            Fr::from_u64(self.version),
            self.content,
            self.secret_hash,
            Fr::from_u64(self.index),
        ];
        sha256_to_field(&words.map(|word| word.to_be_bytes()).concat())
    }
}

impl OutboxMessage {
    /// The message hash: 148 bytes, the recipient in twenty of them.
    pub fn hash(&self) -> Fr {
        let mut bytes = Vec::with_capacity(148);
        bytes.extend(self.sender.to_be_bytes());
        bytes.extend(U256::from(self.version).to_be_bytes::<32>());
        bytes.extend(self.recipient.as_slice());
        bytes.extend(U256::from(self.chain_id).to_be_bytes::<32>());
        bytes.extend(self.content.to_be_bytes());
        sha256_to_field(&bytes)
    }
}

/// The inbox's rolling hash after one more leaf: the first 16 bytes of `keccak256(previous ‖ leaf)`, from 16 zero bytes on.
///
/// Source: npm @aztec/l1-artifacts 4.1.2, `Inbox.sendL2Message`.
pub fn rolling_hash(previous: FixedBytes<16>, leaf: Fr) -> FixedBytes<16> {
    let digest: B256 = keccak256([previous.as_slice(), &leaf.to_be_bytes()].concat());
    FixedBytes::from_slice(&digest[..16])
}
