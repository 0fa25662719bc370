//! Which case is which of dcb-eventstore's and UmaDB's: their suites on dynamic consistency boundaries, by name.
//!
//! Those without a counterpart of their own:
//! - `test_read_returns_all_events_after_first_event_was_accessed` and
//!   `test_read_returns_allows_to_access_first_event_after_iteration` read twice from one iterator: a read calls its
//!   visitor once for each event here, and a stream of events is consumed as it is read.

/// Cases of dcb-eventstore, and the cases here that test the same.
const DCB_EVENT_STORE: [(&str, &[&str]); 24] = [
    (
        "test_read_returns_an_empty_stream_if_no_events_were_published",
        &["empty_log_gives_nothing"],
    ),
    (
        "test_read_returns_all_events",
        &["log_gives_all_events_in_the_order_of_appends"],
    ),
    (
        "test_read_allows_to_specify_minimum_position",
        &["log_from_a_position", "query_from_a_position_with_a_limit"],
    ),
    (
        "test_read_allows_to_specify_limit",
        &["log_up_to_a_limit", "query_from_a_position_with_a_limit"],
    ),
    (
        "test_read_returns_an_empty_stream_if_minimum_position_exceeds_highest",
        &["log_from_beyond_its_end_is_empty"],
    ),
    (
        "test_read_allows_filtering_of_events_by_tag",
        &["query_by_tag"],
    ),
    (
        "test_read_allows_filtering_of_events_by_tags_disjunction",
        &["query_by_any_of_several_tags"],
    ),
    (
        "test_read_allows_filtering_of_events_by_tags_conjunction",
        &["query_by_all_of_several_tags", "query_by_tags_in_any_order"],
    ),
    (
        "test_read_allows_filtering_of_events_by_event_type",
        &["query_by_name"],
    ),
    (
        "test_read_allows_filtering_of_events_by_multiple_event_types",
        &["query_by_one_of_several_names"],
    ),
    (
        "test_read_allows_filtering_of_events_by_tags_and_event_types",
        &["query_by_name_and_tag", "query_by_names_and_tags"],
    ),
    (
        "test_read_allows_fetching_no_events",
        &[
            "log_read_of_no_events_stays_where_it_is",
            "query_that_nothing_matches",
        ],
    ),
    (
        "test_read_includes_events_that_where_appended_after_iteration_started",
        &[
            "stream_of_events_sees_what_is_appended_as_it_goes",
            "stream_of_events_by_query_sees_what_is_appended_as_it_goes",
        ],
    ),
    (
        "test_read_backwards_returns_all_events_in_descending_order",
        &["log_backward_gives_the_newest_first"],
    ),
    (
        "test_read_backwards_allows_to_specify_maximum_position",
        &["log_backward_from_a_position"],
    ),
    (
        "test_read_backwards_allows_to_specify_limit",
        &["log_backward_up_to_a_limit"],
    ),
    (
        "test_read_backwards_returns_single_event_if_maximum_position_is_one",
        &["log_backward_from_the_first_position_is_one_event"],
    ),
    (
        "test_read_options_dont_affect_matching_events",
        &["query_from_a_position_with_a_limit"],
    ),
    (
        "test_append_appends_event_if_expected_highest_sequence_position_matches",
        &[
            "condition_holds_when_all_that_matches_was_seen",
            "condition_with_a_position_read_before",
        ],
    ),
    (
        "test_append_appends_event_if_expected_highest_sequence_position_matches_no_events",
        &[
            "condition_holds_when_nothing_matches",
            "condition_holds_in_an_empty_store",
        ],
    ),
    (
        "test_append_fails_if_new_events_match_the_specified_query",
        &["condition_fails_when_one_more_came"],
    ),
    (
        "test_append_fails_if_no_highest_sequence_position_was_expected_but_query_matches_events",
        &[
            "condition_fails_when_an_event_matches",
            "condition_fails_when_any_event_is_there_and_none_was_expected",
        ],
    ),
    (
        "test_add_and_read_metadata",
        &[
            "every_field_of_an_event_comes_back",
            "headers_keep_their_order_and_values",
        ],
    ),
    (
        "test_appends_sets_recordedAt_timestamp",
        &["time_of_an_event_is_when_it_was_recorded"],
    ),
];

/// Cases of UmaDB, and the cases here that test the same.
const UMADB: [(&str, &[&str]); 18] = [
    (
        "append_with_tracking_create_and_update_and_monotonic_enforced",
        &["tracked_position_moves_with_its_append"],
    ),
    (
        "empty_query_after_and_limit",
        &["query_from_a_position_with_a_limit"],
    ),
    (
        "tags_only_single_tag_after_and_limit",
        &["query_from_a_position_with_a_limit"],
    ),
    (
        "tags_only_multi_tag_and",
        &["query_by_all_of_several_tags", "query_by_tags_in_any_order"],
    ),
    (
        "types_plus_tags_index_path",
        &["query_by_name_and_tag", "query_by_names_and_tags"],
    ),
    (
        "or_semantics_and_deduplication",
        &[
            "event_that_matches_several_items_is_given_once",
            "query_with_the_same_item_twice",
        ],
    ),
    (
        "fallback_types_only_after_and_limit",
        &["query_from_a_position_with_a_limit"],
    ),
    (
        "fallback_empty_item_matches_all",
        &[
            "query_with_an_empty_item_matches_all",
            "query_with_an_empty_item_beside_another_matches_all",
        ],
    ),
    ("test_event_store", &["decisions_from_an_empty_store_on"]),
    (
        "test_append_batch_mixed_conditions",
        &[
            "mixed_conditions_one_after_another",
            "mixed_conditions_of_the_same_moment",
        ],
    ),
    (
        "test_append_batch_dirty_visibility_with_tags",
        &["conditions_by_tag_see_appends_of_the_same_moment"],
    ),
    (
        "test_append_batch_dirty_visibility_with_types_small_and_big_overflow",
        &[
            "conditions_by_name_see_appends_of_the_same_moment",
            "conditions_by_name_see_large_appends_of_the_same_moment",
        ],
    ),
    (
        "test_append_batch_dirty_visibility_with_tags_and_types_small_and_big_overflow",
        &[
            "conditions_by_name_and_tag_see_appends_of_the_same_moment",
            "conditions_see_large_appends_of_the_same_moment",
        ],
    ),
    (
        "test_append_event_with_uuid_is_maintained_and_activated_append_idempotency",
        &[
            "idempotent_repeat_of_a_conditional_append",
            "every_field_of_an_event_comes_back",
        ],
    ),
    (
        "empty_query_backwards_from_and_limit",
        &["query_from_a_position_with_a_limit"],
    ),
    ("tags_only_single_tag_backwards", &["query_backward_by_tag"]),
    (
        "tags_only_multi_tag_and_backwards",
        &["query_backward_by_all_of_several_tags"],
    ),
    (
        "tags_multi_item_two_tags_each_backwards",
        &["query_backward_of_several_items_of_two_tags_each"],
    ),
];

#[test]
fn every_named_case_is_there() {
    let list = include_str!("list.rs");
    for (theirs, ours) in DCB_EVENT_STORE.iter().chain(&UMADB) {
        for case in *ours {
            let is_listed = list.lines().any(|line| line.trim() == format!("{case},"));
            assert!(
                is_listed,
                "{theirs} is to be tested by {case}, which is no case"
            );
        }
    }
}
