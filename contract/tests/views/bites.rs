//! The contract must catch views that break it: for each, one case that is named must fail.

use super::broken::{Broken, fault};
use super::quiet::be_quiet;
use midgard_contract::{Case, view_cases};
use std::panic::catch_unwind;
use std::time::Duration;

/// How long a case may take on broken views: it may well wait for what never comes.
const PATIENCE: Duration = Duration::from_secs(2);

fn failing<const FAULT: u8>(patience: Duration) -> Vec<&'static str> {
    be_quiet();
    let cases = view_cases::<Broken<FAULT>>();
    let fails = |case: &Case| catch_unwind(|| case.run_within(patience)).is_err();
    let failing = cases.into_iter().filter(fails);
    failing.map(|case| case.name()).collect()
}

macro_rules! caught {
    ($($views:ident: $fault:ident, by $case:ident;)*) => {$(
        #[test]
        fn $views() {
            let failing = failing::<{ fault::$fault }>(PATIENCE);
            let by = stringify!($case);
            assert!(
                failing.contains(&by),
                "{by} is there to catch these broken views, but only these cases did: {failing:?}"
            );
        }
    )*};
}

caught! {
    lists_any_case: LISTS_ANY_CASE, by prefixes_are_literal;
    lists_wildcards: LISTS_WILDCARDS, by prefixes_are_literal;
    lists_backward: LISTS_BACKWARD, by notes_are_listed_in_the_order_of_bytes;
    lists_a_page: LISTS_A_PAGE, by many_notes_are_listed_whole;
    lists_without_own_changes: LISTS_WITHOUT_OWN_CHANGES, by transaction_sees_its_own_notes;
    cuts_notes: CUTS_NOTES, by long_note_is_kept_whole;
    forgets_removals: FORGETS_REMOVALS, by removed_note_is_gone;
    takes_empty_for_removed: TAKES_EMPTY_FOR_REMOVED, by later_text_of_a_note_counts;
    folds_the_case_of_keys: FOLDS_THE_CASE_OF_KEYS, by keys_of_notes_that_look_alike_are_separate;
    writes_at_once: WRITES_AT_ONCE, by dropped_transaction_has_changed_nothing;
    commits_notes_alone: COMMITS_NOTES_ALONE, by notes_and_rows_are_committed_together;
    commits_rows_alone: COMMITS_ROWS_ALONE, by notes_and_rows_are_committed_together;
    commits_in_pieces: COMMITS_IN_PIECES, by commits_are_seen_whole;
    checks_nothing: CHECKS_NOTHING, by increments_by_many_lose_nothing;
    checks_no_absence: CHECKS_NO_ABSENCE, by note_that_many_make_is_made_once;
    checks_only_what_it_writes: CHECKS_ONLY_WHAT_IT_WRITES, by transactions_that_read_what_the_other_writes;
    reads_the_newest: READS_THE_NEWEST, by note_that_was_read_stays_so;
    reads_what_is_old: READS_WHAT_IS_OLD, by reading_transaction_sees_what_was_committed;
    activates_too_early: ACTIVATES_TOO_EARLY, by view_that_was_never_active_is_not_seen;
    activates_at_once: ACTIVATES_AT_ONCE, by dropped_switch_leaves_the_old_generation;
    activates_nothing: ACTIVATES_NOTHING, by rows_are_seen_once_their_generation_is_active;
    mixes_generations: MIXES_GENERATIONS, by new_generation_is_built_beside_the_old_one;
    discards_never: DISCARDS_NEVER, by discard_of_a_generation_that_is_not_there_is_done;
    discards_the_next: DISCARDS_THE_NEXT, by discarded_generation_leaves_the_active_one;
}

#[test]
fn nothing_stands_against_the_same_wrapper_without_a_fault() {
    let failing = failing::<{ fault::NONE }>(Case::PATIENCE);
    assert!(failing.is_empty(), "it is not the wrapper: {failing:?}");
}
