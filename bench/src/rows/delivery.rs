//! How long after a commit an event is handled in another service, at a modest rate.

use super::live::{LONG, Pinged, Waits, append_all, milliseconds};
use super::relay::runtime;
use crate::contest::{Samples, rounds};
use crate::table::{Asked, Line};
use crate::{Bench, Outcome};
use midgard::bus::{DynBus, InProcessBus};
use midgard::consumer::{ConsumerState, RunError, Status};
use midgard::{HandlerError, Inbox, MessageContext, Midgard, MidgardHandle, Outbox, Subscribe};
use midgard_bus_nats::{NatsBus, NatsOptions};
use midgard_bus_rabbitmq::RabbitMqBus;
use midgard_store_lmdb::LmdbStore;
use midgard_test_servers::{Nats, RabbitMq};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// How many events are appended in a round.
const EVENTS: u64 = 500;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let runtime = runtime()?;
    let (rabbitmq, nats) = (RabbitMq::start()?, Nats::start()?);
    let [mut here, mut by_rabbitmq, mut by_nats] = <[Waits; 3]>::default();
    let (mut exchanges, mut streams) = (0, 0);
    rounds(
        bench.rounds,
        [
            &mut || {
                let bus = DynBus::new(InProcessBus::new());
                Ok(here.take(deliver(bench, &runtime, bus)?))
            },
            &mut || {
                exchanges += 1;
                let options = RabbitMqBus::options(&rabbitmq.address())
                    .exchange(format!("round-{exchanges}"))
                    .queue_prefix(format!("round-{exchanges}."));
                let bus = DynBus::new(runtime.block_on(options.connect())?);
                Ok(by_rabbitmq.take(deliver(bench, &runtime, bus)?))
            },
            &mut || {
                streams += 1;
                let options = NatsOptions::new(nats.address())
                    .with_stream(format!("round-{streams}"))
                    .with_prefix(format!("round-{streams}"));
                let bus = DynBus::new(NatsBus::new(options));
                Ok(by_nats.take(deliver(bench, &runtime, bus)?))
            },
        ],
    )?;
    Ok(vec![
        here.line("delivery, in process", Asked::Nothing),
        by_rabbitmq.line("delivery, RabbitMQ", Asked::Nothing),
        by_nats.line("delivery, NATS", Asked::Nothing),
    ])
}

/// From the return of `append` in one service to the call of a handler in the inbox of another.
fn deliver(bench: &Bench, runtime: &Runtime, bus: DynBus) -> Outcome<Samples> {
    let (from, to) = (bench.directory()?, bench.directory()?);
    let (store, (noted, handled)) = (LmdbStore::open(from.path())?, channel());
    let receiver = Midgard::new(LmdbStore::open(to.path())?);
    let receiver = Service::start(runtime, receiver.inbox(Pings { noted }, bus.clone()));
    receiver.wait_until_live(runtime, Pings::NAME)?;
    let outbox = Outbox::new("pinging").publish::<Pinged>();
    let sender = Service::start(runtime, Midgard::new(store.clone()).outbox(outbox, bus));
    sender.wait_until_live(runtime, "outbox")?;
    let committed = append_all(&store, EVENTS, |_, _| Ok(Instant::now()))?;
    let waits = waits(&handled, &committed)?;
    sender.stop(runtime)?;
    receiver.stop(runtime)?;
    Ok(waits)
}

/// Returns how long it took for each event until a handler was first called. Events of different streams may overtake
/// each other.
fn waits(handled: &Receiver<(u64, Instant)>, committed: &[Instant]) -> Outcome<Samples> {
    let mut waits = BTreeMap::new();
    while waits.len() < committed.len() {
        let (number, handled) = handled.recv_timeout(LONG)?;
        let committed = committed.get(usize::try_from(number)?);
        let committed = *committed.ok_or("an event came that was not appended")?;
        // A waiter is woken before `append` returns, and may be first.
        let wait = handled.saturating_duration_since(committed);
        waits.entry(number).or_insert(milliseconds(wait));
    }
    Ok(waits.into_values().collect())
}

/// The inbox of the other service: it notes when it is called.
#[derive(Inbox)]
#[inbox(name = "pings", events(Pinged))]
struct Pings {
    noted: Sender<(u64, Instant)>,
}

impl Subscribe<Pinged> for Pings {
    async fn receive(&self, event: Pinged, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        // Nobody listens any more when the round has failed.
        let _ = self.noted.send((event.number, Instant::now()));
        Ok(())
    }
}

/// A service that runs alongside others in one program.
struct Service {
    handle: MidgardHandle,
    running: JoinHandle<Result<(), RunError>>,
}

impl Service {
    fn start(runtime: &Runtime, midgard: Midgard<LmdbStore>) -> Self {
        let handle = midgard.handle();
        let running = runtime.spawn(midgard.run());
        Service { handle, running }
    }

    fn wait_until_live(&self, runtime: &Runtime, name: &str) -> Outcome<()> {
        let is_live = |status: &Status| status.state == ConsumerState::Live;
        runtime.block_on(self.handle.wait_until(name, LONG, is_live))?;
        Ok(())
    }

    fn stop(self, runtime: &Runtime) -> Outcome<()> {
        self.handle.stop();
        runtime.block_on(self.running)??;
        Ok(())
    }
}
