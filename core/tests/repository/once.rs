//! Commands that take effect once for each key.

use super::common::stores::Unruly;
use super::common::{Account, Deposit, Open, Refused, ann, anns_account, log};
use super::together::Withdraw;
use midgard::clock::ManualClock;
use midgard::repository::{ExecuteError, LoadError, Repositories, UnitOfWork};
use midgard::store::{AppendError, Layered, ReadEntries, StoreError};
use midgard::{Command, Events, MemoryStore, Repository, Store as _, Timestamp, Version, block_on};
use std::ops::ControlFlow;
use std::time::Duration;

#[test]
fn a_command_takes_effect_once_for_each_key() {
    block_on(async {
        let accounts = anns_account().await;
        let first = accounts
            .execute_once("request-1", &ann(), &Deposit(1))
            .await;
        let first = first.unwrap();
        accounts.execute(&ann(), &Deposit(50)).await.unwrap();
        let again = accounts
            .execute_once("request-1", &ann(), &Deposit(1))
            .await;
        let again = again.unwrap();
        assert_eq!(
            (again.version(), again.place(), again.state()),
            (first.version(), first.place(), first.state())
        );
        accounts
            .execute_once("request-2", &ann(), &Deposit(1))
            .await
            .unwrap();
        let balance = accounts.load(&ann()).await.unwrap().state().balance;
        assert_eq!(balance, 35 + 1 + 50 + 1);
    });
}

#[test]
fn a_repeated_request_under_another_id_is_answered_with_what_the_first_created() {
    block_on(async {
        let accounts = anns_account().await;
        let open = Open {
            owner: "bob",
            cents: 5,
        };
        accounts
            .execute_once("sign-up", "b-1", &open)
            .await
            .unwrap();
        let again = accounts
            .execute_once("sign-up", "b-2", &open)
            .await
            .unwrap();
        assert_eq!(again.stream().as_str(), "account-b-1");
        assert!(!accounts.exists("b-2").await.unwrap());
    });
}

#[test]
fn a_rejected_command_leaves_no_key_and_one_without_events_does() {
    block_on(async {
        let accounts = anns_account().await;
        let refused = accounts.execute_once("k", "bob", &Withdraw(1)).await;
        assert!(matches!(refused, Err(ExecuteError::Rejected(_))));
        let open = Open {
            owner: "bob",
            cents: 5,
        };
        accounts.execute_once("k", "bob", &open).await.unwrap();

        let nothing = accounts
            .execute_once("k-2", "bob", &Deposit(0))
            .await
            .unwrap();
        assert_eq!(nothing.version(), Version(2));
        let again = accounts
            .execute_once("k-2", "bob", &Deposit(9))
            .await
            .unwrap();
        assert_eq!(again.version(), Version(2));
        assert_eq!(accounts.load("bob").await.unwrap().state().balance, 5);
    });
}

#[test]
fn of_two_that_use_one_key_at_once_one_takes_effect_and_both_get_its_answer() {
    let store = block_on(anns_account()).store().clone();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let accounts = Repository::<Account, _>::new(store.clone()).with_retries(20);
            std::thread::spawn(move || {
                let done = block_on(accounts.execute_once("k", &ann(), &Deposit(1)));
                done.unwrap().version()
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Version(5));
    }
}

/// Refuses, once the same key was used by somebody else after this one had looked for it.
struct Late(MemoryStore);

impl Command<Account> for Late {
    type Error = Refused;

    fn decide(&self, _: &Account) -> Result<Events<Account>, Refused> {
        let accounts = Repository::<Account, _>::new(self.0.clone());
        block_on(accounts.execute_once("k", &ann(), &Deposit(1))).unwrap();
        Err(Refused::NotOpen)
    }
}

#[test]
fn a_key_that_is_used_at_once_is_not_refused_for_its_own_effect() {
    block_on(async {
        let accounts = anns_account().await;
        let store = accounts.store().clone();
        let late = accounts.execute_once("k", &ann(), &Late(store)).await;
        assert_eq!(late.unwrap().version(), Version(5));

        let bank = Repositories::new(accounts.store().clone());
        let first = bank.clone();
        let late = async |_: &mut UnitOfWork<_>| -> Result<u64, ExecuteError<Refused>> {
            let seven =
                async |_: &mut UnitOfWork<_>| -> Result<u64, ExecuteError<Refused>> { Ok(7) };
            let done = first.execute_together_once("k", seven);
            assert_eq!(done.await?.value, 7);
            Err(ExecuteError::Rejected(Refused::NotOpen))
        };
        let late = bank.execute_together_once("k", late).await;
        assert_eq!(late.unwrap().value, 7);
    });
}

/// Deposits, once the same key was used by somebody else after this one had looked for it.
struct Twin(MemoryStore);

impl Command<Account> for Twin {
    type Error = Refused;

    fn decide(&self, account: &Account) -> Result<Events<Account>, Refused> {
        let accounts = Repository::<Account, _>::new(self.0.clone());
        block_on(accounts.execute_once("k", &ann(), &Deposit(1))).unwrap();
        Deposit(1).decide(account)
    }
}

