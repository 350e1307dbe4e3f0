//! Random histories, judged by what the guard answered and against the naive model.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use ollin_guard::{Claim, Duty, DutyKind, Guard, GuardCommand, GuardReply, Phase, Verdict};
use ollin_protocol::units::{BlockIndex, SigningRoot, Slot};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::fixture::{ALICE, BOB, CAROL, R1, R2, binding, foreign};
use crate::model::Model;

fn config() -> ProptestConfig {
    let persistence = FileFailurePersistence::WithSource("regressions");
    ProptestConfig { failure_persistence: Some(Box::new(persistence)), ..ProptestConfig::default() }
}

/// Few slots, so that histories meet; far enough apart that the watermark can pass some of them.
fn any_slot() -> impl Strategy<Value = Slot> {
    prop_oneof![2 => 0..4_u64, 2 => 64..68_u64, 1 => 130..133_u64].prop_map(Slot::new)
}

fn any_kind() -> impl Strategy<Value = DutyKind> {
    prop_oneof![
        (0..2_u64).prop_map(|index| DutyKind::BlockProposal { index: BlockIndex::new(index) }),
        Just(DutyKind::CheckpointProposal),
        Just(DutyKind::Attestation),
        Just(DutyKind::AttestationsAndSigners),
        Just(DutyKind::GovernanceVote),
        Just(DutyKind::SlashingVote),
    ]
}

fn any_attester() -> impl Strategy<Value = Address> {
    prop_oneof![4 => Just(ALICE), 3 => Just(BOB), 2 => Just(CAROL)]
}

fn any_root() -> impl Strategy<Value = SigningRoot> {
    prop_oneof![Just(R1), Just(R2)]
}

fn any_duty() -> impl Strategy<Value = Duty> {
    (any_attester(), any_slot(), any_kind()).prop_map(|(attester, slot, kind)| Duty { slot, kind, attester })
}

fn any_claim() -> impl Strategy<Value = Claim> {
    let attesters = prop_oneof![3 => btree_set(any_attester(), 1), 1 => btree_set(any_attester(), 2..=3)];
    (attesters, any_duty(), any_root(), vec(0..3_u8, 1..3)).prop_map(|(attesters, like, root, payload)| Claim {
        duties: attesters.into_iter().map(|attester| Duty { attester, ..like }).collect(),
        root,
        payload,
    })
}

fn any_import() -> impl Strategy<Value = GuardCommand> {
    // Mostly with the stop line that its records need, sometimes below it.
    let stop_line = prop_oneof![4 => Just(None), 1 => any_slot().prop_map(Some)];
    (vec((any_duty(), any_root()), 0..4), any_slot(), stop_line).prop_map(|(records, least, wrong)| {
        let highest = records.iter().map(|(duty, _)| duty.slot).fold(least, Slot::max);
        GuardCommand::Import { records, stop_line: wrong.unwrap_or(highest) }
    })
}

fn any_open() -> impl Strategy<Value = GuardCommand> {
    (0..3_u64).prop_map(|floor| GuardCommand::Open { floor: Slot::new(floor) })
}

fn any_command() -> impl Strategy<Value = GuardCommand> {
    prop_oneof![
        24 => vec(any_claim(), 1..4).prop_map(GuardCommand::Claim),
        2 => any_slot().prop_map(|slot| GuardCommand::RaiseFloor { slot }),
        4 => prop_oneof![any_slot(), Just(Slot::new(u64::MAX))].prop_map(|slot| GuardCommand::RaiseWatermark { slot }),
        2 => prop_oneof![any_slot(), Just(Slot::new(u64::MAX))].prop_map(|slot| GuardCommand::DropPayloads { slot }),
        2 => (any_attester(), any_slot()).prop_map(|(attester, floor)| GuardCommand::AddAttester { attester, floor }),
        1 => (any_attester(), any_slot()).prop_map(|(attester, last_slot)| GuardCommand::ReleaseAttester { attester, last_slot }),
        1 => (any_duty(), any_root()).prop_map(|(duty, root)| foreign(duty, root)),
        1 => (any_attester(), any_slot(), prop_oneof![4 => Just("why"), 1 => Just(" ")]).prop_map(|(attester, floor, reason)| {
            GuardCommand::Unfreeze { attester, floor, reason: reason.to_owned() }
        }),
        1 => any_slot().prop_map(|slot| GuardCommand::Close { slot }),
        1 => Just(GuardCommand::Bind(binding())),
        1 => any_import(),
        1 => any_open(),
    ]
}

/// Mostly an opened cluster, sometimes whatever comes.
fn any_history() -> impl Strategy<Value = Vec<GuardCommand>> {
    let opened = (proptest::option::of(any_import()), any_open(), vec(any_command(), 1..60)).prop_map(|(import, open, rest)| {
        let bind = GuardCommand::Bind(binding());
        [bind].into_iter().chain(import).chain([open]).chain(rest).collect()
    });
    prop_oneof![8 => opened, 1 => vec(any_command(), 1..30)]
}

/// Every (duty, root) that `reply` grants for `command`.
fn granted(command: &GuardCommand, reply: &GuardReply) -> Vec<(Duty, SigningRoot)> {
    let (GuardCommand::Claim(claims), GuardReply::Verdicts(verdicts)) = (command, reply) else {
        return vec![];
    };
    let asked = claims.iter().flat_map(|claim| claim.duties.iter().map(|duty| (*duty, claim.root)));
    asked.zip(verdicts).filter(|(_, verdict)| matches!(verdict, Verdict::Granted { .. })).map(|(asked, _)| asked).collect()
}

