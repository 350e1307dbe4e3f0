//! The next action for a slot's bundle: a plain function over the log and L1's head.

use ollin_consensus::{Fault, RecordedAttempt, planted};
use ollin_protocol::units::Slot;

/// What is known about the publisher's open nonce while a bundle waits for L1.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The bundle's slot.
    pub slot: Slot,
    /// Recorded attempts at the open nonce, oldest first; empty if no nonce is open.
    pub open: &'a [RecordedAttempt],
    /// The open nonce is spent on L1.
    pub spent: bool,
    /// L1 time at which this process last sent the newest attempt, `None` if it did not.
    pub sent_at: Option<u64>,
    /// L1 time of the head, seconds.
    pub head_time: u64,
    /// Start of the slot, seconds.
    pub slot_start: u64,
    /// End of the slot, seconds: the first second that is too late.
    pub slot_end: u64,
    /// Wall clock, seconds.
    pub now: u64,
    /// Seconds between L1 blocks.
    pub l1_slot_duration: u64,
    /// Seconds of L1 time without inclusion after which the attempt is bumped.
    pub stall: u64,
    /// Most attempts of one slot at one nonce.
    pub max_attempts: usize,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look up which attempt was mined at the open nonce.
    Resolve,
    /// Record the next attempt with this slot's bundle, at the open nonce or at a new one.
    Record,
    /// Send the newest recorded attempt (again): the same bytes.
    Send,
    /// Look again at the next L1 block.
    Wait,
    /// The slot can no longer land: a transaction of a past slot is never started.
    SlotOver,
}

/// Decides the next action. Outcomes on L1 come first, then the slot's window, then the newest attempt.
pub fn decide(facts: &Facts<'_>) -> Action {
    if facts.spent && !facts.open.is_empty() {
        return Action::Resolve;
    }
    let next_block = facts.head_time.saturating_add(facts.l1_slot_duration);
    if next_block.max(facts.now) >= facts.slot_end && !planted(Fault::PastSlotSent) {
        return Action::SlotOver;
    }
    if next_block < facts.slot_start {
        return Action::Wait;
    }
    match (facts.open.last(), facts.sent_at) {
        (None, _) => Action::Record,
        (Some(newest), _) if newest.request.slot < facts.slot && !planted(Fault::OldAttemptResent) => Action::Record,
        (Some(_), None) => Action::Send,
        (Some(_), Some(sent_at)) => {
            let of_slot = facts.open.iter().filter(|attempt| attempt.request.slot == facts.slot).count();
            let stalled = facts.head_time >= sent_at.saturating_add(facts.stall);
            if stalled && of_slot < facts.max_attempts { Action::Record } else { Action::Wait }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::Address;
    use ollin_consensus::{AttemptContent, AttemptRequest, Fees};

    fn attempt(slot: u64, number: u32) -> RecordedAttempt {
        let request = AttemptRequest {
            slot: Slot::new(slot),
            publisher: Address::ZERO,
            nonce: 3,
            content: AttemptContent::Cancellation,
            gas_limit: 1,
            fees: Fees { max_priority_fee_per_gas: 1, max_fee_per_gas: 1, max_fee_per_blob_gas: 1 },
        };
        RecordedAttempt { number, request, holds_blobs: false, root: None }
    }

    fn facts(open: &[RecordedAttempt]) -> Facts<'_> {
        Facts {
            slot: Slot::new(9),
            open,
            spent: false,
            sent_at: None,
            head_time: 1000,
            slot_start: 1000,
            slot_end: 1012,
            now: 1001,
            l1_slot_duration: 1,
            stall: 3,
            max_attempts: 4,
        }
    }

    #[test]
    fn nothing_is_sent_before_it_was_recorded() {
        assert_eq!(decide(&facts(&[])), Action::Record);
        assert_eq!(decide(&facts(&[attempt(9, 0)])), Action::Send);
    }

    #[test]
    fn an_attempt_of_an_earlier_slot_is_replaced_and_never_sent() {
        assert_eq!(decide(&facts(&[attempt(8, 0)])), Action::Record);
    }

    #[test]
    fn a_stalled_attempt_is_bumped_a_limited_number_of_times() {
        let one = [attempt(9, 0)];
        let sent = Facts { sent_at: Some(997), ..facts(&one) };
        assert_eq!(decide(&sent), Action::Record);
        assert_eq!(decide(&Facts { sent_at: Some(998), ..sent.clone() }), Action::Wait);
        let four = [attempt(9, 0), attempt(9, 1), attempt(9, 2), attempt(9, 3)];
        assert_eq!(decide(&Facts { sent_at: Some(900), ..facts(&four) }), Action::Wait);
    }

    #[test]
    fn a_transaction_of_a_past_slot_is_never_started() {
        let one = [attempt(9, 0)];
        assert_eq!(decide(&Facts { head_time: 1011, ..facts(&one) }), Action::SlotOver);
        assert_eq!(decide(&Facts { now: 1012, ..facts(&one) }), Action::SlotOver);
    }

    #[test]
    fn nothing_is_sent_before_the_next_l1_block_is_in_the_slot() {
        assert_eq!(decide(&Facts { head_time: 998, ..facts(&[]) }), Action::Wait);
    }

    #[test]
    fn a_spent_nonce_is_resolved_first_even_after_the_slot() {
        let one = [attempt(9, 0)];
        assert_eq!(decide(&Facts { spent: true, now: 2000, ..facts(&one) }), Action::Resolve);
    }
}
