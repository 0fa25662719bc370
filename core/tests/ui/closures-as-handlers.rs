use midgard::bus::{InProcessBus, Message};
use midgard::event::RecordedEvent;
use midgard::{MemoryStore, Midgard, Views};

fn main() {
    let store = MemoryStore::new();
    let views = Views::new(store.clone());
    let _ = Midgard::new(store.clone()).project(|_: RecordedEvent| async { Ok(()) }, views);
    let _ = Midgard::new(store).inbox(|_: Message| async { Ok(()) }, InProcessBus::new());
}
