//! V1: after a leader's death another replica acts within a second (with the timers of one region), if nothing else is wrong.

use std::time::Duration;

use super::Finding;
use crate::simulation::story::{Event, HostId, Story};

/// How long a successor may take with the timers of one region.
const LIMIT: Duration = Duration::from_secs(1);
/// For so long before and after the death nothing else may have happened.
const CALM: Duration = Duration::from_secs(3);

/// Looks at every death of an acting replica in calm times.
pub fn resume(story: &Story) -> Vec<Finding> {
    let limit = limit(story);
    let mut acting = Vec::new();
    let mut findings = Vec::new();
    for told in &story.events {
        match &told.event {
            Event::Role { host, role, .. } => {
                acting.retain(|acts| acts != host);
                acting.extend(role.active_term().map(|_| *host));
            }
            Event::Killed { host, .. } => {
                let acted = acting.contains(host);
                acting.retain(|acts| acts != host);
                if acted && acting.is_empty() && is_calm(story, *host, told.at) && !is_succeeded(story, told.at) {
                    findings.push(Finding::NoSuccessor { host: *host, at: told.at, limit });
                }
            }
            _ => {}
        }
    }
    findings
}

fn limit(story: &Story) -> Duration {
    LIMIT * story.slowness.max(1)
}

/// Nothing but this one death, and nothing still in force.
fn is_calm(story: &Story, died: HostId, at: Duration) -> bool {
    let longest = Duration::from_secs(5);
    let limit = limit(story);
    let near = |told: Duration| told + longest > at && told < at + limit;
    let struck = story.events.iter().filter(|told| near(told.at));
    let mut strikes = 0;
    for told in struck {
        match &told.event {
            Event::Struck(_) => strikes += 1,
            Event::Killed { host, .. } if *host != died => return false,
            Event::Started { host, .. } if *host != died => return false,
            // A change of the members takes a leader away, or a voter.
            Event::Ordered { .. } | Event::Leaving { .. } | Event::HandsOver { .. } => return false,
            Event::Halted { .. } | Event::Panicked { .. } | Event::Stopped { .. } => return false,
            _ => {}
        }
    }
    let ends = story.events.iter().any(|told| told.at >= at + limit);
    strikes <= 1 && at > CALM && ends
}

fn is_succeeded(story: &Story, at: Duration) -> bool {
    let limit = limit(story);
    story.events.iter().any(|told| {
        (at..=at + limit).contains(&told.at) && matches!(&told.event, Event::Role { role, .. } if role.active_term().is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{acts, killed, signed, started, story};
    use super::*;
    use crate::simulation::fault::Fault;

    fn death(successor_after_ms: u64) -> Vec<(u64, Event)> {
        let fault = Fault::Crash { host: HostId(1), kept: 0, down: Duration::from_secs(5) };
        vec![
            (900, acts(1)),
            (7000, Event::Struck(fault)),
            (7000, killed(1)),
            (7000 + successor_after_ms, acts(2)),
            (12_000, signed(2, 7, 0xaa)),
        ]
    }

    #[test]
    fn a_successor_that_comes_late_is_found_unless_more_was_wrong() {
        assert_eq!(resume(&story(death(700))), []);
        assert!(matches!(resume(&story(death(1500)))[..], [Finding::NoSuccessor { .. }]));
        let mut another_died = death(1500);
        another_died.insert(1, (5000, killed(3)));
        another_died.insert(2, (6900, started(3)));
        assert_eq!(resume(&story(another_died)), []);
    }
}
