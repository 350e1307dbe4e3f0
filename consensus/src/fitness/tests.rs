use std::collections::BTreeMap;

use ollin_protocol::units::ReplicaId;
use proptest::prelude::*;

use super::*;

const SLOT_MS: u64 = 72_000;
const PATIENCE: Patience = Patience { unable_ms: 2_000, other_ms: 10_000 };

fn well() -> Report {
    Report {
        can_grant: true,
        l1_endpoints: 2,
        l1_endpoints_up: 2,
        l1_head: Some(100),
        l1_head_delay_ms: Some(300),
        archiver_block: Some(100),
        disk_free: Some(50 << 30),
        sync_ms: Some(3),
        ..Report::default()
    }
}

fn reference() -> Reference {
    Reference { l1_head: Some(100), l1_head_delay_ms: Some(300), l1_slot_ms: 12_000, sync_limit_ms: 100 }
}

fn class_of(change: impl FnOnce(&mut Report)) -> (Class, Vec<Reason>) {
    let mut report = well();
    change(&mut report);
    let found = Assessment::of(&report, &reference());
    (found.class, found.reasons)
}

#[test]
fn every_reading_has_its_class_and_its_reason() {
    assert_eq!(class_of(|_| ()), (Class::Fit, vec![]));
    assert_eq!(class_of(|report| report.can_grant = false), (Class::Unable, vec![Reason::NoGrants]));
    assert_eq!(class_of(|report| report.leaving = Leaving::Draining), (Class::Draining, vec![Reason::Draining]));
    assert_eq!(class_of(|report| report.leaving = Leaving::Stopping), (Class::Unable, vec![Reason::Stopping]));
    assert_eq!(class_of(|report| report.l1_endpoints_up = 0), (Class::Unable, vec![Reason::L1Unreachable { endpoints: 2 }]));
    let one_down = Reason::L1EndpointDown { down: 1, endpoints: 2 };
    assert_eq!(class_of(|report| report.l1_endpoints_up = 1), (Class::Degraded, vec![one_down]));
    let head = |head: u64| {
        class_of(|report| {
            report.l1_head = Some(head);
            report.archiver_block = Some(head);
        })
    };
    assert_eq!(head(99), (Class::Fit, vec![]));
    assert_eq!(head(98), (Class::Degraded, vec![Reason::L1Behind { blocks: 2 }]));
    assert_eq!(head(96), (Class::Unable, vec![Reason::L1Behind { blocks: 4 }]));
    assert_eq!(class_of(|report| report.l1_head = None), (Class::Unable, vec![Reason::L1Unread]));
    assert_eq!(class_of(|report| report.archiver_fault = true), (Class::Unable, vec![Reason::ArchiverFault]));
    let archiver = class_of(|report| report.archiver_block = Some(97));
    assert_eq!(archiver, (Class::Degraded, vec![Reason::ArchiverBehind { blocks: 3 }]));
    assert_eq!(class_of(|report| report.disk_stalled = true), (Class::Unable, vec![Reason::DiskStalled]));
    let full = |free: u64| class_of(|report| report.disk_free = Some(free));
    assert_eq!(full(500 << 20), (Class::Degraded, vec![Reason::DiskFull { free_mib: 500 }]));
    assert_eq!(full(100 << 20), (Class::Unable, vec![Reason::DiskFull { free_mib: 100 }]));
    assert_eq!(class_of(|report| report.sync_ms = Some(101)), (Class::Degraded, vec![Reason::DiskSlow { sync_ms: 101 }]));
    let clock = |delay: i64| class_of(|report| report.l1_head_delay_ms = Some(delay));
    assert_eq!(clock(2_300), (Class::Fit, vec![]));
    assert_eq!(clock(-1_800), (Class::Degraded, vec![Reason::Clock { offset_ms: -2_100 }]));
    assert_eq!(clock(13_000), (Class::Unable, vec![Reason::Clock { offset_ms: 12_700 }]));
}

