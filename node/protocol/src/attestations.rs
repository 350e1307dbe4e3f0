//! The committee's attestations as L1 stores them: a bitmap, then a signature or an address per member.

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolType;
use alloy_sol_types::sol_data;
use serde::{Deserialize, Serialize};

use crate::signature::{RawSignature, Signature, SignatureError, recover};
use crate::units::SigningRoot;

const SIGNATURE_BYTES: usize = 65;
const ADDRESS_BYTES: usize = 20;

/// Domain of the attestations-and-signers message. Source: npm @aztec/stdlib 4.1.2, `src/p2p/signature_utils.ts`.
const ATTESTATIONS_AND_SIGNERS_DOMAIN: u8 = 2;

/// Packed attestations, byte for byte as in calldata.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/block/proposal/attestations_and_signers.ts`; npm @aztec/l1-artifacts 4.1.2, `AttestationLib`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitteeAttestations {
    /// Bit 7-(i mod 8) of byte i/8 is set when member i signed.
    pub signature_indices: Vec<u8>,
    /// Per member 65 bytes (v, r, s) if it signed, else its 20-byte address.
    pub signatures_or_addresses: Vec<u8>,
}

/// One member's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitteeEntry {
    /// The member signed; its address is the recovered one.
    Signed(Signature),
    /// The member did not sign.
    Unsigned(Address),
}

/// Why packed bytes cannot be taken apart for a committee of the given size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestationsError {
    /// The bitmap has another length than the committee needs.
    #[error("bitmap of {found} bytes for a committee of {members}")]
    Bitmap {
        /// Bytes of the bitmap.
        found: usize,
        /// Size of the committee.
        members: usize,
    },
    /// The entries have another total length than the bitmap says.
    #[error("{found} bytes of entries, the bitmap needs {expected}")]
    Entries {
        /// Bytes given.
        found: usize,
        /// Bytes that the bitmap needs.
        expected: usize,
    },
    /// A signature that nobody can have made.
    #[error("signature of member {index}: {source}")]
    Signature {
        /// Place in the committee.
        index: usize,
        /// What is wrong.
        source: SignatureError,
    },
}

/// Why a checkpoint's attestations do not count. The first fault wins, in committee order.
///
/// Source: npm @aztec/archiver 4.1.2, `src/modules/validation.ts`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestationFault {
    /// The bytes do not fit the committee; the contract refuses such a proposal.
    #[error(transparent)]
    Malformed(AttestationsError),
    /// A signature that does not recover, or recovers to somebody else; or another address.
    #[error("attestation {index} is not of member {expected}")]
    Invalid {
        /// Place in the committee: the argument of an invalidation on L1.
        index: usize,
        /// The member of that place.
        expected: Address,
    },
    /// Fewer signatures than two thirds and one.
    #[error("{have} signatures, {needed} needed")]
    Insufficient {
        /// Valid signatures.
        have: usize,
        /// [`required_signatures`] of the committee.
        needed: usize,
    },
}

/// An entry with a signature that is not checked.
enum RawEntry {
    Signature(RawSignature),
    Address(Address),
}

impl CommitteeAttestations {
    /// Packs the entries, which are in committee order.
    pub fn pack(entries: &[CommitteeEntry]) -> Self {
        let mut packed = Self { signature_indices: vec![0; entries.len().div_ceil(8)], signatures_or_addresses: Vec::new() };
        for (index, entry) in entries.iter().enumerate() {
            match entry {
                CommitteeEntry::Signed(signature) => {
                    packed.signature_indices[index / 8] |= mask(index);
                    packed.signatures_or_addresses.extend(signature.to_packed65());
                }
                CommitteeEntry::Unsigned(address) => packed.signatures_or_addresses.extend(address.as_slice()),
            }
        }
        packed
    }

