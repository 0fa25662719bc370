//! Commands, and what they are answered with.

use super::kit::{
    Count, Counted, FaultyStore, Outlet, Running, Scene, noted, parking, publish, start,
};
use midgard::bus::{Message, Purpose};
use midgard::consumer::FailurePolicy;
use midgard::event::Encoded;
use midgard::inbox::InboxOptions;
use midgard::{Event, EventId, MemoryStore, Outbox, Refused, RemoteCommand, Store, block_on};

/// A command as a process of the service `orders` sends it.
fn count(key: &str, number: u64) -> Message {
    let command = Count {
        key: key.to_owned(),
        number,
    };
    let purpose = Purpose::Command {
        service: Count::SERVICE.to_owned(),
    };
    let data = serde_json::to_vec(&command).unwrap();
    let mut message =
        Message::new(purpose, "orders", Encoded::json(Count::NAME, 1, data)).with_key(key);
    message.reply_to = Some("placement".to_owned());
    message.with_subject(format!("placement-{number}"))
}

/// The service, whose replies go to a bus that keeps them.
fn start_answering<S: Store + Clone + Default>(
    scene: &Scene<S>,
    options: InboxOptions,
) -> (Running, Outlet) {
    let replies = Outlet::default();
    let midgard = scene.midgard(options);
    let running = start(midgard.outbox(Outbox::new("customers"), replies.clone()));
    (running, replies)
}

#[test]
fn a_command_is_answered_to_who_has_sent_it() {
    let scene = Scene::<MemoryStore>::new();
    let (running, replies) = start_answering(&scene, parking());
    let correlation = EventId::new();
    let mut command = count("ann", 1);
    command.correlation_id = Some(correlation);
    publish(&scene.bus, &[command.clone(), count("ann", 2)]);
    replies.wait_for(2);
    let [reply, other] = replies.published().try_into().unwrap();
    let to = |to: &str| Purpose::Reply { to: to.to_owned() };
    assert_eq!(
        (&*reply.source, reply.purpose.clone()),
        ("customers", to("placement"))
    );
    assert_eq!(reply.decode::<Counted>().unwrap(), Counted { notes: 1 });
    assert_eq!(
        reply.causation_id.map(|id| id.to_string()),
        Some(command.id)
    );
    assert_eq!(reply.correlation_id, Some(correlation));
    assert_eq!(reply.subject.as_deref(), Some("placement-1"));
    assert_eq!(reply.key, "placement-1");
    assert_eq!(
        other.correlation_id, other.causation_id,
        "it begins with the command"
    );
    running.stop().unwrap();
}

#[test]
fn a_command_that_is_refused_has_no_effect_and_the_reason_is_told() {
    let scene = Scene::<MemoryStore>::new();
    let (running, replies) = start_answering(&scene, parking());
    publish(
        &scene.bus,
        &[count("ann", 1), count("ann", 13), count("ann", 2)],
    );
    replies.wait_for(3);
    // The handler had decided when it refused.
    assert_eq!(noted(&scene.store, "ann"), [1, 2]);
    let names: Vec<_> = replies
        .published()
        .into_iter()
        .map(|reply| reply.name)
        .collect();
    assert_eq!(names, [Counted::NAME, Refused::NAME, Counted::NAME]);
    let refused: Refused = replies.published()[1].decode().unwrap();
    assert_eq!(refused.reason, "13 brings bad luck");
    assert_eq!(running.handle.status_of("service").unwrap().parked, 0);
    running.stop().unwrap();
}

#[test]
fn a_command_that_comes_again_is_answered_once() {
    let scene = Scene::<FaultyStore>::new();
    scene
        .store
        .layer()
        .fail_commits([super::kit::Fault::Forget]);
    let (running, replies) = start_answering(&scene, parking());
    let (command, other) = (count("ann", 1), count("ann", 2));
    publish(&scene.bus, &[vec![command; 20], vec![other; 20]].concat());
    replies.wait_for(2);
    let end = block_on(scene.store.last_position(Default::default())).unwrap();
    running.wait("outbox", end);
    assert_eq!(replies.published().len(), 2);
    running.stop().unwrap();
}

