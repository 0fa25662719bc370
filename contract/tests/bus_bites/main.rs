//! The contract must catch buses that break it: for each, the case that is named must fail.

mod broker;
#[path = "../common/bus.rs"]
mod bus;
mod fault;
mod line;
#[path = "../common/quiet.rs"]
mod quiet;

use broker::Broker;
use midgard_contract::{Case, bus_cases};
use quiet::be_quiet;
use std::panic::catch_unwind;
use std::time::Duration;

/// How long a case may take on a broken bus: it may well wait for what never comes.
const PATIENCE: Duration = Duration::from_secs(2);

fn fails(fault: u8, name: &str, patience: Duration) -> bool {
    be_quiet();
    let _given = fault::give(name, fault);
    let cases = if fault == fault::CONFIRMS_AT_ONCE {
        bus_cases::<Broker<true>>()
    } else {
        bus_cases::<Broker<false>>()
    };
    let case = cases.into_iter().find(|case| case.name() == name);
    let case = case.expect("there is a case of this name");
    catch_unwind(|| case.run_within(patience)).is_err()
}

macro_rules! caught {
    ($($bus:ident: $fault:ident, by $case:ident;)*) => {$(
        #[test]
        fn $bus() {
            let by = stringify!($case);
            assert!(
                fails(fault::$fault, by, PATIENCE),
                "{by} is there to catch this broken bus, and did not"
            );
        }
    )*};
}