#[test]
fn where_l1_is_fast_a_few_blocks_are_no_lag() {
    let report = Report { l1_head: Some(95), archiver_block: Some(95), ..well() };
    let fast = |l1_slot_ms| Assessment::of(&report, &Reference { l1_slot_ms, ..reference() }).class;
    assert_eq!([fast(1_000), fast(1_200), fast(2_400)], [Class::Fit, Class::Degraded, Class::Unable]);
}

#[test]
fn the_gravest_reason_comes_first_and_makes_the_class() {
    let (class, reasons) = class_of(|report| {
        report.l1_endpoints_up = 1;
        report.disk_stalled = true;
        report.leaving = Leaving::Draining;
    });
    assert_eq!(class, Class::Unable);
    let down = Reason::L1EndpointDown { down: 1, endpoints: 2 };
    assert_eq!(reasons, [Reason::DiskStalled, Reason::Draining, down]);
}

#[test]
fn an_l1_that_stands_still_for_all_and_a_clock_that_differs_from_nobodys_are_no_reasons() {
    let old = Report { l1_head: Some(7), archiver_block: Some(7), ..well() };
    let reference = Reference::of([&old, &old, &old].into_iter(), 12_000, 100);
    assert_eq!(Assessment::of(&old, &reference).class, Class::Fit);
    let alone = Report { l1_head_delay_ms: Some(90_000), ..well() };
    let reference = Reference::of([&alone].into_iter(), 12_000, 100);
    assert_eq!(Assessment::of(&alone, &reference).class, Class::Fit);
}

#[test]
fn one_clock_of_three_that_is_off_is_the_one_that_is_blamed() {
    let off = Report { l1_head_delay_ms: Some(-20_000), ..well() };
    let reference = Reference::of([&off, &well(), &well()].into_iter(), 12_000, 100);
    assert_eq!(Assessment::of(&off, &reference).class, Class::Unable);
    assert_eq!(Assessment::of(&well(), &reference).class, Class::Fit);
}

#[test]
fn a_replica_is_unable_after_a_while_and_of_another_class_after_a_longer_one() {
    let seen = |class| Assessment { class, reasons: vec![] };
    let mut steady = Steady::default();
    assert_eq!(steady.observe(0, &seen(Class::Fit), PATIENCE), Class::Fit);
    assert_eq!(steady.observe(1_000, &seen(Class::Unable), PATIENCE), Class::Fit);
    assert_eq!(steady.observe(2_000, &seen(Class::Degraded), PATIENCE), Class::Fit, "worse all the time, if not equally");
    assert_eq!(steady.observe(3_000, &seen(Class::Unable), PATIENCE), Class::Unable);
    assert_eq!(steady.observe(4_000, &seen(Class::Fit), PATIENCE), Class::Unable);
    assert_eq!(steady.observe(9_000, &seen(Class::Unable), PATIENCE), Class::Unable, "a relapse starts the wait anew");
    assert_eq!(steady.observe(10_000, &seen(Class::Fit), PATIENCE), Class::Unable);
    assert_eq!(steady.observe(20_000, &seen(Class::Fit), PATIENCE), Class::Fit);
    assert_eq!(steady.observe(20_001, &seen(Class::Draining), PATIENCE), Class::Draining, "an operator's word counts at once");
    assert_eq!(steady.observe(20_002, &seen(Class::Fit), PATIENCE), Class::Fit, "and its withdrawal");
}

#[test]
fn a_replica_that_starts_unable_counts_as_fit_as_soon_as_it_is() {
    let seen = |class| Assessment { class, reasons: vec![] };
    let mut steady = Steady::default();
    assert_eq!(steady.observe(0, &seen(Class::Unable), PATIENCE), Class::Unable);
    assert_eq!(steady.observe(500, &seen(Class::Fit), PATIENCE), Class::Fit);
    assert_eq!(steady.observe(1_000, &seen(Class::Unable), PATIENCE), Class::Fit, "from here on it must last");
}

