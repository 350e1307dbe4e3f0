//! S6: a replica whose disk was lost, rolled back or cloned does not act under its old id.

use std::collections::BTreeMap;

use super::Finding;
use crate::simulation::fault::Fault;
use crate::simulation::story::{Event, HostId, Story};

/// Looks for leaders and signatures of machines whose disk is not the one that they had, until everybody's disk was changed: then
/// no replica is left that remembers more than another.
pub fn no_amnesia(story: &Story) -> Vec<Finding> {
    let mut struck = BTreeMap::new();
    let mut findings = Vec::new();
    for told in &story.events {
        match &told.event {
            Event::Struck(Fault::RolledBack { host, .. } | Fault::Wiped { host, .. }) => drop(struck.insert(*host, told.at)),
            Event::Started { host, replica } if *host != HostId(replica.get()) => drop(struck.insert(*host, told.at)),
            Event::Role { host, role, .. } if role.active_term().is_some() => {
                findings.extend(amnesia(&struck, *host, told.at, "it leads"));
            }
            Event::Signed { host, .. } => findings.extend(amnesia(&struck, *host, told.at, "it signs")),
            _ => {}
        }
    }
    findings
}

fn amnesia(
    struck: &BTreeMap<HostId, std::time::Duration>,
    host: HostId,
    at: std::time::Duration,
    what: &'static str,
) -> Option<Finding> {
    struck.get(&host).map(|struck_at| Finding::Amnesia { host, struck_at: *struck_at, at, what })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ollin_protocol::units::ReplicaId;

    use super::super::fixture::{acts, signed, story};
    use super::*;

    #[test]
    fn a_machine_that_was_rolled_back_wiped_or_copied_may_neither_lead_nor_sign() {
        let (host, by, down) = (HostId(2), Duration::ZERO, Duration::ZERO);
        let copy = Event::Started { host: HostId(13), replica: ReplicaId::new(2) };
        for (strike, who) in [
            (Event::Struck(Fault::RolledBack { host, by, down }), 2),
            (Event::Struck(Fault::Wiped { host, down }), 2),
            (copy, 13),
        ] {
            let bad = story([(1, acts(who)), (2, strike.clone()), (3, acts(who)), (4, signed(who, 7, 0xaa))]);
            let count = no_amnesia(&bad).len();
            assert_eq!(count, 2, "{strike:?}");
            let good = story([(1, acts(who)), (2, strike), (3, acts(1)), (4, signed(3, 7, 0xaa))]);
            assert_eq!(no_amnesia(&good), []);
        }
    }
}
