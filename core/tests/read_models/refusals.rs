//! Rows that cannot be committed: the event at fault is found, whatever else is in its transaction.

use super::kit::{append_event, start};
use midgard::consumer::{ConsumerOptions, DeadLetter, FailurePolicy};
use midgard::view::Select;
use midgard::{
    Context, Event, HandlerError, MemoryStore, Midgard, Place, Position, Project, Projection, View,
    Views, block_on,
};
use serde::{Deserialize, Serialize};

/// More than a row may have, in bytes.
const TOO_MANY: usize = midgard::limits::ENTRY_VALUE_BYTES + 1;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "member.joined")]
struct Joined {
    name: String,
    email: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "member.left")]
struct Left {
    name: String,
}

/// What members wrote, repeated so often.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "member.wrote")]
struct Wrote {
    name: String,
    repeated: usize,
}

#[derive(Debug, Serialize, Deserialize, View)]
#[view(key = name, index(email, unique))]
struct Member {
    name: String,
    email: String,
    text: String,
}

#[derive(Projection)]
#[projection(name = "members", events(Joined, Left, Wrote), views(Member))]
struct Members;

impl Project<Joined> for Members {
    async fn project(
        &self,
        event: Joined,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let Joined { name, email } = event;
        let text = String::new();
        Ok(context.put(Member { name, email, text })?)
    }
}

impl Project<Left> for Members {
    async fn project(
        &self,
        event: Left,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        context.remove::<Member>(&event.name)?;
        Ok(())
    }
}

impl Project<Wrote> for Members {
    async fn project(
        &self,
        event: Wrote,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let text = "x".repeat(event.repeated);
        context.update(&event.name, |member: &mut Member| member.text = text)?;
        Ok(())
    }
}

fn joined(store: &MemoryStore, name: &str, email: &str) {
    let [name, email] = [name, email].map(str::to_owned);
    append_event(store, &format!("member-{name}"), &Joined { name, email });
}

fn left(store: &MemoryStore, name: &str) {
    let name = name.to_owned();
    append_event(store, &format!("member-{name}"), &Left { name });
}

fn wrote(store: &MemoryStore, name: &str, repeated: usize) {
    let name = name.to_owned();
    append_event(store, &format!("member-{name}"), &Wrote { name, repeated });
}

fn midgard(store: &MemoryStore, views: &Views, policy: FailurePolicy) -> Midgard<MemoryStore> {
    let options = ConsumerOptions::new().on_failure(policy);
    Midgard::new(store.clone()).project_with(Members, views.clone(), options)
}

/// Parks what fails, and gives the dead letters.
fn parked(store: &MemoryStore, views: &Views) -> Vec<DeadLetter> {
    let midgard = midgard(store, views, FailurePolicy::retry(0).then_park());
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    block_on(handle.dead_letters("members")).unwrap()
}

fn members(views: &Views) -> Vec<String> {
    let rows = views.select(Select::<Member>::all()).unwrap();
    rows.into_iter().map(|row| row.name).collect()
}

#[test]
fn a_value_that_is_there_twice_is_the_fault_of_the_later_event_also_when_the_first_gives_it_up() {
    for events_at_once in [1, 4] {
        let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
        let append: [fn(&MemoryStore); 4] = [
            |store| joined(store, "ann", "a@x.org"),
            |store| joined(store, "bob", "a@x.org"),
            |store| left(store, "ann"),
            |store| joined(store, "cid", "a@x.org"),
        ];
        let mut letters = Vec::new();
        for some in append.chunks(events_at_once) {
            some.iter().for_each(|append| append(&store));
            letters = parked(&store, &views);
        }
        assert_eq!(members(&views), ["cid"], "{events_at_once} at once");
        let [letter] = &letters[..] else {
            panic!("{letters:?}")
        };
        assert_eq!(letter.place, Place::main(Position(2)));
        let reason = "both have \"a@x.org\" in the unique index \"email\"";
        assert!(letter.error.contains(reason), "{}", letter.error);
    }
}

#[test]
fn a_row_that_is_too_large_is_the_fault_of_its_event_alone() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    for name in ["ann", "bob", "cid", "dan", "eve"] {
        joined(&store, name, &format!("{name}@x.org"));
    }
    wrote(&store, "bob", TOO_MANY);
    wrote(&store, "cid", 3);
    wrote(&store, "dan", TOO_MANY);
    wrote(&store, "bob", 1);
    let letters = parked(&store, &views);
    let at: Vec<_> = letters
        .iter()
        .map(|letter| letter.place.position.get())
        .collect();
    assert_eq!(at, [6, 8, 9], "the last of bob's follows a parked one");
    assert!(letters[0].error.contains("bytes"), "{}", letters[0].error);
    let text = |name| views.get::<Member>(name).unwrap().unwrap().text;
    assert_eq!([text("bob"), text("cid"), text("dan")], ["", "xxx", ""]);

    // A retry is refused as well, and the letter stays.
    let running = start(midgard(&store, &views, FailurePolicy::retry(0).then_park()));
    block_on(running.handle.retry("members", "member-bob")).unwrap();
    block_on(async {
        loop {
            let letters = running.handle.dead_letters("members").await.unwrap();
            if letters[0].failures == 2 {
                assert_eq!(letters.len(), 3);
                break;
            }
            futures_timer::Delay::new(std::time::Duration::from_millis(2)).await;
        }
    });
    running.stop().unwrap();
    assert_eq!(text("bob"), "");
}

#[test]
fn without_another_policy_it_stops_before_the_event_at_fault() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    joined(&store, "ann", "a@x.org");
    joined(&store, "bob", "b@x.org");
    wrote(&store, "ann", TOO_MANY);
    joined(&store, "cid", "c@x.org");
    let stopping = midgard(&store, &views, FailurePolicy::retry(0));
    let error = block_on(stopping.catch_up()).unwrap_err().to_string();
    assert!(error.contains("stopped before position 3"), "{error}");
    assert_eq!(members(&views), ["ann", "bob"]);
}