#[test]
fn a_key_that_is_used_at_once_meets_no_conflict_with_its_own_effect_on_the_last_try() {
    block_on(async {
        let accounts = anns_account().await.with_retries(0);
        let store = accounts.store().clone();
        let late = accounts.execute_once("k", &ann(), &Twin(store)).await;
        assert_eq!(late.unwrap().version(), Version(5));

        let bank = Repositories::new(accounts.store().clone()).with_retries(0);
        let first = bank.clone();
        let late = async |_: &mut UnitOfWork<_>| -> Result<u64, ExecuteError<Refused>> {
            let seven =
                async |_: &mut UnitOfWork<_>| -> Result<u64, ExecuteError<Refused>> { Ok(7) };
            let done = first.execute_together_once("k", seven);
            assert_eq!(done.await?.value, 7);
            Ok(8)
        };
        let late = bank.execute_together_once("k", late).await;
        assert_eq!(late.unwrap().value, 7);
    });
}

#[test]
fn a_request_after_an_unknown_outcome_takes_effect_once() {
    block_on(async {
        let accounts = Repository::<Account, _>::new(Layered::new(Unruly {
            inner: anns_account().await.store().clone(),
            lost_answers: 1.into(),
            ..Unruly::default()
        }));
        let lost = accounts.execute_once("k", &ann(), &Deposit(1)).await;
        let Err(ExecuteError::Append(AppendError::Store(StoreError::OutcomeUnknown { .. }))) = lost
        else {
            panic!("the answer was not lost: {lost:?}");
        };
        let again = accounts
            .execute_once("k", &ann(), &Deposit(1))
            .await
            .unwrap();
        assert_eq!((again.version(), again.state().balance), (Version(5), 36));
    });
}

#[test]
fn keys_are_forgotten_that_are_older_than_a_time() {
    block_on(async {
        let accounts = anns_account().await;
        for key in ["k-1", "k-2"] {
            accounts
                .execute_once(key, &ann(), &Deposit(1))
                .await
                .unwrap();
        }
        let forgotten = accounts.forget_keys(Timestamp::from_micros(1)).await;
        assert_eq!(forgotten.unwrap(), 0);
        let later = Timestamp::from_micros(Timestamp::now().as_micros() + 1_000_000);
        assert_eq!(accounts.forget_keys(later).await.unwrap(), 2);
        accounts
            .execute_once("k-1", &ann(), &Deposit(1))
            .await
            .unwrap();
        assert_eq!(accounts.load(&ann()).await.unwrap().state().balance, 38);
    });
}

#[test]
fn keys_are_dated_and_forgotten_by_the_clock_of_their_repositories() {
    block_on(async {
        let long_ago: Timestamp = "2001-02-03T04:05:06Z".parse().unwrap();
        let clock = ManualClock::at(long_ago);
        let store = MemoryStore::with_clock(&clock);
        let bank = Repositories::new(store).with_clock(&clock);
        let accounts = bank.of::<Account>();
        let open = Open {
            owner: "ann",
            cents: 5,
        };
        accounts.execute_once("k-1", &ann(), &open).await.unwrap();
        clock.advance(Duration::from_secs(60));
        let deposit = accounts.execute_once("k-2", &ann(), &Deposit(1)).await;
        deposit.unwrap();
        assert_eq!(accounts.forget_keys(clock.now()).await.unwrap(), 1);
        // Only the second one is still known.
        for key in ["k-2", "k-1"] {
            let again = accounts.execute_once(key, &ann(), &Deposit(2)).await;
            again.unwrap();
        }
        assert_eq!(accounts.load(&ann()).await.unwrap().state().balance, 8);

        let together =
            async |_: &mut UnitOfWork<_>| -> Result<u64, ExecuteError<Refused>> { Ok(7) };
        bank.execute_together_once("k", together).await.unwrap();
        let dated = format!("\"at\":{}", clock.now().as_micros());
        let mut entries = Vec::new();
        let each = &mut |_: &[u8], value: &[u8]| {
            entries.push(String::from_utf8_lossy(value).into_owned());
            ControlFlow::Continue(())
        };
        let read = ReadEntries::prefix(b"once//");
        bank.store().read_entries(&read, each).await.unwrap();
        assert!(
            entries.len() == 1 && entries[0].contains(&dated),
            "{entries:?}"
        );
    });
}

#[test]
fn a_key_that_is_empty_or_too_long_is_refused_with_the_limit() {
    block_on(async {
        let accounts = anns_account().await;
        for key in ["", &"k".repeat(600)] {
            let refused = accounts.execute_once(key, &ann(), &Deposit(1)).await;
            let refused = refused.unwrap_err();
            assert!(matches!(
                refused,
                ExecuteError::Load(LoadError::Store(StoreError::Limit(_)))
            ));
        }
        assert_eq!(log(accounts.store()).len(), 4);
    });
}
