//! All derives that have a form in one line, with a type of each that derives more below.

mod data {
    //! Nothing else is imported: the lines bring what they need.

    #[midgard::event(name = "order.placed")]
    pub(crate) struct Placed {
        pub(crate) order: u64,
    }

    #[midgard::event(name = "order.overdue")]
    pub(crate) struct Overdue {}

    #[midgard::remote_command(name = "stock.pick", service = "warehouse", key = order)]
    #[derive(PartialEq, Eq)]
    pub(crate) struct Pick {
        pub(crate) order: u64,
    }

    #[midgard::view(key = order, index(city))]
    pub(crate) struct Line {
        pub(crate) order: u64,
        pub(crate) city: String,
    }
}

#[midgard::view(key = order, index(city), name = "written_out")]
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Own {
    order: u64,
    city: String,
}

use data::{Line, Overdue, Pick, Placed};
use midgard::event::RecordedEventRef;
use midgard::{
    Apply, Context, Done, Expire, Handle, HandlerResult, MessageContext, Project, React, Reactions,
    Resolve, Subscribe, View,
};

#[midgard::aggregate(name = "order", id = u64, events(Placed, Overdue), apply = enum)]
struct Order {
    is_placed: bool,
}

impl Apply<OrderEvent> for Order {
    fn apply(&mut self, _: OrderEvent) {
        self.is_placed = true;
    }
}

#[midgard::projection(name = "lines", events(Placed), views(Line, Own))]
struct Lines;

impl Project<Placed> for Lines {
    async fn project(&self, event: Placed, context: &mut Context<'_, Self>) -> HandlerResult {
        let (order, city) = (event.order, String::new());
        Ok(context.put(Line { order, city })?)
    }
}

#[midgard::inbox(name = "warehouse", events(Placed), commands(Pick))]
struct Warehouse {
    // Nothing is asked of it but what an inbox must be.
    count: std::sync::atomic::AtomicU64,
}

impl Subscribe<Placed> for Warehouse {
    async fn receive(&self, _: Placed, _: &mut MessageContext<'_>) -> HandlerResult {
        Ok(())
    }
}

impl Handle<Pick> for Warehouse {
    async fn handle(&self, _: Pick, _: &mut MessageContext<'_>) -> HandlerResult<Done> {
        Ok(Done {})
    }
}

#[midgard::process_manager(name = "picking", id = u64, events(Placed), commands(Pick), deadlines(Overdue))]
#[derive(Clone)]
struct Picking {
    is_late: bool,
}

impl React<Placed> for Picking {
    fn process(event: &Placed, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(event.order)
    }

    fn react(&mut self, event: Placed, reactions: &mut Reactions<Self>) {
        reactions.send(&Pick { order: event.order });
    }
}

impl Resolve<Pick> for Picking {
    fn replied(&mut self, _: Pick, _: Done, reactions: &mut Reactions<Self>) {
        reactions.complete();
    }

    fn refused(&mut self, _: Pick, _: &str, reactions: &mut Reactions<Self>) {
        reactions.complete();
    }
}

impl Expire<Overdue> for Picking {
    fn expired(&mut self, _: Overdue, _: &mut Reactions<Self>) {
        self.is_late = true;
    }
}

mod elsewhere {
    pub(crate) use midgard as store;
}

#[elsewhere::store::view(key = order, index(city), name = "line", crate = elsewhere::store)]
struct Renamed {
    order: u64,
    city: String,
}

mod derived {
    #[derive(Debug, Clone, serde::Serialize, serde::Deserialize, midgard::View)]
    #[view(key = order, index(city))]
    pub(crate) struct Line {
        order: u64,
        city: String,
    }
}

fn form<V: View>() -> String {
    let mut form = String::new();
    V::describe(&mut form);
    form
}

pub(crate) fn main() {
    // What is stored is one view, however it is written, so that nothing is rebuilt.
    assert_eq!(form::<Line>(), form::<derived::Line>());
    assert_eq!(form::<Renamed>(), form::<derived::Line>());
    assert!(form::<Own>().starts_with("#[serde(rename_all"));
    let pick = Pick { order: 7 };
    assert_eq!(pick, pick.clone());
    let (order, picking) = (Order::default(), Picking::default());
    assert_eq!((order.is_placed, picking.is_late), (false, false));
}
