//! The only list of all cases. `view_cases` and `view_store_contract!` are generated from it; a case that is missing
//! here is an unused function, which the compiler reports.

/// Calls a macro with `argument` and all cases, by subject.
#[doc(hidden)]
#[macro_export]
macro_rules! __view_store_contract_cases {
    ([$($callback:tt)*] $argument:tt) => {
        $($callback)*! {
            $argument
            notes {
                note_that_was_never_written_is_none,
                written_note_can_be_read,
                later_text_of_a_note_counts,
                removed_note_is_gone,
                removal_of_a_note_that_is_not_there,
                notes_are_any_texts,
                keys_of_notes_that_look_alike_are_separate,
                long_note_is_kept_whole,
                notes_are_listed_in_the_order_of_bytes,
                prefixes_are_literal,
                many_notes_are_listed_whole,
                transaction_sees_its_own_notes,
                reopened_views_have_all_notes,
            }
            transactions {
                dropped_transaction_has_changed_nothing,
                transaction_after_a_dropped_one_is_as_ever,
                notes_and_rows_are_committed_together,
                commits_are_seen_whole,
                reading_transaction_sees_what_was_committed,
                increments_by_many_lose_nothing,
                note_that_many_make_is_made_once,
                transactions_that_read_what_the_other_writes,
                note_that_was_read_stays_so,
            }
            generations {
                view_that_was_never_active_is_not_seen,
                rows_are_seen_once_their_generation_is_active,
                row_of_a_key_is_replaced,
                new_generation_is_built_beside_the_old_one,
                dropped_switch_leaves_the_old_generation,
                whole_life_of_a_generation_in_one_transaction,
                views_no_longer_listed_are_not_seen,
                discarded_generation_leaves_the_active_one,
                discard_of_many_rows_comes_to_an_end,
                discard_of_a_generation_that_is_not_there_is_done,
                discard_of_a_generation_that_had_other_views,
                generation_that_was_never_active_can_be_discarded,
                projections_are_apart,
            }
        }
    };
}

/// Generates a `#[test]` for every case, with the case's name, that runs it on the
/// [`ViewStore`](midgard::projection::ViewStore) of a [`ViewFixture`](crate::ViewFixture).
///
/// ```ignore
/// struct Fixture(TempDir);
///
/// impl midgard_contract::ViewFixture for Fixture { .. }
///
/// midgard_contract::view_store_contract!(Fixture);
/// ```
#[macro_export]
macro_rules! view_store_contract {
    ($fixture:ty) => {
        $crate::__view_store_contract_cases! { [$crate::__view_store_contract_tests] ($fixture) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __view_store_contract_tests {
    (($fixture:ty) $($subject:ident { $($case:ident,)* })*) => {
        $($(
            #[test]
            fn $case() {
                $crate::run_view_case::<$fixture>(stringify!($case));
            }
        )*)*
    };
}
