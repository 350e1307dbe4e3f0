//! S1: for every duty at most one signing root ever leaves any replica.

use std::collections::BTreeMap;

use super::Finding;
use crate::simulation::story::{Event, Story};

/// Compares every signature with the first one of its duty, over all machines, disks and copies.
pub fn one_root(story: &Story) -> Vec<Finding> {
    let mut seen = BTreeMap::new();
    let mut findings = Vec::new();
    for told in &story.events {
        let Event::Signed { host, duty, root, .. } = &told.event else { continue };
        let (first, first_host, first_at) = *seen.entry(*duty).or_insert((*root, *host, told.at));
        if first != *root {
            let (second, second_host, second_at) = (*root, *host, told.at);
            findings.push(Finding::TwoRoots { duty: *duty, first, first_host, first_at, second, second_host, second_at });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{signed, story};
    use super::*;

    #[test]
    fn two_roots_of_one_duty_are_found_wherever_and_whenever_they_left() {
        let same_again = story([(1, signed(1, 7, 0xaa)), (9000, signed(2, 7, 0xaa)), (9001, signed(1, 8, 0xbb))]);
        assert_eq!(one_root(&same_again), []);
        for host in [1, 2, 13] {
            let other = story([(1, signed(1, 7, 0xaa)), (2, signed(3, 7, 0xaa)), (9000, signed(host, 7, 0xbb))]);
            assert!(matches!(one_root(&other)[..], [Finding::TwoRoots { second_host, .. }] if second_host.0 == host));
        }
    }
}
