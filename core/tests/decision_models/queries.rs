//! Which events a model is folded from.

use super::courses::{CourseDefined, StudentSubscribed, log, rival, seats, subscription};
use midgard::event::NewEvent;
use midgard::repository::Repositories;
use midgard::store::{Append, ExpectedVersion, QueryItem};
use midgard::{
    Apply, Command, DecisionModel, Event, Events, MemoryStore, Store, StreamName, block_on, events,
};
use serde::{Deserialize, Serialize};

#[test]
fn the_query_has_the_names_of_the_events_and_the_tags_that_each_carries() {
    let course = QueryItem::new()
        .name("course.defined")
        .name("student.subscribed")
        .tag("course:1");
    assert_eq!(seats(1).items(), std::slice::from_ref(&course));
    let student = QueryItem::new()
        .name("student.subscribed")
        .tag("student:ann");
    assert_eq!(subscription(1, "ann").items(), [course, student]);
}

/// Whether one student is in one course: both of its tags are on one of its events, and one on the other.
#[derive(DecisionModel)]
#[decision(events(StudentSubscribed, CourseDefined), apply = enum)]
struct Seat {
    #[decision(tag = "course")]
    of: super::courses::CourseId,
    #[decision(tag)]
    student: String,
    seen: Vec<&'static str>,
}

impl Apply<SeatEvent> for Seat {
    fn apply(&mut self, event: SeatEvent) {
        self.seen.push(match event {
            SeatEvent::StudentSubscribed(_) => "subscribed",
            SeatEvent::CourseDefined(_) => "defined",
        });
    }
}

/// Decides nothing: what was read is the answer.
struct Look;

impl<M: DecisionModel> Command<M> for Look {
    type Error = std::convert::Infallible;

    fn decide(&self, _: &M) -> Result<Events<M>, Self::Error> {
        Ok(Events::none())
    }
}

async fn look<M: DecisionModel>(store: &MemoryStore, model: M) -> M {
    let repositories = Repositories::new(store.clone());
    let decided = repositories.execute(model, &Look).await.unwrap();
    assert_eq!(decided.place(), None);
    decided.into_model()
}

async fn put(store: &MemoryStore, event: &impl Event) {
    store.append(rival(event, "any-1")).await.unwrap();
}

#[test]
fn an_event_that_carries_a_part_of_the_tags_is_selected_by_that_part() {
    let seat = Seat::of(super::courses::CourseId(1), "ann".to_owned());
    assert_eq!(
        seat.items(),
        [
            QueryItem::new()
                .name("student.subscribed")
                .tag("course:1")
                .tag("student:ann"),
            QueryItem::new().name("course.defined").tag("course:1"),
        ]
    );
    block_on(async {
        let store = MemoryStore::new();
        put(&store, &super::courses::defined(1, 5)).await;
        put(&store, &super::courses::defined(2, 5)).await;
        put(&store, &super::courses::subscribed(1, "ben")).await;
        put(&store, &super::courses::subscribed(2, "ann")).await;
        put(&store, &super::courses::subscribed(1, "ann")).await;
        assert_eq!(look(&store, seat).await.seen, ["defined", "subscribed"]);
    });
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "invoice.issued")]
struct InvoiceIssued {
    number: u64,
}

#[derive(DecisionModel)]
#[decision(all, events(InvoiceIssued))]
struct Invoices {
    last: u64,
}

impl Apply<InvoiceIssued> for Invoices {
    fn apply(&mut self, event: InvoiceIssued) {
        self.last = event.number;
    }
}

#[test]
fn a_model_without_tags_is_folded_from_all_events_of_its_types() {
    assert_eq!(
        Invoices::of().items(),
        [QueryItem::new().name("invoice.issued")]
    );
    block_on(async {
        let store = MemoryStore::new();
        put(&store, &InvoiceIssued { number: 1 }).await;
        put(&store, &super::courses::defined(1, 5)).await;
        put(&store, &InvoiceIssued { number: 2 }).await;
        assert_eq!(look(&store, Invoices::of()).await.last, 2);
    });
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "room.booked")]
struct RoomBooked {
    #[event(tag = "room")]
    rooms: Vec<String>,
    #[event(tag = "teacher")]
    teacher: Option<String>,
}

#[derive(DecisionModel)]
#[decision(events(RoomBooked))]
struct Bookings {
    #[decision(tag)]
    room: String,
    #[decision(tag)]
    teacher: String,
    booked: u32,
}

impl Apply<RoomBooked> for Bookings {
    fn apply(&mut self, _: RoomBooked) {
        self.booked += 1;
    }
}

#[test]
fn a_tag_may_be_one_of_several_values_of_an_event() {
    block_on(async {
        let store = MemoryStore::new();
        for (rooms, teacher) in [
            (&["a", "b"][..], Some("kim")),
            (&["a"], None),
            (&["b"], Some("kim")),
        ] {
            let rooms = rooms.iter().map(ToString::to_string).collect();
            let teacher = teacher.map(str::to_owned);
            put(&store, &RoomBooked { rooms, teacher }).await;
        }
        let both = Bookings::of("a".to_owned(), "kim".to_owned());
        assert_eq!(look(&store, both).await.booked, 1);
    });
}

mod upcasts {
    use super::*;

