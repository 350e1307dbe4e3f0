//! V2: there is no state in which a duty waits for a dead process.

use std::collections::BTreeSet;
use std::time::Duration;

use ollin_guard::DutyKind;
use ollin_protocol::units::Slot;

use super::Finding;
use crate::simulation::story::{Event, HostId, Story};

/// How long a healed cluster may take before it works its slots again.
const RECOVERY: Duration = Duration::from_secs(2);

/// Checks that after the healing every slot is worked to its end, and that no replica has stopped for good while disks were honest.
pub fn no_stuck_duty(story: &Story) -> Vec<Finding> {
    let honest = !story.events.iter().any(|told| matches!(told.event, Event::Taken { .. } | Event::Outlived { .. }));
    let mut findings = Vec::new();
    let (mut first, mut leaving) = (BTreeSet::new(), BTreeSet::new());
    for told in &story.events {
        let (host, reason) = match &told.event {
            Event::Started { host, .. } if told.at.is_zero() => {
                first.insert(*host);
                continue;
            }
            Event::Leaving { replica } => {
                leaving.insert(HostId(replica.get()));
                continue;
            }
            Event::Stuck { reason } => {
                findings.push(Finding::Livelock { at: told.at, reason: reason.clone() });
                continue;
            }
            Event::Halted { host, reason } if !reason.contains("no medium") => (host, reason),
            Event::Panicked { host, message } => (host, message),
            _ => continue,
        };
        // Machines that join are no members at first, and those that leave are none at last.
        if honest && first.contains(host) && !leaving.contains(host) {
            findings.push(Finding::StoppedForGood { host: *host, at: told.at, reason: reason.clone() });
        }
    }
    if honest {
        findings.extend(stuck_slots(story));
    }
    findings
}

fn stuck_slots(story: &Story) -> Vec<Finding> {
    let Some(healed) = story.events.iter().find(|told| told.event == Event::Healed).map(|told| told.at) else {
        return Vec::new();
    };
    let worked: BTreeSet<Slot> = story
        .events
        .iter()
        .filter_map(|told| match &told.event {
            Event::Signed { duty, .. } if duty.kind == DutyKind::AttestationsAndSigners => Some(duty.slot),
            _ => None,
        })
        .collect();
    let landed = story.events.iter().find_map(|told| match &told.event {
        Event::Landed { slots } => Some(slots.iter().copied().collect::<BTreeSet<_>>()),
        _ => None,
    });
    let expected = || crate::simulation::whole_slots_between(healed + RECOVERY, crate::simulation::END);
    let unworked = expected().filter(|slot| !worked.contains(slot)).map(|slot| Finding::StuckSlot { slot });
    let is_missing = |slot: &Slot| landed.as_ref().is_some_and(|landed| worked.contains(slot) && !landed.contains(slot));
    let unlanded = expected().filter(is_missing).map(|slot| Finding::NotLanded { slot });
    unworked.chain(unlanded).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{signed, started, story, taken};
    use ollin_protocol::units::ReplicaId;

    use super::*;

    fn healed_then(slots: &[u64]) -> Vec<(u64, Event)> {
        let worked = slots.iter().map(|slot| (9_900, signed(1, *slot, 0xaa)));
        std::iter::once((5_000, Event::Healed)).chain(worked).collect()
    }

    #[test]
    fn every_slot_after_the_healing_must_be_worked() {
        assert_eq!(no_stuck_duty(&story(healed_then(&[108, 109]))), []);
        let findings = no_stuck_duty(&story(healed_then(&[108])));
        assert_eq!(findings, [Finding::StuckSlot { slot: Slot::new(109) }]);
    }

    #[test]
    fn every_slot_that_is_worked_then_must_land() {
        let mut events = healed_then(&[108, 109]);
        events.push((9_999, Event::Landed { slots: vec![Slot::new(108)] }));
        assert_eq!(no_stuck_duty(&story(events)), [Finding::NotLanded { slot: Slot::new(109) }]);
    }

    #[test]
    fn a_replica_that_stops_is_a_fault_of_ours_unless_a_disk_lied() {
        let mut events = healed_then(&[108, 109]);
        events.insert(0, (0, started(1)));
        events.push((9_900, Event::Halted { host: HostId(1), reason: "diverged".to_owned() }));
        assert!(matches!(no_stuck_duty(&story(events.clone()))[..], [Finding::StoppedForGood { .. }]));
        let mut left = events.clone();
        left.insert(1, (5000, Event::Leaving { replica: ReplicaId::new(1) }));
        assert_eq!(no_stuck_duty(&story(left)), [], "it was removed");
        events.insert(0, (5000, taken(1, 1)));
        assert_eq!(no_stuck_duty(&story(events)), []);
    }
}
