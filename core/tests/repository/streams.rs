//! Load, decide, append: handles, expected versions, ids and stores.
//!
//! Not in our model: exclusive (locking) fetches and appends, as versions decide every race.

use crate::common::{
    Account, AccountEvent, Deposit, Deposited, Open, Opened, accounts, ann, anns_account,
    anns_stream, log,
};
use midgard::limits::{LimitError, Limited};
use midgard::repository::LoadError;
use midgard::store::{AppendError, ExpectedVersion, StoreError};
use midgard::{
    DynStore, Event, Events, MemoryStore, Place, Position, Repository, Store, Version, block_on,
    events,
};
use std::sync::Arc;

const OPEN: Open = Open {
    owner: "ann",
    cents: 5,
};

#[test]
fn an_aggregate_without_events_is_its_default_at_version_zero() {
    block_on(async {
        let account = accounts().load(&ann()).await.unwrap();
        assert_eq!(*account.state(), Account::default());
        assert_eq!(account.version(), Version::ZERO);
        assert_eq!(
            (account.place(), account.stream().as_str()),
            (None, "account-1")
        );
    });
}

#[test]
fn a_handle_of_nothing_is_committed_as_a_new_stream() {
    block_on(async {
        let accounts = accounts();
        let mut account = accounts.load(&ann()).await.unwrap();
        assert!(!accounts.exists(&ann()).await.unwrap());
        account.decide(&OPEN).unwrap();
        let account = accounts.commit(account).await.unwrap();
        assert_eq!(account.starting_version(), Version(2));
        assert_eq!(account.place(), Some(Place::main(Position(2))));
        assert!(accounts.exists(&ann()).await.unwrap());
    });
}

#[test]
fn a_handle_has_the_state_and_version_of_its_stream() {
    block_on(async {
        let account = anns_account().await.load(&ann()).await.unwrap();
        assert_eq!(account.state().balance, 35);
        assert_eq!(
            (account.version(), account.starting_version()),
            (Version(4), Version(4))
        );
        assert_eq!(account.place(), Some(Place::main(Position(4))));
    });
}

#[test]
fn deciding_advances_the_version_but_not_the_starting_version() {
    block_on(async {
        let accounts = anns_account().await;
        let mut account = accounts.load(&ann()).await.unwrap();
        account.decide(&Deposit(1)).unwrap();
        account.decide(&Deposit(2)).unwrap();
        assert_eq!(
            (account.version(), account.starting_version()),
            (Version(6), Version(4))
        );
        assert_eq!((account.pending().len(), account.state().balance), (2, 38));

        let account = accounts.commit(account).await.unwrap();
        assert_eq!(
            (account.version(), account.starting_version()),
            (Version(6), Version(6))
        );
        assert_eq!((account.pending().len(), account.state().balance), (0, 38));
    });
}

#[test]
fn a_refused_decision_leaves_the_handle_as_it_was() {
    block_on(async {
        let mut account = anns_account().await.load(&ann()).await.unwrap();
        assert!(account.decide(&OPEN).is_err());
        assert_eq!(
            (account.version(), account.pending().len()),
            (Version(4), 0)
        );
    });
}

#[test]
fn what_is_decided_on_a_handle_is_what_is_loaded_after_its_commit() {
    block_on(async {
        let accounts = anns_account().await;
        let mut account = accounts.load(&ann()).await.unwrap();
        account.decide(&Deposit(7)).unwrap();
        let decided = account.state().balance;
        let committed = accounts.commit(account).await.unwrap();
        let loaded = accounts.load(&ann()).await.unwrap();
        assert_eq!(decided, loaded.state().balance);
        assert_eq!(committed.into_state(), loaded.into_state());
    });
}

