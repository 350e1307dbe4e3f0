//! Every planted fault: its rule, where its switch is, and who catches it.

use ollin_guard::Fault;

use super::exhibit::Catcher::{Seeds as Simulated, Test};
use super::exhibit::Suite::{Consensus, Guard, GuardTests, Keystore, KeystoreTests, Node, Publisher, Sequencer};
use super::exhibit::{Exhibit, Seeds};

/// All of them, by the parts that they break.
#[rustfmt::skip]
pub(crate) const CATALOGUE: &[Exhibit] = &[
    Exhibit { fault: Fault::ConflictGranted, rule: "S1", place: "slashing-guard/src/guard/claim.rs", catchers: &[
        Test(GuardTests, "claim::a_bound_duty_refuses_another_root_and_regrants_its_own", "right: Refused(Conflict"),
    ] },
    Exhibit { fault: Fault::ConflictWithoutPayload, rule: "R14", place: "slashing-guard/src/guard/claim.rs", catchers: &[
        Test(GuardTests, "claim::a_conflict_hands_back_the_payload_of_the_first_claim", "left: None"),
    ] },
    Exhibit { fault: Fault::PayloadReplaced, rule: "R15", place: "slashing-guard/src/register.rs", catchers: &[
        Test(GuardTests, "claim::the_first_payload_of_a_root_stays", "claim.rs"),
    ] },
    Exhibit { fault: Fault::NoFloor, rule: "R7", place: "slashing-guard/src/guard/claim.rs", catchers: &[
        Test(GuardTests, "line::nothing_new_is_bound_at_or_below_the_floor", "BelowFloor"),
    ] },
    Exhibit { fault: Fault::FloorFalls, rule: "S3", place: "slashing-guard/src/guard/line.rs", catchers: &[
        Test(GuardTests, "line::floor_and_watermark_never_fall", "line.rs"),
    ] },
    Exhibit { fault: Fault::ClosedStaysClaimable, rule: "R7", place: "slashing-guard/src/guard/claim.rs", catchers: &[
        Test(GuardTests, "line::nothing_is_granted_at_or_below_a_closed_slot_not_even_what_is_bound", "Closed"),
    ] },
    Exhibit { fault: Fault::WatermarkFromLyingL1, rule: "R19", place: "slashing-guard/src/guard/line.rs", catchers: &[
        Test(GuardTests, "line::a_lying_l1_cannot_raise_the_watermark_over_the_present", "line.rs"),
    ] },
    Exhibit { fault: Fault::GrantBelowWatermark, rule: "S3", place: "slashing-guard/src/guard/claim.rs", catchers: &[
        Test(GuardTests, "line::records_at_the_watermark_are_gone_and_every_claim_there_is_refused", "BelowWatermark"),
    ] },
    Exhibit { fault: Fault::GrantWhileSealed, rule: "R9", place: "slashing-guard/src/guard/claim.rs", catchers: &[
        Test(GuardTests, "entry::nothing_is_granted_before_the_log_is_opened", "Sealed"),
    ] },
    Exhibit { fault: Fault::ImportAfterOpen, rule: "R9", place: "slashing-guard/src/guard/entry.rs", catchers: &[
        Test(GuardTests, "entry::bind_import_and_open_are_taken_once_and_in_this_order_only", "OutOfOrder"),
    ] },
    Exhibit { fault: Fault::ImportInPart, rule: "R9", place: "slashing-guard/src/guard/entry.rs", catchers: &[
        Test(GuardTests, "entry::an_import_in_conflict_with_itself_is_refused_whole", "ImportConflict"),
    ] },
    Exhibit { fault: Fault::OpenLowersStopLine, rule: "R9", place: "slashing-guard/src/guard/entry.rs", catchers: &[
        Test(Guard, "interchange::tests::nothing_new_is_granted_at_or_below_the_stop_line_of_an_import", "interchange/tests.rs"),
    ] },
    Exhibit { fault: Fault::AddedWithoutFloor, rule: "R9", place: "slashing-guard/src/guard/roster.rs", catchers: &[
        Test(GuardTests, "roster::an_added_attester_has_a_floor_of_its_own", "BelowFloor"),
    ] },
    Exhibit { fault: Fault::ReleaseRevoked, rule: "R9", place: "slashing-guard/src/guard/roster.rs", catchers: &[
        Test(GuardTests, "roster::a_release_is_irrevocable", "Released"),
    ] },
    Exhibit { fault: Fault::GrantAfterRelease, rule: "R9", place: "slashing-guard/src/guard/claim.rs", catchers: &[
        Test(GuardTests, "roster::a_released_attester_is_granted_nothing_after_its_last_slot", "Released"),
    ] },
    Exhibit { fault: Fault::EvidenceIgnored, rule: "R10", place: "slashing-guard/src/guard/roster.rs", catchers: &[
        Test(GuardTests, "roster::a_foreign_signature_freezes_its_attester_and_no_other", "Frozen"),
    ] },
    Exhibit { fault: Fault::FrozenStaysClaimable, rule: "R10", place: "slashing-guard/src/guard/claim.rs", catchers: &[
        Test(GuardTests, "roster::a_frozen_attester_is_not_granted_even_what_is_bound", "Frozen"),
    ] },
    Exhibit { fault: Fault::ThawedStaysClaimable, rule: "R10", place: "slashing-guard/src/guard/claim.rs", catchers: &[
        Test(GuardTests, "roster::an_unfrozen_attester_signs_above_the_new_floor_and_nothing_below_it_not_even_what_is_bound", "Thawed"),
    ] },
    Exhibit { fault: Fault::AnsweredTooLow, rule: "R10", place: "slashing-guard/src/guard/roster.rs", catchers: &[
        Test(GuardTests, "roster::the_slots_of_the_evidence_and_of_what_is_bound_prevail_over_a_lower_floor", "roster.rs"),
    ] },
    Exhibit { fault: Fault::SnapshotUnchecked, rule: "S7", place: "slashing-guard/src/snapshot.rs", catchers: &[
        Test(GuardTests, "snapshot::every_flipped_bit_is_found", "snapshot.rs"),
    ] },
    Exhibit { fault: Fault::MapOrderInApply, rule: "S5", place: "slashing-guard/src/planted.rs", catchers: &[
        Test(GuardTests, "claim::claims_of_one_entry_are_decided_in_order", "claim.rs"),
    ] },
    Exhibit { fault: Fault::WallClockInRule, rule: "S5", place: "slashing-guard/src/guard/claim.rs", catchers: &[
        Test(GuardTests, "claim::claims_of_one_entry_are_decided_in_order", "Sealed"),
        Simulated(Seeds { end: 60 }, "S5:"),
    ] },
    Exhibit { fault: Fault::LeaderByMemory, rule: "R1", place: "consensus/src/store/log_store.rs", catchers: &[
        Test(Consensus, "store::tests::an_own_committed_vote_of_an_earlier_process_is_not_committed_any_more", "store/tests.rs"),
    ] },
    Exhibit { fault: Fault::ActsBeforeBarrier, rule: "R3", place: "consensus/src/role.rs", catchers: &[
        Test(Consensus, "role::tests::a_leader_acts_only_after_an_entry_of_its_own_term_at_the_barrier", "an entry of an earlier term proves nothing"),
    ] },
    Exhibit { fault: Fault::ContentsNotCompared, rule: "R2", place: "consensus/src/chain.rs", catchers: &[
        Test(Consensus, "chain::tests::another_chain_at_a_common_place_is_a_contradiction", "chain.rs"),
        Test(Consensus, "log::tests::intruder::a_frame_with_another_chain_at_a_common_entry_halts_who_hears_it", "intruder.rs"),
    ] },
    Exhibit { fault: Fault::EntryUnverified, rule: "R2", place: "consensus/src/entry.rs", catchers: &[
        Test(Consensus, "entry::tests::any_changed_bit_or_cut_of_a_record_is_refused", "changed at"),
    ] },
    Exhibit { fault: Fault::ChainBreakUnnoticed, rule: "R2", place: "consensus/src/store/database.rs", catchers: &[
        Test(Consensus, "store::tests::an_entry_with_a_chain_of_its_own_does_not_fit_and_a_missing_one_is_noticed", "Broken"),
    ] },
    Exhibit { fault: Fault::AppliedOnOtherHistory, rule: "R2", place: "consensus/src/state.rs", catchers: &[
        Test(Consensus, "store::tests::an_entry_that_does_not_continue_what_was_applied_halts", "store/tests.rs"),
    ] },
    Exhibit { fault: Fault::AppliedTwice, rule: "S5", place: "consensus/src/state.rs", catchers: &[
        Test(Consensus, "state::tests::an_unknown_command_and_a_repeated_entry_stop_before_anything_changes", "state/tests.rs"),
    ] },
    Exhibit { fault: Fault::UnknownCommandSkipped, rule: "R13", place: "consensus/src/state.rs", catchers: &[
        Test(Consensus, "state::tests::an_unknown_command_and_a_repeated_entry_stop_before_anything_changes", "state/tests.rs"),
    ] },
    Exhibit { fault: Fault::UnknownVersionApplied, rule: "R13", place: "consensus/src/state.rs", catchers: &[
        Test(Consensus, "state::tests::a_version_that_is_not_supported_stops_a_replica_before_it_applies_and_the_others_judge_alike", "Upgraded"),
        Test(Consensus, "log::tests::upgrade::an_old_program_stops_in_front_of_the_new_rules", "upgrade.rs"),
    ] },
    Exhibit { fault: Fault::UpgradeOfSome, rule: "R13", place: "consensus/src/rules/upgrade.rs", catchers: &[
        Test(Consensus, "rules::upgrade::tests::who_does_not_support_it_or_is_silent_is_named", "Raise"),
        Test(Consensus, "log::tests::upgrade::the_version_is_raised_only_when_every_member_supports_it", "upgrade.rs"),
    ] },
    Exhibit { fault: Fault::SnapshotOfOtherHistory, rule: "R2", place: "consensus/src/store/machine.rs", catchers: &[
        Test(Consensus, "store::tests::a_snapshot_survives_closing_and_one_of_another_history_halts", "store/tests.rs"),
    ] },
    Exhibit { fault: Fault::SealUnchecked, rule: "S7", place: "consensus/src/sealed.rs", catchers: &[
        Test(Consensus, "sealed::tests::any_changed_bit_any_cut_and_anything_added_is_refused", "changed at"),
    ] },
    Exhibit { fault: Fault::SyncSkipped, rule: "R5", place: "consensus/src/store/sync.rs", catchers: &[
        Test(Consensus, "store::tests::what_was_acknowledged_outlives_a_crash_and_so_does_a_vote", "an entry that a crash forgets"),
        Simulated(Seeds { end: 60 }, "S2:"),
    ] },
    Exhibit { fault: Fault::VoteNotSynced, rule: "R5", place: "consensus/src/store/log_store.rs", catchers: &[
        Test(Consensus, "store::tests::what_was_acknowledged_outlives_a_crash_and_so_does_a_vote", "a vote that a crash forgets"),
    ] },
    Exhibit { fault: Fault::FailedSyncIgnored, rule: "R5", place: "consensus/src/store/sync.rs", catchers: &[
        Test(Consensus, "store::tests::after_a_failed_sync_nothing_is_acknowledged", "no later sync is believed"),
    ] },
    Exhibit { fault: Fault::PointInTimeWal, rule: "R5", place: "consensus/src/store/options.rs", catchers: &[
        Test(Consensus, "store::tests::a_write_ahead_log_that_is_damaged_before_its_end_is_not_opened_up_to_the_damage", "opened with a log that ends at"),
    ] },
    Exhibit { fault: Fault::GrantFromReplay, rule: "R3", place: "consensus/src/log/claim.rs", catchers: &[
        Test(Consensus, "log::tests::a_claim_is_granted_a_repeated_one_granted_again_and_another_root_refused_with_the_bound_payload", "log/tests.rs"),
    ] },
    Exhibit { fault: Fault::GrantFromVerdict, rule: "R3", place: "consensus/src/log/claim.rs", catchers: &[
        Test(Consensus, "log::claim::tests::a_verdict_alone_grants_nothing_the_own_state_must_bind_the_very_root", "another root is bound"),
    ] },
    Exhibit { fault: Fault::WaiterByIndex, rule: "R3", place: "consensus/src/log/propose.rs", catchers: &[
        Test(Consensus, "log::propose::tests::the_answer_at_a_proposals_index_counts_only_if_it_is_the_answer_to_this_proposal", "another proposal took its place"),
    ] },
    Exhibit { fault: Fault::SigningOnUnknown, rule: "S2", place: "consensus/src/log/claim.rs", catchers: &[
        Test(Consensus, "log::tests::without_a_quorum_a_claim_ends_at_its_deadline_and_nothing_is_granted", "Ok([Ok(Grant"),
        Simulated(Seeds { end: 60 }, "S2:"),
    ] },
    Exhibit { fault: Fault::ClaimTooEarly, rule: "R7", place: "consensus/src/log/claim.rs", catchers: &[
        Test(Consensus, "log::tests::claims_that_contradict_themselves_or_come_too_early_are_not_logged", "log/tests.rs"),
    ] },
    Exhibit { fault: Fault::AttemptByFollower, rule: "R4", place: "consensus/src/log/attempts.rs", catchers: &[
        Test(Consensus, "log::tests::publishing::an_attempt_is_granted_with_its_bundle_and_the_successor_resumes_it", "only who acts sends"),
    ] },
    Exhibit { fault: Fault::NoRollCall, rule: "R6", place: "consensus/src/recovery/recover.rs", catchers: &[
        Test(Consensus, "log::tests::recovery::without_an_anchor_it_waits_for_all_others_and_nothing_is_closed", "it does not know what it has forgotten"),
        Simulated(Seeds { end: 60 }, "S6:"),
    ] },
    Exhibit { fault: Fault::RollCallOfQuorum, rule: "R6", place: "consensus/src/recovery/roll_call.rs", catchers: &[
        Test(Consensus, "recovery::roll_call::tests::three_voters_wait_for_both_others_whoever_they_are", "may have committed what 2 lags behind"),
    ] },
    Exhibit { fault: Fault::TermNotRaised, rule: "R6", place: "consensus/src/recovery/recover.rs", catchers: &[
        Test(Consensus, "log::tests::recovery::a_term_that_was_heard_of_is_raised_durably_by_a_vote_for_nobody", "it may have voted in term"),
    ] },
    Exhibit { fault: Fault::EntryNotAwaited, rule: "R6", place: "consensus/src/recovery/roll_call.rs", catchers: &[
        Test(Consensus, "recovery::roll_call::tests::three_voters_wait_for_both_others_whoever_they_are", "the highest of both"),
    ] },
    Exhibit { fault: Fault::ShortLogVotedFor, rule: "R6", place: "consensus/src/recovery/recover.rs", catchers: &[
        Test(Consensus, "recovery::recover::tests::a_candidate_with_less_than_the_awaited_entry_is_not_admitted", "recover.rs"),
    ] },
    Exhibit { fault: Fault::CampaignWhileBehind, rule: "R6", place: "consensus/src/recovery/recover.rs", catchers: &[
        Test(Consensus, "log::tests::recovery::who_is_behind_what_it_heard_of_campaigns_only_once_its_log_has_come_as_far", "it campaigns with a shorter log"),
    ] },
    Exhibit { fault: Fault::AnswersWhileRecovering, rule: "R6", place: "consensus/src/transport/server.rs", catchers: &[
        Test(Consensus, "log::tests::recovery::without_an_anchor_it_waits_for_all_others_and_nothing_is_closed", "an `Ok` value: Vote"),
    ] },
    Exhibit { fault: Fault::AnchorWhileOwed, rule: "R6", place: "consensus/src/recovery/recover.rs", catchers: &[
        Test(Consensus, "recovery::recover::tests::there_is_no_anchor_while_anything_is_owed", "a restart must not excuse it"),
    ] },
    Exhibit { fault: Fault::RollbackBelieved, rule: "R6", place: "consensus/src/recovery/anchor.rs", catchers: &[
        Test(Consensus, "recovery::anchor::tests::the_store_that_the_last_process_left_is_told_from_an_older_and_from_another_one", "right: Broken"),
        Test(Consensus, "log::tests::recovery::a_disk_that_was_rolled_back_is_refused_by_the_anchor_and_by_who_has_seen_more", "recovery.rs"),
        Simulated(Seeds { end: 60 }, "S6:"),
    ] },
    Exhibit { fault: Fault::AnchorOfEarlierBoot, rule: "R6", place: "consensus/src/recovery/anchor.rs", catchers: &[
        Test(Consensus, "recovery::anchor::tests::an_anchor_of_an_earlier_boot_of_the_machine_or_a_damaged_one_says_nothing", "right: Unknown"),
    ] },
    Exhibit { fault: Fault::HeardPromiseIgnored, rule: "R6", place: "consensus/src/recovery/roll_call.rs", catchers: &[
        Test(Consensus, "recovery::roll_call::tests::a_promise_that_another_has_seen_and_the_store_lacks_is_a_rollback", "taken back"),
    ] },
    Exhibit { fault: Fault::WipedIsFresh, rule: "R6", place: "consensus/src/admission.rs", catchers: &[
        Test(Consensus, "admission::tests::a_reserved_id_is_taken_and_one_that_was_taken_means_that_the_store_is_lost", "Wiped"),
    ] },
    Exhibit { fault: Fault::IdGivenTwice, rule: "R6", place: "consensus/src/membership/roster.rs", catchers: &[
        Test(Consensus, "membership::roster::tests::an_id_is_the_index_of_its_reservation_unless_that_was_used", "70 was a member's"),
    ] },
    Exhibit { fault: Fault::IdTakenTwice, rule: "R6", place: "consensus/src/membership/roster.rs", catchers: &[
        Test(Consensus, "membership::roster::tests::one_store_takes_an_id_and_no_other_does_after_it", "Taken"),
    ] },
    Exhibit { fault: Fault::NoDoubt, rule: "R7", place: "consensus/src/recovery/roll_call.rs", catchers: &[
        Test(Consensus, "recovery::roll_call::tests::another_doubtful_memory_makes_this_one_doubtful", "Recovering"),
        Test(Consensus, "log::tests::recovery::when_all_machines_lost_their_memory_the_slots_that_had_begun_are_closed_before_anything_is_granted", "even what is bound"),
    ] },
    Exhibit { fault: Fault::ExcusedWithoutDoubt, rule: "R7", place: "consensus/src/recovery/roll_call.rs", catchers: &[
        Test(Consensus, "recovery::roll_call::tests::who_is_excused_is_not_waited_for_and_leaves_a_doubt", "roll_call/tests.rs"),
    ] },
    Exhibit { fault: Fault::DemandsForgotten, rule: "R7", place: "consensus/src/recovery/memory.rs", catchers: &[
        Test(Consensus, "recovery::memory::tests::a_demand_is_open_until_a_closing_names_its_very_process", "memory.rs"),
        Test(Consensus, "log::tests::recovery::when_all_machines_lost_their_memory_the_slots_that_had_begun_are_closed_before_anything_is_granted", "even what is bound"),
    ] },
    Exhibit { fault: Fault::DoubtNotSent, rule: "R7", place: "consensus/src/transport/peers.rs", catchers: &[
        Test(Consensus, "transport::peers::tests::a_doubt_that_was_heard_goes_on_with_every_frame", "with votes, entries and answers alike"),
    ] },
    Exhibit { fault: Fault::DoubtNotAdopted, rule: "R7", place: "consensus/src/recovery/recover.rs", catchers: &[
        Test(Consensus, "recovery::recover::tests::a_doubt_that_was_heard_makes_ones_own_word_doubtful_until_it_is_settled", "doubts too"),
    ] },
    Exhibit { fault: Fault::DoubtHidden, rule: "R7", place: "consensus/src/recovery/recover.rs", catchers: &[
        Test(Consensus, "recovery::recover::tests::a_doubt_that_was_heard_makes_ones_own_word_doubtful_until_it_is_settled", "and says so"),
    ] },
    Exhibit { fault: Fault::GrantBeforeClosing, rule: "R7", place: "consensus/src/log/claim.rs", catchers: &[
        Test(Consensus, "log::claim::tests::nothing_is_granted_while_a_closing_is_demanded", "may be about to be closed"),
    ] },
    Exhibit { fault: Fault::ClosesByOldClock, rule: "R7", place: "consensus/src/log/horizon.rs", catchers: &[
        Test(Consensus, "log::horizon::tests::what_is_closed_covers_every_slot_that_a_claim_was_admitted_for", "this process was paused"),
    ] },
    Exhibit { fault: Fault::ClosesTooLow, rule: "R7", place: "consensus/src/log/horizon.rs", catchers: &[
        Test(Consensus, "log::horizon::tests::what_is_closed_covers_every_slot_that_a_claim_was_admitted_for", "another replica's clock was ahead"),
    ] },
    Exhibit { fault: Fault::CreationWithoutFloor, rule: "R9", place: "consensus/src/log/create.rs", catchers: &[
        Test(Consensus, "log::tests::a_claim_is_granted_a_repeated_one_granted_again_and_another_root_refused_with_the_bound_payload", "BelowFloor"),
    ] },
    Exhibit { fault: Fault::CreationOfSome, rule: "R9", place: "consensus/src/log/create.rs", catchers: &[
        Test(Consensus, "log::tests::before_the_cluster_exists_nothing_is_granted_and_creation_needs_everyone", "log/tests.rs"),
    ] },
    Exhibit { fault: Fault::RecoveredWithoutClosing, rule: "R12", place: "consensus/src/recovery/roll_call.rs", catchers: &[
        Test(Consensus, "log::tests::survivor::the_survivor_goes_on_with_all_that_was_bound_and_grants_nothing_in_slots_that_had_begun", "its first start demands a closing"),
    ] },
    Exhibit { fault: Fault::RecoveredBesideQuorum, rule: "R12", place: "consensus/src/survivor.rs", catchers: &[
        Test(Consensus, "log::tests::survivor::a_running_replica_a_living_quorum_unnamed_losses_and_an_older_disk_are_refused", "survivor.rs"),
    ] },
    Exhibit { fault: Fault::RetiredIgnored, rule: "R12", place: "consensus/src/transport/client.rs", catchers: &[
        Test(Consensus, "log::tests::survivor::only_who_shows_the_recorded_certificate_can_stop_a_replica", "survivor.rs"),
    ] },
    Exhibit { fault: Fault::ClockAgainstL1, rule: "R7", place: "node/sequencer/src/sequencer.rs", catchers: &[
        Test(Sequencer, "sequencer::tests::the_latest_slot_follows_the_later_of_clock_and_l1_and_is_unknown_while_they_disagree", "L1 lags, or the clock jumped"),
    ] },
    Exhibit { fault: Fault::SecondProcessServed, rule: "R8", place: "consensus/src/transport/peers.rs", catchers: &[
        Test(Consensus, "transport::peers::tests::a_second_process_is_not_taken_for_the_first_until_it_answers_at_the_address", "right: Other"),
    ] },
    Exhibit { fault: Fault::NoDialBack, rule: "R8", place: "consensus/src/transport/server.rs", catchers: &[
        Test(Consensus, "log::tests::recovery::a_vote_counts_only_for_the_process_at_the_members_address", "granted: true"),
    ] },
    Exhibit { fault: Fault::DialBackOfVotesOnly, rule: "R8", place: "consensus/src/transport/server.rs", catchers: &[
        Test(Consensus, "log::tests::recovery::a_vote_counts_only_for_the_process_at_the_members_address", "Append(Success)"),
    ] },
    Exhibit { fault: Fault::PausedProcessServed, rule: "R8", place: "consensus/src/recovery/recover.rs", catchers: &[
        Test(Consensus, "transport::peers::tests::a_process_whose_place_another_one_has_taken_is_refused_unless_it_calls_the_roll", "although both have promised the same"),
        Test(Consensus, "log::tests::intruder::a_process_that_stood_still_while_another_one_took_its_place_stops", "unwrap_err"),
    ] },
    Exhibit { fault: Fault::CopyUnnoticed, rule: "R8", place: "consensus/src/recovery/marker.rs", catchers: &[
        Test(Consensus, "recovery::marker::tests::a_directory_is_marked_once_and_a_copy_of_it_is_told_apart", "marker.rs"),
        Test(Consensus, "log::tests::recovery::a_copy_of_a_data_directory_is_refused", "recovery.rs"),
    ] },
    Exhibit { fault: Fault::DirectoryShared, rule: "R8", place: "consensus/src/directory.rs", catchers: &[
        Test(Consensus, "directory::tests::a_directory_is_taken_once_and_the_refusal_names_the_holder", "directory.rs"),
    ] },
    Exhibit { fault: Fault::WitnessActs, rule: "R11", place: "consensus/src/log/watch.rs", catchers: &[
        Test(Consensus, "log::tests::members::a_witness_votes_and_stores_but_never_acts", "members.rs"),
    ] },
    Exhibit { fault: Fault::WitnessMajority, rule: "R11", place: "consensus/src/membership/rule.rs", catchers: &[
        Test(Consensus, "membership::rule::tests::witnesses_are_never_a_majority", "Witnesses"),
    ] },
    Exhibit { fault: Fault::TwoChangesAtOnce, rule: "R6", place: "consensus/src/membership/rule.rs", catchers: &[
        Test(Consensus, "membership::rule::tests::one_change_at_a_time_and_none_before_the_cluster_exists", "UnderWay"),
    ] },
    Exhibit { fault: Fault::LaggingPromoted, rule: "R6", place: "consensus/src/membership/rule.rs", catchers: &[
        Test(Consensus, "membership::rule::tests::a_learner_that_lags_or_is_silent_is_not_promoted", "Lags"),
    ] },
    Exhibit { fault: Fault::StrangerServed, rule: "R24", place: "consensus/src/transport/server.rs", catchers: &[
        Test(Consensus, "log::tests::intruder::only_the_members_own_certificate_speaks_for_it", "2's certificate for 3"),
    ] },
    Exhibit { fault: Fault::OtherClusterServed, rule: "R24", place: "consensus/src/transport/server.rs", catchers: &[
        Test(Consensus, "log::tests::intruder::only_the_members_own_certificate_speaks_for_it", "another cluster"),
    ] },
    Exhibit { fault: Fault::CertificateNotPinned, rule: "R24", place: "consensus/src/transport/tls.rs", catchers: &[
        Test(Consensus, "log::tests::intruder::only_the_members_own_certificate_speaks_for_it", "a server with another certificate"),
    ] },
    Exhibit { fault: Fault::HoleServed, rule: "S7", place: "consensus/src/transport/plausible.rs", catchers: &[
        Test(Consensus, "transport::plausible::tests::entries_that_follow_each_other_pass_and_all_others_are_named", "Hole"),
    ] },
    Exhibit { fault: Fault::RootShownEarly, rule: "R25", place: "node/src/duties/serve.rs", catchers: &[
        Test(Node, "duties::serve::tests::a_root_is_shown_only_once_its_slot_is_over", "it may not have been released yet"),
    ] },
    Exhibit { fault: Fault::CreationUnlistened, rule: "R9", place: "node/src/admin/listen.rs", catchers: &[
        Test(Node, "admin::listen::tests::every_chain_but_the_development_one_is_listened_to", "listen.rs"),
    ] },
    Exhibit { fault: Fault::SignerUnchecked, rule: "R18", place: "node/keystore/src/key.rs", catchers: &[
        Test(Keystore, "key::tests::a_signature_that_recovers_to_another_address_is_not_used", "Ok(0x"),
    ] },
    Exhibit { fault: Fault::OldBundleAsEvidence, rule: "R10", place: "node/src/evidence/signature.rs", catchers: &[
        Test(Node, "evidence::signature::tests::an_old_bundle_in_a_new_call_proves_nothing", "signature.rs"),
    ] },
    Exhibit { fault: Fault::AttemptBelowUnsent, rule: "R20", place: "consensus/src/attempt/ledger.rs", catchers: &[
        Test(Consensus, "attempt::tests::every_fee_must_double_against_every_earlier_attempt", "fee 0"),
    ] },
    Exhibit { fault: Fault::PastSlotAttempt, rule: "R20", place: "consensus/src/attempt/ledger.rs", catchers: &[
        Test(Consensus, "attempt::tests::a_transaction_of_a_past_slot_is_not_started_and_a_later_slot_replaces_at_the_same_nonce", "PastSlot"),
    ] },
    Exhibit { fault: Fault::BlobsDropped, rule: "R20", place: "consensus/src/attempt/ledger.rs", catchers: &[
        Test(Consensus, "attempt::tests::a_nonce_that_held_blobs_holds_blobs", "attempt/tests.rs"),
    ] },
    Exhibit { fault: Fault::NonceFromL1, rule: "R21", place: "consensus/src/attempt/ledger.rs", catchers: &[
        Test(Consensus, "attempt::tests::the_first_attempt_sets_the_base_nonce_and_the_next_opens_after_mined", "Nonce {"),
    ] },
    Exhibit { fault: Fault::ForeignSpendIgnored, rule: "R21", place: "consensus/src/attempt/ledger.rs", catchers: &[
        Test(Consensus, "attempt::tests::a_foreign_spend_drops_the_open_nonces_up_to_it_and_nothing_else", "attempt/tests.rs"),
    ] },
    Exhibit { fault: Fault::OutcomeTakenAsFinal, rule: "R22", place: "consensus/src/attempt/ledger.rs", catchers: &[
        Test(Consensus, "attempt::tests::mined_is_not_final_and_settled_forgets", "attempt/tests.rs"),
    ] },
    Exhibit { fault: Fault::UnboundBundle, rule: "R23", place: "consensus/src/attempt/ledger.rs", catchers: &[
        Test(Consensus, "attempt::tests::only_a_bound_bundle_of_the_same_slot_is_recorded", "NoBundle"),
    ] },
    Exhibit { fault: Fault::PastSlotSent, rule: "R20", place: "node/publisher/src/decide.rs", catchers: &[
        Test(Publisher, "decide::tests::a_transaction_of_a_past_slot_is_never_started", "right: SlotOver"),
    ] },
    Exhibit { fault: Fault::OldAttemptResent, rule: "R20", place: "node/publisher/src/decide.rs", catchers: &[
        Test(Publisher, "decide::tests::an_attempt_of_an_earlier_slot_is_replaced_and_never_sent", "left: Send"),
    ] },
    Exhibit { fault: Fault::FeesNotDoubled, rule: "R20", place: "node/publisher/src/fees.rs", catchers: &[
        Test(Publisher, "fees::tests::each_fee_is_twice_every_earlier_one_sent_or_not", "fees.rs"),
    ] },
    Exhibit { fault: Fault::CancellationWithoutBlob, rule: "R20", place: "node/keystore/src/transaction.rs", catchers: &[
        Test(Keystore, "transaction::tests::a_cancellation_of_blobs_holds_a_blob_of_zeros_with_its_true_commitment", "not a blob transaction"),
    ] },
    Exhibit { fault: Fault::AnyTarget, rule: "R27", place: "node/keystore/src/transaction.rs", catchers: &[
        Test(Keystore, "transaction::tests::parts_that_differ_from_the_log_are_refused", "transaction/tests.rs"),
    ] },
    Exhibit { fault: Fault::OtherBundleSent, rule: "R23", place: "node/keystore/src/transaction.rs", catchers: &[
        Test(Keystore, "transaction::tests::parts_that_differ_from_the_log_are_refused", "transaction/tests.rs"),
    ] },
    Exhibit { fault: Fault::OutletUnrecorded, rule: "S2", place: "node/keystore/src/keystore.rs", catchers: &[
        Test(KeystoreTests, "what_cannot_be_signed_or_recorded_does_not_leave", "Ok(Signed"),
    ] },
    Exhibit { fault: Fault::VoteOfOtherChain, rule: "R15", place: "node/keystore/src/keystore.rs", catchers: &[
        Test(KeystoreTests, "a_vote_of_another_chain_or_rollup_is_not_signed", "Ok(Signed"),
    ] },
    Exhibit { fault: Fault::ResumeWithoutReexecution, rule: "R16", place: "node/sequencer/src/proposal.rs", catchers: &[
        Test(Sequencer, "proposal::tests::a_claimed_header_that_execution_does_not_give_is_never_sent", "proposal.rs"),
        Test(Sequencer, "proposal::tests::a_changed_parent_gives_the_slot_up", "proposal.rs"),
    ] },
    Exhibit { fault: Fault::ConflictWithoutAdoption, rule: "R14", place: "node/sequencer/src/proposal.rs", catchers: &[
        Test(Sequencer, "proposal::tests::what_is_bound_is_adopted_and_what_may_be_bound_is_asked_for_again", "it is adopted"),
    ] },
    Exhibit { fault: Fault::DraftForgotten, rule: "R14", place: "node/sequencer/src/proposal.rs", catchers: &[
        Test(Sequencer, "proposal::tests::what_is_bound_is_adopted_and_what_may_be_bound_is_asked_for_again", "the same root again"),
    ] },
    Exhibit { fault: Fault::BundleUnchecked, rule: "R16", place: "node/sequencer/src/bundle.rs", catchers: &[
        Test(Sequencer, "bundle::tests::a_bundle_that_l1_would_refuse_is_not_made", "a bad bundle once claimed is final"),
    ] },
];

