use ollin_guard::{Binding, CommandRejection, Guard, GuardCommand, GuardReply, Phase, Refusal, Verdict};

use crate::fixture::*;

fn out_of_order(phase: Phase) -> GuardReply {
    GuardReply::Rejected(CommandRejection::OutOfOrder { phase })
}

#[test]
fn nothing_is_granted_before_the_log_is_opened() {
    let mut guard = Guard::new();
    let sealed = Verdict::Refused(Refusal::Sealed);
    assert_eq!(claim(&mut guard, block(ALICE, 11, 0), R1), sealed);
    done(&mut guard, &GuardCommand::Bind(binding()));
    assert_eq!(claim(&mut guard, block(ALICE, 11, 0), R1), sealed);
    done(&mut guard, &import(vec![(block(ALICE, 11, 0), R1)], 12));
    assert_eq!(claim(&mut guard, block(ALICE, 11, 0), R1), sealed);
    done(&mut guard, &GuardCommand::Open { floor: slot(12) });
    assert_eq!(claim(&mut guard, block(ALICE, 11, 0), R1), GRANTED_AGAIN);
}

#[test]
fn bind_import_and_open_are_taken_once_and_in_this_order_only() {
    let commands = [GuardCommand::Bind(binding()), import(vec![], 10), GuardCommand::Open { floor: slot(10) }];
    let [bind, import, open] = &commands;
    let mut guard = Guard::new();
    for (next, phase) in [(bind, Phase::Bound), (import, Phase::Imported), (open, Phase::Open)] {
        for early_or_late in commands.iter().filter(|command| *command != next) {
            if (guard.phase(), early_or_late) != (Phase::Bound, open) {
                assert_eq!(guard.apply(early_or_late), out_of_order(guard.phase()), "{early_or_late:?}");
            }
        }
        done(&mut guard, next);
        assert_eq!(guard.phase(), phase);
    }
    for late in &commands {
        assert_eq!(guard.apply(late), out_of_order(Phase::Open), "{late:?}");
    }
}

#[test]
fn a_second_binding_cannot_move_the_cluster_to_another_chain_or_rollup() {
    let mut guard = open_guard();
    let other = Binding { chain_id: 1, rollup: CAROL, ..binding() };
    assert_eq!(guard.apply(&GuardCommand::Bind(other)), out_of_order(Phase::Open));
    assert_eq!(guard.binding(), Some(binding()));
}

#[test]
fn everything_else_waits_for_open() {
    let commands = [
        GuardCommand::RaiseFloor { slot: slot(50) },
        GuardCommand::RaiseWatermark { slot: slot(50) },
        GuardCommand::DropPayloads { slot: slot(50) },
        add(CAROL, 50),
        release(ALICE, 50),
        foreign(block(ALICE, 60, 0), R1),
        GuardCommand::Close { slot: slot(50) },
    ];
    let mut guard = Guard::new();
    done(&mut guard, &GuardCommand::Bind(binding()));
    for command in &commands {
        assert_eq!(guard.apply(command), out_of_order(Phase::Bound), "{command:?}");
    }
}

#[test]
fn imported_records_bind_like_claims_without_payloads() {
    let mut guard = Guard::new();
    let (old, beside, new) = (block(ALICE, 40, 0), block(ALICE, 40, 1), block(ALICE, 41, 0));
    done(&mut guard, &GuardCommand::Bind(binding()));
    done(&mut guard, &import(vec![(old, R1), (old, R1)], 40));
    done(&mut guard, &GuardCommand::Open { floor: slot(10) });
    let refusal = Refusal::Conflict { duty: old, bound: R1, requested: R2, payload: None };
    assert_eq!(claim(&mut guard, old, R2), Verdict::Refused(refusal));
    assert_eq!(claim(&mut guard, old, R1), GRANTED_AGAIN);
    assert_eq!(claim(&mut guard, beside, R2), below_floor(beside, 40), "the stop line is the floor, whatever Open asked for");
    assert_eq!(claim(&mut guard, new, R2), GRANTED);
}

#[test]
fn an_import_in_conflict_with_itself_is_refused_whole() {
    let mut guard = Guard::new();
    done(&mut guard, &GuardCommand::Bind(binding()));
    let (good, twice) = (block(ALICE, 40, 0), block(BOB, 40, 0));
    let records = vec![(good, R1), (twice, R1), (twice, R2)];
    let rejection = CommandRejection::ImportConflict { duty: twice, first: R1, second: R2 };
    assert_eq!(guard.apply(&import(records, 40)), GuardReply::Rejected(rejection));
    assert_eq!((guard.phase(), guard.live_duties()), (Phase::Bound, 0));
}

#[test]
fn an_import_of_an_unknown_attester_is_refused_whole() {
    let mut guard = Guard::new();
    done(&mut guard, &GuardCommand::Bind(binding()));
    let records = vec![(block(ALICE, 40, 0), R1), (block(CAROL, 40, 0), R1)];
    let rejection = CommandRejection::Unbound { attester: CAROL };
    assert_eq!(guard.apply(&import(records, 40)), GuardReply::Rejected(rejection));
    assert_eq!((guard.phase(), guard.live_duties()), (Phase::Bound, 0));
}

#[test]
fn a_binding_without_attesters_is_rejected() {
    let mut guard = Guard::new();
    let empty = Binding { attesters: [].into(), ..binding() };
    assert_eq!(guard.apply(&GuardCommand::Bind(empty)), GuardReply::Rejected(CommandRejection::NoAttesters));
    assert_eq!(guard, Guard::new());
}
