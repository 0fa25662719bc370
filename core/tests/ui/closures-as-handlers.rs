use midgard::bus::InProcessBus;
use midgard::{MemoryStore, Midgard, RecordedEvent, Views, bus::Message};

fn main() {
    let store = MemoryStore::new();
    let views = Views::new(store.clone());
    let _ = Midgard::new(store.clone()).project(|_: RecordedEvent| async { Ok(()) }, views);
    let _ = Midgard::new(store).inbox(|_: Message| async { Ok(()) }, InProcessBus::new());
}
