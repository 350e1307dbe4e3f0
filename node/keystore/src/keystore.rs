//! The keys of one replica, bound to one chain and rollup, and the two ways to use them.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use alloy_primitives::Address;
use ollin_consensus::{AttemptGrant, Duty, DutyKind, Fault, Grant, RecordedAttempt, planted};
use ollin_protocol::field::Fr;
use ollin_protocol::payload::{DutyPayload, PayloadKind};
use ollin_protocol::signature::Signature;
use ollin_protocol::units::SigningRoot;

use crate::fault::KeystoreError;
use crate::file::{self, UnboundKeystore};
use crate::key::{Key, KeyError};
use crate::outlet::{OutletError, Outlets, TransactionPlace};
use crate::transaction::{self, Bound, SignedTransaction, TransactionError, TransactionParts, Unsigned};

/// Fewer signatures are not worth a thread.
const SHARE_MIN: usize = 16;

/// What an attester's file says beside its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttesterEntry {
    /// Its identity.
    pub address: Address,
    /// L1 recipient of rewards; its own address where the file names none.
    pub coinbase: Address,
    /// L2 recipient of fees.
    pub fee_recipient: Fr,
    /// Accounts that may pay for its L1 transactions, in order of preference; never empty.
    pub publishers: Vec<Address>,
}

/// Keys, reachable by grants only.
#[derive(Debug)]
pub struct Keystore {
    pub(crate) attesters: BTreeMap<Address, (AttesterEntry, Key)>,
    pub(crate) publishers: BTreeMap<Address, Key>,
    pub(crate) outlets: Outlets,
}

/// A signature with what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The duty.
    pub duty: Duty,
    /// The root that was signed.
    pub root: SigningRoot,
    /// The signature.
    pub signature: Signature,
    /// The payload as the log holds it.
    pub payload: Arc<DutyPayload>,
}