#[test]
fn a_command_that_is_evicted_or_skipped_is_refused_and_one_that_is_retried_is_answered() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(1, 1);
    scene.script.fail(2, 1);
    let (running, replies) = start_answering(&scene, parking());
    let (ann, cid) = (count("ann", 1), count("ann", 3));
    publish(&scene.bus, &[ann.clone(), count("bob", 2)]);
    let parked = running.parked();
    block_on(running.handle.evict_message("service", &parked[0].0)).unwrap();
    replies.wait_for(1);
    let refused: Refused = replies.published()[0].decode().unwrap();
    let given_up = |id: &str| {
        format!(
            "\"service\" could not handle command {id} (count), and has given it up; the reason is known to those who run \"service\""
        )
    };
    assert_eq!(refused.reason, given_up(&ann.id));
    block_on(running.handle.retry_message("service", &parked[1].0)).unwrap();
    replies.wait_for(2);
    assert_eq!(replies.published()[1].name, Counted::NAME);
    assert_eq!(
        (noted(&scene.store, "ann"), noted(&scene.store, "bob")),
        (vec![], vec![2])
    );
    running.stop().unwrap();

    scene.script.fail(3, 1);
    let policy = FailurePolicy::retry(0).then_skip();
    let (running, replies) = start_answering(&scene, InboxOptions::new().on_failure(policy));
    publish(&scene.bus, std::slice::from_ref(&cid));
    replies.wait_until(|replies| {
        replies
            .last()
            .is_some_and(|reply| reply.name == Refused::NAME)
    });
    let refused: Refused = replies.published().pop().unwrap().decode().unwrap();
    assert_eq!(refused.reason, given_up(&cid.id));
    running.stop().unwrap();
}

#[test]
fn a_reply_that_the_bus_refuses_is_in_the_way_of_no_other_process() {
    let scene = Scene::<MemoryStore>::new();
    let (running, replies) = start_answering(&scene, parking());
    replies.refuse(&["\"notes\":1}"]);
    publish(
        &scene.bus,
        &[count("ann", 1), count("ann", 2), count("ann", 3)],
    );
    replies.wait_for(2);
    let subjects: Vec<_> = replies
        .published()
        .into_iter()
        .map(|reply| reply.key)
        .collect();
    assert_eq!(subjects, ["placement-2", "placement-3"]);
    let letters = block_on(running.handle.dead_letters("outbox")).unwrap();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].error.contains("it is too large"), "{letters:?}");
    replies.refuse(&[]);
    block_on(running.handle.retry("outbox", &letters[0].sequence)).unwrap();
    replies.wait_for(3);
    running.stop().unwrap();
}

#[test]
fn an_answer_that_nobody_listens_for_is_parked_and_others_leave() {
    let scene = Scene::<MemoryStore>::new();
    let (running, replies) = start_answering(&scene, parking());
    // A stranger says that answers go where nobody is.
    replies.unhear(&["\"notes\":1}"]);
    publish(&scene.bus, &[count("eve", 1)]);
    publish(&scene.bus, &[count("ann", 2), count("ann", 3)]);
    replies.wait_for(1);
    running.wait_until("outbox", |status| status.parked == 2);
    assert_eq!(
        replies.published()[0].decode::<Counted>().unwrap(),
        Counted { notes: 2 }
    );
    let letters = block_on(running.handle.dead_letters("outbox")).unwrap();
    assert!(
        letters[0]
            .error
            .starts_with("nobody has a queue for reply.placement"),
        "{}",
        letters[0].error
    );
    running.stop().unwrap();
}

#[test]
fn a_program_with_two_outboxes_sends_an_answer_once() {
    let scene = Scene::<MemoryStore>::new();
    let (first, second) = (Outlet::default(), Outlet::default());
    let public = Outbox::new("public")
        .named("public")
        .publish::<super::kit::Noted>();
    let midgard = scene
        .midgard(parking())
        .outbox(Outbox::new("customers"), first.clone())
        .outbox(public, second.clone());
    let running = start(midgard);
    publish(&scene.bus, &[count("ann", 1)]);
    let end = block_on(scene.store.last_position(Default::default())).unwrap();
    running.wait("outbox", end);
    running.wait("public", end);
    let names = |bus: &Outlet| {
        bus.published()
            .into_iter()
            .map(|one| one.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&first), names(&second)),
        (vec!["counted".to_owned()], vec!["noted".to_owned()])
    );
    running.stop().unwrap();
}
