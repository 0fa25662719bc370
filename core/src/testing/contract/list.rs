//! The one list of all cases. `cases` and `store_contract!` are made from it; a case that is missing
//! here is an unused function, which the compiler reports.

/// Calls a macro with `argument` and all cases, by subject.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_contract_cases {
    ([$($callback:tt)*] $argument:tt) => {
        $($callback)*! {
            $argument
            appending {
                appended_events_can_be_read,
                append_any_creates_a_stream,
                append_any_to_an_existing_stream,
                append_no_stream_creates_a_stream,
                append_no_stream_fails_when_the_stream_exists,
                append_exists_to_an_existing_stream,
                append_exists_to_a_stream_of_several_events,
                append_exists_fails_when_there_is_no_stream,
                append_at_the_exact_version,
                exact_version_zero_means_no_stream,
                wrong_version_fails_when_there_is_no_stream,
                version_too_low_fails,
                version_too_high_fails,
                highest_version_there_can_be_fails,
                refused_append_leaves_nothing_behind,
                append_goes_through_after_a_refused_one,
                append_of_no_events_changes_nothing,
                append_of_no_events_checks_its_expectation,
                append_without_parts_does_nothing,
                append_answers_with_position_and_version,
                versions_count_from_one_in_each_stream,
                positions_grow_over_all_streams,
                first_position_is_one,
                events_of_one_append_stand_together,
                streams_whose_names_begin_alike_are_separate,
                ten_thousand_events_in_one_append,
                many_streams_of_few_events,
            }
            idempotence {
                idempotent_repeat_with_no_stream,
                idempotent_repeat_with_exact,
                idempotent_repeat_with_any,
                idempotent_repeat_with_exists,
                idempotent_repeat_with_no_stream_after_later_appends,
                idempotent_repeat_with_exact_after_later_appends,
                idempotent_repeat_with_any_after_later_appends,
                idempotent_repeat_with_exists_after_later_appends,
                idempotent_repeat_of_each_of_three_with_exact,
                idempotent_repeat_of_each_of_three_with_any,
                idempotent_repeat_of_three_single_appends_as_one_batch,
                idempotent_repeat_of_the_first_of_a_batch,
                idempotent_repeat_of_the_last_of_a_batch,
                idempotent_repeat_many_times,
                idempotent_repeat_of_a_stale_append_is_recognised,
                batch_with_a_known_beginning_conflicts_with_no_stream,
                batch_with_a_known_beginning_conflicts_with_exact,
                batch_with_a_known_beginning_conflicts_with_any,
                batch_with_a_known_beginning_conflicts_with_exists,
                batch_with_a_known_end_conflicts,
                batch_in_another_order_conflicts,
                batch_that_leaves_one_out_conflicts,
                other_ids_at_a_known_version_conflict,
                known_ids_at_another_version_conflict,
                known_id_at_the_next_version_is_a_new_append,
                known_ids_in_another_stream_are_new,
                same_id_several_times_in_one_batch,
                batch_with_one_id_more_often_than_before_conflicts,
                retry_is_recognised_by_its_ids_alone,
                retry_with_any_is_recognised_among_the_recent_events,
                retry_with_exact_is_recognised_for_ever,
                empty_append_is_no_retry,
            }
            several_streams {
                append_to_several_streams,
                events_of_several_streams_stand_in_the_order_of_the_parts,
                same_stream_before_and_after_another,
                later_part_sees_what_an_earlier_one_left,
                several_parts_of_one_stream,
                many_interleaved_streams,
                repeated_appends_to_several_streams,
                exact_versions_of_several_streams,
                one_wrong_exact_version_fails_all_parts,
                one_missing_stream_fails_all_parts,
                one_existing_stream_fails_all_parts,
                part_without_events_only_checks,
                part_without_events_that_fails_fails_all,
                several_parts_that_only_check,
                check_of_a_stream_that_an_earlier_part_writes,
                idempotent_repeat_over_several_streams,
                idempotent_repeat_with_a_check_that_no_longer_holds,
                append_of_which_one_stream_is_known_conflicts,
                events_swapped_between_streams_are_no_retry,
            }
            conditions {
                condition_holds_when_nothing_matches,
                condition_holds_in_an_empty_store,
                condition_fails_when_an_event_matches,
                condition_fails_when_any_event_is_there_and_none_was_expected,
                condition_holds_when_all_that_matches_was_seen,
                condition_fails_when_one_more_came,
                condition_by_name,
                condition_by_all_tags_of_an_item,
                condition_by_any_of_its_items,
                condition_looks_at_all_streams,
                condition_does_not_look_at_its_own_events,
                condition_that_fails_leaves_nothing_behind,
                condition_of_an_append_without_events,
                condition_and_expected_version_both_count,
                idempotent_repeat_of_a_conditional_append,
                condition_with_a_position_read_before,
                condition_does_not_see_events_that_were_removed,
                mixed_conditions_one_after_another,
                conditions_by_tag_see_appends_of_the_same_moment,
                conditions_by_name_see_appends_of_the_same_moment,
                conditions_see_large_appends_of_the_same_moment,
            }
            reading_streams {
                stream_gives_every_event_in_order,
                stream_gives_only_its_own_events,
                stream_from_a_version,
                stream_up_to_a_limit,
                stream_within_a_window_of_versions,
                stream_from_version_zero_is_from_the_first,
                stream_from_beyond_its_end_is_empty,
                stream_backward_gives_the_newest_first,
                stream_backward_from_a_version,
                stream_backward_up_to_a_limit,
                stream_backward_from_version_zero_is_empty,
                last_event_of_a_stream_is_one_backward,
                one_event_by_its_version,
                unknown_stream_is_empty,
                reading_an_unknown_stream_does_not_create_it,
                stream_state_has_first_and_last_version,
                state_of_an_unknown_stream_is_none,
                break_ends_a_read_of_a_stream,
                long_stream_is_read_whole,
                stream_is_read_in_pages,
                stream_events_are_the_same_as_a_read,
                append_during_a_read_is_not_part_of_it,
            }
            reading_logs {
                empty_log_gives_nothing,
                log_gives_all_events_in_the_order_of_appends,
                log_from_a_position,
                log_up_to_a_limit,
                log_read_of_no_events_stays_where_it_is,
                log_from_beyond_its_end_is_empty,
                log_backward_gives_the_newest_first,
                log_backward_from_a_position,
                log_backward_up_to_a_limit,
                log_backward_from_the_first_position_is_one_event,
                log_backward_from_zero_is_empty,
                log_is_read_in_pages,
                filtered_log_is_read_in_pages,
                read_goes_on_past_events_that_do_not_match,
                break_ends_a_read_of_the_log,
                long_log_is_read_whole,
                unknown_log_is_an_error,
                events_are_the_same_as_a_read,
                stream_of_events_sees_what_is_appended_as_it_goes,
            }
            queries {
                query_for_all_events,
                query_with_an_empty_item_matches_all,
                query_with_an_empty_item_beside_another_matches_all,
                query_by_name,
                query_by_one_of_several_names,
                query_by_tag,
                query_by_all_of_several_tags,
                query_by_tags_in_any_order,
                query_by_any_of_several_tags,
                query_by_name_and_tag,
                query_by_names_and_tags,
                query_of_several_items_of_two_tags_each,
                event_that_matches_several_items_is_given_once,
                query_with_the_same_item_twice,
                query_that_nothing_matches,
                query_from_a_position_with_a_limit,
                query_sees_each_event_as_soon_as_it_is_appended,
                rare_tag_among_many_events,
                query_with_many_items,
            }
            metadata {
                every_field_of_an_event_comes_back,
                event_by_itself_has_no_correlation_no_headers_no_tags,
                correlation_without_causation,
                headers_keep_their_order_and_values,
                tags_keep_their_order,
                metadata_belongs_to_one_event_of_a_batch,
                unknown_codec_is_kept_as_it_is,
                any_schema_version_is_kept,
                any_sixteen_bytes_are_an_id,
                time_of_an_event_is_when_it_was_recorded,
                time_never_goes_back,
                time_of_an_event_does_not_change,
            }
            texts {
                any_text_names_a_stream,
                any_text_names_an_event,
                any_text_is_a_tag,
                any_text_is_a_header,
                name_of_five_hundred_bytes_in_any_script,
                name_of_one_character,
                text_that_looks_like_several,
            }
            payloads {
                payload_of_no_bytes,
                payload_of_one_byte,
                payload_that_is_not_text,
                payloads_around_two_kibibytes,
                payloads_around_the_size_of_a_page,
                payload_of_a_mebibyte,
                payload_at_the_limit,
                append_at_its_limit,
                small_and_large_payloads_side_by_side,
            }
            limits {
                name_of_an_event_at_its_limit,
                name_of_an_event_too_long,
                name_of_an_event_empty,
                name_of_an_event_with_nul,
                schema_version_zero,
                name_of_a_stream_at_its_limit,
                name_of_a_stream_is_checked_when_it_is_made,
                tag_at_its_limit,
                tag_too_long,
                tag_empty,
                tag_with_nul,
                as_many_tags_as_allowed,
                too_many_tags,
                header_at_its_limits,
                key_of_a_header_too_long,
                key_of_a_header_empty_or_with_nul,
                value_of_a_header_too_long_or_with_nul,
                as_many_headers_as_allowed,
                too_many_headers,
                too_many_parts_in_one_append,
                too_many_events_in_one_append,
                payload_too_large,
                append_too_large,
                error_of_a_limit_prints_its_number,
                append_after_a_refused_one_is_as_ever,
            }
            truncation {
                truncated_stream_begins_later,
                truncation_before_the_first_version_changes_nothing,
                truncation_of_all_but_the_last,
                truncation_beyond_the_end_leaves_no_events,
                versions_go_on_after_a_truncation,
                versions_never_restart_after_all_was_truncated,
                truncation_twice,
                truncation_before_an_earlier_version_brings_nothing_back,
                truncation_of_an_unknown_stream_does_nothing,
                truncation_leaves_other_streams_alone,
                truncation_checks_its_expected_version,
                reads_of_a_truncated_stream_from_any_version,
                queries_do_not_find_what_was_truncated,
                idempotent_repeat_of_what_a_truncation_left,
            }
            tombstones {
                positions_are_never_used_again,
                read_of_the_log_passes_over_what_was_removed,
                tombstoned_stream_has_no_events,
                append_to_a_tombstoned_stream_says_so,
                append_with_one_tombstoned_stream_fails_whole,
                repeat_of_an_append_to_a_stream_tombstoned_since,
                tombstone_of_a_tombstoned_stream_says_so,
                truncation_of_a_tombstoned_stream_says_so,
                tombstone_checks_its_expected_version,
                stream_that_never_was_can_be_tombstoned,
                truncated_stream_can_be_tombstoned,
                subscription_does_not_see_what_was_removed,
            }
            following {
                follow_catches_up_and_goes_on,
                follow_of_an_empty_log_waits_for_the_first_event,
                follow_is_woken_by_an_append,
                follow_from_a_position,
                follow_from_the_end_sees_only_what_is_new,
                follow_from_beyond_the_end_waits_until_the_log_is_there,
                follow_with_a_limit_ends,
                follow_with_a_query_skips_the_rest,
                follow_loses_nothing_between_catching_up_and_live,
                several_followers_see_the_same,
                follow_dropped_early_does_no_harm,
                backward_reads_do_not_follow,
                read_of_one_stream_does_not_follow,
                wait_past_ends_at_once_when_there_is_more,
                wait_past_waits_at_the_end,
                wait_past_ends_with_the_next_append,
                wait_past_waits_for_its_position,
                refused_append_is_nothing_to_wait_for,
                many_wait_and_all_are_woken,
                what_was_waited_for_can_be_read,
            }
            no_gaps {
                nothing_appears_behind_a_reader,
                reader_that_goes_on_after_each_append_sees_all,
                last_position_is_what_can_be_read,
                nothing_of_many_small_appends_is_skipped,
                nothing_of_a_large_append_is_skipped,
                nothing_of_several_large_appends_is_skipped,
                nothing_is_skipped_when_others_are_refused,
                nothing_that_matches_is_skipped,
            }
            concurrency {
                one_winner_for_each_version,
                one_winner_creates_a_stream,
                all_appends_with_any_go_through,
                appends_to_different_streams_all_arrive,
                appends_of_many_threads_stay_whole,
                appends_over_the_same_streams_in_any_order,
                same_append_by_many_threads_is_made_once,
                nothing_is_appended_after_a_tombstone,
                streams_of_one_append_go_on_together,
            }
            concurrent_reads {
                readers_of_the_log_see_whole_appends,
                readers_of_a_stream_see_whole_appends,
                backward_reads_begin_at_the_end,
                times_and_positions_of_many_threads_agree,
                truncations_while_others_append_and_read,
            }
            handles {
                handles_share_their_events,
                handles_share_expected_versions,
                handles_recognise_each_others_appends,
                append_through_one_handle_wakes_the_other,
                one_handle_goes_on_when_another_is_dropped,
                fixtures_are_separate,
                shared_store_is_a_store,
                store_picked_at_run_time_is_the_same_store,
                reopened_store_has_all_events,
                reopened_store_goes_on_with_versions_and_positions,
                reopened_store_recognises_a_retry_with_exact,
                reopened_store_recognises_a_retry_with_any,
                reopened_store_remembers_endings,
                reopened_store_never_uses_positions_again,
                reopened_store_finds_by_query,
                store_opened_many_times,
            }
            entries {
                written_entry_can_be_read,
                empty_store_has_no_entries,
                later_value_of_an_entry_counts,
                entries_are_in_the_order_of_their_bytes,
                keys_that_begin_alike_are_separate,
                entries_by_prefix,
                entries_by_a_prefix_of_the_highest_bytes,
                entries_between_two_keys,
                entries_after_a_key_up_to_a_limit,
                break_ends_a_read_of_entries,
                many_entries_are_read_whole,
                removed_entry_is_gone,
                removal_of_an_entry_that_is_not_there,
                entry_as_expected_is_changed,
                entry_with_another_value_is_changed_by_another,
                entry_expected_to_be_absent,
                entry_expected_to_be_there_is_absent,
                one_failed_expectation_changes_nothing,
                one_of_the_entries_that_changed_is_named,
                expectations_of_other_entries_than_are_changed,
                expectations_alone_change_nothing,
                change_of_nothing,
                change_after_a_refused_one_is_as_ever,
                increments_by_many_threads_lose_nothing,
                changes_of_several_entries_by_many_threads_stay_whole,
                one_winner_creates_an_entry,
                key_of_an_entry_empty,
                key_of_an_entry_too_long,
                key_of_an_entry_at_its_limit,
                value_of_an_entry_too_large,
                value_of_an_entry_at_its_limit,
                entry_of_no_bytes,
                entry_of_any_bytes,
                entry_of_a_mebibyte,
                entries_do_not_move_the_log,
                appends_leave_entries_alone,
                handles_share_their_entries,
                reopened_store_has_all_entries,
                entries_of_shared_stores,
                random_history_of_entries,
            }
            histories {
                random_history_of_appends,
                another_random_history_of_appends,
                random_history_with_endings,
                another_random_history_with_endings,
            }
        }
    };
}

/// Makes a `#[test]` of every case, named after it, that runs it on stores of a
/// [`Fixture`](crate::testing::Fixture).
///
/// ```
/// # use midgard::MemoryStore;
/// # use midgard::testing::Fixture;
/// # struct Memory(MemoryStore);
/// # impl Fixture for Memory {
/// #     type Store = MemoryStore;
/// #     fn new() -> Self { Memory(MemoryStore::new()) }
/// #     fn open(&self) -> MemoryStore { self.0.clone() }
/// # }
/// midgard::testing::store_contract!(Memory);
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __store_contract {
    ($fixture:ty) => {
        $crate::__store_contract_cases! { [$crate::__store_contract_tests] ($fixture) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_contract_tests {
    (($fixture:ty) $($subject:ident { $($case:ident,)* })*) => {
        $($(
            #[test]
            fn $case() {
                $crate::testing::run_case::<$fixture>(stringify!($case));
            }
        )*)*
    };
}