fn candidate(id: u64, class: Class) -> Candidate {
    Candidate { id: ReplicaId::new(id), class, age_ms: 100, lag: Some(0) }
}

fn decided(own: Class, others: &[Candidate], hand_overs_ms: Vec<u64>, now_ms: u64) -> Decision {
    let history = History::new(hand_overs_ms);
    decide(&Situation { now_ms, own, others, history: &history }, &Rules::for_slots(SLOT_MS))
}

#[test]
fn leadership_goes_to_the_best_voter_that_is_fresh_and_caught_up_and_only_to_a_better_one() {
    use Class::{Degraded, Draining, Fit, Unable};
    let to = |id, class| Decision::HandOver { to: ReplicaId::new(id), class };
    assert_eq!(decided(Unable, &[candidate(2, Degraded), candidate(3, Fit)], vec![], 0), to(3, Fit));
    assert_eq!(decided(Draining, &[candidate(2, Degraded), candidate(3, Unable)], vec![], 0), to(2, Degraded));
    assert_eq!(decided(Degraded, &[candidate(2, Degraded), candidate(3, Fit)], vec![], 0), to(3, Fit));
    let behind = Candidate { lag: Some(65), ..candidate(3, Fit) };
    assert_eq!(decided(Unable, &[candidate(2, Degraded), behind], vec![], 0), to(2, Degraded));
    let stale = Candidate { age_ms: 3_001, ..candidate(3, Fit) };
    assert_eq!(decided(Unable, &[candidate(2, Degraded), stale], vec![], 0), to(2, Degraded));
    let unknown = Candidate { lag: None, ..candidate(3, Fit) };
    let stays = Decision::Stay(StayReason::NobodyBetter);
    assert_eq!(decided(Unable, &[unknown, candidate(2, Draining)], vec![], 0), stays, "nobody who could work a slot");
    assert_eq!(decided(Unable, &[], vec![], 0), stays, "a cluster of one never waits for itself");
    assert_eq!(decided(Unable, &[candidate(2, Unable), candidate(3, Unable)], vec![], 0), stays);
    assert_eq!(decided(Fit, &[candidate(2, Fit)], vec![], 0), Decision::Stay(StayReason::Fit));
}

#[test]
fn the_pause_between_hand_overs_doubles_and_a_drain_does_not_wait_for_it() {
    let fit = [candidate(2, Class::Fit)];
    let too_soon = |at_ms| Decision::Stay(StayReason::TooSoon { at_ms });
    assert_eq!(decided(Class::Unable, &fit, vec![1_000], 2_000), too_soon(1_000 + SLOT_MS));
    assert_eq!(decided(Class::Unable, &fit, vec![1_000, 80_000], 90_000), too_soon(80_000 + 2 * SLOT_MS));
    assert_eq!(decided(Class::Unable, &fit, vec![1_000, 80_000, 300_000], 310_000), too_soon(300_000 + 4 * SLOT_MS));
    assert!(matches!(decided(Class::Unable, &fit, vec![1_000], 1_000 + SLOT_MS), Decision::HandOver { .. }));
    assert!(matches!(decided(Class::Draining, &fit, vec![1_000], 2_000), Decision::HandOver { .. }));
}

#[test]
fn an_unfit_follower_stands_back_for_a_better_one_and_not_for_ever() {
    let rules = Rules::for_slots(SLOT_MS);
    let fit = [candidate(2, Class::Fit)];
    assert!(stands_back(Class::Unable, &fit, 0, &rules));
    assert!(stands_back(Class::Draining, &fit, 2_999, &rules));
    assert!(!stands_back(Class::Unable, &fit, 3_000, &rules), "the better one does not win: its log may be behind");
    assert!(!stands_back(Class::Degraded, &fit, 0, &rules));
    assert!(!stands_back(Class::Unable, &[candidate(2, Class::Unable)], 0, &rules), "nobody waits for an equal");
    assert!(!stands_back(Class::Unable, &[], 0, &rules));
    let dead = [Candidate { age_ms: 3_001, ..candidate(2, Class::Fit) }];
    assert!(!stands_back(Class::Unable, &dead, 0, &rules));
}

