//! Mistakes in an impl whose methods are the handlers: each is one error, in the impl or at what is listed.

use midgard::{Done, HandlerResult, MessageContext, Reactions};

#[midgard::event(name = "order.placed")]
struct Placed {
    order: u64,
}

#[midgard::event(name = "order.paid")]
struct Paid {}

#[midgard::event(name = "stock.picked")]
struct Picked {}

#[midgard::remote_command(name = "stock.pick", service = "warehouse", reply = Picked)]
struct Pick {}

#[midgard::remote_command(name = "stock.put_back", service = "warehouse")]
struct PutBack {}

struct Warehouse;

#[midgard::inbox(name = "warehouse", events(Placed), commands(Pick, PutBack))]
impl Warehouse {
    async fn paid(&self, _: Paid, _: &mut MessageContext<'_>) -> HandlerResult {
        Ok(())
    }

    async fn pick(&self, _: Pick, _: &mut MessageContext<'_>) -> HandlerResult<Done> {
        Ok(Done {})
    }

    fn put_back(&self, _: PutBack, _: &mut MessageContext<'_>) -> HandlerResult<Done> {
        Ok(Done {})
    }

    async fn put_back_again(&self, _: PutBack, _: &mut MessageContext<'_>) -> HandlerResult<Done> {
        Ok(Done {})
    }
}

#[derive(Default)]
struct Picking {}

#[midgard::process_manager(name = "picking", id = u64, events(Placed, Paid), commands(Pick, PutBack))]
impl Picking {
    fn placed(&mut self, _: Placed, _: &mut Reactions<Self>) {}

    fn of_paid(_: &Paid) -> u64 {
        7
    }

    fn paid(&mut self, _: Paid, _: &mut Reactions<Self>) {}

    fn picked(&mut self, _: Pick, _: Picked, _: &mut Reactions<Self>) {}

    fn put_back(&mut self, _: PutBack, _: Picked, _: &mut Reactions<Self>) {}

    fn not_put_back(&mut self, _: PutBack, _: &str, _: &mut Reactions<Self>) {}

    fn overdue(&mut self, _: Picked, _: &mut Reactions<Self>) {}
}

mod elsewhere {
    pub(super) struct Office;
}

#[midgard::inbox(name = "office", commands(Pick))]
impl elsewhere::Office {}

#[midgard::view(key = name)]
impl elsewhere::Office {}

#[derive(Default)]
struct Misspelt {}

#[midgard::process_manager(nam = "misspelt", id = u64, events(Placed))]
impl Misspelt {
    fn of_placed(event: &Placed) -> Option<u64> {
        Some(event.order)
    }

    fn placed(&mut self, _: Placed, _: &mut Reactions<Self>) {}
}

fn main() {}
