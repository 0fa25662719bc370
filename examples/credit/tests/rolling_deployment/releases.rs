//! Two releases of one service: the new one knows one more event, and newer versions of an event, of a command and of its
//! reply. Each runs an outbox, a subscription, a projection, a process manager and an inbox.

use crate::effects::{Do, Effects};
use midgard::bus::{Publisher, Subscriber};
use midgard::consumer::{ConsumerOptions, FailurePolicy};
use midgard::event::{RecordedEventRef, Registry};
use midgard::inbox::InboxOptions;
use midgard::{
    Context, Delivery, Event, EventSet, Handle, HandlerError, Inbox, MessageContext, Midgard,
    Outbox, ProcessManager, Processes, Project, Projection, React, Reactions, RemoteCommand,
    Resolve, StartFrom, Subscribe, Subscription, View, Views,
};
use midgard_store_lmdb::LmdbStore;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    Old,
    New,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
#[publish]
pub(crate) struct PlacedV1 {
    pub(crate) order: u64,
    pub(crate) number: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed", version = 2, upcast_from = PlacedV1)]
#[publish]
pub(crate) struct Placed {
    pub(crate) order: u64,
    pub(crate) number: u64,
    pub(crate) currency: String,
}

impl From<PlacedV1> for Placed {
    fn from(old: PlacedV1) -> Self {
        Placed {
            order: old.order,
            number: old.number,
            currency: "EUR".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.paid")]
#[publish]
pub(crate) struct Paid {
    pub(crate) order: u64,
    pub(crate) number: u64,
}

/// Only the new release knows it.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.voided")]
#[publish]
pub(crate) struct Voided {
    pub(crate) order: u64,
    pub(crate) number: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "order.pick", service = "warehouse", key = order, reply = PickedV1)]
pub(crate) struct PickV1 {
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(
    name = "order.pick",
    service = "warehouse",
    version = 2,
    upcast_from = PickV1,
    key = order,
    reply = Picked
)]
pub(crate) struct Pick {
    order: u64,
    shelf: String,
}

impl From<PickV1> for Pick {
    fn from(old: PickV1) -> Self {
        Pick {
            order: old.order,
            shelf: "any".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.picked")]
pub(crate) struct PickedV1 {
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.picked", version = 2, upcast_from = PickedV1)]
pub(crate) struct Picked {
    order: u64,
    shelf: String,
}

impl From<PickedV1> for Picked {
    fn from(old: PickedV1) -> Self {
        Picked {
            order: old.order,
            shelf: "any".to_owned(),
        }
    }
}

/// All that is known of an order: the numbers of its events, in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, View)]
#[view(key = order)]
pub(crate) struct Row {
    pub(crate) order: u64,
    pub(crate) numbers: Vec<u64>,
}

/// Where the mailer writes down what it was handed: an effect that is in no transaction.
fn mail(file: &Path, order: u64, number: u64) -> Result<(), HandlerError> {
    let mut file = OpenOptions::new().append(true).create(true).open(file)?;
    file.write_all(format!("{order} {number}\n").as_bytes())?;
    Ok(())
}

fn options(registry: &Registry) -> ConsumerOptions {
    let policy = FailurePolicy::retry(3).first_after(Duration::from_millis(5));
    ConsumerOptions::new()
        .lease(Duration::from_millis(300))
        .on_failure(policy.then_park())
        .knows(registry)
}

macro_rules! release {
    (
        $release:ident, [$($event:ident $of:ty),*], $pick:ty, $send:expr, $picked:ty, $answer:expr, $version:literal
    ) => {
        pub(crate) mod $release {
            use super::*;

            #[derive(Debug, Clone, EventSet)]
            pub(crate) enum Orders {
                $($event($of)),*
            }

            impl Orders {
                pub(crate) fn of(&self) -> (u64, u64) {
                    match self {
                        $(Orders::$event(event) => (event.order, event.number)),*
                    }
                }
            }

            #[derive(Projection)]
            #[projection(name = "rows", version = $version, events(Orders), views(Row))]
            pub(crate) struct Rows;

            impl Project<Orders> for Rows {
                async fn project(
                    &self,
                    event: Orders,
                    context: &mut Context<'_, Self>,
                ) -> Result<(), HandlerError> {
                    let (order, number) = event.of();
                    let row = context.get::<Row>(&order)?;
                    let mut numbers = row.map(|row| row.numbers.clone()).unwrap_or_default();
                    numbers.push(number);
                    Ok(context.put(Row { order, numbers })?)
                }
            }

            #[derive(Debug, Default, ProcessManager)]
            #[process_manager(name = "picking", id = u64, events(Orders), commands($pick))]
            pub(crate) struct Picking {
                order: u64,
            }

            impl React<Orders> for Picking {
                fn process(event: &Orders, _: &RecordedEventRef<'_>) -> Option<u64> {
                    Some(event.of().0)
                }

                fn react(&mut self, event: Orders, reactions: &mut Reactions<Self>) {
                    let (order, number) = event.of();
                    self.order = order;
                    if let Orders::Placed(_) = event {
                        reactions.send(&$send(order));
                    }
                    let what = "reacted";
                    let done = Do { what, order, number };
                    reactions.execute::<Effects, _>(done.id(), done);
                }
            }

            impl Resolve<$pick> for Picking {
                fn replied(
                    &mut self,
                    command: $pick,
                    reply: $picked,
                    reactions: &mut Reactions<Self>,
                ) {
                    assert_eq!(command.order, reply.order);
                    let (what, order, number) = ("answered", self.order, 0);
                    let done = Do { what, order, number };
                    reactions.execute::<Effects, _>(done.id(), done);
                }

                fn refused(&mut self, _: $pick, _: &str, _: &mut Reactions<Self>) {}
            }

            #[derive(Inbox)]
            #[inbox(name = "warehouse", events(Orders), commands($pick))]
            pub(crate) struct Warehouse;

            impl Subscribe<Orders> for Warehouse {
                async fn receive(
                    &self,
                    event: Orders,
                    context: &mut MessageContext<'_>,
                ) -> Result<(), HandlerError> {
                    let (order, number) = event.of();
                    let what = "heard";
                    let done = Do { what, order, number };
                    context.execute::<Effects, _>(&done.id(), &done).await?;
                    Ok(())
                }
            }

            impl Handle<$pick> for Warehouse {
                async fn handle(
                    &self,
                    command: $pick,
                    context: &mut MessageContext<'_>,
                ) -> Result<$picked, HandlerError> {
                    let (what, order, number) = ("picked", command.order, 0);
                    let done = Do { what, order, number };
                    context.execute::<Effects, _>(&done.id(), &done).await?;
                    Ok($answer(command))
                }
            }

            pub(crate) fn program(
                store: LmdbStore,
                bus: impl Publisher + Subscriber + Clone,
                mails: PathBuf,
            ) -> Midgard<LmdbStore> {
                let mut registry = Registry::new();
                $(registry = registry.with::<$of>().unwrap();)*
                let outbox = Outbox::new("orders").options(options(&registry));
                $(let outbox = outbox.publish::<$of>();)*
                let mailer = Subscription::<Orders>::events("mailer", StartFrom::Start).options(options(&registry));
                let processes = Processes::<Picking>::new(StartFrom::Start)
                    .options(options(&registry))
                    .replies_from(bus.clone());
                Midgard::new(store.clone())
                    .subscribe(mailer, move |order: Delivery<Orders>| {
                        let (order, number) = order.event.of();
                        let mailed = mail(&mails, order, number);
                        async move { mailed }
                    })
                    .project_with(Rows, Views::new(store), options(&registry))
                    .process_manager(processes)
                    .inbox_with(Warehouse, bus.clone(), InboxOptions::new())
                    .outbox(outbox, bus)
            }
        }
    };
}

release!(
    old,
    [Placed PlacedV1, Paid Paid],
    PickV1,
    |order| PickV1 { order },
    PickedV1,
    |pick: PickV1| PickedV1 { order: pick.order },
    1
);
release!(
    new,
    [Placed Placed, Paid Paid, Voided Voided],
    Pick,
    |order| Pick { order, shelf: "3b".to_owned() },
    Picked,
    |pick: Pick| Picked { order: pick.order, shelf: pick.shelf },
    2
);

/// A release as it is run.
pub(crate) fn program(
    release: Release,
    store: LmdbStore,
    bus: impl Publisher + Subscriber + Clone,
    mails: PathBuf,
) -> Midgard<LmdbStore> {
    match release {
        Release::Old => old::program(store, bus, mails),
        Release::New => new::program(store, bus, mails),
    }
}
