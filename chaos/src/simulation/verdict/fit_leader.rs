//! V3: leadership follows fitness, and does not go to and fro.

use std::collections::BTreeMap;
use std::time::Duration;

use ollin_consensus::fitness::{Class, Rules};

use super::Finding;
use crate::simulation::fault::Fault;
use crate::simulation::l1::Trouble;
use crate::simulation::story::{Event, HostId, Story};

/// How long a replica that cannot work a slot may go on leading while another one could. Its own judgement is patient already: this
/// is for the reports, the hand-over and the successor's first look.
const LIMIT: Duration = Duration::from_secs(2);

/// Checks that nobody leads on who is unable while another one is known to be fit and nothing else is wrong; that no hand-over goes
/// to a replica that is not better; and that there are not more of them than the rules allow.
pub fn fit_leader(story: &Story) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut count = 0_usize;
    let (mut classes, mut unfit): (BTreeMap<HostId, Class>, Option<(HostId, Duration)>) = (BTreeMap::new(), None);
    let mut acting = None;
    for told in &story.events {
        if let Some((host, since)) = unfit.filter(|(_, since)| told.at > *since + LIMIT) {
            if count == 0 && is_calm(story, host, since) {
                findings.push(Finding::UnfitLeader { host, since, limit: LIMIT });
            }
            unfit = None;
        }
        match &told.event {
            Event::Role { host, role, .. } if role.active_term().is_some() => acting = Some(*host),
            Event::Role { host, .. } if acting == Some(*host) => acting = None,
            Event::Killed { host, .. } => {
                classes.remove(host);
                acting = acting.filter(|acting| acting != host);
            }
            Event::Class { host, class, .. } => {
                classes.insert(*host, *class);
            }
            Event::HandsOver { host, own, to, class } => {
                count += 1;
                if class <= own {
                    findings.push(Finding::HandedDown { host: *host, at: told.at, own: *own, to: *to, class: *class });
                }
            }
            _ => continue,
        }
        let is_unfit = |host: &HostId| classes.get(host) == Some(&Class::Unable);
        let has_better = classes.values().any(|class| *class == Class::Fit);
        let now = acting.filter(|host| is_unfit(host) && has_better);
        unfit = now.map(|host| unfit.filter(|(before, _)| *before == host).unwrap_or((host, told.at)));
    }
    if count > usize::try_from(Rules::most_in_window()).unwrap_or(usize::MAX) {
        findings.push(Finding::ToAndFro { count });
    }
    findings
}

/// Nothing has happened for a while, and nothing happens, but that its way to L1 was lost.
fn is_calm(story: &Story, host: HostId, since: Duration) -> bool {
    let near = |at: Duration| at + Duration::from_secs(4) > since && at < since + LIMIT;
    let own = |fault: &Fault| matches!(fault, Fault::L1 { host: struck, trouble: Trouble::Gone, .. } if *struck == host);
    let disturbs = |event: &Event| match event {
        Event::Struck(fault) => !own(fault),
        Event::Killed { .. } | Event::Started { .. } | Event::Halted { .. } | Event::Panicked { .. } | Event::Stopped { .. } => {
            true
        }
        Event::Ordered { .. } | Event::Leaving { .. } => true,
        _ => false,
    };
    !story.events.iter().any(|told| near(told.at) && disturbs(&told.event))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{acts, class, hands_over, story};
    use super::*;

    fn unable(at_ms: u64) -> Vec<(u64, Event)> {
        let fault = Fault::L1 { host: HostId(1), trouble: Trouble::Gone, down: Duration::from_secs(3) };
        vec![
            (0, acts(1)),
            (1, class(1, Class::Fit)),
            (1, class(2, Class::Fit)),
            (at_ms - 300, Event::Struck(fault)),
            (at_ms, class(1, Class::Unable)),
        ]
    }

    #[test]
    fn an_unable_leader_must_hand_over_unless_more_is_wrong_or_nobody_is_better() {
        let until = |mut events: Vec<(u64, Event)>, rest: Vec<(u64, Event)>| {
            events.extend(rest);
            events.push((9_900, class(3, Class::Degraded)));
            fit_leader(&story(events))
        };
        assert_eq!(until(unable(5_000), vec![(6_000, hands_over(1, Class::Unable, 2, Class::Fit)), (6_100, acts(2))]), []);
        assert!(matches!(until(unable(5_000), Vec::new())[..], [Finding::UnfitLeader { host: HostId(1), .. }]));
        let more = vec![(5_500, Event::Struck(Fault::Reorg { depth: 1 }))];
        assert_eq!(until(unable(5_000), more), []);
        let nobody = vec![(5_100, class(2, Class::Unable))];
        assert_eq!(until(unable(5_000), nobody), []);
    }

    #[test]
    fn handing_down_and_going_to_and_fro_are_found() {
        let down = [(1, acts(1)), (2, hands_over(1, Class::Degraded, 2, Class::Degraded))];
        assert!(matches!(fit_leader(&story(down))[..], [Finding::HandedDown { .. }]));
        let to_and_fro = (1..=20).map(|at| (at, hands_over(1, Class::Unable, 2, Class::Fit)));
        assert_eq!(fit_leader(&story(to_and_fro)), [Finding::ToAndFro { count: 20 }]);
    }
}
