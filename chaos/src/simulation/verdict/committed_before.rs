//! S2: nothing leaves a process before its intent is on a quorum's disks and applied by that very process.

use super::Finding;
use crate::simulation::story::{Event, Story};

/// Checks the evidence that was taken from the disks at each signature.
pub fn committed_before(story: &Story) -> Vec<Finding> {
    let bad = story.events.iter().filter_map(|told| match &told.event {
        Event::Signed { host, duty, evidence, .. } if evidence.durable < evidence.quorum || !evidence.applied => {
            Some(Finding::NotCommitted {
                duty: *duty,
                host: *host,
                at: told.at,
                durable: evidence.durable,
                quorum: evidence.quorum,
                applied: evidence.applied,
            })
        }
        _ => None,
    });
    bad.collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{signed, signed_with, story};
    use super::*;
    use crate::simulation::story::Evidence;

    #[test]
    fn a_signature_without_a_quorums_disks_or_without_the_own_state_is_found() {
        assert_eq!(committed_before(&story([(1, signed(1, 7, 0xaa))])), []);
        for evidence in [
            Evidence { durable: 1, quorum: 2, applied: true },
            Evidence { durable: 2, quorum: 3, applied: true },
            Evidence { durable: 3, quorum: 2, applied: false },
        ] {
            let findings = committed_before(&story([(1, signed(1, 6, 0xaa)), (2, signed_with(2, 7, 0xaa, evidence))]));
            assert!(matches!(findings[..], [Finding::NotCommitted { host, .. }] if host.0 == 2), "{evidence:?}");
        }
    }
}
