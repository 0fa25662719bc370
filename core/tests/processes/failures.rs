//! Reactions that fail, and what cannot be reacted to.

use crate::kit::{
    Closed, Do, Opened, PANICS, Rough, clerk, lines, processes, scripts, soon, start, tell, until,
    until_lines, write,
};
use crate::shop::{append, log};
use midgard::bus::{
    Deliveries, InProcessBus, Message, Publisher, Purpose, Queue, Subscriber, Topic,
};
use midgard::event::{Encoded, NewEvent};
use midgard::inbox::InboxNotes;
use midgard::notes::StoreNotes;
use midgard::process::ProcessNotes;
use midgard::store::{Append, ExpectedVersion};
use midgard::{
    MemoryStore, Midgard, MidgardHandle, Place, StartFrom, Store, StreamName, Version, block_on,
};
use std::sync::atomic::Ordering;
use std::time::Duration;

fn program(store: &MemoryStore) -> Midgard<MemoryStore> {
    scripts(store, InProcessBus::new())
}

fn stuck(handle: &MidgardHandle) -> Vec<String> {
    let long = Duration::from_secs(3600);
    let stuck = block_on(handle.stuck_processes("script", long)).unwrap();
    stuck.into_iter().map(|process| process.id).collect()
}

#[test]
fn a_reaction_that_fails_is_parked_with_all_that_follows_and_goes_on_when_it_is_retried() {
    let store = MemoryStore::new();
    block_on(append(&store, "journal-shut", &Closed {}));
    tell(&store, "a", [write("a1")]);
    tell(
        &store,
        "a",
        [write("undone"), Do::Write("shut".into(), "a2".into())],
    );
    tell(&store, "b", [write("b1")]);
    tell(&store, "a", [write("a3")]);
    let running = start(program(&store));
    let handle = &running.handle;
    until_lines(&store, "book", &["a1", "b1"]);
    until("the letters", || {
        let letters = block_on(handle.dead_letters("script")).unwrap();
        (letters.len() == 2).then_some(())
    });
    assert_eq!(stuck(handle), ["a"]);
    // It fails once more, as nothing was mended.
    block_on(handle.retry("script", "a")).unwrap();
    until("the retry", || {
        let letters = block_on(handle.dead_letters("script")).unwrap();
        (letters[0].failures == 2).then_some(())
    });
    block_on(append(&store, "journal-shut", &Opened {}));
    block_on(handle.retry("script", "a")).unwrap();
    until_lines(&store, "book", &["a1", "b1", "undone", "a3"]);
    assert_eq!(lines(&store, "shut"), ["a2"]);
    until("nothing to be stuck", || {
        stuck(handle).is_empty().then_some(())
    });
    tell(&store, "a", [write("a4")]);
    until_lines(&store, "book", &["a1", "b1", "undone", "a3", "a4"]);
    running.stop();
}

#[test]
fn answers_and_deadlines_reach_a_process_while_an_event_of_it_is_parked() {
    let store = MemoryStore::new();
    let bus = InProcessBus::new();
    let clerk_store = MemoryStore::new();
    block_on(append(&store, "journal-shut", &Closed {}));
    tell(
        &store,
        "a",
        [
            Do::Send("k".into(), vec![1]),
            Do::Remind(5, vec![write("due")]),
        ],
    );
    tell(&store, "a", [Do::Write("shut".into(), "no".into())]);
    let running = start(scripts(&store, bus.clone()));
    until("the letter", || {
        (stuck(&running.handle) == ["a"]).then_some(())
    });
    let clerk = start(clerk(&clerk_store, bus));
    until_lines(&store, "book", &["due"]);
    until_lines(&store, "a", &["1 noted, 1 in all"]);
    running.stop();
    clerk.stop();
}

