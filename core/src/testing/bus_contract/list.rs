//! The one list of all cases. `bus_cases` and `bus_contract!` are made from it; a case that is missing here is
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
        }
    };
}

/// Makes a `#[test]` of every case, named after it, that runs it on the bus of
/// a [`BusFixture`](crate::testing::BusFixture).
///
/// ```ignore
/// struct Broker(..);
///
/// impl midgard::testing::BusFixture for Broker { .. }
///
/// midgard::testing::bus_contract!(Broker);
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __bus_contract {
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
                $crate::testing::run_bus_case::<$fixture>(stringify!($case));
            }
        )*)*
    };
}
