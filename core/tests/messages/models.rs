//! Handlers of inboxes that decide on decision models.

use super::kit::{Outlet, Running, append, parking, publish, start};
use midgard::bus::{InProcessBus, Message, Purpose};
use midgard::decision_model::Instance;
use midgard::event::{Encoded, NewEvent, RecordedEventRef};
use midgard::store::ReadLog;
use midgard::{
    Aggregate, Apply, Command, DecisionModel, Event, Events, Handle, HandlerError, Inbox,
    MemoryStore, MessageContext, Midgard, Outbox, Refused, RemoteCommand, Store, Subscribe,
    block_on, events,
};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

const CAPACITY: u32 = 7;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "seats.wanted")]
struct SeatsWanted {
    guest: String,
    seats: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "seat.taken")]
struct SeatTaken {
    #[event(tag = "show")]
    show: String,
    guest: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "guest.served")]
struct GuestServed {
    seats: u32,
    /// How many seats were taken, over all guests.
    taken: u32,
}

/// The seats of a show.
#[derive(Debug, DecisionModel)]
#[decision(events(SeatTaken))]
struct Seats {
    #[decision(tag)]
    show: String,
    taken: u32,
}

impl Apply<SeatTaken> for Seats {
    fn apply(&mut self, _: SeatTaken) {
        self.taken += 1;
    }
}

struct TakeSeat {
    guest: String,
}

impl Command<Seats> for TakeSeat {
    type Error = &'static str;

    fn decide(&self, seats: &Seats) -> Result<Events<Seats>, &'static str> {
        if seats.taken == CAPACITY {
            return Err("the show is sold out");
        }
        Ok(events![taken(&self.guest)])
    }
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "guest", id = String, events(GuestServed))]
struct Guest {
    served: u32,
}

impl Apply<GuestServed> for Guest {
    fn apply(&mut self, _: GuestServed) {
        self.served += 1;
    }
}

struct Serve {
    seats: u32,
    taken: u32,
}

impl Command<Guest> for Serve {
    type Error = &'static str;

    fn decide(&self, _: &Guest) -> Result<Events<Guest>, &'static str> {
        let Serve { seats, taken } = *self;
        Ok(events![GuestServed { seats, taken }])
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "seat.buy", service = "tills", key = guest, reply = SeatBought)]
struct BuySeat {
    guest: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "seat.bought")]
struct SeatBought {
    taken: u32,
    /// How often the manager was served, who comes for nothing.
    free: u32,
}

/// Asks how often the manager was served, for a seat.
#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "manager.ask", service = "tills", key = guest, reply = SeatBought)]
struct AskManager {
    guest: String,
    /// Whether the seats are looked at before the manager.
    is_model_first: bool,
}

fn seats() -> Seats {
    Seats::of("hamlet".to_owned())
}

fn taken(guest: &str) -> SeatTaken {
    SeatTaken {
        show: "hamlet".to_owned(),
        guest: guest.to_owned(),
    }
}

/// Gives a guest as many of the wanted seats as there are.
async fn serve(wanted: SeatsWanted, context: &mut MessageContext<'_>) -> Result<(), HandlerError> {
    let take = TakeSeat {
        guest: wanted.guest.clone(),
    };
    let mut given = 0;
    while given < wanted.seats {
        match context.execute_on_model(seats(), &take).await {
            Ok(_) => given += 1,
            Err(error) if error.is::<Refused>() => break,
            Err(error) => return Err(error),
        }
    }
    let taken = context.load_model(seats()).await?.taken;
    let serve = Serve {
        seats: given,
        taken,
    };
    context.execute::<Guest, _>(&wanted.guest, &serve).await?;
    Ok(())
}

#[derive(Inbox)]
#[inbox(name = "north", events(SeatsWanted))]
struct North;

impl Subscribe<SeatsWanted> for North {
    async fn receive(
        &self,
        event: SeatsWanted,
        context: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        serve(event, context).await
    }
}

#[derive(Inbox)]
#[inbox(name = "south", events(SeatsWanted))]
struct South;

impl Subscribe<SeatsWanted> for South {
    async fn receive(
        &self,
        event: SeatsWanted,
        context: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        serve(event, context).await
    }
}

