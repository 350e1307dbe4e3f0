use proptest::prelude::*;

use super::*;

fn name(number: u64) -> ReplicaId {
    ReplicaId::new(number)
}

fn member(number: u64) -> Member {
    let fingerprint = [u8::try_from(number).unwrap(); 32];
    Member { name: name(number), address: format!("host:{}", 7000 + number), fingerprint, kind: MemberKind::Full }
}

const WELL: Health = Health { behind: Some(0), silent_ms: Some(10) };
const GONE: Health = Health { behind: Some(0), silent_ms: Some(60_000) };

/// Three voters of which 1 leads, and the learner 4 under Raft id 40; all are well.
fn four() -> Situation {
    let mut members: BTreeMap<u64, Member> = (1..=3).map(|id| (id, member(id))).collect();
    members.insert(40, member(4));
    Situation {
        open: true,
        configurations: vec![BTreeSet::from([1, 2, 3])],
        members,
        committed: true,
        leader: 1,
        health: [2, 3, 40].map(|id| (id, WELL)).into(),
        untaken: BTreeSet::new(),
        retired: BTreeMap::new(),
        answers: BTreeMap::new(),
    }
}

fn add(number: u64) -> MemberOrder {
    let Member { name, address, fingerprint, kind } = member(number);
    MemberOrder::Add { replica: name, address, fingerprint, kind }
}

fn promote(number: u64) -> MemberOrder {
    MemberOrder::Promote { replica: name(number) }
}

fn demote(number: u64) -> MemberOrder {
    MemberOrder::Demote { replica: name(number) }
}

fn remove(number: u64) -> MemberOrder {
    MemberOrder::Remove { replica: name(number) }
}

fn replace(old: u64, new: u64) -> MemberOrder {
    MemberOrder::Replace { old: name(old), new: name(new) }
}

fn renew(number: u64) -> MemberOrder {
    MemberOrder::Renew { replica: name(number) }
}

fn voters(added: &[u64], removed: &[u64]) -> Plan {
    let set = |ids: &[u64]| ids.iter().copied().collect();
    Plan::Voters { added: set(added), removed: set(removed), dropped: BTreeSet::new(), keep: false }
}

#[test]
fn well_members_are_added_promoted_demoted_replaced_and_removed() {
    let now = four();
    assert_eq!(plan(&add(5), &now), Ok(Plan::Learner { member: member(5), dropped: BTreeSet::new() }));
    assert_eq!(plan(&promote(4), &now), Ok(voters(&[40], &[])));
    assert_eq!(plan(&replace(3, 4), &now), Ok(voters(&[40], &[3])));
    assert_eq!(plan(&remove(3), &now), Ok(voters(&[], &[3])));
    assert_eq!(plan(&remove(4), &now), Ok(Plan::Dropped(BTreeSet::from([40]))));
    let demoted = Plan::Voters { added: [].into(), removed: [3].into(), dropped: [].into(), keep: true };
    assert_eq!(plan(&demote(3), &now), Ok(demoted));
}

#[test]
fn one_change_at_a_time_and_none_before_the_cluster_exists() {
    let all = [add(5), promote(4), demote(3), remove(3), replace(3, 4), renew(3)];
    for order in all {
        assert_eq!(plan(&order, &Situation { committed: false, ..four() }), Err(MemberRefusal::UnderWay));
        let joint = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([1, 2, 40])];
        assert_eq!(plan(&order, &Situation { configurations: joint, ..four() }), Err(MemberRefusal::UnderWay));
        assert_eq!(plan(&order, &Situation { open: false, ..four() }), Err(MemberRefusal::Sealed));
    }
}

