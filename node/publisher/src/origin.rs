//! Whether a mined transaction is a recorded attempt, told by what both say of themselves.
//!
//! The usual way is by hash: an attempt is signed again, to the same bytes. What was closed, frozen or forgotten since is never
//! signed again, not even to know its hash; and yet its nonce may be spent, and nothing else is sent until it is known by what.

use alloy::primitives::Address;
use ollin_consensus::RecordedAttempt;
use ollin_l1::SpentNonce;

/// The recorded attempt that `spent` is, newest first: the same target, gas and fees at the publisher's own nonce. Each attempt at
/// a nonce pays twice what the one before pays, so at most one fits.
pub fn of_attempts<'a>(open: &'a [RecordedAttempt], multicall: Address, spent: &SpentNonce) -> Option<&'a RecordedAttempt> {
    open.iter().rev().find(|attempt| {
        let request = &attempt.request;
        let blob_cap = attempt.holds_blobs.then_some(request.fees.max_fee_per_blob_gas);
        spent.to == Some(multicall)
            && spent.gas_limit == request.gas_limit
            && spent.max_fee_per_gas == request.fees.max_fee_per_gas
            && spent.max_priority_fee_per_gas == Some(request.fees.max_priority_fee_per_gas)
            && spent.max_fee_per_blob_gas == blob_cap
    })
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;
    use ollin_consensus::{AttemptContent, AttemptRequest, Fees};
    use ollin_protocol::units::{L1BlockNumber, Slot};

    use super::*;

    const MULTICALL: Address = Address::repeat_byte(7);

    fn attempt(number: u32) -> RecordedAttempt {
        let fee = 10_u128 << number;
        let request = AttemptRequest {
            slot: Slot::new(9),
            publisher: Address::repeat_byte(1),
            nonce: 3,
            content: AttemptContent::Cancellation,
            gas_limit: 500,
            fees: Fees { max_priority_fee_per_gas: fee, max_fee_per_gas: 3 * fee, max_fee_per_blob_gas: 5 * fee },
        };
        RecordedAttempt { number, request, holds_blobs: true, root: None }
    }

    fn mined(attempt: &RecordedAttempt) -> SpentNonce {
        let fees = attempt.request.fees;
        SpentNonce {
            transaction: B256::repeat_byte(4),
            block: L1BlockNumber::new(12),
            to: Some(MULTICALL),
            gas_limit: attempt.request.gas_limit,
            max_priority_fee_per_gas: Some(fees.max_priority_fee_per_gas),
            max_fee_per_gas: fees.max_fee_per_gas,
            max_fee_per_blob_gas: attempt.holds_blobs.then_some(fees.max_fee_per_blob_gas),
        }
    }

    #[test]
    fn a_mined_attempt_is_known_by_its_target_gas_and_fees() {
        let open = [attempt(0), attempt(1), attempt(2)];
        for one in &open {
            assert_eq!(of_attempts(&open, MULTICALL, &mined(one)), Some(one));
        }
    }

    #[test]
    fn whatever_differs_in_one_of_them_is_not_ours() {
        let open = [attempt(0), attempt(1)];
        let ours = mined(&open[1]);
        let fees = open[1].request.fees;
        let others = [
            SpentNonce { to: None, ..ours },
            SpentNonce { to: Some(Address::repeat_byte(8)), ..ours },
            SpentNonce { gas_limit: 501, ..ours },
            SpentNonce { max_fee_per_gas: fees.max_fee_per_gas + 1, ..ours },
            SpentNonce { max_priority_fee_per_gas: None, ..ours },
            SpentNonce { max_priority_fee_per_gas: Some(fees.max_priority_fee_per_gas + 1), ..ours },
            SpentNonce { max_fee_per_blob_gas: None, ..ours },
            SpentNonce { max_fee_per_blob_gas: Some(1), ..ours },
        ];
        for other in others {
            assert_eq!(of_attempts(&open, MULTICALL, &other), None, "{other:?}");
        }
    }
}