#[test]
fn a_reaction_to_an_answer_that_fails_is_parked_and_its_process_is_stuck_until_it_is_retried() {
    let store = MemoryStore::new();
    let bus = InProcessBus::new();
    let clerk_store = MemoryStore::new();
    // Answers are written into the journal of the process.
    block_on(append(&store, "journal-a", &Closed {}));
    tell(&store, "a", [Do::Send("k".into(), vec![1, 2])]);
    let running = start(scripts(&store, bus.clone()));
    let clerk = start(clerk(&clerk_store, bus));
    let handle = &running.handle;
    let parked = until("both answers", || {
        let parked = block_on(handle.parked_messages("script replies")).unwrap();
        (parked.len() == 2).then_some(parked)
    });
    assert_eq!(stuck(handle), ["a"]);
    assert_eq!(
        processes(handle, "script")[0].waiting_for,
        ["clerk.note"; 2]
    );
    // A tool that has no process manager reads the same.
    let notes = StoreNotes::of(store.clone());
    let read = ProcessNotes::of(&notes, "script");
    assert_eq!(
        block_on(read.processes()).unwrap(),
        processes(handle, "script")
    );
    let replies = InboxNotes::of(&notes, "script");
    let replies = replies.parked_messages_after("", 10);
    assert_eq!(block_on(replies).unwrap(), parked);
    block_on(append(&store, "journal-a", &Opened {}));
    block_on(handle.retry_message("script replies", &parked[0].number)).unwrap();
    until_lines(&store, "a", &["1 noted, 1 in all", "2 noted, 2 in all"]);
    until("nothing to be stuck", || {
        stuck(handle).is_empty().then_some(())
    });
    assert_eq!(processes(handle, "script")[0].waiting_for, [""; 0]);
    running.stop();
    clerk.stop();
}

#[test]
fn a_panic_is_a_failure_like_any_other() {
    let store = MemoryStore::new();
    let name = "panics at its event";
    PANICS.lock().unwrap().insert(name.to_owned());
    tell(&store, name, [Do::Panic, write("over")]);
    tell(&store, "b", [write("b")]);
    let running = start(program(&store));
    until_lines(&store, "book", &["b"]);
    until("the panic", || {
        (stuck(&running.handle) == [name]).then_some(())
    });
    PANICS.lock().unwrap().remove(name);
    block_on(running.handle.retry("script", name)).unwrap();
    until_lines(&store, "book", &["b", "over"]);
    running.stop();
}

#[test]
fn an_event_of_no_process_leaves_no_trace_but_the_checkpoint() {
    let store = MemoryStore::new();
    tell(&store, "none", [write("no")]);
    let midgard = program(&store);
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(block_on(log(&store)).len(), 1);
    assert_eq!(processes(&handle, "script"), []);
    block_on(handle.wait_for(
        "script",
        Place::main(midgard::Position(1)),
        Duration::from_secs(5),
    ))
    .unwrap();
}

#[test]
fn ids_have_any_characters() {
    let store = MemoryStore::new();
    let bus = InProcessBus::new();
    let clerk_store = MemoryStore::new();
    let long = "é".repeat(100);
    let ids = [
        "a/b",
        "/",
        "-",
        "a-b-",
        "deadline/0/x/y",
        "ä ö\n\"",
        "%",
        &*long,
        "open/",
    ];
    for id in ids {
        let due = Do::Remind(1, vec![write(id)]);
        tell(&store, id, [Do::Send("k".into(), vec![1]), due]);
    }
    let running = start(scripts(&store, bus.clone()));
    let clerk = start(clerk(&clerk_store, bus));
    for id in ids {
        until("the answer", || {
            let lines = lines(&store, id);
            (lines.len() == 1).then_some(())
        });
    }
    until("the deadlines", || {
        (lines(&store, "book").len() == ids.len()).then_some(())
    });
    let mut listed: Vec<_> = processes(&running.handle, "script")
        .into_iter()
        .map(|process| process.id)
        .collect();
    listed.sort_unstable();
    let mut wanted = ids;
    wanted.sort_unstable();
    assert_eq!(listed, wanted);
    assert_eq!(stuck(&running.handle), [""; 0]);
    running.stop();
    clerk.stop();
}

