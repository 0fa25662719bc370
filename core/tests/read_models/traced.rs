//! What is traced, as a subscriber sees it.

use super::kit::{Seen, at_once, count};
use midgard::{MemoryStore, Midgard, StartFrom, Subscription, block_on};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

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

#[derive(Clone)]
struct Line {
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

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Fill(&mut fields));
        let mut state = self.0.lock().unwrap();
        let spans = state.entered.iter().map(|id| state.spans[id].clone());
        let spans = spans.collect();
        state.lines.push(Line { fields, spans });
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

#[test]
fn what_a_consumer_traces_is_in_its_span_and_a_parked_event_says_where_it_is() {
    let store = MemoryStore::new();
    count(&store, "a", 7..=7);
    let subscription =
        Subscription::events("mailer", StartFrom::Start).on_failure(at_once().then_park());
    let refuse = Seen::default().refuse(|one| one.event.number == 7);
    let midgard = Midgard::new(store).subscribe(subscription, refuse);
    let traced = Traced::default();
    tracing::subscriber::with_default(traced.clone(), || block_on(midgard.catch_up())).unwrap();
    let lines = traced.0.lock().unwrap().lines.clone();
    let parked = lines
        .iter()
        .find(|line| line.fields["message"] == "event parked");
    let parked = parked.expect("it is traced that the event is parked");
    let fields = [
        ("error", "no 7 today"),
        ("message", "event parked"),
        ("position", "1"),
        ("stream", "a"),
    ];
    let of = |fields: &[(&str, &str)]| -> Fields {
        let fields = fields.iter();
        fields
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    assert_eq!(parked.fields, of(&fields));
    let span = of(&[("consumer", "mailer"), ("kind", "subscription")]);
    assert_eq!(parked.spans, [("consumer", span)]);
}
