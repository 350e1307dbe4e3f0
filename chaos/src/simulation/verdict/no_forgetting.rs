//! S3: an acknowledged claim is never lost; floor and watermark never fall.

use std::collections::BTreeMap;

use ollin_protocol::units::Slot;

use super::Finding;
use crate::simulation::story::{Event, Sample, Story};

/// Checks that what left is bound at the end to the root that left, unless the watermark has passed it; and that over the log, on
/// whichever machine, lines only rise.
pub fn no_forgetting(story: &Story) -> Vec<Finding> {
    let mut findings = forgotten(story);
    let states = samples(story);
    findings.extend(fallen("floor", &states, |state| state.floor));
    findings.extend(fallen("watermark", &states, |state| state.watermark));
    findings
}

fn forgotten(story: &Story) -> Vec<Finding> {
    let end = story.events.iter().rev().find_map(|told| match &told.event {
        Event::Final { bound, watermark, .. } => Some((bound.iter().copied().collect::<BTreeMap<_, _>>(), *watermark)),
        _ => None,
    });
    let Some((bound, watermark)) = end else { return Vec::new() };
    let mut seen = BTreeMap::new();
    for told in &story.events {
        if let Event::Signed { duty, root, .. } = &told.event {
            seen.insert((*duty, *root), ());
        }
    }
    let kept = |slot: Slot| watermark.is_none_or(|watermark| slot > watermark);
    let lost = seen.into_keys().filter(|(duty, root)| kept(duty.slot) && bound.get(duty) != Some(root));
    lost.map(|(duty, root)| Finding::Forgotten { duty, root, bound: bound.get(&duty).copied() }).collect()
}

/// One state for each entry.
fn samples(story: &Story) -> BTreeMap<u64, Sample> {
    let states = story.events.iter().filter_map(|told| match told.event {
        Event::Sampled { state, .. } => Some((state.index, state)),
        _ => None,
    });
    states.collect()
}

fn fallen(name: &'static str, states: &BTreeMap<u64, Sample>, line: fn(&Sample) -> Option<Slot>) -> Option<Finding> {
    let pairs = states.iter().zip(states.iter().skip(1));
    pairs.into_iter().find(|((_, before), (_, after))| line(after) < line(before)).map(|((earlier, before), (later, after))| {
        Finding::LineFell { line: name, earlier: *earlier, before: line(before), later: *later, after: line(after) }
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{duty, root, sampled, signed, story};
    use super::*;
    use crate::simulation::story::HostId;

    fn end(bound: Vec<(u64, u8)>, watermark: Option<u64>) -> Event {
        let bound = bound.into_iter().map(|(slot, byte)| (duty(slot), root(byte))).collect();
        Event::Final { host: HostId(1), bound, watermark: watermark.map(Slot::new) }
    }

    #[test]
    fn a_root_that_left_must_be_bound_at_the_end_or_lie_below_the_watermark() {
        let left = |end| story([(1, signed(1, 7, 0xaa)), (2, end)]);
        assert_eq!(no_forgetting(&left(end(vec![(7, 0xaa)], None))), []);
        assert_eq!(no_forgetting(&left(end(Vec::new(), Some(7)))), []);
        for bad in [end(Vec::new(), None), end(Vec::new(), Some(6)), end(vec![(7, 0xbb)], None)] {
            assert!(matches!(no_forgetting(&left(bad))[..], [Finding::Forgotten { .. }]));
        }
    }

    #[test]
    fn a_floor_may_rise_over_the_log_but_not_fall() {
        let rises = story([(1, sampled(1, 5, 1, 3)), (2, sampled(2, 9, 2, 4)), (3, sampled(1, 5, 1, 3))]);
        assert_eq!(no_forgetting(&rises), []);
        let falls = story([(1, sampled(1, 9, 1, 3)), (2, sampled(2, 5, 2, 4))]);
        assert!(matches!(no_forgetting(&falls)[..], [Finding::LineFell { line: "floor", earlier: 5, later: 9, .. }]));
    }
}
