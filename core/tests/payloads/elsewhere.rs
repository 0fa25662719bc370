//! Whatever else is read as JSON of users' types: rows and messages.

use crate::random::Random;
use crate::values::Kept;
use midgard::bus::{Message, Purpose};
use midgard::event::Encoded;
use midgard::notes::NoteStore as _;
use midgard::projection::ViewDefinition;
use midgard::projection::{Generation, ViewStore as _};
use midgard::{MemoryStore, RemoteCommand, View, Views, block_on};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = id)]
struct Row {
    id: u64,
    kept: Kept,
}

fn rows() -> Vec<Row> {
    let mut random = Random(5);
    let mut rows: Vec<_> = (0..100)
        .map(|id| Row {
            id,
            kept: Kept::new(&mut random),
        })
        .collect();
    rows[0].kept.inner.double = 0.18363107969918246;
    rows
}

#[test]
fn rows_come_back() {
    let views = Views::new(MemoryStore::new());
    let generation = Generation::new("tests", 1, vec![ViewDefinition::of::<Row>()]);
    let rows = rows();
    block_on(async {
        let mut transaction = views.begin_generation(&generation).await?;
        views.prepare(&mut transaction, &generation).await?;
        views.activate(&mut transaction, &generation).await?;
        rows.iter()
            .try_for_each(|row| transaction.put(row.clone()))?;
        views.commit(transaction).await
    })
    .unwrap();
    assert_eq!(
        views.select::<Row>(midgard::view::Select::all()).unwrap(),
        rows
    );
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "rows.take", service = "rows")]
struct Take {
    row: Kept,
}

#[test]
fn commands_come_back() {
    for row in rows() {
        let take = Take { row: row.kept };
        let purpose = Purpose::Command {
            service: "rows".to_owned(),
        };
        let data = serde_json::to_vec(&take).unwrap();
        let message = Message::new(
            purpose,
            "tests",
            Encoded::json(Take::NAME, Take::VERSION, data),
        );
        let message = Message::from_json(message.to_json().as_bytes()).unwrap();
        assert_eq!(
            midgard::__private::read_command::<Take>(&message).unwrap(),
            take
        );
    }
}
