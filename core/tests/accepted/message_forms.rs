//! What may be left out, and the types that the derives of messages take.
#![deny(warnings, missing_docs, unreachable_pub)]

use midgard::event::RecordedEventRef;
use midgard::outbox::Publish;
use midgard::{
    Done, Event, Handle, HandlerError, Inbox, MessageContext, ProcessManager, React, Reactions,
    RemoteCommand, Subscribe,
};

mod orders {
    //! Events and commands of another module, some of them private.

    use midgard::{Event, RemoteCommand};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "order.placed")]
    #[publish()]
    pub(crate) struct Placed(pub(crate) u64);

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "order.cancelled")]
    #[publish(key = r#type,)]
    pub(crate) struct Cancelled {
        pub(crate) r#type: String,
    }

    // Old versions do not leave the service.
    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "order.paid")]
    struct PaidV1 {}

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "order.paid", version = 2, upcast_from = PaidV1)]
    #[publish]
    pub(crate) struct Paid {}

    impl From<PaidV1> for Paid {
        fn from(_: PaidV1) -> Self {
            Paid {}
        }
    }

    #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
    #[remote_command(name = "order.place", service = "orders-eu_1", key = 1)]
    pub(crate) struct Place(pub(crate) u64, pub(crate) Option<Box<str>>);

    #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
    #[remote_command(name = "order.close", service = "orders-eu_1")]
    pub(crate) struct Close;

    /// The same name for another service.
    #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
    #[remote_command(name = "order.close", service = "orders-us")]
    pub(crate) struct CloseThere;
}

/// Has no commands, and a state.
#[derive(Inbox)]
#[inbox(name = "mailer", events(orders::Placed))]
pub struct Mailer {
    sender: String,
}

impl Subscribe<orders::Placed> for Mailer {
    async fn receive(
        &self,
        _: orders::Placed,
        _: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        Err(self.sender.clone().into())
    }
}

/// Has no events.
#[derive(Inbox)]
#[inbox(name = "orders-eu_1", commands(orders::Place, orders::Close,))]
enum Orders {
    Open,
}

impl Handle<orders::Place> for Orders {
    async fn handle(
        &self,
        _: orders::Place,
        _: &mut MessageContext<'_>,
    ) -> Result<Done, HandlerError> {
        Ok(Done {})
    }
}

impl Handle<orders::Close> for Orders {
    async fn handle(
        &self,
        _: orders::Close,
        _: &mut MessageContext<'_>,
    ) -> Result<Done, HandlerError> {
        Ok(Done {})
    }
}

/// One process manager reacts, and does no more.
#[derive(Default, ProcessManager)]
#[process_manager(name = "reminder", id = u64, config = [&'static str; 2], events(orders::Placed))]
enum Reminder {
    #[default]
    Idle,
    Placed(u64),
}

impl React<orders::Placed> for Reminder {
    fn process(event: &orders::Placed, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(event.0)
    }

    fn react(&mut self, event: orders::Placed, reactions: &mut Reactions<Self>) {
        assert_eq!(reactions.config()[0], "days");
        *self = Reminder::Placed(event.0);
    }
}

/// Its `Default` is written by hand.
#[derive(ProcessManager)]
#[process_manager(name = "audit", id = String, events(orders::Cancelled), deadlines(orders::Placed))]
struct Audit(u64);

impl Default for Audit {
    fn default() -> Self {
        Audit(7)
    }
}

impl React<orders::Cancelled> for Audit {
    fn process(event: &orders::Cancelled, _: &RecordedEventRef<'_>) -> Option<String> {
        Some(event.r#type.clone())
    }

    fn react(&mut self, _: orders::Cancelled, reactions: &mut Reactions<Self>) {
        self.0 += 1;
        reactions.cancel::<orders::Placed>();
    }
}

impl midgard::Expire<orders::Placed> for Audit {
    fn expired(&mut self, _: orders::Placed, _: &mut Reactions<Self>) {}
}

pub(crate) fn main() {
    assert_eq!(orders::Placed(7).key(), None);
    let cancelled = orders::Cancelled {
        r#type: "web".to_owned(),
    };
    assert_eq!(cancelled.key().as_deref(), Some("web"));
    assert!(!<orders::Paid as Publish>::HAS_KEY && orders::Paid::VERSION == 2);
    let place = orders::Place(7, Some("north".into()));
    assert_eq!(place.key().as_deref(), Some("north"));
    assert_ne!(orders::Close::SERVICE, orders::CloseThere::SERVICE);
    assert_eq!((Mailer::topics().len(), Orders::topics().len()), (1, 2));
    let _ = (
        Mailer {
            sender: String::new(),
        },
        Orders::Open,
    );
    assert!(matches!(Reminder::initial(), Reminder::Idle));
    assert_eq!(Audit::initial().0, 7);
}
