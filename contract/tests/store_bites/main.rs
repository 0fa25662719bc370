//! The contract must catch stores that break it. Here are stores broken on purpose, each in one way;
//! for each, at least one case must fail, and one that is named must be among them.

mod append_entry_faults;
mod broken;
mod entry_faults;
mod faults;
mod id_faults;
#[path = "../common/quiet.rs"]
mod quiet;

use append_entry_faults::*;
use broken::{Fault, Place, break_stores};
use entry_faults::*;
use faults::*;
use id_faults::*;
use midgard_contract::{Case, cases};
use quiet::be_quiet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How long a case may take on a broken store: it may well wait for what never comes.
const PATIENCE: Duration = Duration::from_secs(2);

/// The cases among some that fail, in the order of their list.
fn failing<B: Fault>(patience: Duration, among: impl Fn(&Case) -> bool) -> Vec<Case> {
    be_quiet();
    let _turn = break_stores::<B>();
    let mut cases = cases::<Place>();
    cases.retain(among);
    let next = AtomicUsize::new(0);
    // Many at once, as those that wait for what never comes take their time.
    let mut failing: Vec<_> = thread::scope(|threads| {
        let run = || {
            let mut failing = Vec::new();
            while let Some((index, case)) = take(&cases, &next) {
                if catch_unwind(AssertUnwindSafe(|| case.run_within(patience))).is_err() {
                    failing.push((index, *case));
                }
            }
            failing
        };
        let running: Vec<_> = (0..32).map(|_| threads.spawn(run)).collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    failing.sort_by_key(|(index, _)| *index);
    failing.into_iter().map(|(_, case)| case).collect()
}

fn take<'a>(cases: &'a [Case], next: &AtomicUsize) -> Option<(usize, &'a Case)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, cases.get(index)?))
}

/// What every broken store is given beside the case that is to catch it: a few quick ones, so that a message tells more of what
/// is broken. All of them for each would take minutes.
const A_FEW: [&str; 8] = [
    "appended_events_can_be_read",
    "version_too_low_fails",
    "idempotent_repeat_with_any",
    "log_is_read_in_pages",
    "condition_fails_when_an_event_matches",
    "truncated_stream_begins_later",
    "append_changes_entries_with_its_events",
    "one_failed_expectation_changes_nothing",
];

fn is_caught<B: Fault>(by: &str) {
    let is_given = |case: &Case| case.name() == by || A_FEW.contains(&case.name());
    let failing = failing::<B>(PATIENCE, is_given);
    assert!(
        failing.iter().any(|case| case.name() == by),
        "{by} is there to catch this broken store, but only these cases did: {failing:?}"
    );
}

macro_rules! caught {
    ($($store:ident: $fault:ty, by $case:ident;)*) => {$(
        #[test]
        fn $store() {
            is_caught::<$fault>(stringify!($case));
        }
    )*};
}

caught! {
    drops_an_event_of_an_append: DropsAnEvent, by appended_events_can_be_read;
    loses_an_event_between_two_batches: LosesOneOfMany, by long_log_is_read_whole;
    reorders_events: Reorders, by log_gives_all_events_in_the_order_of_appends;
    repeats_an_event_between_two_batches: RepeatsOneOfMany, by long_stream_is_read_whole;
    appends_part_by_part: TearsParts, by one_wrong_exact_version_fails_all_parts;
    appends_event_by_event: TearsEvents, by append_after_a_refused_one_is_as_ever;
    stops_midway: StopsMidway, by ten_thousand_events_in_one_append;
    ignores_expected_versions: IgnoresExpectedVersions, by version_too_low_fails;
    checks_expected_versions_too_early: ChecksTooEarly, by one_winner_for_each_version;
    forgets_ids: ForgetsIds, by idempotent_repeat_with_any;
    accepts_batches_that_are_partly_known: AcceptsPartlyKnown, by batch_with_a_known_beginning_conflicts_with_any;
    compares_no_names: ComparesNoNames, by known_id_with_another_name_is_taken;
    compares_no_versions_of_payloads: ComparesNoVersions, by known_id_with_another_version_of_the_payload_is_taken;
    compares_no_codecs: ComparesNoCodecs, by known_id_with_another_codec_is_taken;
    compares_no_payloads: ComparesNoPayloads, by known_id_with_another_payload_is_taken;
    compares_the_beginnings_of_payloads: ComparesBeginnings, by known_id_with_the_last_byte_of_a_large_payload_changed_is_taken;
    compares_one_part: ComparesOnePart, by known_id_in_one_of_several_parts_is_taken;
    compares_tags: ComparesTags, by retry_with_other_tags_and_metadata_is_a_retry;
    looks_for_ids_in_one_stream: LooksAtOneStream, by known_id_in_another_stream_is_taken;
    looks_for_ids_in_all_streams: LooksAtAllStreams, by known_ids_in_another_stream_are_not_looked_for_with_exact;
    remembers_the_ids_of_removed_events: RemembersRemovedIds, by id_of_a_removed_event_is_not_taken;
    takes_an_id_twice_in_one_append: TakesIdsTwice, by same_id_twice_in_one_append_is_refused;
    looks_for_ids_too_early: LooksForIdsTooEarly, by one_id_for_other_events_of_many_threads_is_one_event;
    mixes_up_payloads: MixesPayloads, by appended_events_can_be_read;
    mixes_up_tags: MixesTags, by metadata_belongs_to_one_event_of_a_batch;
    mixes_up_headers: MixesMetadata, by metadata_belongs_to_one_event_of_a_batch;
    swaps_correlation_and_causation: SwapsCorrelation, by correlation_without_causation;
    cuts_large_payloads: CutsPayloads, by payload_of_a_mebibyte;
    trims_texts: TrimsTexts, by any_text_names_an_event;
    folds_the_case_of_streams: FoldsCase, by streams_whose_names_begin_alike_are_separate;
    ignores_the_limit_of_reads: IgnoresLimits, by stream_up_to_a_limit;
    ignores_where_reads_begin: IgnoresFrom, by stream_from_a_version;
    begins_reads_one_too_late: BeginsTooLate, by log_from_a_position;
    reads_backward_as_forward: ReadsForward, by stream_backward_gives_the_newest_first;
    goes_on_after_a_break: IgnoresBreak, by break_ends_a_read_of_a_stream;
    holds_the_thread_while_it_reads: HoldsTheThread, by long_reads_give_way;
    reads_any_log: ReadsAnyLog, by unknown_log_is_an_error;
    lists_a_log_that_it_has_not: ListsAnotherLog, by logs_that_are_listed_can_be_read;
    lists_no_logs: ListsNoLogs, by logs_that_are_listed_can_be_read;
    ignores_the_logs_of_conditions: IgnoresLogsOfConditions, by condition_on_an_unknown_log_is_an_error;
    ignores_conditions: IgnoresConditions, by condition_fails_when_an_event_matches;
    checks_conditions_too_early: ChecksConditionsTooEarly, by mixed_conditions_of_the_same_moment;
    indexes_events_once: IndexesOnce, by stream_of_events_by_query_sees_what_is_appended_as_it_goes;
    asks_for_one_tag_backward: OneTagBackward, by query_backward_by_all_of_several_tags;
    asks_for_one_tag_of_each_item_backward: OneTagBackward, by query_backward_of_several_items_of_two_tags_each;
    moves_what_is_tracked_of_its_own: IgnoresExpectationsOfAppends, by tracked_position_moves_with_its_append;
    asks_for_any_tag_of_an_item: AnyTag, by query_by_all_of_several_tags;
    asks_for_one_item_only: OneItem, by query_by_any_of_several_tags;
    skips_checks_of_limits: SkipsLimits, by name_of_an_event_too_long;
    counts_no_headers: CountsNoHeaders, by append_with_headers_too_large;
    counts_no_tags: CountsNoHeaders, by append_with_tags_too_large;
    keeps_the_room_of_abandoned_appends: KeepsRoom, by abandoned_appends_stand_in_nobodys_way;
    tears_abandoned_appends: TearsAbandoned, by abandoned_appends_are_whole_or_not_there;
    restarts_versions_after_a_truncation: RestartsVersions, by versions_never_restart_after_all_was_truncated;
    ignores_truncations: IgnoresTruncations, by truncated_stream_begins_later;
    ignores_tombstones: IgnoresTombstones, by append_to_a_tombstoned_stream_says_so;
    tells_of_no_tombstones: TellsOfNoTombstones, by tombstone_is_read_by_who_asks_for_it;
    takes_back_positions: TakesBackPositions, by positions_are_never_used_again;
    lets_time_go_back: LetsTimeGoBack, by time_never_goes_back;
    shows_an_event_late: ShowsLate, by nothing_appears_behind_a_reader;
    says_it_read_further_than_it_did: ReachesTooFar, by log_is_read_in_pages;
    never_waits: NeverWaits, by wait_past_waits_at_the_end;
    answers_with_the_first_position: AnswersFirstPosition, by append_answers_with_position_and_version;
    forgets_when_it_is_opened_again: ForgetsOnOpening, by reopened_store_has_all_events;
}

caught! {
    ignores_expectations: IgnoresExpectations, by entry_with_another_value_is_changed_by_another;
    ignores_expected_absence: IgnoresExpectedAbsence, by entry_expected_to_be_absent;
    checks_presence_only: ChecksPresenceOnly, by entry_with_another_value_is_changed_by_another;
    checks_one_expectation: ChecksOneExpectation, by one_failed_expectation_changes_nothing;
    checks_only_what_it_changes: ChecksOnlyWhatItChanges, by expectations_of_other_entries_than_are_changed;
    checks_entries_too_early: ChecksEntriesTooEarly, by increments_by_many_threads_lose_nothing;
    names_the_first_key: NamesTheFirstKey, by one_failed_expectation_changes_nothing;
    writes_half: WritesHalf, by one_failed_expectation_changes_nothing;
    tears_entries: TearsEntries, by changes_of_several_entries_by_many_threads_stay_whole;
    drops_a_change: DropsAChange, by many_entries_are_read_whole;
    forgets_removals: ForgetsRemovals, by removed_entry_is_gone;
    removes_only_what_is_there: RemovesOnlyWhatIsThere, by removal_of_an_entry_that_is_not_there;
    takes_empty_for_removed: TakesEmptyForRemoved, by entry_of_no_bytes;
    cuts_large_values: CutsValues, by entry_of_a_mebibyte;
    cuts_long_keys: CutsKeys, by key_of_an_entry_at_its_limit;
    ends_keys_at_nul: EndsKeysAtNul, by keys_that_begin_alike_are_separate;
    folds_the_case_of_keys: FoldsTheCaseOfKeys, by keys_that_begin_alike_are_separate;
    skips_checks_of_the_limits_of_keys: SkipsEntryLimits, by key_of_an_entry_too_long;
    skips_checks_of_empty_keys: SkipsEntryLimits, by key_of_an_entry_empty;
    skips_checks_of_the_limits_of_values: SkipsEntryLimits, by value_of_an_entry_too_large;
    skips_checks_of_the_number_of_entries: SkipsEntryLimits, by too_many_entries_at_once;
    skips_checks_of_the_bytes_of_entries: SkipsEntryLimits, by too_many_bytes_of_entries_at_once;
    ignores_the_limit_of_reads_of_entries: IgnoresEntryLimits, by entries_after_a_key_up_to_a_limit;
    begins_reads_of_entries_too_early: BeginsAtTheKey, by entries_after_a_key_up_to_a_limit;
    ends_reads_of_entries_too_late: EndsAfterTheKey, by entries_between_two_keys;
    overlooks_the_highest_keys: OverlooksTheHighestKeys, by entries_by_a_prefix_of_the_highest_bytes;
    reverses_entries: ReversesEntries, by entries_are_in_the_order_of_their_bytes;
    orders_entries_by_length: OrdersByLength, by entries_are_in_the_order_of_their_bytes;
    orders_entries_as_signed: OrdersAsSigned, by entries_are_in_the_order_of_their_bytes;
    loses_an_entry_between_two_batches: LosesOneEntryOfMany, by many_entries_are_read_whole;
    repeats_an_entry_between_two_batches: RepeatsOneEntryOfMany, by many_entries_are_read_whole;
    goes_on_after_a_break_in_entries: IgnoresBreak, by break_ends_a_read_of_entries;
    keeps_entries_in_the_log: LogsEntries, by entries_do_not_move_the_log;
    wakes_for_entries: WakesForEntries, by entries_do_not_move_the_log;
    appends_over_entries: AppendsOverEntries, by appends_leave_entries_alone;
    forgets_entries_when_it_is_opened_again: ForgetsOnOpening, by reopened_store_has_all_entries;
    forgets_entries_of_appends: ForgetsEntriesOfAppends, by append_changes_entries_with_its_events;
    ignores_expectations_of_appends: IgnoresExpectationsOfAppends, by entry_not_as_expected_appends_nothing;
    ignores_absence_expected_by_appends: IgnoresAbsenceExpectedByAppends, by entry_not_as_expected_appends_nothing;
    appends_check_only_what_they_change: AppendsCheckOnlyWhatTheyChange, by expectations_alone_of_an_append;
    appends_forget_removals: AppendsForgetRemovals, by append_changes_entries_with_its_events;
    appends_skip_the_limits_of_entries: AppendsSkipEntryLimits, by limits_of_the_entries_of_an_append;
    changes_entries_before_the_events: ChangesEntriesFirst, by conflict_changes_no_entry;
    changes_entries_before_a_condition_is_checked: ChangesEntriesFirst, by failed_condition_changes_no_entry;
    changes_entries_after_the_events: ChangesEntriesAfterwards, by entry_not_as_expected_appends_nothing;
    shows_entries_after_the_events: ShowsEntriesLate, by readers_see_events_and_entries_of_an_append_together;
    appends_check_entries_too_early: AppendsCheckEntriesTooEarly, by one_winner_of_an_entry_appends;
    keeps_entries_of_conflicts: KeepsEntriesOfRefusedAppends, by conflict_changes_no_entry;
    keeps_entries_of_partly_known_batches: KeepsEntriesOfRefusedAppends, by partly_known_batch_changes_no_entry;
    keeps_entries_of_failed_conditions: KeepsEntriesOfRefusedAppends, by failed_condition_changes_no_entry;
    keeps_entries_of_tombstoned_streams: KeepsEntriesOfRefusedAppends, by tombstoned_stream_changes_no_entry;
    keeps_events_of_changed_entries: KeepsEventsOfRefusedAppends, by append_after_one_whose_entries_changed_is_as_ever;
    keeps_events_of_changed_entries_of_many: KeepsEventsOfRefusedAppends, by refused_appends_among_others_leave_nothing;
    checks_entries_of_retries: ChecksEntriesOfRetries, by retry_of_an_append_changes_no_entry_again;
    checks_entries_of_retries_by_many: ChecksEntriesOfRetries, by same_append_with_entries_by_many_threads_is_made_once;
    checks_entries_before_versions: ChecksEntriesBeforeVersions, by entries_are_checked_after_versions_and_conditions;
    changes_entries_again: ChangesEntriesAgain, by retry_of_an_append_changes_no_entry_again;
    changes_entries_again_that_nothing_is_expected_of: ChangesEntriesAgain, by retry_of_an_append_that_expects_nothing_changes_no_entry_again;
    ignores_entries_without_events: IgnoresEntriesWithoutEvents, by append_of_entries_only;
    ignores_versions_without_events: IgnoresVersionsWithoutEvents, by append_of_entries_only;
    tears_parts_from_entries: TearsPartsFromEntries, by several_streams_and_entries_change_together;
    names_the_first_key_of_appends: NamesTheFirstKeyOfAppends, by entry_not_as_expected_appends_nothing;
    calls_changed_entries_conflicts: CallsChangedEntriesConflicts, by entry_not_as_expected_appends_nothing;
    sleeps_over_entries: SleepsOverEntries, by append_with_entries_wakes_followers;
    wakes_for_entries_of_appends: WakesForEntriesOfAppends, by append_of_entries_only;
    loses_a_change_of_another: LosesAChangeOfAnother, by appends_and_changes_of_one_entry_by_many_threads;
    handles_a_message_twice: LosesAChangeOfAnother, by same_message_by_many_threads_is_handled_once;
    forgets_appends_with_entries_when_it_is_opened_again: ForgetsOnOpening, by reopened_store_has_events_and_entries_of_appends;
}

#[test]
fn nothing_stands_against_the_same_wrapper_without_a_fault() {
    let failing = failing::<NoFault>(Case::PATIENCE, |_| true);
    assert!(
        failing.is_empty(),
        "it is not the wrapper that makes cases fail: {failing:?}"
    );
}

#[test]
fn names_of_cases_are_unique() {
    let mut names: Vec<_> = cases::<Place>().iter().map(Case::name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 120, "the contract is this long: {count}");
}
