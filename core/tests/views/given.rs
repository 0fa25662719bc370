//! `given_projection`: the rows that a projection makes of events, tested without a program.

use midgard::testing::{GivenProjection, given_projection, given_projection_with};
use midgard::view::Select;
use midgard::{Context, Event, HandlerError, Metadata, Project, Projection, View};
use serde::{Deserialize, Serialize};
use std::panic::{UnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "guest.arrived")]
struct Arrived {
    guest: String,
    room: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "guest.left")]
struct Left {
    guest: String,
}

#[derive(Debug, Serialize, Deserialize, View)]
#[view(key = guest, index(room, unique), index(floor))]
struct Guest {
    guest: String,
    room: u32,
    floor: u32,
    stream: String,
    since: String,
    by: Option<String>,
}

/// Where guests are, and how many mails were sent.
#[derive(Default, Projection)]
#[projection(name = "guests", events(Arrived, Left), views(Guest))]
struct Guests {
    rooms_per_floor: u32,
    mails: Arc<AtomicU64>,
}

impl Project<Arrived> for Guests {
    async fn project(
        &self,
        event: Arrived,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let recorded = context.recorded();
        let floor = event.room.checked_div(self.rooms_per_floor);
        let mails = self.mails.clone();
        context.put(Guest {
            guest: event.guest,
            room: event.room,
            floor: floor.ok_or("a house without rooms")?,
            stream: recorded.stream.to_owned(),
            since: recorded.time.to_string(),
            by: recorded.headers.get("by").map(str::to_owned),
        })?;
        context.after_commit(async move {
            mails.fetch_add(1, Ordering::SeqCst);
        });
        Ok(())
    }
}

impl Project<Left> for Guests {
    async fn project(
        &self,
        event: Left,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        context.remove::<Guest>(event.guest)?;
        Ok(())
    }
}

fn house() -> GivenProjection<Guests> {
    given_projection_with(Guests {
        rooms_per_floor: 10,
        mails: Arc::default(),
    })
    .at("2026-11-25T12:00:00Z".parse().unwrap())
}

fn arrived(guest: &str, room: u32) -> Arrived {
    Arrived {
        guest: guest.to_owned(),
        room,
    }
}

fn left(guest: &str) -> Left {
    Left {
        guest: guest.to_owned(),
    }
}

fn guest(name: &str, room: u32) -> Guest {
    Guest {
        guest: name.to_owned(),
        room,
        floor: room / 10,
        stream: "test".to_owned(),
        since: "2026-11-25T12:00:00.000000Z".to_owned(),
        by: None,
    }
}

/// What a test fails with.
fn failure(test: impl FnOnce() + UnwindSafe) -> String {
    let panic = catch_unwind(test).unwrap_err();
    *panic.downcast::<String>().unwrap()
}

#[test]
fn rows_are_of_all_events_so_far_with_their_streams_times_and_metadata() {
    let by = Metadata::new().with_header("by", "train");
    let bo = Guest {
        stream: "lobby-2".to_owned(),
        by: Some("train".to_owned()),
        ..guest("bo", 12)
    };
    let eve = Guest {
        since: "2026-11-26T09:30:00.000000Z".to_owned(),
        ..guest("eve", 11)
    };
    house()
        .then_rows::<Guest>([])
        .event(arrived("ann", 7))
        .event_with("lobby-2", arrived("bo", 12), by)
        .then_row("ann", guest("ann", 7))
        .then_no_row::<Guest>("eve")
        .at("2026-11-26T09:30:00Z".parse().unwrap())
        .event(arrived("eve", 11))
        .event(left("ann"))
        .then_no_row::<Guest>("ann")
        .then_selected(Guest::by_floor(1).reverse(), [eve, bo])
        .then_views(|views| assert_eq!(views.count(Select::<Guest>::all()).unwrap(), 2));
}

#[test]
fn what_is_done_after_commits_is_done_once_however_often_rows_are_looked_at() {
    let mails = Arc::new(AtomicU64::new(0));
    given_projection_with(Guests {
        rooms_per_floor: 10,
        mails: mails.clone(),
    })
    .event(arrived("ann", 7))
    .then_views(|_| {})
    .then_views(|_| {});
    assert_eq!(mails.load(Ordering::SeqCst), 1);
}