#[test]
fn an_id_that_cannot_be_is_parked_with_a_sentence_and_without_another_try() {
    let store = MemoryStore::new();
    for id in ["", "a\0b", &"x".repeat(201)] {
        tell(&store, id, [write("no")]);
    }
    let midgard = program(&store);
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    let letters = block_on(handle.dead_letters("script")).unwrap();
    let errors: Vec<_> = letters.iter().map(|letter| &*letter.error).collect();
    let wanted = [
        "the id of a process is empty; give it at least one character",
        "the id of a process contains the character U+0000, which no store accepts; remove it",
        "the id of a process has 201 bytes; at most 200 are allowed",
    ];
    assert_eq!(errors, wanted);
}

#[test]
fn a_stream_of_something_else_is_left_alone() {
    let store = MemoryStore::new();
    let other = NewEvent::encode(&Opened {}).unwrap();
    let stream = StreamName::new("script-a").unwrap();
    let append = Append::to(stream, ExpectedVersion::NoStream, [other]);
    block_on(store.append(append)).unwrap();
    tell(&store, "a", [write("no")]);
    let midgard = program(&store);
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    let letters = block_on(handle.dead_letters("script")).unwrap();
    assert_eq!(letters.len(), 1);
    let error = &letters[0].error;
    assert!(
        error.contains("another name") && error.contains("journal.opened"),
        "{error}"
    );
    assert_eq!(block_on(log(&store)).len(), 2);
}

#[test]
fn a_process_whose_first_events_were_removed_is_not_made_anew_from_the_others() {
    let store = MemoryStore::new();
    tell(&store, "a", [write("1")]);
    tell(&store, "a", [write("2")]);
    block_on(program(&store).catch_up()).unwrap();
    let stream = StreamName::new("script-a").unwrap();
    block_on(store.truncate(&stream, Version(2), ExpectedVersion::Any)).unwrap();
    tell(&store, "a", [write("3")]);
    let midgard = program(&store);
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(lines(&store, "book"), ["1", "2"]);
    let letters = block_on(handle.dead_letters("script")).unwrap();
    assert!(
        letters[0].error.contains("lacks some of its events"),
        "{letters:?}"
    );
}

#[test]
fn an_event_that_cannot_be_read_is_parked_under_its_stream_and_in_no_process_way() {
    let store = MemoryStore::new();
    let broken = NewEvent::json("script.told", 1, b"{}".to_vec());
    let stream = StreamName::new("broken").unwrap();
    let append = Append::to(stream, ExpectedVersion::NoStream, [broken]);
    block_on(store.append(append)).unwrap();
    tell(&store, "a", [write("a")]);
    let midgard = program(&store);
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(lines(&store, "book"), ["a"]);
    assert_eq!(stuck(&handle), ["broken"]);
}

#[test]
fn answers_that_nobody_waits_for_are_passed_over() {
    let store = MemoryStore::new();
    let bus = InProcessBus::new();
    tell(&store, "a", [Do::Send("k".into(), vec![1])]);
    let running = start(scripts(&store, bus.clone()));
    let queue = Queue::new("clerk", [Topic::command("clerk", "clerk.note")]);
    let command = block_on(async {
        let mut deliveries = bus.subscribe(&queue).await.unwrap();
        let received = deliveries.next().await.unwrap();
        let command = received.content.clone().unwrap();
        received.acknowledge().await.unwrap();
        command
    });
    let answer = |number: u32, process: &str, cause: Option<&str>| {
        let purpose = Purpose::Reply {
            to: "script".to_owned(),
        };
        let data = br#"{"sum":9}"#.to_vec();
        let mut message = Message::new(purpose, "clerk", Encoded::json("clerk.noted", 1, data));
        message.id = format!("answer-{number}");
        message.key = process.to_owned();
        message.subject = Some(format!("script-{process}"));
        message.causation_id = cause.map(|cause| cause.parse().unwrap());
        message
    };
    let id = &*command.id;
    let other = midgard::EventId::new().to_string();
    let answers = [
        // Of a process that there is not, to a command that there is not, and without saying to which.
        answer(1, "x", Some(id)),
        answer(2, "a", Some(&other)),
        answer(3, "a", None),
        // The answer, twice.
        answer(4, "a", Some(id)),
        answer(4, "a", Some(id)),
        // Another answer to the same command.
        answer(5, "a", Some(id)),
    ];
    block_on(bus.publish(&answers)).unwrap();
    until_lines(&store, "a", &["1 noted, 9 in all"]);
    // The one that does not say what it answers is nobody's, and kept.
    let parked = block_on(running.handle.parked_messages("script replies")).unwrap();
    assert_eq!(parked.len(), 1);
    running.stop();
    let streams: Vec<_> = block_on(log(&store))
        .into_iter()
        .map(|event| event.stream.as_str().to_owned())
        .collect();
    assert_eq!(
        streams,
        ["told", "script-a", "script-a", "journal-a", "script-a"]
    );
}