#[test]
fn a_handle_without_decisions_commits_nothing() {
    block_on(async {
        let accounts = anns_account().await;
        let account = accounts.load(&ann()).await.unwrap();
        accounts.execute(&ann(), &Deposit(1)).await.unwrap();
        let account = accounts.commit(account).await.unwrap();
        assert_eq!(account.version(), Version(4));
        assert_eq!(log(accounts.store()).len(), 5);
    });
}

#[test]
fn a_handle_is_committed_again_and_again() {
    block_on(async {
        let accounts = anns_account().await;
        let mut account = accounts.load(&ann()).await.unwrap();
        for cents in [1, 2, 3] {
            account.decide(&Deposit(cents)).unwrap();
            account = accounts.commit(account).await.unwrap();
        }
        assert_eq!(
            (account.version(), account.state().balance),
            (Version(7), 41)
        );
    });
}

#[test]
fn a_stale_handle_is_a_conflict_and_changes_nothing() {
    block_on(async {
        let accounts = anns_account().await;
        let mut stale = accounts.load(&ann()).await.unwrap();
        accounts.execute(&ann(), &Deposit(1)).await.unwrap();
        stale.decide(&Deposit(100)).unwrap();
        let error = accounts.commit(stale).await.unwrap_err();
        let (
            AppendError::Conflict {
                expected, actual, ..
            },
            message,
        ) = (&error, error.to_string())
        else {
            panic!("{error}");
        };
        assert_eq!((*expected, *actual), (Version(4).into(), Version(5)));
        assert_eq!(
            message,
            "stream \"account-1\" was expected at version 4 but is at version 5; load it again and decide again"
        );
        assert_eq!(accounts.load(&ann()).await.unwrap().state().balance, 36);
    });
}

#[test]
fn of_two_handles_from_one_version_the_second_loses() {
    block_on(async {
        let accounts = accounts();
        let mut first = accounts.load(&ann()).await.unwrap();
        let mut second = accounts.load(&ann()).await.unwrap();
        first.decide(&OPEN).unwrap();
        second
            .decide(&Open {
                owner: "bob",
                cents: 0,
            })
            .unwrap();
        accounts.commit(first).await.unwrap();
        assert!(matches!(
            accounts.commit(second).await,
            Err(AppendError::Conflict { .. })
        ));
        let owner = accounts.load(&ann()).await.unwrap().into_state().owner;
        assert_eq!(owner.as_deref(), Some("ann"));
    });
}

#[test]
fn a_load_sees_every_append_before_it() {
    block_on(async {
        let accounts = anns_account().await;
        let done = accounts.execute(&ann(), &Deposit(1)).await.unwrap();
        let loaded = accounts.load(&ann()).await.unwrap();
        assert_eq!(done.version(), loaded.version());
        assert_eq!(done.place(), loaded.place());
        assert_eq!(done.into_state(), loaded.into_state());

        accounts
            .save(&ann(), Version(5), [Deposited { cents: 2 }])
            .await
            .unwrap();
        assert_eq!(accounts.load(&ann()).await.unwrap().state().balance, 38);
    });
}

#[test]
fn a_load_agrees_with_a_fold_by_hand() {
    block_on(async {
        let accounts = anns_account().await;
        let mut folded = Account::default();
        for event in log(accounts.store()) {
            midgard::aggregate::Fold::apply_event(
                &mut folded,
                event.decode::<AccountEvent>().unwrap(),
            );
        }
        assert_eq!(accounts.load(&ann()).await.unwrap().into_state(), folded);
    });
}

