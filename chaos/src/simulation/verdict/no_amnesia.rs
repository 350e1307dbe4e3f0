//! S6: a replica whose disk was lost, rolled back or cloned takes no part under its old id before all others were heard.

use std::collections::BTreeMap;
use std::time::Duration;

use ollin_consensus::{Memory, Term};
use ollin_protocol::units::ReplicaId;

use super::Finding;
use crate::simulation::story::{Event, HostId, Story};

/// What is known of a machine whose disk was taken away.
#[derive(Clone, Copy)]
struct Struck {
    at: Duration,
    /// Under which Raft id its lost promises were made.
    raft_id: Option<u64>,
    /// Its process has left the roll call behind.
    heard_out: bool,
    /// Its own anchor tells of it.
    known: bool,
    /// A process has called the roll and made good what was lost: the next one may continue that one.
    settled: bool,
}

/// Follows every machine whose disk does not hold what it had promised. A process that starts on it must not think that it continues
/// the one before, and must neither lead nor sign before it has called the roll; under a new Raft id it is another replica. And
/// while no more than one replica's memory was taken away, no term has two leaders: somebody would have voted twice.
pub fn no_amnesia(story: &Story) -> Vec<Finding> {
    let mut findings = two_leaders(story);
    let mut struck: BTreeMap<HostId, Struck> = BTreeMap::new();
    let mut ids = BTreeMap::new();
    for told in &story.events {
        let at = told.at;
        match &told.event {
            Event::Taken { host, .. } => {
                let raft_id = ids.get(host).copied();
                struck.insert(*host, Struck { at, raft_id, heard_out: false, known: true, settled: false });
            }
            // The process that runs on is refused by whoever has heard the copy, and so is one that starts.
            Event::Outlived { host, .. } => {
                let raft_id = ids.get(host).copied();
                struck.insert(*host, Struck { at, raft_id, heard_out: false, known: false, settled: false });
            }
            Event::GivenBack { host, .. } => drop(struck.remove(host)),
            Event::Started { host, .. } => hear(&mut struck, *host, false),
            Event::Opened { host, raft_id, memory } => {
                ids.insert(*host, *raft_id);
                struck.retain(|of, struck| of != host || struck.raft_id.is_none_or(|old| old == *raft_id));
                if let Some(known) = struck.get_mut(host)
                    && *memory != Memory::Recovering
                {
                    if known.known && !known.settled {
                        findings.push(amnesia(*host, known, at, "it takes itself for the one before"));
                    }
                    known.heard_out |= known.known;
                }
            }
            Event::Memory { host, memory } => {
                hear(&mut struck, *host, *memory != Memory::Recovering);
                if let Some(known) = struck.get_mut(host) {
                    known.settled |= *memory == Memory::Whole;
                }
            }
            Event::Role { host, role, .. } if role.active_term().is_some() => {
                findings.extend(unheard(&struck, *host).map(|struck| amnesia(*host, struck, at, "it leads")));
            }
            Event::Signed { host, .. } => {
                findings.extend(unheard(&struck, *host).map(|struck| amnesia(*host, struck, at, "it signs")));
            }
            _ => {}
        }
    }
    findings
}

fn hear(struck: &mut BTreeMap<HostId, Struck>, host: HostId, heard_out: bool) {
    if let Some(struck) = struck.get_mut(&host) {
        struck.heard_out = heard_out;
    }
}

fn unheard(struck: &BTreeMap<HostId, Struck>, host: HostId) -> Option<&Struck> {
    struck.get(&host).filter(|struck| !struck.heard_out)
}

fn amnesia(host: HostId, struck: &Struck, at: Duration, what: &'static str) -> Finding {
    Finding::Amnesia { host, struck_at: struck.at, at, what }
}

