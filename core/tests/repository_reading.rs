//! Reading an aggregate's stream: at a version, at a time, and when it cannot be read whole.
//!
//! Not in our model: looking up a single event by its id alone, as events are found by stream and
//! version or by position; the type of an aggregate is the first part of its stream's name.

mod common;

use common::stores::Unruly;
use common::{
    Account, AccountEvent, Deposit, Deposited, Open, accounts, ann, anns_account, anns_stream, log,
};
use midgard::{
    Append, Codec, DecodeError, DecodeReason, Event, EventSet, ExecuteError, ExpectedVersion,
    LoadError, MemoryStore, NewEvent, Position, ReadStream, RecordedEvent, Repository, Store,
    StoreError, StreamState, Timestamp, Version, block_on,
};
use std::ops::ControlFlow;
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
fn an_old_version_of_an_event_is_upcast() {
    block_on(async {
        let accounts = anns_account().await;
        append(
            &accounts,
            NewEvent::json(Deposited::NAME, 1, br#"{"units":2}"#.to_vec()),
        )
        .await;
        assert_eq!(accounts.load(&ann()).await.unwrap().state().balance, 235);
    });
}

/// Puts an event at the end of Ann's stream that her account did not decide.
async fn append(accounts: &Repository<Account, MemoryStore>, event: NewEvent) {
    let append = Append::to(anns_stream(), ExpectedVersion::Any, [event]);
    accounts.store().append(append).await.unwrap();
}

/// What loading says of Ann's account with this event at version 5 and another deposit after it.
/// Nothing may read past it, but what was before it is still there.
async fn unreadable(event: NewEvent) -> (DecodeError, String) {
    let accounts = anns_account().await;
    append(&accounts, event).await;
    append(
        &accounts,
        NewEvent::encode(&Deposited { cents: 1 }).unwrap(),
    )
    .await;

    let executed = accounts.execute(&ann(), &Deposit(1)).await;
    assert!(matches!(
        executed,
        Err(ExecuteError::Load(LoadError::Decode(_)))
    ));
    assert_eq!(log(accounts.store()).len(), 6);
    assert!(accounts.load_at(&ann(), Version(5)).await.is_err());
    assert_eq!(
        accounts
            .load_at(&ann(), Version(4))
            .await
            .unwrap()
            .state()
            .balance,
        35
    );

    let error = accounts.load(&ann()).await.unwrap_err();
    let message = error.to_string();
    let LoadError::Decode(error) = error else {
        panic!("{error}");
    };
    assert_eq!((error.version, error.position), (Version(5), Position(5)));
    assert_eq!(error.stream, "account-1");
    (error, message)
}

#[test]
fn an_event_that_nobody_knows_is_named_and_never_skipped() {
    block_on(async {
        let event = NewEvent::json("account.closed", 3, b"{}".to_vec());
        let (error, message) = unreadable(event).await;
        assert!(matches!(error.reason, DecodeReason::UnknownEvent));
        assert_eq!(
            message,
            "event \"account.closed\" version 3 in stream \"account-1\" at version 5 (position 5) \
             cannot be read: no event of this name is known here; list it in `events(..)`, or run \
             the release that wrote it"
        );
    });
}

#[test]
fn an_event_of_another_aggregate_is_not_taken_for_one_of_this() {
    block_on(async {
        let event = NewEvent::encode(&common::Audited {}).unwrap();
        let (error, _) = unreadable(event).await;
        assert_eq!(error.name, common::Audited::NAME);
        assert!(matches!(error.reason, DecodeReason::UnknownEvent));
    });
}

#[test]
fn a_newer_version_of_an_event_is_not_guessed_at() {
    block_on(async {
        let event = NewEvent::json(Deposited::NAME, 3, br#"{"cents":1}"#.to_vec());
        let (error, message) = unreadable(event).await;
        assert!(matches!(
            error.reason,
            DecodeReason::UnknownVersion { newest: 2 }
        ));
        assert!(
            message.contains("\"account.deposited\" version 3"),
            "{message}"
        );
        assert!(
            message.contains("this program knows versions 1 to 2"),
            "{message}"
        );
    });
}

#[test]
fn a_payload_that_does_not_fit_is_an_error() {
    block_on(async {
        for payload in [
            "",
            "{",
            "{}",
            "null",
            r#"{"cents":-1}"#,
            r#"{"cents":1}{}"#,
            "\u{0}",
        ] {
            let event = NewEvent::json(Deposited::NAME, 2, payload.into());
            let (error, message) = unreadable(event).await;
            assert!(
                matches!(error.reason, DecodeReason::Payload(_)),
                "{payload:?}"
            );
            assert!(
                message.contains("its payload does not fit the event's struct"),
                "{message}"
            );
        }
    });
}

#[test]
fn a_codec_that_is_not_known_is_an_error() {
    block_on(async {
        let mut event = NewEvent::encode(&Deposited { cents: 1 }).unwrap();
        event.codec = Codec::from_code(99);
        let (error, message) = unreadable(event).await;
        assert!(matches!(error.reason, DecodeReason::UnknownCodec(codec) if codec.code() == 99));
        assert!(
            message.contains("its payload is written with codec 99"),
            "{message}"
        );
    });
}

#[test]
fn a_gap_in_a_stream_is_never_passed_over() {
    block_on(async {
        for lost in [1, 2, 3] {
            let store = Unruly::losing(anns_account().await.store().clone(), [lost]);
            let accounts = Repository::<Account, _>::new(store);
            let error = accounts.load(&ann()).await.unwrap_err();
            assert!(matches!(
                error,
                LoadError::Gap { missing, found, .. }
                    if missing == Version(lost) && found == Version(lost + 1)
            ));
            let message = format!(
                "stream \"account-1\" lacks version {lost}: version {} came instead",
                lost + 1
            );
            assert!(error.to_string().starts_with(&message), "{error}");
            assert!(accounts.execute(&ann(), &Deposit(1)).await.is_err());
            assert_eq!(accounts.store().appends(), 0);
        }
    });
}

#[test]
fn a_stream_that_lost_its_end_is_not_taken_for_a_shorter_one() {
    block_on(async {
        for (lost, missing) in [(vec![4], 4), (vec![3, 4], 3), (vec![1, 2, 3, 4], 1)] {
            let store = Unruly::losing(anns_account().await.store().clone(), lost);
            let accounts = Repository::<Account, _>::new(store);
            let error = accounts.load(&ann()).await.unwrap_err();
            let message = format!(
                "stream \"account-1\" lacks version {missing} and all after it, up to 4; the store \
                 is damaged, restore it from a backup"
            );
            assert_eq!(error.to_string(), message);
        }
    });
}

#[test]
fn a_truncated_stream_cannot_be_rebuilt() {
    block_on(async {
        // In the middle, and whole.
        for (before, first) in [(3, 3), (9, 5)] {
            let accounts = anns_account().await;
            let (stream, expected) = (anns_stream(), Version(4).into());
            let store = accounts.store();
            store
                .truncate(&stream, Version(before), expected)
                .await
                .unwrap();
            for load in [
                accounts.load(&ann()).await,
                accounts.load_at(&ann(), Version(1)).await,
                accounts.load_at(&ann(), Version(4)).await,
                accounts.load_as_of(&ann(), Timestamp::now()).await,
            ] {
                assert!(matches!(
                    load,
                    Err(LoadError::Truncated { first: at, .. }) if at == Version(first)
                ));
            }
            assert!(accounts.exists(&ann()).await.unwrap());
            let refused = accounts.execute(&ann(), &Deposit(1)).await;
            assert!(matches!(refused, Err(ExecuteError::Load(_))));
        }
    });
}

#[test]
fn a_tombstoned_stream_is_gone() {
    block_on(async {
        let accounts = anns_account().await;
        let mut held = accounts.load(&ann()).await.unwrap();
        held.decide(&Deposit(1)).unwrap();
        accounts
            .store()
            .tombstone(&anns_stream(), ExpectedVersion::Any)
            .await
            .unwrap();

        let error = accounts.load(&ann()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "stream \"account-1\" was tombstoned at version 4; its events are gone"
        );
        let committed = accounts.commit(held).await;
        assert!(matches!(
            committed,
            Err(midgard::AppendError::Tombstoned { .. })
        ));
        assert!(!accounts.exists(&ann()).await.unwrap());
        let executed = accounts.execute(&ann(), &Deposit(1)).await;
        assert!(matches!(
            executed,
            Err(ExecuteError::Load(LoadError::Tombstoned { .. }))
        ));
    });
}

#[test]
fn a_damaged_record_of_the_store_is_passed_on() {
    block_on(async {
        let store = Unruly::damaged_at(MemoryStore::new(), Position(7));
        let error = Repository::<Account, _>::new(store)
            .load(&ann())
            .await
            .unwrap_err();
        assert!(matches!(
            &error,
            LoadError::Store(StoreError::Corrupt { .. })
        ));
        assert_eq!(
            error.to_string(),
            "the record at position 7 of log 0 (stream \"account-1\") is damaged: its checksum is \
             wrong; restore it from a backup"
        );
    });
}