    /// Takes the entries of a committee of `members` apart.
    ///
    /// # Errors
    /// [`AttestationsError`]: other lengths, as the contract refuses them, or a malformed signature.
    pub fn unpack(&self, members: usize) -> Result<Vec<CommitteeEntry>, AttestationsError> {
        let parse = |(index, entry)| match entry {
            RawEntry::Address(address) => Ok(CommitteeEntry::Unsigned(address)),
            RawEntry::Signature(raw) => {
                raw.parse().map(CommitteeEntry::Signed).map_err(|source| AttestationsError::Signature { index, source })
            }
        };
        self.raw_entries(members)?.into_iter().enumerate().map(parse).collect()
    }

    /// `keccak256(abi.encode(attestations))`: the hash in the event and in L1's storage.
    pub fn attestations_hash(&self) -> B256 {
        let parts = (self.signature_indices.as_slice(), self.signatures_or_addresses.as_slice());
        keccak256(<(sol_data::Bytes, sol_data::Bytes)>::abi_encode(&parts))
    }

    /// Checks the attestations of a checkpoint whose attestation root is `root`; gives the number of signatures.
    /// A rollup without committee needs none.
    ///
    /// # Errors
    /// [`AttestationFault`], the first one.
    pub fn validate(&self, committee: &[Address], root: &SigningRoot) -> Result<usize, AttestationFault> {
        if committee.is_empty() {
            return Ok(0);
        }
        let entries = self.raw_entries(committee.len()).map_err(AttestationFault::Malformed)?;
        let mut have = 0;
        for (index, (entry, member)) in entries.iter().zip(committee).enumerate() {
            let found = match entry {
                RawEntry::Address(address) => Some(*address),
                RawEntry::Signature(raw) => {
                    have += 1;
                    raw.parse().and_then(|signature| recover(root, &signature)).ok()
                }
            };
            if found != Some(*member) {
                return Err(AttestationFault::Invalid { index, expected: *member });
            }
        }
        let needed = required_signatures(committee.len());
        if have < needed { Err(AttestationFault::Insufficient { have, needed }) } else { Ok(have) }
    }

    /// The signatures in it, unchecked, whatever the committee's size is: as far as the bytes go.
    pub fn signatures(&self) -> Vec<RawSignature> {
        let mut rest = self.signatures_or_addresses.as_slice();
        let mut found = Vec::new();
        for index in 0.. {
            let signed = self.signature_indices.get(index / 8).is_some_and(|bits| bits & mask(index) != 0);
            let Some((entry, tail)) = rest.split_at_checked(if signed { SIGNATURE_BYTES } else { ADDRESS_BYTES }) else { break };
            if let (true, Ok(bytes)) = (signed, entry.try_into()) {
                found.push(RawSignature::from_packed65(bytes));
            }
            rest = tail;
        }
        found
    }

    fn raw_entries(&self, members: usize) -> Result<Vec<RawEntry>, AttestationsError> {
        if self.signature_indices.len() != members.div_ceil(8) {
            return Err(AttestationsError::Bitmap { found: self.signature_indices.len(), members });
        }
        let signed: Vec<bool> = (0..members).map(|index| self.signature_indices[index / 8] & mask(index) != 0).collect();
        let expected = signed.iter().map(|signed| if *signed { SIGNATURE_BYTES } else { ADDRESS_BYTES }).sum();
        let wrong_length = AttestationsError::Entries { found: self.signatures_or_addresses.len(), expected };
        if self.signatures_or_addresses.len() != expected {
            return Err(wrong_length);
        }
        let mut rest = self.signatures_or_addresses.as_slice();
        let mut entries = Vec::with_capacity(members);
        for signed in signed {
            let entry = if signed {
                rest.split_first_chunk().map(|(bytes, tail)| (RawEntry::Signature(RawSignature::from_packed65(bytes)), tail))
            } else {
                rest.split_first_chunk::<ADDRESS_BYTES>().map(|(bytes, tail)| (RawEntry::Address(Address::new(*bytes)), tail))
            };
            let (entry, tail) = entry.ok_or_else(|| wrong_length.clone())?;
            entries.push(entry);
            rest = tail;
        }
        Ok(entries)
    }
}

const fn mask(index: usize) -> u8 {
    0x80 >> (index % 8)
}

