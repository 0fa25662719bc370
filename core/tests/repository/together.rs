//! Commands on several aggregates in one append.

use super::common::stores::Unruly;
use super::common::{Account, Audited, Deposit, Deposited, Open, Refused, ann, anns_account, log};
use midgard::repository::{ExecuteError, LoadError, Repositories};
use midgard::store::{AppendError, ExpectedVersion};
use midgard::{
    Command, Events, MemoryStore, Place, Position, Repository, StreamName, Version, block_on,
    events,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Is refused where there are fewer cents.
pub(crate) struct Withdraw(pub(crate) u64);

impl Command<Account> for Withdraw {
    type Error = Refused;

    fn decide(&self, account: &Account) -> Result<Events<Account>, Refused> {
        if account.balance < self.0 {
            return Err(Refused::NotOpen);
        }
        Ok(events![Deposited { cents: 0 }])
    }
}

/// Ann's account with 35 cents, and Bob's with 5.
async fn bank() -> Repositories<MemoryStore> {
    let bank = Repositories::new(anns_account().await.store().clone());
    let open = Open {
        owner: "bob",
        cents: 5,
    };
    bank.of::<Account>().execute("bob", &open).await.unwrap();
    bank
}

#[test]
fn commands_on_two_aggregates_are_one_append() {
    block_on(async {
        let bank = bank().await;
        let before = log(bank.store()).len();
        let done = bank
            .execute_together(async |unit| -> Result<u64, ExecuteError<Refused>> {
                unit.execute::<Account, _>(&ann(), &Deposit(1)).await?;
                let bob = unit.execute::<Account, _>("bob", &Deposit(2)).await?;
                Ok(bob.balance)
            })
            .await
            .unwrap();
        assert_eq!(done.value, 7);
        let events = log(bank.store());
        assert_eq!(events.len(), before + 2);
        assert_eq!(done.place, Some(events[before + 1].place()));
        // What was decided together has one correlation.
        let correlation = events[before].metadata.correlation_id();
        assert_eq!(correlation, Some(events[before].id));
        assert_eq!(events[before + 1].metadata.correlation_id(), correlation);
    });
}

#[test]
fn the_second_of_two_commands_on_one_aggregate_sees_what_the_first_decided() {
    block_on(async {
        let bank = bank().await;
        let done = bank
            .execute_together(async |unit| -> Result<(), ExecuteError<Refused>> {
                unit.execute::<Account, _>("bob", &Deposit(10)).await?;
                unit.execute::<Account, _>("bob", &Withdraw(15)).await?;
                assert_eq!(unit.load::<Account>("bob").await?.balance, 15);
                Ok(())
            })
            .await;
        done.unwrap();
        let bob = bank.of::<Account>().load("bob").await.unwrap();
        assert_eq!((bob.version(), bob.state().balance), (Version(4), 15));
    });
}

#[test]
fn nothing_is_appended_when_one_of_the_commands_is_refused() {
    block_on(async {
        let bank = bank().await;
        let before = log(bank.store());
        let error = bank
            .execute_together(async |unit| -> Result<(), ExecuteError<Refused>> {
                unit.execute::<Account, _>(&ann(), &Deposit(100)).await?;
                unit.execute::<Account, _>("bob", &Withdraw(100)).await?;
                Ok(())
            })
            .await
            .unwrap_err();
        assert!(matches!(error, ExecuteError::Rejected(Refused::NotOpen)));
        assert_eq!(log(bank.store()), before);
    });
}

#[test]
fn all_is_decided_again_when_others_were_faster_on_one_of_the_streams() {
    block_on(async {
        let store = Arc::new(Unruly::with_rivals(bank().await.store().clone(), 2));
        let bank = Repositories::new(Arc::clone(&store));
        let tries = AtomicU32::new(0);
        let done = bank
            .execute_together(async |unit| -> Result<u64, ExecuteError<Refused>> {
                tries.fetch_add(1, Ordering::Relaxed);
                unit.execute::<Account, _>("bob", &Deposit(10)).await?;
                Ok(unit
                    .execute::<Account, _>("bob", &Deposit(10))
                    .await?
                    .balance)
            })
            .await
            .unwrap();
        assert_eq!((tries.into_inner(), done.value), (3, 27));

        let store = Arc::new(Unruly::with_rivals(store.layer().inner.clone(), 2));
        let bank = Repositories::new(store).with_retries(1);
        let error = bank
            .execute_together(async |unit| -> Result<(), ExecuteError<Refused>> {
                unit.execute::<Account, _>("bob", &Deposit(10)).await?;
                Ok(())
            })
            .await
            .unwrap_err();
        assert!(matches!(error, ExecuteError::Conflict { tries: 2, .. }));
    });
}

#[test]
fn an_aggregate_that_was_only_loaded_must_be_as_it_was_at_the_commit() {
    block_on(async {
        let bank = bank().await;
        let store = bank.store().clone();
        let tries = AtomicU32::new(0);
        // Bob gets as much as Ann has.
        let done = bank
            .execute_together(async |unit| -> Result<u64, ExecuteError<Refused>> {
                let is_first = tries.fetch_add(1, Ordering::Relaxed) == 0;
                let anns = unit.load::<Account>(&ann()).await?.balance;
                if is_first {
                    let rival = Repository::<Account, _>::new(store.clone());
                    rival.execute(&ann(), &Deposit(4)).await.unwrap();
                }
                unit.execute::<Account, _>("bob", &Deposit(anns)).await?;
                Ok(anns)
            })
            .await
            .unwrap();
        assert_eq!((tries.into_inner(), done.value), (2, 39));
        let bob = bank.of::<Account>().load("bob").await.unwrap();
        assert_eq!(bob.state().balance, 44);
    });
}

#[test]
fn a_unit_of_work_that_decides_nothing_appends_nothing() {
    block_on(async {
        let store = Arc::new(Unruly::with_rivals(bank().await.store().clone(), 0));
        let bank = Repositories::new(Arc::clone(&store));
        let done = bank
            .execute_together(async |unit| -> Result<u64, ExecuteError<Refused>> {
                Ok(unit
                    .execute::<Account, _>("bob", &Deposit(0))
                    .await?
                    .balance)
            })
            .await
            .unwrap();
        assert_eq!((done.value, done.place), (5, None));
        assert_eq!(store.layer().appends(), 0);
    });
}

#[test]
fn the_future_of_a_unit_of_work_can_be_sent_to_another_thread() {
    async fn transfer(bank: Repositories<MemoryStore>, to: String) -> u64 {
        bank.execute_together(async |unit| -> Result<u64, ExecuteError<Refused>> {
            unit.execute::<Account, _>(&ann(), &Withdraw(1)).await?;
            Ok(unit.execute::<Account, _>(&to, &Deposit(1)).await?.balance)
        })
        .await
        .unwrap()
        .value
    }

    let bank = block_on(bank());
    let transfer = transfer(bank, "bob".to_owned());
    let thread = std::thread::spawn(|| block_on(transfer));
    assert_eq!(thread.join().unwrap(), 6);
}

#[test]
fn an_event_of_another_stream_is_recorded_in_the_same_append() {
    block_on(async {
        let bank = bank().await;
        let before = log(bank.store()).len();
        let audit = StreamName::new("audit").unwrap();
        bank.execute_together(async |unit| -> Result<(), ExecuteError<Refused>> {
            unit.execute::<Account, _>("bob", &Deposit(1)).await?;
            unit.record(audit.clone(), ExpectedVersion::NoStream, &Audited {})
                .map_err(|error| ExecuteError::Append(error.into()))
        })
        .await
        .unwrap();
        let events = log(bank.store());
        let streams: Vec<_> = events[before..]
            .iter()
            .map(|event| event.stream.as_str())
            .collect();
        assert_eq!(streams, ["account-bob", "audit"]);
    });
}

#[test]
fn a_unit_of_work_takes_effect_once_for_each_key_and_answers_as_the_first_time() {
    block_on(async {
        let bank = bank().await;
        let deposit = async |cents: u64| {
            bank.execute_together_once("k", async |unit| -> Result<u64, ExecuteError<Refused>> {
                let bob = unit.execute::<Account, _>("bob", &Deposit(cents)).await?;
                Ok(bob.balance)
            })
            .await
            .unwrap()
        };
        let first = deposit(1).await;
        let again = deposit(2).await;
        assert_eq!(
            (first.value, first.place),
            (6, Some(Place::main(Position(7))))
        );
        assert_eq!(again, first);
        // The keys of single aggregates are apart.
        let accounts = bank.of::<Account>();
        accounts
            .execute_once("k", "bob", &Deposit(1))
            .await
            .unwrap();
        assert_eq!(accounts.load("bob").await.unwrap().state().balance, 7);
    });
}

#[test]
fn a_unit_of_work_without_events_is_done_once_too() {
    block_on(async {
        let bank = bank().await;
        let done = async |answer: u64| {
            bank.execute_together_once("k", async |_| -> Result<u64, ExecuteError<Refused>> {
                Ok(answer)
            })
            .await
            .unwrap()
        };
        assert_eq!((done(1).await.value, done(2).await.value), (1, 1));
    });
}

#[test]
fn an_aggregate_is_tombstoned_and_truncated_by_its_id() {
    block_on(async {
        let bank = bank().await;
        let accounts = bank.of::<Account>();
        let conflict = accounts.tombstone("bob", Version(1)).await;
        assert!(matches!(conflict, Err(AppendError::Conflict { .. })));
        accounts.tombstone("bob", Version(2)).await.unwrap();
        assert!(!accounts.exists("bob").await.unwrap());
        let gone = accounts.load("bob").await;
        assert!(matches!(gone, Err(LoadError::Tombstoned { .. })));

        accounts
            .truncate(&ann(), Version(3), ExpectedVersion::Exists)
            .await
            .unwrap();
        let cut = accounts.load(&ann()).await;
        assert!(matches!(
            cut,
            Err(LoadError::Truncated {
                first: Version(3),
                ..
            })
        ));
    });
}
