//! Kill -9 of the server under load: nothing that was acknowledged is lost, and what is not known is settled.

use crate::kit::{RUNTIME, ids_of, stream, until};
use midgard::event::NewEvent;
use midgard::store::{Append, AppendError, Appended, ReadLog, StoreError};
use midgard::{EventId, LogId, Store, Version};
use midgard_store_postgres::PostgresStore;
use midgard_test_servers::postgres;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const PRODUCERS: usize = 16;
const KILLS: u64 = 4;

/// What became of the appends of one producer, whose stream nobody else writes.
#[derive(Default)]
struct Journal {
    acknowledged: Vec<EventId>,
    unknown: u64,
    unreachable: u64,
}

fn event(id: EventId) -> NewEvent {
    let payload = format!("{{\"id\":\"{id}\"}}").into_bytes();
    NewEvent::json("account.changed", 1, payload).with_id(id)
}

/// Appends one event after the other, each repeated under its id until it is known to be there.
async fn produce(
    store: PostgresStore,
    name: String,
    ended: Arc<AtomicBool>,
    appended: Arc<AtomicU64>,
) -> Journal {
    let mut journal = Journal::default();
    let mut version = Version::ZERO;
    while !ended.load(Ordering::Acquire) {
        let id = EventId::new();
        let append = Append::to(stream(&name), version, [event(id)]);
        loop {
            match store.append(append.clone()).await {
                Ok(Appended { versions, .. }) => {
                    version = version.next();
                    assert_eq!(versions, [version]);
                    break;
                }
                Err(AppendError::Store(StoreError::OutcomeUnknown { .. })) => journal.unknown += 1,
                Err(AppendError::Store(StoreError::Unreachable { .. })) => {
                    journal.unreachable += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        journal.acknowledged.push(id);
        appended.fetch_add(1, Ordering::Relaxed);
    }
    journal
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_server_is_killed_under_load() {
    let name = "nothing_that_was_acknowledged_is_lost_when_the_server_is_killed_under_load";
    let Some(mut server) = postgres(name) else {
        return;
    };
    RUNTIME.block_on(async {
        // Two stores, as in two processes.
        let stores = [
            PostgresStore::open(server.address()).await.unwrap(),
            PostgresStore::open(server.address()).await.unwrap(),
        ];
        let (ended, appended) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let store = stores[producer % 2].clone();
                let name = format!("account-{producer}");
                tokio::spawn(produce(store, name, ended.clone(), appended.clone()))
            })
            .collect();
        for _ in 0..KILLS {
            let before = appended.load(Ordering::Relaxed);
            until(async || (appended.load(Ordering::Relaxed) > before + 200).then_some(())).await;
            tokio::task::block_in_place(|| {
                server.kill();
                server.restart().unwrap();
            });
        }
        ended.store(true, Ordering::Release);

        let mut journals = Vec::new();
        for producer in producers {
            journals.push(producer.await.unwrap());
        }
        let lost: u64 = journals
            .iter()
            .map(|one| one.unknown + one.unreachable)
            .sum();
        assert!(lost >= KILLS, "the kills were noticed");
        for (producer, journal) in journals.iter().enumerate() {
            let stored = ids_of(&stores[0], &format!("account-{producer}")).await;
            assert_eq!(stored, journal.acknowledged, "each once, in order");
        }
        // And in the log, without gaps in any stream.
        let mut versions: HashMap<String, u64> = HashMap::new();
        let visit = &mut |event: midgard::event::RecordedEventRef<'_>| {
            let version = versions.entry(event.stream.to_owned()).or_default();
            *version += 1;
            assert_eq!(event.version, Version(*version));
            ControlFlow::Continue(())
        };
        stores[1]
            .read_log(&ReadLog::forward(), visit)
            .await
            .unwrap();
        let total: usize = journals.iter().map(|one| one.acknowledged.len()).sum();
        assert_eq!(versions.values().sum::<u64>(), total as u64);
    });
}

/// A commit whose answer never comes: the connection is cut at the server, after it was sent.
#[test]
fn a_commit_whose_connection_is_lost_is_unknown_and_settled_by_the_same_append() {
    let name = "a_commit_whose_connection_is_lost_is_unknown_and_settled_by_the_same_append";
    let Some(server) = postgres(name) else {
        return;
    };
    RUNTIME.block_on(async {
        let store = PostgresStore::open(server.address()).await.unwrap();
        // A commit waits for a standby that is not there, and is on the disk meanwhile.
        let wait = "ALTER SYSTEM SET synchronous_standby_names = 'nobody'";
        server.query("postgres", wait).unwrap();
        server.query("postgres", "SELECT pg_reload_conf()").unwrap();
        let waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        let mut version = Version::ZERO;
        // The server takes the change up a little later: commits before that do not wait.
        let (repeated, cut, backend) = loop {
            let append = Append::to(stream("account-1"), version, [event(EventId::new())]);
            let repeated = append.clone();
            let cut = tokio::spawn({
                let store = store.clone();
                async move { store.append(append).await }
            });
            let backend = until(async || {
                let pid = server.query("postgres", waiting).unwrap();
                (!pid.is_empty() || cut.is_finished()).then(|| pid.trim().to_owned())
            });
            match backend.await {
                pid if pid.is_empty() => version = cut.await.unwrap().unwrap().version(),
                pid => break (repeated, cut, pid),
            }
        };
        let cancel = format!("SELECT pg_terminate_backend({backend})");
        server.query("postgres", &cancel).unwrap();
        let outcome = cut.await.unwrap();
        assert!(
            matches!(
                outcome,
                Err(AppendError::Store(StoreError::OutcomeUnknown { .. }))
            ),
            "{outcome:?}"
        );
        server
            .query("postgres", "ALTER SYSTEM RESET synchronous_standby_names")
            .unwrap();
        server.query("postgres", "SELECT pg_reload_conf()").unwrap();
        let id = repeated.events().next().unwrap().id;
        let settled = store.append(repeated).await.unwrap();
        assert_eq!(settled.version(), version.next());
        assert_eq!(ids_of(&store, "account-1").await.last(), Some(&id));
        let end = store.last_position(LogId::MAIN).await.unwrap();
        assert_eq!(end.get(), version.get() + 1, "it is there once");
    });
}
