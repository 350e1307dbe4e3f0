//! S5: replicas at the same applied index hold identical state.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Finding;
use crate::simulation::story::{Event, Story};

/// Compares the states of all machines, entry by entry. What was applied is known by its chain: one history gives one state, always;
/// and there is one history, until so many disks were taken away that a quorum may have forgotten its end.
pub fn determinism(story: &Story) -> Vec<Finding> {
    let end = story.quorum_taken_at().unwrap_or(Duration::MAX);
    let (mut states, mut histories) = (BTreeMap::new(), BTreeMap::new());
    let mut findings = Vec::new();
    for told in &story.events {
        let Event::Sampled { host, state } = &told.event else { continue };
        let digest = state.digest;
        let (first, held) = *states.entry(digest.chain).or_insert((*host, digest));
        if held != digest {
            findings.push(Finding::StatesDiffer { index: digest.index, first, second: *host });
        }
        let (first, chain) = *histories.entry(digest.index).or_insert((*host, digest.chain));
        if chain != digest.chain && told.at < end {
            findings.push(Finding::HistoriesDiffer { index: digest.index, first, second: *host });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{sampled, sampled_of, story, taken};
    use super::*;

    #[test]
    fn two_states_of_one_history_are_found() {
        let same = story([(1, sampled(1, 5, 1, 3)), (2, sampled(2, 5, 1, 3)), (3, sampled(2, 6, 2, 3))]);
        assert_eq!(determinism(&same), []);
        let other = story([(1, sampled_of(1, 5, 7, 1)), (2, sampled_of(2, 5, 7, 9))]);
        assert!(matches!(determinism(&other)[..], [Finding::StatesDiffer { index: 5, .. }]));
    }

    #[test]
    fn two_histories_are_found_unless_a_quorum_may_have_forgotten_one() {
        let two = || [(1, sampled_of(1, 5, 7, 1)), (9, sampled_of(2, 5, 8, 2))];
        assert!(matches!(determinism(&story(two()))[..], [Finding::HistoriesDiffer { index: 5, .. }]));
        let [first, second] = two();
        let forgotten = story([first, (2, taken(1, 1)), (3, taken(2, 2)), second]);
        assert_eq!(determinism(&forgotten), []);
        let [first, second] = two();
        let one = story([first, (2, taken(1, 1)), (3, taken(1, 1)), second]);
        assert_eq!(determinism(&one).len(), 1, "one replica's forgetting changes no history");
    }
}