    /// Recorded before it had a tag.
    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "book.lent")]
    pub(crate) struct BookLentV1 {
        pub(crate) reader: String,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "book.lent", version = 2, upcast_from = BookLentV1)]
    pub(crate) struct BookLent {
        #[event(tag = "reader")]
        pub(crate) reader: String,
    }

    impl From<BookLentV1> for BookLent {
        fn from(old: BookLentV1) -> Self {
            BookLent { reader: old.reader }
        }
    }

    #[derive(Debug, DecisionModel)]
    #[decision(events(BookLent))]
    pub(crate) struct Loans {
        #[decision(tag)]
        pub(crate) reader: String,
        pub(crate) books: u32,
    }

    impl Apply<BookLent> for Loans {
        fn apply(&mut self, _: BookLent) {
            self.books += 1;
        }
    }

    pub(crate) struct Lend;

    impl Command<Loans> for Lend {
        type Error = std::convert::Infallible;

        fn decide(&self, loans: &Loans) -> Result<Events<Loans>, Self::Error> {
            let reader = loans.reader.clone();
            Ok(events![BookLent { reader }])
        }
    }
}

#[test]
fn an_event_recorded_before_its_type_had_the_tag_is_found_as_well() {
    use upcasts::{BookLent, BookLentV1, Lend, Loans};
    block_on(async {
        let store = MemoryStore::new();
        for reader in ["ann", "ben", "ann"] {
            let reader = reader.to_owned();
            put(&store, &BookLentV1 { reader }).await;
        }
        for reader in ["ben", "ann"] {
            let reader = reader.to_owned();
            put(&store, &BookLent { reader }).await;
        }
        let repositories = Repositories::new(store);
        let ann = Loans::of("ann".to_owned());
        let decided = repositories.execute(ann, &Lend).await.unwrap();
        assert_eq!(decided.model().books, 4, "three, and the one just lent");
    });
}

mod changed_tags {
    use super::*;
    use midgard::event::{Split, SplitEvents, UpcastContext};

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "user.registered")]
    pub(crate) struct RegisteredV1 {
        #[event(tag = "email")]
        pub(crate) email: String,
    }

    /// Addresses are in lower case now.
    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "user.registered", version = 2, upcast_from = RegisteredV1)]
    pub(crate) struct Registered {
        #[event(tag = "email")]
        pub(crate) email: String,
    }

    impl From<RegisteredV1> for Registered {
        fn from(old: RegisteredV1) -> Self {
            Registered {
                email: old.email.to_lowercase(),
            }
        }
    }

    #[derive(Debug, DecisionModel)]
    #[decision(events(Registered))]
    pub(crate) struct Address {
        #[decision(tag)]
        pub(crate) email: String,
        pub(crate) taken: u32,
    }

    impl Apply<Registered> for Address {
        fn apply(&mut self, _: Registered) {
            self.taken += 1;
        }
    }

    /// Became one event for each of its accounts; it has the tag of one of them only.
    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "money.moved")]
    pub(crate) struct Moved {
        #[event(tag = "account")]
        pub(crate) from: String,
        pub(crate) to: String,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "money.withdrawn", split_from(Moved))]
    pub(crate) struct Withdrawn {
        #[event(tag = "account")]
        pub(crate) from: String,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "money.deposited", split_from(Moved))]
    pub(crate) struct Deposited {
        #[event(tag = "account")]
        pub(crate) to: String,
    }

    impl Split for Moved {
        fn split(self, _: &UpcastContext<'_>) -> SplitEvents<Self> {
            let mut events = SplitEvents::new();
            events.push(Withdrawn { from: self.from });
            events.push(Deposited { to: self.to });
            events
        }
    }

    #[derive(Debug, DecisionModel)]
    #[decision(events(Withdrawn, Deposited))]
    pub(crate) struct Movements {
        #[decision(tag)]
        pub(crate) account: String,
        pub(crate) seen: Vec<&'static str>,
    }

    impl Apply<Withdrawn> for Movements {
        fn apply(&mut self, _: Withdrawn) {
            self.seen.push("withdrawn");
        }
    }

    impl Apply<Deposited> for Movements {
        fn apply(&mut self, _: Deposited) {
            self.seen.push("deposited");
        }
    }
}

#[test]
fn a_tag_that_an_upcast_changes_is_that_of_the_newest_version() {
    use changed_tags::{Address, RegisteredV1};
    block_on(async {
        let store = MemoryStore::new();
        let email = "Ann@X.org".to_owned();
        put(&store, &RegisteredV1 { email }).await;
        let taken = |email: &str| look(&store, Address::of(email.to_owned()));
        assert_eq!(taken("ann@x.org").await.taken, 1);
        assert_eq!(taken("Ann@X.org").await.taken, 0);
    });
}

#[test]
fn each_event_that_an_old_one_was_split_into_has_its_own_tags() {
    use changed_tags::{Moved, Movements};
    block_on(async {
        let store = MemoryStore::new();
        let (from, to) = ("a".to_owned(), "b".to_owned());
        put(&store, &Moved { from, to }).await;
        let seen = |account: &str| look(&store, Movements::of(account.to_owned()));
        assert_eq!(seen("a").await.seen, ["withdrawn"]);
        assert_eq!(seen("b").await.seen, ["deposited"]);
        assert!(seen("c").await.seen.is_empty());
    });
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "letter.sent")]
struct LetterSent {
    text: String,
}

#[test]
fn an_event_that_cannot_be_read_fails_the_command_and_names_itself() {
    #[derive(Debug, DecisionModel)]
    #[decision(all, events(LetterSent))]
    struct Letters {}

    impl Apply<LetterSent> for Letters {
        fn apply(&mut self, event: LetterSent) {
            drop(event.text);
        }
    }

    block_on(async {
        let store = MemoryStore::new();
        let broken = NewEvent::json("letter.sent", 1, b"{}".to_vec());
        let stream = StreamName::new("letters").unwrap();
        let append = Append::to(stream, ExpectedVersion::Any, [broken]);
        store.append(append).await.unwrap();
        let repositories = Repositories::new(store.clone());
        let error = repositories.execute(Letters::of(), &Look).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("letter.sent"), "{error}");
        assert_eq!(log(&store).await.len(), 1);
    });
}