#[test]
fn names_addresses_and_certificates_are_not_shared() {
    let now = four();
    let order = |change: fn(&mut Member)| {
        let mut other = member(5);
        change(&mut other);
        let Member { name, address, fingerprint, kind } = other;
        MemberOrder::Add { replica: name, address, fingerprint, kind }
    };
    let shared = |order| match plan(&order, &four()) {
        Err(MemberRefusal::Shared { other, what, .. }) => (other.get(), what),
        other => panic!("{other:?}"),
    };
    assert_eq!(shared(order(|member| member.address = "host:7002".to_owned())), (2, "address".to_owned()));
    assert_eq!(shared(order(|member| member.fingerprint = [4; 32])), (4, "certificate".to_owned()));
    let moved = order(|member| member.name = name(4));
    assert!(matches!(plan(&moved, &now), Err(MemberRefusal::Exists { .. })), "the name, at another address");
    for address in ["host", ":1", "host:0", "host:70000"] {
        let Member { name, fingerprint, kind, .. } = member(5);
        let order = MemberOrder::Add { replica: name, address: address.to_owned(), fingerprint, kind };
        assert!(matches!(plan(&order, &now), Err(MemberRefusal::Address { .. })), "{address}");
    }
}

#[test]
fn unknown_names_and_wrong_parts_are_named() {
    let now = four();
    for order in [promote(9), demote(9), remove(9), replace(9, 4), replace(3, 9), renew(9)] {
        let members = [1, 2, 3, 4].map(name).to_vec();
        assert_eq!(plan(&order, &now), Err(MemberRefusal::Unknown { replica: name(9), members }));
    }
    assert_eq!(plan(&replace(3, 2), &now), Err(MemberRefusal::Voter { replica: name(2) }));
    assert_eq!(plan(&replace(4, 2), &now), Err(MemberRefusal::Learner { replica: name(4) }));
    assert_eq!(plan(&replace(4, 4), &now), Err(MemberRefusal::Itself { replica: name(4) }));
}

#[test]
fn an_order_whose_answer_was_lost_is_answered_again_and_changes_nothing() {
    let mut now = four();
    now.retired = BTreeMap::from([(name(9), 9), (name(3), 2)]);
    assert_eq!(plan(&add(4), &now), Ok(Plan::Already(40)));
    assert_eq!(plan(&promote(2), &now), Ok(Plan::Already(2)));
    assert_eq!(plan(&demote(4), &now), Ok(Plan::Already(40)));
    assert_eq!(plan(&remove(9), &now), Ok(Plan::Already(9)));
    assert_eq!(plan(&replace(9, 3), &now), Ok(Plan::Already(3)));
    // Gone, but its successor has no vote yet; and one that came back after its removal.
    assert!(matches!(plan(&replace(9, 4), &now), Err(MemberRefusal::Unknown { .. })));
    assert_eq!(plan(&remove(3), &now), Ok(voters(&[], &[3])));
    // A learner beside an old id that votes is not promoted yet, nor demoted.
    now.members.insert(50, member(3));
    now.health.insert(50, WELL);
    assert_eq!(plan(&promote(3), &now), Ok(voters(&[50], &[3])));
    assert!(matches!(plan(&demote(3), &now), Ok(Plan::Voters { .. })));
    // A leader died in the middle of a joint change: what was to leave is left as a learner, and leaves.
    now.configurations = vec![BTreeSet::from([1, 2, 50])];
    assert_eq!(plan(&promote(3), &now), Ok(Plan::Dropped(BTreeSet::from([3]))));
    now.configurations = vec![BTreeSet::from([1, 2, 40])];
    now.members.remove(&50);
    assert_eq!(plan(&replace(3, 4), &now), Ok(Plan::Dropped(BTreeSet::from([3]))));
    assert_eq!(plan(&remove(3), &now), Ok(Plan::Dropped(BTreeSet::from([3]))));
    // Not while another change is under way.
    assert_eq!(plan(&remove(9), &Situation { committed: false, ..now }), Err(MemberRefusal::UnderWay));
}

#[test]
fn a_learner_that_lags_or_is_silent_is_not_promoted() {
    let with = |health| {
        let mut now = four();
        now.health.insert(40, health);
        now
    };
    let behind = |behind| Health { behind, silent_ms: Some(10) };
    assert!(plan(&promote(4), &with(behind(Some(LAG_MAX)))).is_ok());
    for (health, shown) in [(behind(Some(LAG_MAX + 1)), Some(LAG_MAX + 1)), (behind(None), None), (GONE, None)] {
        for order in [promote(4), replace(3, 4)] {
            let refusal = plan(&order, &with(health));
            assert_eq!(refusal, Err(MemberRefusal::Lags { replica: name(4), behind: shown, limit: LAG_MAX }));
        }
    }
}

