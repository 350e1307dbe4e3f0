//! S3: an acknowledged claim is never lost; floor, watermark and closed slot never fall.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ollin_protocol::units::Slot;

use super::Finding;
use crate::simulation::story::{Event, Lines, Sample, Story};

/// Checks that what left is bound at the end to the root that left, unless the watermark has passed it; and that over one history, on
/// whichever machine, lines only rise. Where a quorum's disks were taken away the cluster may have forgotten what it had bound; then
/// its slot must be closed, or lie at or below the floor: or it could be bound anew.
pub fn no_forgetting(story: &Story) -> Vec<Finding> {
    let mut findings = forgotten(story);
    let states = states(story);
    findings.extend(fallen("floor", &states, |lines| lines.floor));
    findings.extend(fallen("watermark", &states, |lines| lines.watermark));
    findings.extend(fallen("closed slot", &states, |lines| lines.closed));
    findings
}

fn forgotten(story: &Story) -> Vec<Finding> {
    let end = story.events.iter().rev().find_map(|told| match &told.event {
        Event::Final { bound, lines, .. } => Some((bound.iter().copied().collect::<BTreeMap<_, _>>(), *lines)),
        _ => None,
    });
    let Some((bound, lines)) = end else { return Vec::new() };
    let signed = story.events.iter().filter_map(|told| match &told.event {
        Event::Signed { duty, root, .. } => Some((*duty, *root)),
        _ => None,
    });
    let signed: BTreeSet<_> = signed.collect();
    // Nothing new is granted any more at or below it.
    let closed = lines.closed.max(lines.floor).filter(|_| story.quorum_taken_at().is_some());
    let kept = |slot: Slot| lines.watermark.is_none_or(|line| slot > line) && closed.is_none_or(|line| slot > line);
    let lost = signed.into_iter().filter(|(duty, root)| kept(duty.slot) && bound.get(duty) != Some(root));
    lost.map(|(duty, root)| Finding::Forgotten { duty, root, bound: bound.get(&duty).copied() }).collect()
}

/// One state for each entry, until a quorum may have forgotten some of them.
fn states(story: &Story) -> BTreeMap<u64, Sample> {
    let end = story.quorum_taken_at().unwrap_or(Duration::MAX);
    let states = story.events.iter().take_while(|told| told.at < end).filter_map(|told| match told.event {
        Event::Sampled { state, .. } => Some((state.digest.index, state)),
        _ => None,
    });
    states.collect()
}

fn fallen(name: &'static str, states: &BTreeMap<u64, Sample>, line: fn(&Lines) -> Option<Slot>) -> Option<Finding> {
    let pairs = states.iter().zip(states.iter().skip(1));
    let fell = pairs.into_iter().find(|((_, before), (_, after))| line(&after.lines) < line(&before.lines));
    fell.map(|((earlier, before), (later, after))| Finding::LineFell {
        line: name,
        earlier: *earlier,
        before: line(&before.lines),
        later: *later,
        after: line(&after.lines),
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{duty, root, sampled, signed, story, taken};
    use super::*;
    use crate::simulation::story::HostId;

    fn end(bound: Vec<(u64, u8)>, watermark: Option<u64>, closed: Option<u64>) -> Event {
        let bound = bound.into_iter().map(|(slot, byte)| (duty(slot), root(byte))).collect();
        let lines = Lines { floor: None, watermark: watermark.map(Slot::new), closed: closed.map(Slot::new) };
        Event::Final { host: HostId(1), bound, lines }
    }

    #[test]
    fn a_root_that_left_must_be_bound_at_the_end_or_lie_below_the_watermark() {
        let left = |end| story([(1, signed(1, 7, 0xaa)), (2, end)]);
        assert_eq!(no_forgetting(&left(end(vec![(7, 0xaa)], None, None))), []);
        assert_eq!(no_forgetting(&left(end(Vec::new(), Some(7), None))), []);
        for bad in [end(Vec::new(), None, None), end(Vec::new(), Some(6), None), end(vec![(7, 0xbb)], None, None)] {
            assert!(matches!(no_forgetting(&left(bad))[..], [Finding::Forgotten { .. }]));
        }
        let closed = no_forgetting(&left(end(Vec::new(), None, Some(7))));
        assert!(matches!(closed[..], [Finding::Forgotten { .. }]), "closing excuses nobody whose disks were honest");
    }

    #[test]
    fn what_a_quorum_forgot_must_lie_in_closed_slots_or_below_the_floor() {
        let left = |hosts: [u64; 2], end| {
            let [first, second] = hosts.map(|host| taken(host, host));
            story([(1, signed(1, 7, 0xaa)), (2, first), (3, second), (4, end)])
        };
        assert_eq!(no_forgetting(&left([1, 2], end(Vec::new(), None, Some(7)))), []);
        let anew = |floor| {
            let lines = Lines { floor: Some(Slot::new(floor)), watermark: None, closed: None };
            no_forgetting(&left([1, 2], Event::Final { host: HostId(1), bound: Vec::new(), lines }))
        };
        assert_eq!((anew(7).len(), anew(6).len()), (0, 1), "the cluster was created anew above what it had signed, or not");
        let open = no_forgetting(&left([1, 2], end(Vec::new(), None, Some(6))));
        assert!(matches!(open[..], [Finding::Forgotten { .. }]), "it could be bound anew");
        let one = no_forgetting(&left([1, 1], end(Vec::new(), None, Some(7))));
        assert!(matches!(one[..], [Finding::Forgotten { .. }]), "a quorum remembered it");
    }

    #[test]
    fn a_floor_may_rise_over_the_log_but_not_fall() {
        let rises = story([(1, sampled(1, 5, 1, 3)), (2, sampled(2, 9, 2, 4)), (3, sampled(1, 5, 1, 3))]);
        assert_eq!(no_forgetting(&rises), []);
        let falls = || [(1, sampled(1, 9, 1, 3)), (6, sampled(2, 5, 2, 4))];
        assert!(matches!(no_forgetting(&story(falls()))[..], [Finding::LineFell { line: "floor", earlier: 5, later: 9, .. }]));
        let [first, second] = falls();
        let forgotten = story([first, (2, taken(1, 1)), (3, taken(2, 2)), second]);
        assert_eq!(no_forgetting(&forgotten), [], "another history");
    }
}
