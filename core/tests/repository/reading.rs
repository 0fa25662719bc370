//! Reading an aggregate's stream: whole, in part, at a version and as of a time.
//!
//! Not in our model: looking up a single event by its id alone, as events are found by stream and
//! version or by position; the type of an aggregate is the first part of its stream's name.

use crate::common::{
    Account, AccountEvent, Deposit, Deposited, Open, accounts, ann, anns_account, anns_stream, log,
};
use midgard::event::RecordedEvent;
use midgard::repository::LoadError;
use midgard::store::{ReadStream, StreamState};
use midgard::{
    Aggregate, Apply, Event, EventSet, MemoryStore, Store, StreamName, Timestamp, Version, block_on,
};
use serde::{Deserialize, Serialize};
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

fn read(store: &impl Store, read: &ReadStream) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    block_on(store.read_stream(read, &mut |event| {
        events.push(event.to_owned());
        ControlFlow::Continue(())
    }))
    .unwrap();
    events
}

fn versions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.version.get()).collect()
}

#[test]
fn a_stream_is_read_whole_or_a_part_of_it() {
    let accounts = block_on(anns_account());
    let all = || ReadStream::forward(anns_stream());
    let events = read(accounts.store(), &all());
    assert_eq!(versions(&events), [1, 2, 3, 4]);
    let deposited = events[1].decode::<AccountEvent>().unwrap();
    assert_eq!(deposited.name(), Deposited::NAME);

    let part = |read_: ReadStream| versions(&read(accounts.store(), &read_));
    assert_eq!(part(all().limit(2)), [1, 2]);
    assert_eq!(part(all().from(Version(3))), [3, 4]);
    assert_eq!(part(all().from(Version(2)).limit(2)), [2, 3]);
    assert_eq!(part(all().from(Version(3)).limit(1)), [3]);
    assert!(part(all().from(Version(5))).is_empty());
    assert_eq!(part(ReadStream::backward(anns_stream()).limit(1)), [4]);
}

#[test]
fn the_id_of_an_aggregate_is_read_back_from_its_stream() {
    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "parcel.sent")]
    struct Sent {}

    #[derive(Debug, Default, Aggregate)]
    #[aggregate(name = "parcel", id = u64, events(Sent))]
    struct Parcel {}

    impl Apply<Sent> for Parcel {
        fn apply(&mut self, _: Sent) {}
    }

    let accounts = block_on(anns_account());
    let event = &log(accounts.store())[0];
    assert_eq!(event.aggregate_id::<Account>(), Ok(ann()));
    assert_eq!(event.view().aggregate_id::<Account>(), Ok(ann()));
    assert_eq!(
        event.aggregate_id::<Parcel>().unwrap_err().to_string(),
        "stream \"account-1\" belongs to no aggregate \"parcel\", whose streams are called \
         \"parcel-..\"; name the aggregate that it belongs to"
    );
    let parcel = |id: &str| StreamName::new(format!("parcel-{id}")).unwrap();
    assert_eq!(parcel("42").id_of::<Parcel>(), Ok(42));
    assert_eq!(
        parcel("x").id_of::<Parcel>().unwrap_err().to_string(),
        "the id of stream \"parcel-x\" cannot be read as a `u64`; \
         let its `FromStr` read all that its `Display` ever printed"
    );
}

#[test]
fn the_state_of_a_stream_is_known_without_reading_it() {
    block_on(async {
        let accounts = anns_account().await;
        let state = accounts.store().stream_state(&anns_stream()).await.unwrap();
        assert_eq!((state.last, state.first), (Version(4), Version(1)));
        assert_eq!(anns_stream().category(), "account");
        let nobody = MemoryStore::new().stream_state(&anns_stream()).await;
        assert_eq!(nobody.unwrap(), StreamState::NONE);
    });
}

#[test]
fn an_aggregate_is_loaded_at_every_version_it_had() {
    block_on(async {
        let accounts = anns_account().await;
        let mut balances = Vec::new();
        for version in (0..=4).map(Version) {
            let account = accounts.load_at(&ann(), version).await.unwrap();
            assert_eq!(account.version(), version);
            balances.push(account.state().balance);
        }
        assert_eq!(balances, [0, 0, 5, 15, 35]);
    });
}

#[test]
fn a_version_that_is_not_there_yet_is_an_error() {
    block_on(async {
        let accounts = anns_account().await;
        let error = accounts.load_at(&ann(), Version(5)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "stream \"account-1\" has no version 5 yet; its last version is 4"
        );
        let nobody = "2".to_owned();
        assert!(accounts.load_at(&nobody, Version::ZERO).await.is_ok());
        assert!(matches!(
            accounts.load_at(&nobody, Version(1)).await,
            Err(LoadError::NoSuchVersion {
                last: Version::ZERO,
                ..
            })
        ));
    });
}

#[test]
fn a_commit_on_an_earlier_version_is_a_conflict() {
    block_on(async {
        let accounts = anns_account().await;
        for (version, lands) in [(3, false), (4, true)] {
            let mut account = accounts.load_at(&ann(), Version(version)).await.unwrap();
            account.decide(&Deposit(1)).unwrap();
            assert_eq!(accounts.commit(account).await.is_ok(), lands);
        }
    });
}

#[test]
fn an_aggregate_is_loaded_as_of_a_time() {
    block_on(async {
        let accounts = accounts();
        let open = Open {
            owner: "ann",
            cents: 0,
        };
        accounts.execute(&ann(), &open).await.unwrap();
        for cents in [1, 2, 4] {
            // Times are in microseconds; every event shall have its own.
            std::thread::sleep(Duration::from_millis(1));
            accounts.execute(&ann(), &Deposit(cents)).await.unwrap();
        }
        let as_of = async |time| accounts.load_as_of(&ann(), time).await.unwrap();
        let mut balances = Vec::new();
        for event in log(accounts.store()) {
            let account = as_of(event.time).await;
            assert_eq!(account.version(), event.version);
            balances.push(account.state().balance);
            let just_before = Timestamp::from_micros(event.time.as_micros() - 1);
            assert_eq!(as_of(just_before).await.version(), event.version.previous());
        }
        assert_eq!(balances, [0, 1, 3, 7]);
        assert_eq!(
            as_of(Timestamp::from_micros(0)).await.version(),
            Version::ZERO
        );
        assert_eq!(
            as_of(Timestamp::from_micros(u64::MAX)).await.version(),
            Version(4)
        );
    });
}

#[test]
fn a_long_stream_gives_way_to_others_while_it_is_loaded() {
    let accounts = accounts();
    let deposits = (0..10_000).map(|_| Deposited { cents: 1 }.into());
    let deposits: Vec<AccountEvent> = deposits.collect();
    block_on(accounts.save(&ann(), Version::ZERO, deposits)).unwrap();

    let ann = ann();
    let mut loading = pin!(accounts.load(&ann));
    let mut turns = 0;
    let loaded = block_on(poll_fn(|context| {
        turns += 1;
        loading.as_mut().poll(context)
    }));
    assert_eq!(loaded.unwrap().version(), Version(10_000));
    assert!(turns >= 5, "{turns}");
}