#[test]
fn answers_of_strangers_are_in_the_way_of_no_process_that_begins_later() {
    let store = MemoryStore::new();
    let bus = InProcessBus::new();
    let clerk_store = MemoryStore::new();
    let running = start(scripts(&store, bus.clone()));
    let answer = |number: u32, name: &str, data: &str, subject: &str| {
        let purpose = Purpose::Reply {
            to: "script".to_owned(),
        };
        let mut message = Message::new(
            purpose,
            "clerk",
            Encoded::json(name.to_owned(), 1, data.into()),
        );
        message.id = format!("answer-{number}");
        message.key = "script-a".to_owned();
        message.subject = Some(subject.to_owned());
        message.causation_id = Some(midgard::EventId::new());
        message
    };
    let long = format!("script-{}", "x".repeat(201));
    let answers = [
        answer(1, "clerk.noted", "no JSON", "script-a"),
        answer(2, "midgard.refused", "{}", "script-a"),
        answer(3, "clerk.noted", "no JSON", &long),
        answer(4, "clerk.noted", "{}", "script-a\0"),
        answer(5, "clerk.noted", "{}", "script-"),
    ];
    block_on(bus.publish(&answers)).unwrap();
    // One that fails for another process, under the key of this one.
    tell(&store, "shut", [Do::Send("k".into(), vec![9])]);
    block_on(append(&store, "journal-shut", &Closed {}));
    let clerk = start(clerk(&clerk_store, bus));
    let handle = &running.handle;
    until("the answer that fails", || {
        let parked = block_on(handle.parked_messages("script replies")).unwrap();
        (parked.len() == 1).then_some(())
    });
    tell(&store, "a", [Do::Send("k".into(), vec![1, 2])]);
    until_lines(&store, "a", &["1 noted, 2 in all", "2 noted, 3 in all"]);
    assert_eq!(stuck(handle), ["shut"]);
    running.stop();
    clerk.stop();
}

#[test]
fn an_answer_that_this_release_cannot_read_is_kept_for_one_that_can_and_holds_up_its_process_alone()
{
    let store = MemoryStore::new();
    let bus = InProcessBus::new();
    tell(&store, "a", [Do::Send("k".into(), vec![1, 2])]);
    tell(&store, "b", [Do::Send("k".into(), vec![2])]);
    let running = start(scripts(&store, bus.clone()));
    let queue = Queue::new("clerk", [Topic::command("clerk", "clerk.note")]);
    let commands = block_on(async {
        let mut deliveries = bus.subscribe(&queue).await.unwrap();
        let mut commands = Vec::new();
        for _ in 0..3 {
            let received = deliveries.next().await.unwrap();
            commands.push(received.content.clone().unwrap().id);
            received.acknowledge().await.unwrap();
        }
        commands
    });
    let answer = |process: &str, index: usize, version: u32| {
        let purpose = Purpose::Reply {
            to: "script".to_owned(),
        };
        let data = br#"{"sum":9}"#.to_vec();
        let message = Message::new(
            purpose,
            "clerk",
            Encoded::json("clerk.noted", version, data),
        );
        let mut message = message.with_subject(process).with_key(process);
        message.causation_id = Some(commands[index].parse().unwrap());
        message
    };
    let answers = [
        answer("script-a", 0, 7),
        answer("script-a", 1, 1),
        answer("script-b", 2, 1),
    ];
    block_on(bus.publish(&answers)).unwrap();
    until_lines(&store, "b", &["2 noted, 9 in all"]);
    let parked = block_on(running.handle.parked_messages("script replies")).unwrap();
    let causes: Vec<_> = parked.iter().map(|parked| parked.cause).collect();
    assert_eq!(
        causes,
        [
            midgard::inbox::ParkedCause::Unread,
            midgard::inbox::ParkedCause::Follows
        ]
    );
    assert!(parked[0].error.contains("versions 1 to 1"), "{}", parked[0]);
    running.stop();
}

