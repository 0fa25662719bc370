//! Streams that cannot be read whole: nothing is ever skipped, and the error says what stands where.

use crate::common::stores::Unruly;
use crate::common::{Account, Deposit, Deposited, ann, anns_account, anns_stream, log};
use midgard::event::{Codec, DecodeError, DecodeReason, NewEvent};
use midgard::repository::{ExecuteError, LoadError};
use midgard::store::{Append, AppendError, ExpectedVersion, StoreError};
use midgard::{Event, MemoryStore, Position, Repository, Store, Timestamp, Version, block_on};

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
             cannot be read: no event of this name is known here; list it in the set \
             that reads it, select other events, or run the release that wrote it"
        );
    });
}

#[test]
fn an_event_of_another_aggregate_is_not_taken_for_one_of_this() {
    block_on(async {
        let event = NewEvent::encode(&crate::common::Audited {}).unwrap();
        let (error, _) = unreadable(event).await;
        assert_eq!(error.name, crate::common::Audited::NAME);
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
            assert_eq!(accounts.store().layer().appends(), 0);
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
        assert!(matches!(committed, Err(AppendError::Tombstoned { .. })));
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
