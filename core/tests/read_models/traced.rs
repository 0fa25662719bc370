//! What is traced, as a subscriber sees it.

use super::kit::{Seen, append_event, at_once, count};
use super::traced_to::traced_to;
use midgard::bus::InProcessBus;
use midgard::clock::ManualClock;
use midgard::outbox::Unheard;
use midgard::{Event, MemoryStore, Midgard, Outbox, StartFrom, Subscription, block_on};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

type Fields = BTreeMap<String, String>;

/// Keeps what is traced: each line with its own fields, and with those of the spans that it is in.
#[derive(Clone, Default)]
struct Traced(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    spans: HashMap<u64, (&'static str, Fields)>,
    entered: Vec<u64>,
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    level: Level,
    fields: Fields,
    spans: Vec<(&'static str, Fields)>,
}

struct Fill<'a>(&'a mut Fields);

impl Visit for Fill<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl Subscriber for Traced {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::new();
        span.record(&mut Fill(&mut fields));
        let mut state = self.0.lock().unwrap();
        let id = state.spans.len() as u64 + 1;
        state.spans.insert(id, (span.metadata().name(), fields));
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Fill(&mut fields));
        let mut state = self.0.lock().unwrap();
        let spans = state.entered.iter().map(|id| state.spans[id].clone());
        let spans = spans.collect();
        let level = *event.metadata().level();
        state.lines.push(Line {
            level,
            fields,
            spans,
        });
    }

    fn enter(&self, span: &Id) {
        self.0.lock().unwrap().entered.push(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        let mut state = self.0.lock().unwrap();
        let at = state.entered.iter().rposition(|id| *id == span.into_u64());
        state.entered.remove(at.unwrap());
    }
}

/// What is traced meanwhile.
fn traced(work: impl FnOnce()) -> Vec<Line> {
    let traced = Traced::default();
    traced_to(traced.clone(), work);
    traced.0.lock().unwrap().lines.clone()
}

fn fields(of: &[(&str, &str)]) -> Fields {
    let fields = of.iter();
    fields
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn what_a_consumer_traces_is_in_its_span_and_a_parked_event_says_where_it_is() {
    let store = MemoryStore::new();
    count(&store, "a", 7..=7);
    let subscription =
        Subscription::events("mailer", StartFrom::Start).on_failure(at_once().then_park());
    let refuse = Seen::default().refuse(|one| one.event.number == 7);
    let midgard = Midgard::new(store).subscribe(subscription, refuse);
    let lines = traced(|| block_on(midgard.catch_up()).unwrap());
    let parked = lines
        .iter()
        .find(|line| line.fields["message"] == "event parked");
    let parked = parked.expect("it is traced that the event is parked");
    let wanted = [
        ("error", "no 7 today"),
        ("message", "event parked"),
        ("position", "1"),
        ("stream", "a"),
    ];
    assert_eq!(parked.fields, fields(&wanted));
    let span = fields(&[("consumer", "mailer"), ("kind", "subscription")]);
    assert_eq!(parked.spans, [("consumer", span)]);
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "left")]
#[publish]
struct Left {
    number: u64,
}

/// What is traced about where an outbox begins that is new on a store.
fn begun(store: &MemoryStore, outbox: Outbox) -> Line {
    let outbox = outbox.publish::<Left>().unheard(Unheard::Discard);
    let midgard = Midgard::new(store.clone()).outbox(outbox, InProcessBus::new());
    let mut lines = traced(|| block_on(midgard.catch_up()).unwrap());
    lines.retain(|line| line.fields["message"].starts_with("consumer begins"));
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

#[test]
fn an_outbox_that_would_publish_all_of_history_by_oversight_warns_of_it() {
    let store = MemoryStore::new();
    for number in 1..=3 {
        append_event(&store, "a", &Left { number });
    }
    let line = begun(&store, Outbox::new("orders"));
    assert_eq!(line.level, Level::WARN);
    assert_eq!(line.fields["position"], "0");
    assert_eq!(line.fields["end"], "3");
    assert!(line.fields["message"].contains("`from`"), "{line:?}");
    let span = fields(&[("consumer", "outbox"), ("kind", "outbox")]);
    assert_eq!(line.spans, [("consumer", span)]);
}

#[test]
fn an_outbox_whose_start_is_set_or_whose_log_is_empty_warns_of_nothing() {
    let store = MemoryStore::new();
    append_event(&store, "a", &Left { number: 1 });
    let on_purpose = begun(&store, Outbox::new("orders").from(StartFrom::Start));
    let new = begun(&MemoryStore::new(), Outbox::new("orders"));
    assert_eq!([on_purpose.level, new.level], [Level::INFO; 2]);
}

#[test]
fn a_clock_that_is_behind_the_log_is_warned_of_with_both_times() {
    let clock = ManualClock::at("2026-11-25T18:30:00Z".parse().unwrap());
    let store = MemoryStore::with_clock(&clock);
    count(&store, "a", [1]);
    clock.set("2026-11-25T18:20:00Z".parse().unwrap());
    let lines = traced(|| {
        count(&store, "a", [2]);
    });
    let [line] = &lines[..] else {
        panic!("one line is traced: {lines:?}");
    };
    assert_eq!(line.level, Level::WARN);
    assert_eq!(line.fields["last"], "2026-11-25T18:30:00.000000Z");
    assert_eq!(line.fields["clock"], "2026-11-25T18:20:00.000000Z");
    assert_eq!(line.fields["ahead_seconds"], "600");
}