#[test]
fn failures_of_handlers_and_of_rows_are_told() {
    // Made by `Default`.
    given_projection::<Guests>()
        .event(arrived("ann", 7))
        .then_fails("a house without rooms");
    house()
        .event(arrived("ann", 7))
        .event(arrived("bo", 7))
        .then_fails("before position 2");
    let told = failure(|| house().event(arrived("ann", 7)).then_fails("unique"));
    assert!(told.contains("has handled all events"), "{told}");
    let told = failure(|| {
        let house = given_projection::<Guests>().event(arrived("ann", 7));
        house.then_fails("unique");
    });
    assert!(
        told.contains("a house without rooms") && told.contains("\"unique\""),
        "{told}"
    );
    let told = failure(|| {
        let house = given_projection::<Guests>().event(arrived("ann", 7));
        let _ = house.then_rows::<Guest>([]);
    });
    assert!(told.contains("a house without rooms"), "{told}");
}

#[test]
fn other_rows_are_told_line_by_line() {
    let told = failure(|| {
        let house = house().event(arrived("ann", 7));
        let _ = house.then_row("ann", guest("ann", 8));
    });
    assert_eq!(
        told,
        "view \"guest\" has other rows: expected (-), found (+)\n  \
         guest {\n    \
         \"by\": null,\n    \
         \"floor\": 0,\n    \
         \"guest\": \"ann\",\n\
         -   \"room\": 8,\n\
         +   \"room\": 7,\n    \
         \"since\": \"2026-11-25T12:00:00.000000Z\",\n    \
         \"stream\": \"test\"\n  }"
    );
    let told = failure(|| {
        let house = house().event(arrived("ann", 7));
        let _ = house.then_rows([guest("ann", 7), guest("bo", 12)]);
    });
    assert!(told.contains("\n-   \"guest\": \"bo\","), "{told}");
    let told = failure(|| {
        let house = house().event(arrived("ann", 7));
        let _ = house.then_row("bo", guest("bo", 12));
    });
    assert!(
        told.contains("no row") && told.contains("\"ann\""),
        "{told}"
    );
    let told = failure(|| {
        let _ = house().event(arrived("ann", 7)).then_no_row::<Guest>("ann");
    });
    assert!(
        told.contains("has a row") && told.contains("\"ann\""),
        "{told}"
    );
}

#[test]
fn events_are_in_the_order_of_time() {
    let told = failure(|| {
        let house = house().event(arrived("ann", 7));
        let _ = house.at("2026-11-25T11:59:59Z".parse().unwrap());
    });
    assert!(
        told.contains("12:00:00") && told.contains("11:59:59"),
        "{told}"
    );
}

/// Counts how often it was called, and writes it into its rows, as it must not.
#[derive(Default, Projection)]
#[projection(name = "forgetful", events(Arrived), views(Guest))]
struct Forgetful {
    calls: AtomicU64,
}

impl Project<Arrived> for Forgetful {
    async fn project(
        &self,
        event: Arrived,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let calls = self.calls.fetch_add(1, Ordering::SeqCst);
        let by = Some(calls.to_string());
        Ok(context.put(Guest {
            by,
            ..guest(&event.guest, event.room)
        })?)
    }
}

/// Does in a rebuild what it would not have done before.
#[derive(Default, Projection)]
#[projection(name = "rebuilder", events(Arrived), views(Guest))]
struct Rebuilder;

impl Project<Arrived> for Rebuilder {
    async fn project(
        &self,
        event: Arrived,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        if context.is_replay() {
            return Err("it was not made for that".into());
        }
        Ok(context.put(guest(&event.guest, event.room))?)
    }
}

#[test]
fn projections_that_would_make_other_rows_of_the_same_events_are_found() {
    let told = failure(|| {
        let given = given_projection::<Forgetful>().event(arrived("ann", 7));
        let _ = given.then_views(|_| {});
    });
    let both = "\n-   \"by\": \"0\",\n+   \"by\": \"1\",";
    assert!(told.contains("rebuilt") && told.contains(both), "{told}");
    let told = failure(|| {
        let given = given_projection::<Rebuilder>().event(arrived("ann", 7));
        let _ = given.then_views(|_| {});
    });
    assert!(
        told.contains("rebuilt") && told.contains("not made for that"),
        "{told}"
    );
}