/// Why nothing was signed. None of these is cured by asking again with the same grant.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// This replica has no key of that address: its keystore differs from the one that the cluster was created with.
    #[error("the keystore holds no key of {address}")]
    NoKey {
        /// Whose key is missing.
        address: Address,
    },
    /// The payload is not one of the duty: a fault of the program or of the log.
    #[error("the granted payload is not one of the duty: {duty}")]
    Payload {
        /// The duty.
        duty: Duty,
    },
    /// The payload has another root than the one that was granted: a fault of the program or of the log.
    #[error("the payload's root is {computed}, granted is {granted}: {duty}")]
    Root {
        /// The duty.
        duty: Duty,
        /// The root that the log binds.
        granted: SigningRoot,
        /// The root computed here.
        computed: SigningRoot,
    },
    /// A vote of another chain or rollup than this keystore is bound to.
    #[error("the vote is for rollup {instance} on chain {found}, this keystore is bound to rollup {rollup} on chain {chain_id}")]
    OtherChain {
        /// The vote's L1 chain id.
        found: u64,
        /// The vote's rollup.
        instance: Address,
        /// The bound L1 chain id.
        chain_id: u64,
        /// The bound rollup.
        rollup: Address,
    },
    /// The attempt and the parts given for it are no transaction.
    #[error("no transaction")]
    Transaction(#[from] TransactionError),
    /// The signer did not do what a signer does.
    #[error("signer failure for {address}: {reason}")]
    Signer {
        /// Whose key it was.
        address: Address,
        /// What went wrong.
        reason: String,
    },
    /// The outlet record did not take the line: what is not recorded does not leave.
    #[error(transparent)]
    Outlet(#[from] OutletError),
}

impl Keystore {
    /// Reads a keystore file, or a directory of them.
    ///
    /// # Errors
    /// [`KeystoreError`] with every fault found.
    pub fn load(path: &Path) -> Result<UnboundKeystore, KeystoreError> {
        file::load(path)
    }

    /// No keys at all: for a witness, which signs nothing.
    pub fn without_keys() -> UnboundKeystore {
        UnboundKeystore::default()
    }

    /// All attesters, by address.
    pub fn attesters(&self) -> impl Iterator<Item = &AttesterEntry> {
        self.attesters.values().map(|(entry, _)| entry)
    }

    /// The attester of that address.
    pub fn attester(&self, address: &Address) -> Option<&AttesterEntry> {
        self.attesters.get(address).map(|(entry, _)| entry)
    }

    /// Whether that attester's key is here.
    pub fn holds(&self, address: &Address) -> bool {
        self.attesters.contains_key(address)
    }

    /// The account that pays first for that attester.
    pub fn publisher_of(&self, attester: &Address) -> Option<Address> {
        self.attester(attester).and_then(|entry| entry.publishers.first()).copied()
    }

    /// All accounts that pay, by address.
    pub fn publishers(&self) -> Vec<Address> {
        self.publishers.keys().copied().collect()
    }

    /// Signs what was granted: computes the root from the payload again, signs, recovers the signer, writes the outlet line.
    /// The same grant, given again after a failover or a restart, leads to the same signature.
    ///
    /// # Errors
    /// [`SignError`]; then nothing has left.
    pub fn sign(&self, grant: Grant) -> Result<Signed, SignError> {
        let (duty, granted, payload) = (*grant.duty(), *grant.root(), Arc::clone(grant.payload()));
        let (_, key) = self.attesters.get(&duty.attester).ok_or(SignError::NoKey { address: duty.attester })?;
        if !belongs(&payload, &duty) {
            return Err(SignError::Payload { duty });
        }
        self.check_chain(&payload)?;
        let computed = payload.signing_root();
        if computed != granted {
            return Err(SignError::Root { duty, granted, computed });
        }
        let signature = key.sign(&computed).map_err(|error| failed(key, &error))?;
        // Before it is returned: what leaves has its line.
        let recorded = self.outlets.signature(&duty, &computed, &signature);
        recorded.or_else(|error| if planted(Fault::OutletUnrecorded) { Ok(()) } else { Err(error) })?;
        Ok(Signed { duty, root: computed, signature, payload })
    }

    /// Signs every grant of a batch, on all cores: the answers are in the order of the grants, each as [`Keystore::sign`] gives it.
    /// Blocks for as long as the signatures take, some 0.1 ms of one core each.
    pub fn sign_all(&self, grants: Vec<Grant>) -> Vec<Result<Signed, SignError>> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let share = grants.len().div_ceil(cores).max(SHARE_MIN);
        let mut grants = grants.into_iter();
        std::thread::scope(|scope| {
            let mut shares = Vec::new();
            while grants.len() > share {
                let own: Vec<Grant> = grants.by_ref().take(share).collect();
                shares.push(scope.spawn(move || self.sign_each(own)));
            }
            // The last share is this thread's.
            let last = self.sign_each(grants);
            let mut answers = Vec::new();
            for share in shares {
                answers.extend(share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            answers.extend(last);
            answers
        })
    }

    fn sign_each(&self, grants: impl IntoIterator<Item = Grant>) -> Vec<Result<Signed, SignError>> {
        grants.into_iter().map(|grant| self.sign(grant)).collect()
    }

    /// Votes name their chain and rollup in the clear: one for another chain or rollup is not ours to cast.
    fn check_chain(&self, payload: &DutyPayload) -> Result<(), SignError> {
        let Bound { chain_id, rollup } = self.bound();
        let (found, instance) = match payload {
            DutyPayload::GovernanceVote(signal) => (signal.chain_id, signal.instance),
            DutyPayload::SlashingVote(vote) => (vote.chain_id, rollup),
            DutyPayload::Block(_) | DutyPayload::Checkpoint(_) | DutyPayload::Attestation(_) | DutyPayload::Bundle(_) => {
                return Ok(());
            }
        };
        if (found, instance) == (chain_id, rollup) || planted(Fault::VoteOfOtherChain) {
            return Ok(());
        }
        Err(SignError::OtherChain { found, instance, chain_id, rollup })
    }

    /// Signs a recorded bundle: `aggregate3([propose])` to Multicall3 with the checkpoint's blobs.
    /// The same attempt always gives the same bytes.
    ///
    /// # Errors
    /// [`SignError`]; then nothing has left.
    pub fn sign_attempt(&self, grant: AttemptGrant, parts: TransactionParts) -> Result<SignedTransaction, SignError> {
        let unsigned = transaction::of_bundle(self.bound(), grant.attempt(), grant.bundle(), parts)?;
        self.sign_transaction(grant.attempt(), unsigned)
    }

    /// Signs a recorded cancellation: nothing to oneself, with a blob of zeros where the nonce held blobs.
    ///
    /// # Errors
    /// [`SignError`]; then nothing has left.
    pub fn sign_cancellation(&self, grant: AttemptGrant) -> Result<SignedTransaction, SignError> {
        let unsigned = transaction::of_cancellation(self.bound(), grant.attempt())?;
        self.sign_transaction(grant.attempt(), unsigned)
    }

    fn sign_transaction(&self, attempt: &RecordedAttempt, unsigned: Unsigned) -> Result<SignedTransaction, SignError> {
        let request = &attempt.request;
        let key = self.publishers.get(&request.publisher).ok_or(SignError::NoKey { address: request.publisher })?;
        let signature = key.sign(&unsigned.root()).map_err(|error| failed(key, &error))?;
        let signed = unsigned.signed(&signature, attempt);
        let place = TransactionPlace {
            publisher: request.publisher,
            nonce: request.nonce,
            attempt: attempt.number,
            slot: request.slot,
            root: attempt.root.as_ref(),
        };
        // Before it is returned: what leaves has its line.
        self.outlets.transaction(&place, signed.hash)?;
        Ok(signed)
    }

    fn bound(&self) -> Bound {
        Bound { chain_id: self.outlets.context.chain_id, rollup: self.outlets.context.rollup }
    }
}

/// Whether the payload is of the duty's kind and slot.
fn belongs(payload: &DutyPayload, duty: &Duty) -> bool {
    let is_kind = match (payload.kind(), duty.kind) {
        (PayloadKind::Block { index }, DutyKind::BlockProposal { index: granted }) => index == granted,
        (PayloadKind::Checkpoint, DutyKind::CheckpointProposal)
        | (PayloadKind::Attestation, DutyKind::Attestation)
        | (PayloadKind::Bundle, DutyKind::AttestationsAndSigners)
        | (PayloadKind::GovernanceVote, DutyKind::GovernanceVote)
        | (PayloadKind::SlashingVote, DutyKind::SlashingVote) => true,
        (
            PayloadKind::Block { .. }
            | PayloadKind::Checkpoint
            | PayloadKind::Attestation
            | PayloadKind::Bundle
            | PayloadKind::GovernanceVote
            | PayloadKind::SlashingVote,
            _,
        ) => false,
    };
    is_kind && payload.slot() == duty.slot
}

fn failed(key: &Key, error: &KeyError) -> SignError {
    SignError::Signer { address: key.address(), reason: error.to_string() }
}