/// What befalls the replicas: after so many milliseconds, this one is seen in that class.
type Event = (u64, u64, Class);

fn events(classes: Vec<Class>) -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec((1_u64..20_000, 1_u64..4, proptest::sample::select(classes)), 1..600)
}

/// Plays events against three replicas that decide as the real ones do; returns the moments of all hand-overs.
fn played(events: &[Event]) -> Vec<u64> {
    let rules = Rules::for_slots(SLOT_MS);
    let mut seen: BTreeMap<u64, Class> = (1..=3).map(|id| (id, Class::Fit)).collect();
    let mut steady: BTreeMap<u64, Steady> = (1..=3).map(|id| (id, Steady::default())).collect();
    let (mut now_ms, mut leader, mut hand_overs) = (0, 1, Vec::new());
    for (after_ms, replica, class) in events {
        let until = now_ms + after_ms;
        seen.insert(*replica, *class);
        while now_ms < until {
            now_ms = (now_ms + 500).min(until);
            let mut classes = BTreeMap::new();
            for (id, steady) in &mut steady {
                let assessment = Assessment { class: seen[id], reasons: vec![] };
                classes.insert(*id, steady.observe(now_ms, &assessment, PATIENCE));
            }
            let others: Vec<_> =
                classes.iter().filter(|(id, _)| **id != leader).map(|(id, class)| candidate(*id, *class)).collect();
            let history = History::new(hand_overs.clone());
            let own = classes[&leader];
            if let Decision::HandOver { to, class } =
                decide(&Situation { now_ms, own, others: &others, history: &history }, &rules)
            {
                assert!(class > own && class >= Class::Degraded, "{own} to {class}");
                assert_ne!(to.get(), leader);
                hand_overs.push(now_ms);
                leader = to.get();
            }
        }
    }
    hand_overs
}

fn most_in_window(hand_overs: &[u64]) -> usize {
    let window = Rules::for_slots(SLOT_MS).window_ms;
    let within = |start: &u64| hand_overs.iter().filter(|at| (*start..=start + window).contains(at)).count();
    hand_overs.iter().map(within).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_classes_makes_leadership_go_to_and_fro(
        events in events(vec![Class::Unable, Class::Degraded, Class::Fit])
    ) {
        let hand_overs = played(&events);
        prop_assert!(most_in_window(&hand_overs) <= Rules::most_in_window() as usize, "{hand_overs:?}");
        prop_assert!(hand_overs.windows(2).all(|pair| pair[1] - pair[0] >= SLOT_MS), "once a slot at most: {hand_overs:?}");
    }

    #[test]
    fn an_operator_moves_leadership_at_most_once_with_each_drain(
        events in events(vec![Class::Unable, Class::Draining, Class::Fit])
    ) {
        let drains = events.iter().filter(|(_, _, class)| *class == Class::Draining).count();
        let moved = played(&events);
        let span = events.iter().map(|(after, _, _)| after).sum::<u64>();
        let windows = usize::try_from(span / Rules::for_slots(SLOT_MS).window_ms).unwrap() + 1;
        prop_assert!(moved.len() <= drains + windows * Rules::most_in_window() as usize, "{} moves, {drains} drains", moved.len());
    }
}

#[test]
fn two_replicas_that_fail_in_turns_for_an_hour_move_leadership_a_few_times() {
    let events: Vec<Event> =
        (0..240).map(|turn| (15_000, 1 + turn % 2, if turn / 2 % 2 == 0 { Class::Unable } else { Class::Fit })).collect();
    let moved = played(&events).len();
    assert!((2..=8).contains(&moved), "{moved}");
}