/// Signatures that a committee of `members` must give: floor(2n/3) + 1.
pub const fn required_signatures(members: usize) -> usize {
    // Written so that no committee size overflows.
    members / 3 * 2 + members % 3 * 2 / 3 + 1
}

/// What the proposer signs over its bundle: `abi.encode(uint8 2, (bytes, bytes), address[])`.
///
/// Source: npm @aztec/stdlib 4.1.2, `src/block/proposal/attestations_and_signers.ts`.
pub fn attestations_and_signers_message(attestations: &CommitteeAttestations, signers: &[Address]) -> Vec<u8> {
    let parts = (attestations.signature_indices.as_slice(), attestations.signatures_or_addresses.as_slice());
    <(sol_data::Uint<8>, (sol_data::Bytes, sol_data::Bytes), sol_data::Array<sol_data::Address>)>::abi_encode_params(&(
        ATTESTATIONS_AND_SIGNERS_DOMAIN,
        parts,
        signers,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(signed: bool, seed: u8) -> CommitteeEntry {
        if signed {
            CommitteeEntry::Signed(Signature::new(B256::repeat_byte(seed), B256::repeat_byte(seed & 0x3f), 27).unwrap())
        } else {
            CommitteeEntry::Unsigned(Address::repeat_byte(seed))
        }
    }

    proptest! {
        #[test]
        fn packing_reads_back_and_any_other_length_is_refused(signed in prop::collection::vec(any::<bool>(), 0..70), cut in 1usize..90) {
            let entries: Vec<_> = signed.iter().zip(0u8..).map(|(signed, seed)| entry(*signed, seed)).collect();
            let packed = CommitteeAttestations::pack(&entries);
            prop_assert_eq!(packed.unpack(entries.len()).unwrap(), entries.clone());
            let signatures = entries.iter().filter_map(|entry| match entry {
                CommitteeEntry::Signed(signature) => Some(RawSignature::from(*signature)),
                CommitteeEntry::Unsigned(_) => None,
            });
            prop_assert_eq!(packed.signatures(), signatures.collect::<Vec<_>>());
            let mut short = packed.clone();
            let left = short.signatures_or_addresses.len().saturating_sub(cut);
            short.signatures_or_addresses.truncate(left);
            prop_assert!(entries.is_empty() || short.unpack(entries.len()).is_err());
            let mut long = packed.clone();
            long.signatures_or_addresses.extend(vec![0; cut]);
            prop_assert!(long.unpack(entries.len()).is_err());
            let mut wide = packed;
            wide.signature_indices.push(0);
            prop_assert!(wide.unpack(entries.len()).is_err());
        }
    }

    #[test]
    fn two_thirds_and_one_are_needed() {
        let expected = [(1, 1), (2, 2), (3, 3), (4, 3), (24, 17), (48, 33)];
        assert!(expected.into_iter().all(|(members, needed)| required_signatures(members) == needed));
        assert_eq!(required_signatures(usize::MAX), usize::MAX / 3 * 2 + 1);
    }

    #[test]
    fn a_malformed_signature_is_a_fault_of_its_place() {
        let committee = [Address::repeat_byte(0), Address::repeat_byte(1)];
        let mut packed = CommitteeAttestations::pack(&[entry(false, 0), entry(true, 1)]);
        packed.signatures_or_addresses[20] = 0;
        let root = SigningRoot::new(B256::ZERO);
        assert_eq!(packed.validate(&committee, &root), Err(AttestationFault::Invalid { index: 1, expected: committee[1] }));
        assert!(matches!(packed.unpack(2), Err(AttestationsError::Signature { index: 1, .. })));
    }

    #[test]
    fn addresses_alone_are_insufficient() {
        let committee = [Address::repeat_byte(0), Address::repeat_byte(1)];
        let packed = CommitteeAttestations::pack(&[entry(false, 0), entry(false, 1)]);
        let root = SigningRoot::new(B256::ZERO);
        assert_eq!(packed.validate(&committee, &root), Err(AttestationFault::Insufficient { have: 0, needed: 2 }));
        assert_eq!(CommitteeAttestations::default().validate(&[], &root), Ok(0));
    }
}
