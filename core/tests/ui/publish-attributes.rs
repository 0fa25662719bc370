use midgard::Event;
use midgard::outbox::Publish;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "a")]
#[publish(customer)]
struct Word {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "b")]
#[publish(kye = customer)]
struct Misspelt {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "c")]
#[publish(key = custmer)]
struct NoField {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "d")]
#[publish(key = amount)]
struct OtherField {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "e")]
#[publish(key = customer)]
struct NoFields {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "f")]
#[publish(key = 1)]
struct NoIndex (u64);

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "g")]
#[publish(key = customer, key = order)]
struct KeyTwice {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "h")]
#[publish]
#[publish(key = customer)]
struct PublishTwice {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "i")]
#[publish(key = "customer")]
struct Quoted {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "j")]
#[publish("customer")]
struct Text {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "k")]
#[publish = "customer"]
struct Equals {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "l")]
#[publish(name = "public.name")]
struct Name {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "m")]
#[publish(key)]
struct NoValue {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "n")]
struct OnField {
    #[publish(key)]
    customer: u64,
}

fn publish(_: &impl Publish) {}

fn all(word: Word, field: NoField, twice: PublishTwice, equals: Equals) {
    publish(&word);
    publish(&field);
    publish(&twice);
    publish(&equals);
}

fn main() {}
