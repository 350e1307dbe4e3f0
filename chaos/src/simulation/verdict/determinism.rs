//! S5: replicas at the same applied index hold identical state.

use std::collections::BTreeMap;

use super::Finding;
use crate::simulation::story::{Event, Story};

/// Compares the states of all machines, entry by entry.
pub fn determinism(story: &Story) -> Vec<Finding> {
    let mut seen = BTreeMap::new();
    let mut findings = Vec::new();
    for told in &story.events {
        let Event::Sampled { host, state } = &told.event else { continue };
        let (first, digest) = *seen.entry(state.index).or_insert((*host, state.digest));
        if digest != state.digest {
            findings.push(Finding::StatesDiffer { index: state.index, first, second: *host });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{sampled, story};
    use super::*;

    #[test]
    fn two_states_of_one_entry_are_found() {
        let same = story([(1, sampled(1, 5, 1, 3)), (2, sampled(2, 5, 1, 3)), (3, sampled(2, 6, 2, 3))]);
        assert_eq!(determinism(&same), []);
        let other = story([(1, sampled(1, 5, 1, 3)), (2, sampled(2, 5, 9, 3))]);
        assert!(matches!(determinism(&other)[..], [Finding::StatesDiffer { index: 5, .. }]));
    }
}
