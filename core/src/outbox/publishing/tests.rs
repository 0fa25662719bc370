//! What is remembered of messages that could not all leave at once.

use super::*;

use crate::bus::Published;
use crate::store::MemoryStore;
use pollster::block_on;

/// A bus with room for a few messages, and the ids of those that it has.
#[derive(Clone, Default)]
struct Small(Arc<Mutex<(usize, Vec<String>)>>);

impl Publisher for Small {
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        let (room, taken) = &mut *self.0.lock().unwrap();
        let confirmed = messages.len().min(*room - taken.len());
        taken.extend(
            messages[..confirmed]
                .iter()
                .map(|message| message.id.clone()),
        );
        if confirmed < messages.len() {
            return Err(BusError::Full {
                location: "here".to_owned(),
                confirmed,
                unheard: Vec::new(),
                reason: "there is no room".to_owned(),
            });
        }
        Ok(Published::but(Vec::new()))
    }
}

#[test]
fn a_checkpoint_without_messages_forgets_nothing_that_the_bus_has() {
    let bus = Small::default();
    let control = Arc::new(Control::default());
    let notes = RelayNotes::new(MemoryStore::new(), bus.clone(), control, Unheard::Wait);
    let messages: Vec<_> = (1..=4)
        .map(|_| Message::event("orders", "told", 1, b"{}".to_vec()))
        .collect();
    let commit = |messages: &[Message]| {
        let transaction = RelayTransaction {
            messages: messages.to_vec(),
            ..RelayTransaction::default()
        };
        block_on(notes.commit(transaction))
    };
    bus.0.lock().unwrap().0 = 2;
    commit(&messages).unwrap_err();
    commit(&[]).unwrap();
    bus.0.lock().unwrap().0 = 10;
    commit(&messages).unwrap();
    let ids: Vec<_> = messages.iter().map(|message| message.id.clone()).collect();
    assert_eq!(bus.0.lock().unwrap().1, ids, "each has left once");
}
