//! Whether keys sign on L1 right now: asked before a cluster begins to sign with them (safety rule R9).

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};
use ollin_l1::{CheckpointProposed, L1, L1Error};
use ollin_protocol::propose::ProposeCall;
use ollin_protocol::signature::recover;
use ollin_protocol::units::{L1BlockNumber, SigningRoot, Slot};

use crate::calldata::recover_propose;

/// L1 blocks in one request for logs.
const BATCH: u64 = 1_000;

/// An attestation in a checkpoint that was proposed on L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtWork {
    /// Who signed.
    pub attester: Address,
    /// For which slot.
    pub slot: Slot,
    /// What.
    pub root: SigningRoot,
    /// The L1 block that holds it.
    pub l1_block: L1BlockNumber,
    /// The L1 transaction that carried it.
    pub transaction: B256,
}

/// The attestations of `attesters` in the checkpoints that were proposed for slots from `since` on, whatever became of those, newest
/// first. An attestation bears its slot; the proposer's signature over the bundle does not, and the rollup takes no checkpoint without
/// the proposer's attestation.
///
/// What never came to L1 is not seen, nor is a checkpoint that was proposed through a contract other than Multicall3.
///
/// # Errors
/// [`L1Error`].
pub async fn keys_at_work(l1: &L1, attesters: &BTreeSet<Address>, since: Slot) -> Result<Vec<AtWork>, L1Error> {
    let head = l1.head().await?;
    let mut from = l1.first_block_from(l1.schedule().slot_start(since), head.number).await?;
    let mut found = Vec::new();
    while from <= head.number {
        let to = from.saturating_add(BATCH - 1).min(head.number);
        for event in l1.checkpoints_proposed(from, to).await? {
            let Some(transaction) = l1.transaction_by_hash(event.transaction).await? else { continue };
            match recover_propose(&transaction, l1.contracts().rollup, &event) {
                Ok(call) => found.extend(of_attesters(&call, &event, attesters).into_iter().filter(|one| one.slot >= since)),
                Err(error) => {
                    tracing::warn!(checkpoint = %event.checkpoint, %error, "the attestations of a checkpoint on L1 cannot be read");
                }
            }
        }
        from = to.saturating_add(1);
    }
    found.sort_by_key(|one| std::cmp::Reverse(one.slot));
    Ok(found)
}

fn of_attesters(call: &ProposeCall, event: &CheckpointProposed, attesters: &BTreeSet<Address>) -> Vec<AtWork> {
    let (slot, root) = (call.args.header.slot, call.args.attestation_root());
    let signatures = call.attestations.signatures();
    let signers = signatures.iter().filter_map(|raw| recover(&root, &raw.parse().ok()?).ok());
    let ours = signers.filter(|signer| attesters.contains(signer));
    ours.map(|attester| AtWork { attester, slot, root, l1_block: event.l1_block, transaction: event.transaction }).collect()
}