#[test]
fn a_command_is_refused_and_another_way_is_taken() {
    let store = MemoryStore::new();
    let bus = InProcessBus::new();
    let clerk_store = MemoryStore::new();
    block_on(append(&store, "journal-shut", &Closed {}));
    block_on(append(&store, "journal-shut too", &Closed {}));
    tell(&store, "a", [Do::WriteOr("open".into(), "other".into())]);
    tell(&store, "a", [Do::WriteOr("shut".into(), "other".into())]);
    tell(&store, "a", [Do::WriteOr("shut".into(), "shut too".into())]);
    tell(&store, "a", [Do::Send("k".into(), vec![1000])]);
    let running = start(scripts(&store, bus.clone()));
    let clerk = start(clerk(&clerk_store, bus));
    until_lines(&store, "open", &["first"]);
    until_lines(&store, "other", &["second"]);
    until_lines(&store, "last", &["third"]);
    until_lines(&store, "a", &["1000 refused: too large"]);
    running.stop();
    clerk.stop();
}

#[test]
fn a_command_that_is_refused_in_a_reaction_is_named_with_its_aggregate_and_the_reason() {
    let store = MemoryStore::new();
    block_on(append(&store, "journal-shut", &Closed {}));
    tell(&store, "a", [Do::Write("shut".into(), "no".into())]);
    let running = start(program(&store));
    let letter = until("the letter", || {
        block_on(running.handle.dead_letters("script"))
            .unwrap()
            .pop()
    });
    assert_eq!(
        letter.error,
        "aggregate \"journal-shut\" has refused command processes::kit::Write: the journal is closed"
    );
    running.stop();
}

#[test]
fn a_bus_that_is_down_keeps_commands_and_nothing_else() {
    let store = MemoryStore::new();
    let clerk_store = MemoryStore::new();
    let bus = Rough::default();
    bus.is_down.store(true, Ordering::SeqCst);
    tell(
        &store,
        "a",
        [Do::Send("k".into(), vec![1, 2, 3]), write("a")],
    );
    let running = start(scripts(&store, bus.clone()));
    let clerk = start(clerk(&clerk_store, bus.clone()));
    until_lines(&store, "book", &["a"]);
    assert_eq!(lines(&clerk_store, "k"), [""; 0]);
    bus.is_down.store(false, Ordering::SeqCst);
    until_lines(&clerk_store, "k", &["1", "2", "3"]);
    until("the answers", || {
        (lines(&store, "a").len() == 3).then_some(())
    });
    running.stop();
    clerk.stop();
}

#[test]
fn a_policy_that_stops_stops_the_events_and_neither_answers_nor_deadlines() {
    let store = MemoryStore::new();
    block_on(append(&store, "journal-shut", &Closed {}));
    tell(&store, "a", [Do::Remind(1, vec![write("due")])]);
    tell(&store, "a", [Do::Write("shut".into(), "1".into())]);
    let bus = InProcessBus::new();
    let scripts = midgard::Processes::<crate::kit::Script>::new(StartFrom::Start)
        .options(soon().on_failure(crate::kit::at_once()))
        .replies_from(bus);
    let running = start(
        Midgard::new(store.clone())
            .outbox_elsewhere()
            .process_manager(scripts),
    );
    until_lines(&store, "book", &["due"]);
    let handle = &running.handle;
    let failed = handle.wait_until("script", crate::kit::LONG, |status| {
        status.state == midgard::consumer::ConsumerState::Failed
    });
    block_on(failed).unwrap();
    block_on(append(&store, "journal-shut", &Opened {}));
    handle.restart("script").unwrap();
    until_lines(&store, "shut", &["1"]);
    running.stop();
}
