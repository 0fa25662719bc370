//! Handlers that are methods of one impl, with helpers, private arguments and other traits beside them.

use midgard::event::RecordedEventRef;
use midgard::{Done, HandlerResult, MessageContext, React, Reactions};

#[midgard::event(name = "order.placed")]
struct Placed {
    order: u64,
}

#[midgard::event(name = "order.paid")]
struct Paid {
    order: u64,
}

#[midgard::event(name = "order.cancelled")]
struct Cancelled {
    order: u64,
}

#[midgard::event(name = "order.overdue")]
struct Overdue {}

#[midgard::event(name = "stock.picked")]
struct Picked {}

#[midgard::remote_command(name = "stock.pick", service = "warehouse", key = order, reply = Picked)]
struct Pick {
    order: u64,
}

#[midgard::remote_command(name = "stock.put_back", service = "warehouse", key = order)]
struct PutBack {
    order: u64,
}

struct Warehouse {
    limit: u64,
}

#[midgard::inbox(
    name = "warehouse",
    events(Placed, self::Paid),
    commands(Pick, PutBack)
)]
impl Warehouse {
    const NAME: &'static str = "not that of the queue";

    fn is_allowed(&self, order: u64) -> bool {
        order < self.limit
    }

    // Takes a reference: a helper.
    async fn note(&self, _text: &str, _context: &mut MessageContext<'_>) -> HandlerResult {
        Ok(())
    }

    async fn placed(&self, placed: Placed, context: &mut MessageContext<'_>) -> HandlerResult {
        self.note(Self::NAME, context).await?;
        if self.is_allowed(placed.order) {
            return Ok(());
        }
        Err("too large".into())
    }

    async fn paid(&self, _: self::Paid, _: &mut midgard::MessageContext<'_>) -> HandlerResult {
        Ok(())
    }

    // The name of the trait's own method, and a return type in another form.
    async fn handle(
        &self,
        _: Pick,
        _: &mut MessageContext<'_>,
    ) -> Result<Picked, midgard::HandlerError> {
        Ok(Picked {})
    }

    async fn put_back(&self, _: PutBack, _: &mut MessageContext<'_>) -> HandlerResult<Done> {
        Ok(Done {})
    }
}

#[derive(Debug, Default)]
struct Picking {
    is_late: bool,
}

#[midgard::process_manager(
    name = "picking",
    id = u64,
    events(Placed, Paid, Cancelled),
    commands(Pick, PutBack),
    deadlines(Overdue)
)]
impl Picking {
    fn of_placed(event: &Placed) -> Option<u64> {
        Some(event.order)
    }

    fn placed(&mut self, event: Placed, reactions: &mut Reactions<Self>) {
        reactions.send(&Pick { order: event.order });
    }

    fn of_paid(event: &Paid, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(event.order)
    }

    fn paid(&mut self, _: Paid, reactions: &mut Reactions<Self>) {
        self.end("paid", reactions);
    }

    fn picked(&mut self, _: Pick, _: Picked, reactions: &mut Reactions<Self>) {
        self.end("picked", reactions);
    }

    fn not_picked(&mut self, _: Pick, reason: &str, reactions: &mut Reactions<Self>) {
        self.end(reason, reactions);
    }

    fn put_back(&mut self, _: PutBack, _: Done, _: &mut Reactions<Self>) {}

    fn not_put_back(&mut self, _: PutBack, _: &str, _: &mut Reactions<Self>) {}

    fn overdue(&mut self, _: Overdue, _: &mut Reactions<Self>) {
        self.is_late = true;
    }

    fn end(&mut self, _reason: &str, reactions: &mut Reactions<Self>) {
        reactions.complete();
    }
}

// One by itself may still be a trait's.
impl React<Cancelled> for Picking {
    fn process(event: &Cancelled, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(event.order)
    }

    fn react(&mut self, _: Cancelled, reactions: &mut Reactions<Self>) {
        reactions.complete();
    }
}

pub(crate) fn main() {
    use midgard::testing::given_process;

    given_process::<Picking>()
        .event(Placed { order: 7 })
        .then(|reactions| reactions.send(&Pick { order: 7 }))
        .refused::<Pick>("none is left")
        .then(|reactions| reactions.complete());
    let _ = Warehouse { limit: 9 };
}
