//! S4: at a publisher's nonce only recorded attempts leave, and in whatever order they arrive the newest wins.

use std::collections::BTreeMap;

use ollin_consensus::{AttemptContent, RecordedAttempt};
use ollin_guard::Duty;
use ollin_protocol::units::SigningRoot;

use super::Finding;
use crate::simulation::story::{Event, HostId, Story};

/// An attempt that left, and from where first.
type Sent = (HostId, RecordedAttempt);

/// Looks at what left for L1, from whatever machine, until a quorum may have forgotten what was recorded:
///
/// - an attempt is one transaction;
/// - of two at one nonce the later one is for no earlier slot, holds blobs if the earlier one did, and pays twice as much in each of
///   the three ways: so a pool prefers it whichever it sees first;
/// - a nonce is used only once L1 has spent the one before it;
/// - a bundle leaves only as its signature left.
pub fn one_live_attempt(story: &Story) -> Vec<Finding> {
    let end = story.quorum_taken_at();
    let mut sent: BTreeMap<(u64, u32), Sent> = BTreeMap::new();
    let mut roots: BTreeMap<Duty, SigningRoot> = BTreeMap::new();
    let mut spent = None;
    let mut findings = Vec::new();
    for told in story.events.iter().take_while(|told| end.is_none_or(|end| told.at < end)) {
        match &told.event {
            Event::Signed { duty, root, .. } => {
                roots.entry(*duty).or_insert(*root);
            }
            Event::Included { attempt } => spent = spent.max(Some(attempt.request.nonce)),
            Event::Sent { host, attempt } => {
                let (nonce, number) = (attempt.request.nonce, attempt.number);
                let is_first = sent.is_empty();
                let (first, held) = *sent.entry((nonce, number)).or_insert((*host, *attempt));
                if held != *attempt {
                    findings.push(Finding::TwoTransactions { nonce, number, first, second: *host });
                }
                let is_open = nonce.checked_sub(1).is_none_or(|before| spent >= Some(before));
                if !is_first && !is_open {
                    findings.push(Finding::NonceSkipped { nonce, host: *host, at: told.at });
                }
                if let AttemptContent::Bundle { duty } = attempt.request.content
                    && roots.get(&duty).is_some_and(|root| attempt.root != Some(*root))
                {
                    findings.push(Finding::OtherBundle { duty, host: *host, at: told.at });
                }
            }
            _ => {}
        }
    }
    findings.extend(not_outbid(&sent));
    findings
}

/// Pairs at one nonce in which the later attempt does not win.
fn not_outbid(sent: &BTreeMap<(u64, u32), Sent>) -> impl Iterator<Item = Finding> {
    let pairs = sent.iter().flat_map(|(earlier, (_, first))| {
        let later = sent.range(earlier..).skip(1).take_while(|(later, _)| later.0 == earlier.0);
        later.map(move |((nonce, number), (_, second))| (first, second, *nonce, *number))
    });
    pairs.filter(|(first, second, ..)| !wins(second, first)).map(|(first, _, nonce, later)| Finding::NotOutbid {
        nonce,
        earlier: first.number,
        later,
    })
}

fn wins(later: &RecordedAttempt, earlier: &RecordedAttempt) -> bool {
    let fees = |attempt: &RecordedAttempt| {
        let fees = attempt.request.fees;
        [fees.max_priority_fee_per_gas, fees.max_fee_per_gas, fees.max_fee_per_blob_gas]
    };
    let outbids = fees(later).into_iter().zip(fees(earlier)).all(|(later, earlier)| later >= earlier.saturating_mul(2));
    outbids && later.request.slot >= earlier.request.slot && later.holds_blobs >= earlier.holds_blobs
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{attempt, included, root, sent, signed, story, taken};
    use super::*;

    fn found(events: impl IntoIterator<Item = Event>) -> Vec<Finding> {
        one_live_attempt(&story((1..).zip(events)))
    }

    #[test]
    fn attempts_that_outbid_each_other_at_one_nonce_after_the_other_are_as_they_should_be() {
        let (first, second, third) = (attempt(0, 0, 7, 1), attempt(0, 1, 7, 2), attempt(0, 2, 8, 4));
        let late = sent(1, first);
        let next = attempt(1, 0, 9, 1);
        assert_eq!(found([sent(1, first), sent(2, second), sent(2, third), late, included(third), sent(3, next)]), []);
    }

    #[test]
    fn an_attempt_that_is_two_transactions_is_found() {
        let (one, other) = (attempt(0, 0, 7, 1), attempt(0, 0, 7, 3));
        assert!(matches!(found([sent(1, one), sent(2, other)])[..], [Finding::TwoTransactions { .. }]));
        assert_eq!(found([sent(1, one), taken(1, 1), taken(2, 2), sent(2, other)]), [], "forgotten, and in closed slots");
    }

    #[test]
    fn a_later_attempt_that_does_not_win_is_found_in_whatever_order_they_leave() {
        let first = attempt(0, 0, 7, 4);
        let no_blobs = RecordedAttempt { holds_blobs: false, ..attempt(0, 1, 7, 8) };
        for second in [attempt(0, 1, 7, 7), attempt(0, 1, 6, 8), no_blobs] {
            for events in [[sent(1, first), sent(2, second)], [sent(2, second), sent(1, first)]] {
                assert!(matches!(found(events)[..], [Finding::NotOutbid { earlier: 0, later: 1, .. }]));
            }
        }
    }

    #[test]
    fn a_nonce_before_its_time_is_found() {
        let (first, next) = (attempt(3, 0, 7, 1), attempt(4, 0, 8, 1));
        assert!(matches!(found([sent(1, first), sent(1, next)])[..], [Finding::NonceSkipped { nonce: 4, .. }]));
        assert_eq!(found([sent(1, first), included(first), sent(1, next)]), []);
    }

    #[test]
    fn a_bundle_that_was_signed_otherwise_is_found() {
        let other = RecordedAttempt { root: Some(root(0xbb)), ..attempt(0, 0, 7, 1) };
        assert!(matches!(found([signed(1, 7, 0xaa), sent(1, other)])[..], [Finding::OtherBundle { .. }]));
        assert_eq!(found([signed(1, 7, 0xaa), sent(1, attempt(0, 0, 7, 1))]), []);
    }
}