#[test]
fn a_dead_voter_may_leave_and_a_live_one_may_not_when_it_is_needed() {
    let mut now = four();
    now.health.insert(2, GONE);
    let refused = |order| matches!(plan(&order, &now), Err(MemberRefusal::QuorumLost { needed: 2, .. }));
    assert!(refused(remove(3)), "1 and the dead 2 would be left");
    assert!(refused(demote(3)));
    assert!(plan(&remove(2), &now).is_ok(), "1 and 3 are left, both well");
    assert!(plan(&replace(2, 4), &now).is_ok());
    assert!(plan(&replace(3, 4), &now).is_ok(), "1, the dead 2 and 4: two of three are there");
    now.health.insert(3, GONE);
    assert!(matches!(plan(&replace(2, 4), &now), Err(MemberRefusal::QuorumLost { .. })), "the old voters cannot commit it");
}

#[test]
fn the_leader_and_the_last_full_voter_stay() {
    let now = four();
    for order in [demote(1), remove(1), replace(1, 4), renew(1)] {
        assert_eq!(plan(&order, &now), Err(MemberRefusal::Leads { replica: name(1) }));
    }
    let alone = Situation { configurations: vec![BTreeSet::from([1])], ..four() };
    for order in [demote(1), remove(1)] {
        assert_eq!(plan(&order, &alone), Err(MemberRefusal::LastVoter { replica: name(1) }));
    }
}

#[test]
fn witnesses_are_never_a_majority() {
    let mut now = four();
    let witness = |now: &mut Situation, id: u64| now.members.get_mut(&id).unwrap().kind = MemberKind::Witness;
    witness(&mut now, 3);
    assert!(plan(&promote(4), &now).is_ok());
    witness(&mut now, 40);
    assert!(plan(&promote(4), &now).is_ok(), "2 of 4: every three of them hold a full one");
    assert_eq!(plan(&replace(2, 4), &now), Err(MemberRefusal::Witnesses { witnesses: 2, voters: 3 }));
}

#[test]
fn a_lost_member_is_renewed_beside_its_old_id_which_leaves_when_it_is_promoted() {
    let mut now = four();
    assert_eq!(plan(&renew(3), &now), Err(MemberRefusal::Recent { replica: name(3), raft_id: 3 }));
    now.health.insert(3, GONE);
    assert_eq!(plan(&renew(3), &now), Ok(Plan::Learner { member: member(3), dropped: BTreeSet::new() }));
    now.members.insert(50, member(3));
    now.untaken.insert(50);
    assert_eq!(plan(&renew(3), &now), Err(MemberRefusal::Renewed { replica: name(3), raft_id: 50 }));
    now.untaken.clear();
    // The new store was lost too.
    assert_eq!(plan(&renew(3), &now), Ok(Plan::Learner { member: member(3), dropped: BTreeSet::from([50]) }));
    now.health.insert(50, WELL);
    now.answers.insert(50, Answering::Serves);
    assert_eq!(plan(&renew(3), &now), Err(MemberRefusal::Renewed { replica: name(3), raft_id: 50 }), "it has come back");
    now.answers.clear();
    assert_eq!(plan(&promote(3), &now), Ok(voters(&[50], &[3])));
    assert_eq!(
        plan(&remove(3), &now),
        Ok(Plan::Voters { added: [].into(), removed: [3].into(), dropped: [50].into(), keep: false })
    );
    // A learner is no voter under its old id: that one leaves at once.
    now.health.insert(40, GONE);
    assert_eq!(plan(&renew(4), &now), Ok(Plan::Learner { member: member(4), dropped: BTreeSet::from([40]) }));
}

