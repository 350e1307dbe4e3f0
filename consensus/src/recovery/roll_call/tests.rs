use super::*;
use crate::entry::MembershipRecord;
use crate::raft::VoteRecord;
use crate::recovery::promise::tests::promise;

fn membership(voters: &[u64], index: u64) -> StoredMembership {
    let configurations = vec![voters.iter().copied().collect()];
    StoredMembership { set_by: Some((1, index)), membership: MembershipRecord { configurations, members: BTreeMap::new() } }
}

/// Replica 1 of `voters` calls, with `own` on its disk.
struct Case {
    own: Promise,
    membership: StoredMembership,
    answers: BTreeMap<u64, Seen>,
    excused: BTreeSet<u64>,
}

impl Case {
    fn of(voters: &[u64], own: Promise) -> Self {
        Self { own, membership: membership(voters, 0), answers: BTreeMap::new(), excused: BTreeSet::new() }
    }

    fn heard(mut self, from: u64, memory: Memory, promise: Promise) -> Self {
        let membership = self.membership.clone();
        self.answers.insert(from, Seen { memory, promise, heard_of_you: None, membership });
        self
    }

    fn conclude(&self) -> Standing {
        let Self { own, membership, answers, excused } = self;
        RollCall { own: 1, promise: own, membership, answers, excused }.conclude()
    }

    fn terms(&self) -> Terms {
        match self.conclude() {
            Standing::Ready(terms) => terms,
            other @ (Standing::Waiting { .. } | Standing::Refused(_)) => panic!("{other:?}"),
        }
    }
}

fn missing(ids: &[u64]) -> Standing {
    Standing::Waiting { missing: ids.iter().copied().collect() }
}

const OLD: Option<(u64, u64)> = Some((3, 10));

#[test]
fn three_voters_wait_for_both_others_whoever_they_are() {
    let case = Case::of(&[1, 2, 3], promise(3, 1, OLD));
    assert_eq!(case.conclude(), missing(&[2, 3]));
    let case = case.heard(2, Memory::Whole, promise(3, 1, OLD));
    assert_eq!(case.conclude(), missing(&[3]), "{{1, 3}} may have committed what 2 lags behind");
    let case = case.heard(3, Memory::Whole, promise(5, 3, Some((4, 12))));
    let terms = Terms { term: 5, target: Some((4, 12)), doubtful: false, unheard: BTreeSet::new() };
    assert_eq!(case.terms(), terms, "the highest of both, though 2 knew less");
}

#[test]
fn the_own_disk_counts_too() {
    let case = Case::of(&[1, 2, 3], promise(7, 1, Some((6, 9)))).heard(2, Memory::Whole, promise(3, 1, OLD)).heard(
        3,
        Memory::Whole,
        promise(3, 1, OLD),
    );
    assert_eq!((case.terms().term, case.terms().target), (7, Some((6, 9))));
}

#[test]
fn five_voters_need_three_others_and_doubt_who_was_not_heard() {
    let case = Case::of(&[1, 2, 3, 4, 5], promise(3, 1, OLD)).heard(2, Memory::Whole, promise(3, 1, OLD)).heard(
        3,
        Memory::Whole,
        promise(3, 1, OLD),
    );
    assert_eq!(case.conclude(), missing(&[4, 5]));
    let case = case.heard(4, Memory::Whole, promise(3, 1, OLD));
    assert!(case.terms().doubtful, "5 may lead, with an acknowledgement of ours that we forgot");
    assert_eq!(case.terms().unheard, BTreeSet::from([5]));
    assert!(!case.heard(5, Memory::Whole, promise(3, 1, OLD)).terms().doubtful);
}

#[test]
fn another_doubtful_memory_makes_this_one_doubtful() {
    for memory in [Memory::Recovering, Memory::Doubtful] {
        let case = Case::of(&[1, 2, 3], promise(3, 1, OLD)).heard(2, Memory::Whole, promise(3, 1, OLD)).heard(
            3,
            memory,
            promise(3, 1, OLD),
        );
        assert!(case.terms().doubtful, "{memory:?}");
    }
}