fn two_leaders(story: &Story) -> Vec<Finding> {
    let end = story.quorum_taken_at().unwrap_or(Duration::MAX);
    let mut leaders: BTreeMap<Term, (HostId, ReplicaId)> = BTreeMap::new();
    let mut findings = Vec::new();
    for told in story.events.iter().take_while(|told| told.at < end) {
        let Event::Role { host, replica, role } = &told.event else { continue };
        let Some(term) = role.active_term() else { continue };
        let (first, _) = *leaders.entry(term).or_insert((*host, *replica));
        if first != *host {
            findings.push(Finding::TwoLeaders { term, first, second: *host, at: told.at });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{acts, acts_in, memory, opened, signed, started, story, taken};
    use super::*;

    #[test]
    fn a_machine_whose_disk_was_taken_away_acts_only_after_the_roll_call() {
        let before = || vec![(1, opened(2, 2, Memory::Recovering)), (2, taken(2, 2)), (3, started(2))];
        let told = |rest: Vec<(u64, Event)>| no_amnesia(&story(before().into_iter().chain(rest)));
        let open = || (4, opened(2, 2, Memory::Recovering));
        assert_eq!(told(vec![open(), (5, memory(2, Memory::Whole)), (6, acts(2)), (7, signed(2, 7, 0xaa))]), []);
        assert_eq!(told(vec![open(), (5, memory(2, Memory::Doubtful)), (6, acts(2))]), []);
        assert_eq!(told(vec![open(), (6, acts(2)), (7, signed(2, 7, 0xaa))]).len(), 2, "while it is still recovering");
        let again = [(5, memory(2, Memory::Whole)), (6, started(2)), (7, open().1), (8, acts(2))];
        assert_eq!(told([open()].into_iter().chain(again).collect()).len(), 1, "each process calls the roll");
    }

    #[test]
    fn who_takes_itself_for_the_one_before_is_found_at_once() {
        for memory in [Memory::Whole, Memory::Doubtful] {
            let bad =
                story([(1, opened(2, 2, Memory::Recovering)), (2, taken(2, 2)), (3, started(2)), (4, opened(2, 2, memory))]);
            assert!(matches!(no_amnesia(&bad)[..], [Finding::Amnesia { host: HostId(2), .. }]));
        }
        let before =
            [(1, opened(2, 2, Memory::Recovering)), (2, taken(2, 2)), (3, started(2)), (4, opened(2, 2, Memory::Recovering))];
        let after = |between| before.clone().into_iter().chain([(5, memory(2, between)), (6, opened(2, 2, Memory::Whole))]);
        assert_eq!(no_amnesia(&story(after(Memory::Whole))), [], "it continues the one that has called the roll");
        assert_eq!(no_amnesia(&story(after(Memory::Doubtful))).len(), 1, "that one still owed something");
        let honest = story([(1, opened(2, 2, Memory::Recovering)), (3, started(2)), (4, opened(2, 2, Memory::Whole))]);
        assert_eq!(no_amnesia(&honest), [], "its disk was not touched");
        let (again, back) = ((3, started(2)), (2, Event::GivenBack { host: HostId(2), replica: ReplicaId::new(2) }));
        let put_right = [(1, opened(2, 2, Memory::Recovering)), (2, taken(2, 2)), back, again, (4, opened(2, 2, Memory::Whole))];
        assert_eq!(no_amnesia(&story(put_right)), [], "it holds what was promised");
    }

    #[test]
    fn under_a_new_raft_id_it_is_another_replica_and_a_copy_is_not() {
        let healed = [(1, opened(2, 2, Memory::Recovering)), (2, taken(2, 2)), (3, opened(2, 57, Memory::Whole)), (4, acts(2))];
        assert_eq!(no_amnesia(&story(healed)), []);
        let outlived = [(1, opened(2, 2, Memory::Whole)), (2, Event::Outlived { host: HostId(2), replica: ReplicaId::new(2) })];
        let then = |rest: Vec<(u64, Event)>| no_amnesia(&story(outlived.clone().into_iter().chain(rest)));
        assert_eq!(then(vec![(3, opened(2, 2, Memory::Whole))]), [], "nothing on its machine tells of the copy");
        assert_eq!(then(vec![(3, opened(2, 2, Memory::Whole)), (4, acts(2))]).len(), 1, "but others do");
        assert_eq!(then(vec![(4, signed(2, 7, 0xaa))]).len(), 1, "nor does a process that stood still go on");
        let copy = [(1, taken(12, 2)), (2, opened(12, 2, Memory::Recovering)), (3, acts(12))];
        assert!(matches!(no_amnesia(&story(copy))[..], [Finding::Amnesia { host: HostId(12), .. }]));
    }

    #[test]
    fn a_term_has_one_leader_until_a_quorum_may_have_forgotten_its_votes() {
        let one = [(1, acts_in(1, 4)), (2, acts_in(2, 5)), (3, acts_in(2, 5))];
        assert_eq!(no_amnesia(&story(one)), []);
        let two = [(1, acts_in(1, 4)), (2, acts_in(2, 4))];
        assert!(matches!(no_amnesia(&story(two))[..], [Finding::TwoLeaders { first: HostId(1), second: HostId(2), .. }]));
        let forgotten =
            [(1, acts_in(1, 4)), (2, taken(2, 2)), (3, taken(3, 3)), (4, acts_in(1, 4)), (5, opened(2, 2, Memory::Recovering))];
        assert_eq!(no_amnesia(&story(forgotten)), []);
    }
}