/// Rules without a planted fault, and why.
#[cfg(test)]
const WITHOUT: &[(&str, &str)] =
    &[("R17", "transactions and their spreading are not built"), ("R26", "drop-in ports are not built")];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn read(path: &str) -> String {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
    }

    #[test]
    fn every_fault_is_shown_once_with_its_switch_where_it_is_said_to_be() {
        let shown: Vec<Fault> = CATALOGUE.iter().map(|exhibit| exhibit.fault).collect();
        let mut sorted = shown.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, Fault::ALL, "in whatever order, each once");
        for Exhibit { fault, place, catchers, .. } in CATALOGUE {
            assert!(read(place).contains(&format!("Fault::{fault:?}")), "{place} has no switch for {fault:?}");
            assert!(!catchers.is_empty() && catchers.iter().all(|catcher| !catcher.says().is_empty()), "{fault:?}");
        }
        assert!(shown.len() >= 40, "{} faults", shown.len());
    }

    #[test]
    fn every_safety_rule_is_broken_by_a_fault_or_has_a_reason_why_not() {
        let broken: BTreeSet<&str> = CATALOGUE.iter().map(|exhibit| exhibit.rule).collect();
        let without: BTreeSet<&str> = WITHOUT.iter().map(|(rule, _)| *rule).collect();
        for rule in (1..=27).map(|number| format!("R{number}")) {
            assert!(broken.contains(&*rule) != without.contains(&*rule), "{rule}: a fault, or a reason, and not both");
        }
    }

    #[test]
    fn the_page_has_the_whole_table() {
        let page = read("docs/museum.md");
        let missing: Vec<String> =
            CATALOGUE.iter().map(Exhibit::row).filter(|row| !page.lines().any(|line| line == row)).collect();
        assert!(missing.is_empty(), "put what `chaos museum --list` prints into docs/museum.md:\n{}", missing.join("\n"));
        for (rule, why) in WITHOUT {
            assert!(page.contains(&format!("| {rule} | {why} |")), "{rule}");
        }
    }
}
