//! Commands that are executed: their outcome, their conflicts, and how often they are decided again.
//!
//! Not in our model: an asynchronous decision, as `decide` is pure so that it can be made again.

use crate::common::stores::Unruly;
use crate::common::{
    Account, Deposit, Deposited, Open, Opened, Refused, accounts, ann, anns_account, log,
};
use midgard::repository::{ExecuteError, LoadError};
use midgard::store::{AppendError, ExpectedVersion, Layered};
use midgard::{
    Command, Events, MemoryStore, Place, Position, Repository, Version, block_on, events,
};
use std::sync::Arc;

const OPEN: Open = Open {
    owner: "ann",
    cents: 5,
};

#[test]
fn a_command_runs_and_its_outcome_is_the_new_state() {
    block_on(async {
        let accounts = accounts();
        let account = accounts.execute(&ann(), &OPEN).await.unwrap();
        assert_eq!(
            (account.version(), account.state().balance),
            (Version(2), 5)
        );
        assert_eq!(account.starting_version(), Version(2));
    });
}

#[test]
fn a_refused_command_appends_nothing() {
    block_on(async {
        let accounts = anns_account().await;
        let error = accounts.execute(&ann(), &OPEN).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the command was rejected: the account belongs to ann already"
        );
        assert!(matches!(
            error,
            ExecuteError::Rejected(Refused::AlreadyOpen { .. })
        ));
        assert_eq!(log(accounts.store()).len(), 4);
    });
}

#[test]
fn a_command_without_events_appends_nothing() {
    block_on(async {
        let store = Arc::new(Unruly::with_rivals(anns_account().await.store().clone(), 0));
        let accounts = Repository::<Account, _>::new(Arc::clone(&store));
        let account = accounts.execute(&ann(), &Deposit(0)).await.unwrap();
        assert_eq!(
            (account.version(), account.place()),
            (Version(4), Some(Place::main(Position(4))))
        );
        assert_eq!(store.layer().appends(), 0);
    });
}

#[test]
fn a_command_that_met_conflicts_is_decided_again_on_the_newer_state() {
    block_on(async {
        let store = Arc::new(Unruly::with_rivals(anns_account().await.store().clone(), 3));
        let accounts = Repository::<Account, _>::new(Arc::clone(&store));
        let account = accounts.execute(&ann(), &Deposit(100)).await.unwrap();
        assert_eq!(
            (account.version(), account.state().balance),
            (Version(8), 138)
        );
        assert_eq!(store.layer().appends(), 4);
        assert_eq!(
            accounts.load(&ann()).await.unwrap().into_state(),
            account.into_state()
        );
    });
}

#[test]
fn a_command_that_the_newer_state_refuses_is_rejected() {
    /// Deposits only on what was seen.
    struct DepositOn(u64);

    impl Command<Account> for DepositOn {
        type Error = Refused;

        fn decide(&self, account: &Account) -> Result<Events<Account>, Refused> {
            if account.balance == self.0 {
                Ok(events![Deposited { cents: 1 }])
            } else {
                Err(Refused::NotOpen)
            }
        }
    }

    block_on(async {
        let store = Unruly::with_rivals(anns_account().await.store().clone(), 1);
        let accounts = Repository::<Account, _>::new(store);
        let refused = accounts.execute(&ann(), &DepositOn(35)).await;
        assert!(matches!(
            refused,
            Err(ExecuteError::Rejected(Refused::NotOpen))
        ));
        assert_eq!(accounts.store().layer().appends(), 1);
    });
}

#[test]
fn a_stream_that_was_truncated_meanwhile_is_not_called_damaged() {
    block_on(async {
        // Version 4 is loaded; after the conflict 6 is the first that is left.
        let store = Layered::new(Unruly {
            inner: anns_account().await.store().clone(),
            rivals: 1.into(),
            rivals_truncate: true,
            ..Unruly::default()
        });
        let accounts = Repository::<Account, _>::new(store);
        let refused = accounts.execute(&ann(), &Deposit(1)).await;
        assert!(matches!(
            refused,
            Err(ExecuteError::Load(LoadError::Truncated {
                first: Version(6),
                ..
            }))
        ));
    });
}

#[test]
fn retries_are_bounded() {
    block_on(async {
        // The default, none, and some: one try more than retries.
        for (retries, tries) in [(None, 4), (Some(0), 1), (Some(7), 8)] {
            let store = Arc::new(Unruly::with_rivals(MemoryStore::new(), u32::MAX));
            let mut accounts = Repository::<Account, _>::new(Arc::clone(&store));
            if let Some(retries) = retries {
                accounts = accounts.with_retries(retries);
            }
            accounts
                .save(
                    &ann(),
                    ExpectedVersion::Any,
                    [Opened {
                        owner: "ann".into(),
                    }],
                )
                .await
                .unwrap();
            let before = store.layer().appends();
            let error = accounts.execute(&ann(), &Deposit(1)).await.unwrap_err();
            assert_eq!(store.layer().appends() - before, tries);
            assert!(matches!(
                error,
                ExecuteError::Conflict { tries: met, last: AppendError::Conflict { .. } } if met == tries
            ));
            let message = format!(
                "the command met a conflict on each of {tries} tries: stream \"account-1\""
            );
            assert!(error.to_string().starts_with(&message), "{error}");
        }
    });
}

#[test]
fn as_many_conflicts_as_retries_are_survived() {
    block_on(async {
        let store = Unruly::with_rivals(anns_account().await.store().clone(), 1);
        let accounts = Repository::<Account, _>::new(store).with_retries(1);
        assert!(accounts.execute(&ann(), &Deposit(1)).await.is_ok());
    });
}

#[test]
fn saves_and_commits_are_never_tried_again() {
    block_on(async {
        let store = Arc::new(Unruly::with_rivals(anns_account().await.store().clone(), 2));
        let accounts = Repository::<Account, _>::new(Arc::clone(&store)).with_retries(9);
        let saved = accounts
            .save(&ann(), Version(4), [Deposited { cents: 2 }])
            .await;
        assert!(matches!(saved, Err(AppendError::Conflict { .. })));
        assert_eq!(store.layer().appends(), 1);

        let mut account = accounts.load(&ann()).await.unwrap();
        account.decide(&Deposit(2)).unwrap();
        let committed = accounts.commit(account).await;
        assert!(matches!(committed, Err(AppendError::Conflict { .. })));
        assert_eq!(store.layer().appends(), 2);
    });
}

#[test]
fn commands_of_many_threads_on_one_aggregate_all_land() {
    const THREADS: u64 = 8;
    const EACH: u64 = 50;
    let accounts = block_on(anns_account()).with_retries(10_000);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    block_on(accounts.execute(&ann(), &Deposit(1))).unwrap();
                }
            });
        }
    });
    let account = block_on(accounts.load(&ann())).unwrap();
    assert_eq!(account.state().balance, 35 + THREADS * EACH);
    assert_eq!(account.version(), Version(4 + THREADS * EACH));
}
