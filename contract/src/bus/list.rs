//! The only list of all cases. `bus_cases` and `bus_contract!` are generated from it; a case that is missing here is
//! an unused function, which the compiler reports.

/// Calls a macro with `argument` and all cases, by subject.
#[doc(hidden)]
#[macro_export]
macro_rules! __bus_contract_cases {
    ([$($callback:tt)*] $argument:tt) => {
        $($callback)*! {
            $argument
            delivery {
                published_message_is_delivered,
                message_is_delivered_to_every_queue_that_asks,
                queue_gets_only_what_it_asks_for,
                queue_of_several_topics_gets_all_of_them,
                queue_keeps_what_comes_before_its_receiver,
                unheard_messages_are_named_by_their_index,
                batch_of_no_messages,
                commands_and_replies_go_to_whom_they_are_for,
            }
            contents {
                every_attribute_survives,
                texts_that_headers_dislike_survive,
                long_texts_survive,
                payloads_of_any_bytes_survive,
                large_messages_survive,
                message_that_is_too_large_is_refused,
            }
            order {
                messages_of_a_key_are_in_order,
                messages_published_one_by_one_are_in_order,
                two_publishers_at_once,
                one_connection_publishes_several_batches_at_once,
                batch_that_is_published_again,
                order_across_receivers_that_are_dropped,
            }
            redelivery {
                what_was_not_settled_comes_again,
                what_was_acknowledged_does_not_come_again,
                received_message_that_is_dropped_comes_again,
                redelivered_message_says_so,
                message_comes_again_as_often_as_it_takes,
                acknowledging_in_another_order,
                acknowledging_after_the_receiver_is_gone,
                waiting_can_be_given_up_at_any_moment,
            }
            dead_letters {
                poison_message_is_set_aside,
                reasons_are_any_texts,
                queues_set_aside_for_themselves,
            }
            in_flight {
                receiver_is_given_no_more_than_its_bound,
                receiver_of_one_at_a_time,
                receiver_that_waits_already_is_given_more,
                set_aside_message_makes_room,
                each_receiver_has_its_own_bound,
                slow_receiver_slows_no_other_queue,
            }
            takeover {
                one_of_two_receivers_is_at_work,
                other_receiver_takes_over,
                receiver_that_waits_already_takes_over,
                takeovers_again_and_again,
            }
            queues {
                queue_can_be_declared_again,
                queue_is_declared_by_many_at_once,
                topics_are_added,
                topics_are_removed,
                topics_change_under_a_receiver,
                queue_stays_when_its_receiver_is_gone,
                temporary_queue_is_gone_after_its_receiver,
            }
            strangers {
                stranger_without_attributes,
                stranger_of_nothing_at_all,
                stranger_of_another_version,
                stranger_with_bytes_that_are_no_text,
                stranger_of_another_content_type,
                stranger_with_a_huge_header,
                stranger_as_large_as_can_be,
                stranger_with_broken_json,
                stranger_with_a_batch_of_events,
                event_as_one_json_text_is_read,
                event_in_headers_is_read,
                many_strangers_are_in_nobodys_way,
            }
            confirmations {
                confirmed_once_every_queue_has_settled,
                message_that_is_given_back_is_not_confirmed,
                nobody_waits_for_a_temporary_queue_that_is_gone,
                messages_stay_when_nobody_waits_for_them,
            }
            restarts {
                confirmed_messages_survive_a_kill,
                receiving_goes_on_after_a_kill,
                publishing_goes_on_after_an_outage,
                what_was_not_settled_comes_again_after_a_kill,
                set_aside_messages_survive_a_kill,
                order_across_kills_of_the_broker,
            }
        }
    };
}

/// Generates a `#[test]` for every case, with the case's name, that runs it on the bus of a
/// [`BusFixture`](crate::BusFixture).
///
/// ```ignore
/// struct Broker(..);
///
/// impl midgard_contract::BusFixture for Broker { .. }
///
/// midgard_contract::bus_contract!(Broker);
/// ```
#[macro_export]
macro_rules! bus_contract {
    ($fixture:ty) => {
        $crate::__bus_contract_cases! { [$crate::__bus_contract_tests] ($fixture) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __bus_contract_tests {
    (($fixture:ty) $($subject:ident { $($case:ident,)* })*) => {
        $($(
            #[test]
            fn $case() {
                $crate::run_bus_case::<$fixture>(stringify!($case));
            }
        )*)*
    };
}
