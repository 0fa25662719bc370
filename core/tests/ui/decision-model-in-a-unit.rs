use midgard::repository::{ExecuteError, Repositories, UnitOfWork};
use midgard::{Aggregate, Apply, Command, DecisionModel, Event, Events, MemoryStore, events};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "bell.rung")]
struct BellRung {}

#[derive(Debug, DecisionModel)]
#[decision(all, events(BellRung))]
struct Bells {
    rung: u32,
}

impl Apply<BellRung> for Bells {
    fn apply(&mut self, _: BellRung) {
        self.rung += 1;
    }
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "bell", id = u64, events(BellRung))]
struct Bell {}

impl Apply<BellRung> for Bell {
    fn apply(&mut self, _: BellRung) {}
}

struct Ring;

impl Command<Bells> for Ring {
    type Error = String;

    fn decide(&self, _: &Bells) -> Result<Events<Bells>, String> {
        Ok(events![BellRung {}])
    }
}

async fn as_an_aggregate(unit: &mut UnitOfWork<MemoryStore>) -> Result<u32, ExecuteError<String>> {
    let bells = unit.execute::<Bells, _>(&1, &Ring).await?;
    Ok(bells.rung)
}

struct RingOne;

impl Command<(Bell, Bells)> for RingOne {
    type Error = String;

    fn decide(&self, _: &(Bell, Bells)) -> Result<Events<(Bell, Bells)>, String> {
        Ok(events![BellRung {}])
    }
}

async fn without_instance(all: Repositories<MemoryStore>) {
    let _ = all.execute((Bell {}, Bells::of()), &RingOne).await;
}

fn main() {}