/// Whether `duty` is granted `root` again. Such a grant changes nothing, and a new one would be an answer too: `false`.
fn is_granted_again(guard: &mut Guard, duty: Duty, root: SigningRoot) -> bool {
    let claim = Claim { duties: vec![duty], root, payload: vec![9] };
    guard.apply(&GuardCommand::Claim(vec![claim])) == GuardReply::Verdicts(vec![Verdict::Granted { newly_bound: false }])
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_history_grants_two_roots_for_one_duty(history in any_history()) {
        let mut guard = Guard::new();
        let mut ever: Vec<(Duty, SigningRoot)> = vec![];
        for command in &history {
            let reply = guard.apply(command);
            if let (GuardCommand::Import { records, .. }, GuardReply::Done) = (command, &reply) {
                ever.extend(records);
            }
            ever.extend(granted(command, &reply));
        }
        for (duty, root) in &ever {
            let other = ever.iter().find(|(same, other)| same == duty && other != root);
            prop_assert_eq!(other, None, "{} was granted {}", duty, root);
        }
    }

    #[test]
    fn floor_and_watermark_never_fall_and_never_cross(history in any_history()) {
        let mut guard = Guard::new();
        for command in &history {
            let (floor, closed, watermark) = (guard.floor(), guard.closed(), guard.watermark());
            guard.apply(command);
            prop_assert!(guard.floor() >= floor && guard.closed() >= closed && guard.watermark() >= watermark, "{command:?}");
            prop_assert!(guard.watermark().max(guard.closed()) <= guard.floor(), "{command:?}");
        }
    }

    #[test]
    fn what_was_granted_is_granted_again_until_watermark_closing_or_freeze_and_not_after_a_thaw(history in any_history()) {
        let (mut guard, mut model) = (Guard::new(), Model::default());
        let mut ever: BTreeSet<(Duty, SigningRoot)> = BTreeSet::new();
        for command in &history {
            let reply = guard.apply(command);
            model.apply(command);
            ever.extend(granted(command, &reply));
            let mut asked = guard.clone();
            for (duty, root) in &ever {
                let gone = guard.watermark().max(guard.closed()) >= Some(duty.slot);
                let lost = gone || model.is_frozen(duty.attester) || model.thawed(duty.attester) >= Some(duty.slot);
                prop_assert_eq!(is_granted_again(&mut asked, *duty, *root), !lost, "{} after {:?}", duty, command);
            }
            prop_assert_eq!(asked, guard.clone());
        }
    }

    #[test]
    fn nothing_is_granted_while_sealed(history in vec(any_command(), 1..40)) {
        let mut guard = Guard::new();
        for command in &history {
            let open = guard.phase() == Phase::Open;
            let granted = granted(command, &guard.apply(command));
            prop_assert!(open || granted.is_empty(), "{command:?}");
        }
    }

    #[test]
    fn the_guard_answers_as_the_naive_model_does(history in any_history()) {
        let (mut guard, mut model) = (Guard::new(), Model::default());
        for command in &history {
            prop_assert_eq!(guard.apply(command), model.apply(command), "{:?}", command);
            prop_assert_eq!((guard.phase(), guard.floor(), guard.watermark()), (model.phase, model.floor(), model.watermark()));
            prop_assert_eq!(guard.closed(), model.closed());
        }
        let live = model.live();
        prop_assert_eq!(guard.live_duties(), live.len());
        for (duty, root) in live {
            let bound = guard.bound(&duty).map(|bound| (bound.root, bound.payload.map(<[u8]>::to_vec)));
            prop_assert_eq!(bound, Some((root, model.payload_of(&duty, root))));
        }
    }

    #[test]
    fn a_replica_that_restarts_from_snapshots_ends_with_the_same_bytes(
        history in any_history(),
        restarts in vec(any::<bool>(), 70),
    ) {
        let (mut steady, mut restarted) = (Guard::new(), Guard::new());
        for (command, restart) in history.iter().zip(restarts) {
            prop_assert_eq!(steady.apply(command), restarted.apply(command));
            if restart {
                restarted = Guard::decode(&restarted.encode())?;
            }
            prop_assert_eq!(steady.encode(), restarted.encode());
        }
        prop_assert_eq!(Guard::decode(&steady.encode())?, steady);
    }

    #[test]
    fn a_rejected_or_refused_command_changes_nothing(history in any_history()) {
        let mut guard = Guard::new();
        for command in &history {
            let before = guard.clone();
            match guard.apply(command) {
                GuardReply::Rejected(_) => prop_assert_eq!(&guard, &before),
                GuardReply::Verdicts(verdicts) if !verdicts.contains(&Verdict::Granted { newly_bound: true }) => {
                    prop_assert_eq!(&guard, &before);
                }
                GuardReply::Verdicts(_) | GuardReply::Done => {}
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_never_decode(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(Guard::decode(&bytes).is_err());
        let mut sealed = [&[1], &bytes[..]].concat();
        sealed.extend(crc32fast::hash(&sealed).to_le_bytes());
        if let Ok(guard) = Guard::decode(&sealed) {
            prop_assert_eq!(guard.encode(), sealed);
        }
    }
}