#[test]
fn a_process_that_answers_is_not_healed_over_its_store_unless_that_takes_the_new_id() {
    let mut now = four();
    now.health.insert(3, GONE);
    let halted = |has_id: bool| Answering::Halted { reason: "rolled back".to_owned(), has_id };
    let in_doubt = MemberRefusal::InDoubt { replica: name(3), reason: "rolled back".to_owned() };
    let refusals = [
        (Answering::Serves, MemberRefusal::Alive { replica: name(3), raft_id: 3 }),
        (Answering::Recovers, MemberRefusal::Recovering { replica: name(3), raft_id: 3 }),
        (halted(true), in_doubt.clone()),
    ];
    for (answering, refusal) in refusals {
        now.answers.insert(3, answering);
        assert_eq!(plan(&renew(3), &now), Err(refusal));
    }
    now.answers.insert(3, halted(false));
    assert_eq!(plan(&renew(3), &now), Ok(Plan::Learner { member: member(3), dropped: BTreeSet::new() }), "an emptied store");
    // Renewed while it was down, then started over its old store: the new id would wait for it for ever.
    now.members.insert(50, member(3));
    now.untaken.insert(50);
    let lags = MemberRefusal::Lags { replica: name(3), behind: None, limit: LAG_MAX };
    assert_eq!(plan(&promote(3), &now), Err(lags), "the emptied store takes it soon");
    now.answers.insert(3, halted(true));
    assert_eq!(plan(&promote(3), &now), Err(in_doubt));
    now.health.insert(50, WELL);
    assert_eq!(plan(&promote(3), &now), Ok(voters(&[50], &[3])), "the new store is there");
}

#[test]
fn an_even_number_and_a_bare_majority_are_warned_about() {
    let now = four();
    let plan_of = |order| plan(&order, &now).unwrap();
    assert_eq!(plan_of(promote(4)).warnings(&now).len(), 1);
    assert_eq!(plan_of(remove(3)).warnings(&now).len(), 2);
    assert!(plan_of(replace(3, 4)).warnings(&now).is_empty());
}

prop_compose! {
    fn situations()(
        count in 1usize..8,
        voting in prop::collection::vec(any::<bool>(), 8),
        kinds in prop::collection::vec(any::<bool>(), 8),
        behind in prop::collection::vec(prop::option::of(0u64..130), 8),
        silent in prop::collection::vec(prop::option::of(0u64..6_000), 8),
        leader in 0usize..8,
    ) -> Situation {
        let leader = u64::try_from(leader % count).unwrap() + 1;
        let ids = 1..=u64::try_from(count).unwrap();
        let at = |id: u64| usize::try_from(id - 1).unwrap();
        let mut members: BTreeMap<u64, Member> = ids.clone().map(|id| (id, member(id))).collect();
        for (id, member) in &mut members {
            if kinds[at(*id)] && *id != leader {
                member.kind = MemberKind::Witness;
            }
        }
        let voters = ids.clone().filter(|id| voting[at(*id)] || *id == leader).collect();
        let health = ids.map(|id| (id, Health { behind: behind[at(id)], silent_ms: silent[at(id)] })).collect();
        let (untaken, retired, answers) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        Situation { open: true, configurations: vec![voters], members, committed: true, leader, health, untaken, retired, answers }
    }
}

proptest! {
    /// Whatever is asked of whatever cluster: what is planned leaves a majority of present voters, among them a full one and the leader.
    #[test]
    fn no_planned_change_costs_the_quorum(now in situations(), which in 0u8..5, one in 1u64..9, other in 1u64..9) {
        let order = match which {
            0 => add(one),
            1 => promote(one),
            2 => demote(one),
            3 => remove(one),
            _ => replace(one, other),
        };
        let Ok(plan) = plan(&order, &now) else { return Ok(()) };
        let Plan::Voters { added, .. } = &plan else { return Ok(()) };
        for voters in [now.voters(), now.voters_after(&plan)] {
            let present = voters.iter().filter(|id| now.is_present(**id)).count();
            prop_assert!(present * 2 > voters.len(), "{present} of {}", voters.len());
            prop_assert!(voters.contains(&now.leader));
        }
        let after = now.voters_after(&plan);
        let witnesses = after.iter().filter(|id| now.kind(**id) == MemberKind::Witness).count();
        prop_assert!(witnesses * 2 <= after.len());
        for id in added {
            prop_assert!(now.health[id].behind.is_some_and(|behind| behind <= LAG_MAX));
        }
    }
}