caught! {
    loses_a_few: LOSES_A_FEW, by messages_of_a_key_are_in_order;
    turns_batches_around: TURNS_BATCHES_AROUND, by messages_of_a_key_are_in_order;
    hears_everything: HEARS_EVERYTHING, by unheard_messages_are_named_by_their_index;
    stops_at_the_unheard: STOPS_AT_THE_UNHEARD, by unheard_messages_are_named_by_their_index;
    drops_known_batches: DROPS_KNOWN_BATCHES, by batch_that_is_published_again;
    waits_until_handled: WAITS_UNTIL_HANDLED, by slow_receiver_slows_no_other_queue;
    confirms_at_once: CONFIRMS_AT_ONCE, by confirmed_once_every_queue_has_settled;
    confirms_what_is_given_back: CONFIRMS_AT_ONCE, by message_that_is_given_back_is_not_confirmed;
    forgets_the_cause: FORGETS_THE_CAUSE, by every_attribute_survives;
    forgets_the_purpose: FORGETS_THE_PURPOSE, by commands_and_replies_go_to_whom_they_are_for;
    trims_keys: TRIMS_KEYS, by texts_that_headers_dislike_survive;
    cuts_headers: CUTS_HEADERS, by long_texts_survive;
    rewrites_payloads: REWRITES_PAYLOADS, by payloads_of_any_bytes_survive;
    cuts_payloads: CUTS_PAYLOADS, by large_messages_survive;
    drops_what_is_too_large: DROPS_WHAT_IS_TOO_LARGE, by message_that_is_too_large_is_refused;
    asks_for_more: ASKS_FOR_MORE, by queue_gets_only_what_it_asks_for;
    adds_no_topics: ADDS_NO_TOPICS, by topics_are_added;
    adds_no_topics_to_a_receiver: ADDS_NO_TOPICS, by topics_change_under_a_receiver;
    removes_no_topics: REMOVES_NO_TOPICS, by topics_are_removed;
    makes_queues_anew: MAKES_QUEUES_ANEW, by queue_can_be_declared_again;
    delivers_twice: DELIVERS_TWICE, by queue_is_declared_by_many_at_once;
    keeps_temporary_queues: KEEPS_TEMPORARY_QUEUES, by temporary_queue_is_gone_after_its_receiver;
    removes_queues: REMOVES_QUEUES, by queue_stays_when_its_receiver_is_gone;
    keeps_nothing_without_a_receiver: KEEPS_NOTHING_WITHOUT_A_RECEIVER, by queue_keeps_what_comes_before_its_receiver;
    has_no_bound: HAS_NO_BOUND, by receiver_is_given_no_more_than_its_bound;
    has_no_bound_of_one: HAS_NO_BOUND, by receiver_of_one_at_a_time;
    has_a_narrow_bound: HAS_A_NARROW_BOUND, by each_receiver_has_its_own_bound;
    has_all_at_work: HAS_ALL_AT_WORK, by one_of_two_receivers_is_at_work;
    has_one_for_ever: HAS_ONE_FOR_EVER, by other_receiver_takes_over;
    wakes_nobody: HAS_ONE_FOR_EVER, by receiver_that_waits_already_takes_over;
    never_says_redelivered: NEVER_SAYS_REDELIVERED, by redelivered_message_says_so;
    always_says_redelivered: ALWAYS_SAYS_REDELIVERED, by published_message_is_delivered;
    acknowledges_at_once: ACKNOWLEDGES_AT_ONCE, by what_was_not_settled_comes_again;
    loses_what_is_dropped: LOSES_WHAT_IS_DROPPED, by received_message_that_is_dropped_comes_again;
    drops_on_takeover: LOSES_WHAT_IS_DROPPED, by takeovers_again_and_again;
    loses_what_was_skipped: LOSES_WHAT_IS_DROPPED, by acknowledging_in_another_order;
    puts_back_at_the_end: PUTS_BACK_AT_THE_END, by order_across_receivers_that_are_dropped;
    forgets_verdicts: FORGETS_VERDICTS, by what_was_acknowledged_does_not_come_again;
    loses_when_nobody_waits: LOSES_WHEN_NOBODY_WAITS, by waiting_can_be_given_up_at_any_moment;
    gives_up_after_ten: GIVES_UP_AFTER_TEN, by message_comes_again_as_often_as_it_takes;
    forgets_reasons: FORGETS_REASONS, by poison_message_is_set_aside;
    keeps_nothing_aside: KEEPS_NOTHING_ASIDE, by reasons_are_any_texts;
    keeps_nothing_large_aside: KEEPS_NOTHING_LARGE_ASIDE, by stranger_as_large_as_can_be;
    sets_aside_and_delivers: SETS_ASIDE_AND_DELIVERS, by poison_message_is_set_aside;
    mixes_up_letters: MIXES_UP_LETTERS, by queues_set_aside_for_themselves;
    makes_no_room: FORGETS_VERDICTS, by set_aside_message_makes_room;
    loses_strangers: LOSES_STRANGERS, by stranger_without_attributes;
    fails_at_strangers: FAILS_AT_STRANGERS, by many_strangers_are_in_nobodys_way;
    forgets_what_strangers_said: FORGETS_WHAT_STRANGERS_SAID, by stranger_with_broken_json;
    reads_only_headers: READS_ONLY_HEADERS, by event_as_one_json_text_is_read;
    reads_only_json: READS_ONLY_JSON, by event_in_headers_is_read;
    keeps_nothing_on_disk: KEEPS_NOTHING_ON_DISK, by confirmed_messages_survive_a_kill;
    never_reconnects: NEVER_RECONNECTS, by receiving_goes_on_after_a_kill;
    never_publishes_again: NEVER_PUBLISHES_AGAIN, by publishing_goes_on_after_an_outage;
    panics_at_late_verdicts: PANICS_AT_LATE_VERDICTS, by what_was_not_settled_comes_again_after_a_kill;
    forgets_letters: FORGETS_LETTERS, by set_aside_messages_survive_a_kill;
    skips_one_after_a_kill: SKIPS_ONE_AFTER_A_KILL, by order_across_kills_of_the_broker;
}

#[test]
fn nothing_stands_against_the_same_model_without_a_fault() {
    let cases = bus_cases::<Broker<false>>().into_iter();
    let failing = cases.filter(|case| fails(fault::NONE, case.name(), Case::PATIENCE));
    let failing = Vec::from_iter(failing.map(|case| case.name()));
    assert!(failing.is_empty(), "it is not the model: {failing:?}");
}