/// Sells a seat, or refuses; somebody else may be served while it handles a message.
#[derive(Inbox)]
#[inbox(name = "tills", events(SeatsWanted), commands(BuySeat, AskManager))]
struct Tills {
    store: MemoryStore,
    rivals: AtomicU32,
    /// What each of them appends, and where.
    rival: (&'static str, fn() -> NewEvent),
}

impl Tills {
    fn be_overtaken(&self) {
        let left = self
            .rivals
            .try_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if left.is_ok() {
            let (stream, event) = self.rival;
            append(&self.store, stream, event());
        }
    }
}

impl Subscribe<SeatsWanted> for Tills {
    async fn receive(
        &self,
        event: SeatsWanted,
        context: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        let guest = event.guest.clone();
        context
            .execute_on_model(seats(), &TakeSeat { guest })
            .await?;
        self.be_overtaken();
        Ok(())
    }
}

impl Handle<BuySeat> for Tills {
    async fn handle(
        &self,
        command: BuySeat,
        context: &mut MessageContext<'_>,
    ) -> Result<SeatBought, HandlerError> {
        // Only looks, and answers: the answer must be right as well.
        let model = (Instance::<Guest>::of("manager"), seats());
        let (manager, Seats { taken, .. }) = context.load_model(model).await?;
        self.be_overtaken();
        if taken >= CAPACITY - 1 {
            let BuySeat { guest } = command;
            context
                .execute_on_model(
                    seats(),
                    &TakeSeat {
                        guest: guest.clone(),
                    },
                )
                .await?;
            context
                .execute_on_model(seats(), &TakeSeat { guest })
                .await?;
        }
        Ok(SeatBought {
            taken,
            free: manager.served,
        })
    }
}

impl Handle<AskManager> for Tills {
    async fn handle(
        &self,
        command: AskManager,
        context: &mut MessageContext<'_>,
    ) -> Result<SeatBought, HandlerError> {
        let AskManager {
            guest,
            is_model_first,
        } = command;
        if is_model_first {
            context.load_model(seats()).await?;
        } else {
            context.load::<Guest>("manager").await?;
        }
        self.be_overtaken();
        if !is_model_first {
            context.load_model(seats()).await?;
        }
        let free = context.load::<Guest>("manager").await?.served;
        let take = TakeSeat { guest };
        let taken = context.execute_on_model(seats(), &take).await?.taken;
        Ok(SeatBought { taken, free })
    }
}

fn wanted(number: u32, guest: &str, seats: u32) -> Message {
    let wanted = SeatsWanted {
        guest: guest.to_owned(),
        seats,
    };
    let data = serde_json::to_vec(&wanted).unwrap();
    Message::event("website", SeatsWanted::NAME, 1, data)
        .with_id(format!("message-{number}"))
        .with_key(guest)
}

fn buy(guest: &str) -> Message {
    command(
        guest,
        &BuySeat {
            guest: guest.to_owned(),
        },
    )
}

fn command<C: RemoteCommand + Serialize>(guest: &str, command: &C) -> Message {
    let purpose = Purpose::Command {
        service: C::SERVICE.to_owned(),
    };
    let data = serde_json::to_vec(command).unwrap();
    let mut message =
        Message::new(purpose, "website", Encoded::json(C::NAME, 1, data)).with_key(guest);
    message.reply_to = Some("website".to_owned());
    message.with_subject(guest)
}

fn start_tills(store: &MemoryStore, bus: &InProcessBus, rivals: u32) -> (Running, Outlet) {
    let rival = || NewEvent::encode(&taken("rival")).unwrap();
    start_tills_with(store, bus, rivals, ("rivals", rival))
}

fn start_tills_with(
    store: &MemoryStore,
    bus: &InProcessBus,
    rivals: u32,
    rival: (&'static str, fn() -> NewEvent),
) -> (Running, Outlet) {
    let replies = Outlet::default();
    let tills = Tills {
        store: store.clone(),
        rivals: AtomicU32::new(rivals),
        rival,
    };
    let midgard = Midgard::new(store.clone())
        .inbox_with(tills, bus.clone(), parking())
        .outbox(Outbox::new("tills"), replies.clone());
    (start(midgard), replies)
}

fn take_seats(store: &MemoryStore, count: u32) {
    for _ in 0..count {
        append(store, "earlier", NewEvent::encode(&taken("early")).unwrap());
    }
}

/// How many seats were taken, and what each served guest was told, when it was told.
fn replay(store: &MemoryStore) -> (u32, Vec<(u32, u32)>) {
    let (mut count, mut served) = (0, Vec::new());
    let visit = &mut |event: RecordedEventRef<'_>| {
        match event.name {
            "seat.taken" => count += 1,
            "guest.served" => {
                let GuestServed { seats, taken } = event.decode().unwrap();
                served.push((seats, taken));
                assert_eq!(taken, count, "it has seen all seats, its own too");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    };
    block_on(store.read_log(&ReadLog::forward(), visit)).unwrap();
    (count, served)
}

#[test]
fn two_inboxes_that_fight_for_the_last_seats_never_overbook() {
    let store = MemoryStore::new();
    let buses = [InProcessBus::new(), InProcessBus::new()];
    let [north, south] = buses.clone();
    let program = || Midgard::new(store.clone()).outbox_elsewhere();
    let north = start(program().inbox_with(North, north, parking()));
    let south = start(program().inbox_with(South, south, parking()));
    thread::scope(|scope| {
        for (index, bus) in buses.iter().enumerate() {
            scope.spawn(move || {
                let messages: Vec<_> = (0..40)
                    .map(|number| wanted(number, &format!("guest-{index}-{number}"), 2))
                    .collect();
                publish(bus, &messages);
            });
        }
    });
    let (taken, served) = replay(&store);
    assert_eq!((taken, served.len()), (CAPACITY, 80));
    // Three guests have two seats, one has the last one, and all others were told that there is none.
    let of = |seats| served.iter().filter(|(given, _)| *given == seats).count();
    assert_eq!((of(2), of(1), of(0)), (3, 1, 76));
    north.stop().unwrap();
    south.stop().unwrap();
}

#[test]
fn a_handler_that_is_overtaken_runs_again_on_the_newer_model() {
    let (store, bus) = (MemoryStore::new(), InProcessBus::new());
    take_seats(&store, CAPACITY - 3);
    let (running, _) = start_tills(&store, &bus, 2);
    publish(&bus, &[wanted(1, "ann", 1)]);
    let status = running.handle.status_of("tills").unwrap();
    assert_eq!((status.handled, status.parked), (1, 0), "{status}");
    // Two others were faster, each once; the third try has taken the last seat.
    assert_eq!(replay(&store).0, CAPACITY);
    running.stop().unwrap();
}

#[test]
fn the_refusal_of_a_model_names_the_model_and_the_command() {
    let (store, bus) = (MemoryStore::new(), InProcessBus::new());
    take_seats(&store, CAPACITY);
    let (running, _) = start_tills(&store, &bus, 0);
    publish(&bus, &[wanted(1, "ann", 1)]);
    let parked = block_on(running.handle.parked_messages("tills")).unwrap();
    assert_eq!(
        parked[0].error,
        "decision model messages::models::Seats has refused command messages::models::TakeSeat: the show is sold out"
    );
    running.stop().unwrap();
}

#[test]
fn an_answer_that_relies_on_a_model_is_right_when_it_is_recorded() {
    let (store, bus) = (MemoryStore::new(), InProcessBus::new());
    let (running, replies) = start_tills(&store, &bus, 1);
    publish(&bus, &[buy("ann")]);
    replies.wait_for(1);
    let reply = replies.published()[0].decode::<SeatBought>().unwrap();
    assert_eq!(reply, SeatBought { taken: 1, free: 0 });
    running.stop().unwrap();
}

#[test]
fn an_answer_that_relies_on_an_aggregate_of_a_model_is_right_as_well() {
    let (store, bus) = (MemoryStore::new(), InProcessBus::new());
    let served = || NewEvent::encode(&GuestServed { seats: 0, taken: 0 }).unwrap();
    let rival: (_, fn() -> NewEvent) = ("guest-manager", served);
    let (running, replies) = start_tills_with(&store, &bus, 1, rival);
    publish(&bus, &[buy("ann")]);
    replies.wait_for(1);
    let reply = replies.published()[0].decode::<SeatBought>().unwrap();
    assert_eq!(reply, SeatBought { taken: 0, free: 1 });
    running.stop().unwrap();
}

#[test]
fn an_answer_that_relies_on_an_aggregate_and_a_model_is_right_whichever_was_read_first() {
    for is_model_first in [true, false] {
        let (store, bus) = (MemoryStore::new(), InProcessBus::new());
        let served = || NewEvent::encode(&GuestServed { seats: 0, taken: 0 }).unwrap();
        let rival: (_, fn() -> NewEvent) = ("guest-manager", served);
        let (running, replies) = start_tills_with(&store, &bus, 1, rival);
        let ask = AskManager {
            guest: "ann".to_owned(),
            is_model_first,
        };
        publish(&bus, &[command("ann", &ask)]);
        let status = running.handle.status_of("tills").unwrap();
        assert_eq!((status.handled, status.parked), (1, 0), "{status}");
        replies.wait_for(1);
        let reply = replies.published()[0].decode::<SeatBought>().unwrap();
        assert_eq!(reply, SeatBought { taken: 1, free: 1 }, "{is_model_first}");
        running.stop().unwrap();
    }
}

#[test]
fn a_refused_command_leaves_nothing_of_what_its_handler_decided_before() {
    let (store, bus) = (MemoryStore::new(), InProcessBus::new());
    take_seats(&store, CAPACITY - 1);
    let (running, replies) = start_tills(&store, &bus, 0);
    publish(&bus, &[buy("ann")]);
    replies.wait_for(1);
    let refused = replies.published()[0].decode::<Refused>().unwrap();
    assert_eq!(refused.to_string(), "the show is sold out");
    assert_eq!(replay(&store).0, CAPACITY - 1);
    running.stop().unwrap();
}