#[test]
fn events_are_saved_under_the_expected_version() {
    block_on(async {
        let accounts = accounts();
        let opened = || Opened {
            owner: "ann".into(),
        };
        let saved = accounts
            .save(&ann(), ExpectedVersion::NoStream, [opened()])
            .await
            .unwrap();
        assert_eq!(
            (saved.version(), saved.position),
            (Version(1), Some(Position(1)))
        );
        let cent = || [Deposited { cents: 1 }];
        accounts.save(&ann(), Version(1), cent()).await.unwrap();
        accounts
            .save(&ann(), ExpectedVersion::Exists, cent())
            .await
            .unwrap();
        accounts
            .save(&ann(), ExpectedVersion::Any, cent())
            .await
            .unwrap();

        let bob = "2".to_owned();
        for (id, stale) in [
            (ann(), Version(3).into()),
            (ann(), Version(5).into()),
            (ann(), ExpectedVersion::NoStream),
            (bob, ExpectedVersion::Exists),
        ] {
            let refused = accounts.save(&id, stale, cent()).await;
            assert!(
                matches!(refused, Err(AppendError::Conflict { .. })),
                "{stale:?}"
            );
        }
        assert_eq!(log(accounts.store()).len(), 4);
    });
}

#[test]
fn an_empty_list_of_events_only_checks_the_version() {
    block_on(async {
        let accounts = anns_account().await;
        let saved = accounts
            .save(&ann(), Version(4), Events::none())
            .await
            .unwrap();
        assert_eq!((saved.position, saved.version()), (None, Version(4)));
        let stale = accounts.save(&ann(), Version(3), events![]).await;
        assert!(matches!(stale, Err(AppendError::Conflict { .. })));
        assert_eq!(log(accounts.store()).len(), 4);
    });
}

#[test]
fn an_empty_id_is_refused_everywhere() {
    block_on(async {
        let accounts = accounts();
        let id = String::new();
        let empty = LimitError::Empty(Limited::AggregateId);
        assert!(matches!(
            accounts.load(&id).await,
            Err(LoadError::Store(StoreError::Limit(error))) if error == empty
        ));
        assert!(matches!(
            accounts.save(&id, ExpectedVersion::Any, events![]).await,
            Err(AppendError::Store(StoreError::Limit(error))) if error == empty
        ));
        let error = accounts.execute(&id, &OPEN).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the id of an aggregate is empty; give it at least one character"
        );
        assert!(accounts.exists(&id).await.is_err());
    });
}

#[test]
fn an_id_is_any_text_up_to_its_limit() {
    block_on(async {
        let accounts = accounts();
        let longest = "x".repeat(500 - "account-".len());
        let ids = [
            "-",
            "a-b",
            "a/b c",
            "ünïcödé",
            "雪",
            "👩‍🚀",
            "\u{202e}",
            "\n",
            " ",
            &longest,
        ];
        for id in ids.map(str::to_owned) {
            accounts.execute(&id, &OPEN).await.unwrap();
            let account = accounts.load(&id).await.unwrap();
            assert_eq!(account.stream().as_str(), format!("account-{id}"));
            assert_eq!(account.stream().category(), "account");
            assert_eq!(
                account.version(),
                Version(2),
                "{id:?} is a stream of its own"
            );
        }
        assert!(accounts.load(&format!("{longest}x")).await.is_err());
        assert!(accounts.load(&"\0".to_owned()).await.is_err());
    });
}

#[test]
fn any_store_serves_erased_or_shared() {
    async fn deposits(store: impl Store + Clone) {
        let accounts = Repository::<Account, _>::new(store);
        let account = accounts.clone().execute(&ann(), &OPEN).await.unwrap();
        assert_eq!(account.version(), Version(2));
        let account = accounts.execute(&ann(), &Deposit(1)).await.unwrap();
        assert_eq!(account.state().balance, 6);
        assert!(accounts.exists(&ann()).await.unwrap());
        let (state, events) = (
            accounts.store().stream_state(&anns_stream()).await,
            log(accounts.store()),
        );
        assert_eq!((state.unwrap().last, events.len()), (Version(3), 3));
        assert_eq!(events[2].name, Deposited::NAME);
    }
    block_on(async {
        deposits(MemoryStore::new()).await;
        deposits(Arc::new(MemoryStore::new())).await;
        deposits(DynStore::new(MemoryStore::new())).await;
        deposits(DynStore::new(Arc::new(DynStore::new(MemoryStore::new())))).await;
    });
}