#[test]
fn a_single_voter_is_always_in_doubt_and_waits_for_nobody() {
    assert!(Case::of(&[1], promise(3, 1, OLD)).terms().doubtful);
}

#[test]
fn an_unused_cluster_waits_for_all_and_has_nothing_to_close() {
    let mut case = Case::of(&[1, 2, 3], Promise::default());
    case.membership.set_by = None;
    let case = case.heard(2, Memory::Recovering, Promise::default());
    assert_eq!(case.conclude(), missing(&[3]));
    let case = case.heard(3, Memory::Recovering, Promise::default());
    assert_eq!(case.terms(), Terms { term: 0, target: None, doubtful: false, unheard: BTreeSet::new() });
    let used = case.heard(3, Memory::Recovering, promise(1, 3, None));
    assert!(used.terms().doubtful, "somebody has voted: the others may have forgotten that");
}

#[test]
fn who_is_excused_is_not_waited_for_and_leaves_a_doubt() {
    let mut case = Case::of(&[1, 2, 3], promise(3, 1, OLD)).heard(2, Memory::Whole, promise(3, 1, OLD));
    case.excused.insert(3);
    assert!(case.terms().doubtful);
}

#[test]
fn the_latest_membership_says_who_must_be_heard() {
    let mut case = Case::of(&[1, 2, 3], promise(3, 1, OLD)).heard(2, Memory::Whole, promise(3, 1, OLD)).heard(
        3,
        Memory::Whole,
        promise(3, 1, OLD),
    );
    case.answers.get_mut(&2).unwrap().membership = membership(&[1, 2, 4], 9);
    assert_eq!(case.conclude(), missing(&[4]));
    let mut joint = membership(&[1, 2, 3], 9);
    joint.membership.configurations.push(BTreeSet::from([1, 4, 5]));
    case.answers.get_mut(&2).unwrap().membership = joint;
    assert_eq!(case.conclude(), missing(&[4, 5]), "every configuration of a joint one");
}

#[test]
fn a_promise_that_another_has_seen_and_the_store_lacks_is_a_rollback() {
    let mut case = Case::of(&[1, 2, 3], promise(3, 1, OLD)).heard(2, Memory::Whole, promise(3, 1, OLD));
    case.answers.get_mut(&2).unwrap().heard_of_you = Some(promise(3, 1, OLD));
    assert_eq!(case.conclude(), missing(&[3]));
    case.answers.get_mut(&2).unwrap().heard_of_you = Some(promise(3, 1, Some((3, 11))));
    let Standing::Refused(refusal) = case.conclude() else { panic!("taken back") };
    let text = refusal.to_string();
    assert!(text.contains("rolled back") && text.contains("replica 2") && text.contains("cluster heal 1"), "{text}");
}

#[test]
fn a_vote_that_another_has_seen_counts_as_a_promise() {
    let mut case = Case::of(&[1, 2, 3], promise(3, 1, OLD)).heard(2, Memory::Whole, promise(4, 2, OLD));
    let voted = VoteRecord { term: 4, voted_for: 2, committed: false };
    case.answers.get_mut(&2).unwrap().heard_of_you = Some(Promise { vote: Some(voted), ..promise(4, 2, OLD) });
    assert!(matches!(case.conclude(), Standing::Refused(StartRefusal::RolledBack { .. })));
}

#[test]
fn a_new_store_of_a_new_id_has_nothing_to_forget() {
    let mut case = Case::of(&[2, 3, 4], Promise::default());
    case.membership.set_by = None;
    assert_eq!(case.conclude(), missing(&[2, 3, 4]));
    case.answers.insert(
        2,
        Seen { memory: Memory::Whole, promise: promise(3, 2, OLD), heard_of_you: None, membership: membership(&[2, 3, 4], 5) },
    );
    assert!(!case.terms().doubtful);
    case.answers.get_mut(&2).unwrap().membership = membership(&[1, 2, 3], 5);
    assert_eq!(case.conclude(), missing(&[3]), "it is a voter there: its store may have been another one");
}
