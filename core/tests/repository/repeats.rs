//! Appends whose outcome is unknown, repeated until it is known.

use super::common::{Account, Deposit, Deposited, ann, anns_account, anns_stream};
use midgard::event::NewEvent;
use midgard::repository::{ExecuteError, Repositories};
use midgard::store::{Append, AppendError, Appended, ExpectedVersion, Layer, Layered, StoreError};
use midgard::{MemoryStore, Repository, Store, Version, block_on, events};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of an append.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// It is stored, and the answer is lost.
    Stored,
    /// It is not stored, and nobody knows.
    NotStored,
    /// The store cannot be reached.
    Unreachable,
    /// It is stored with an unknown outcome, and others append before it is repeated.
    StoredBeforeOthers,
    /// It is not stored, and others append before it is repeated.
    OthersInstead,
    /// It is stored with an unknown outcome, and its events are removed before it is repeated.
    StoredAndRemoved,
}

/// A store whose next appends have these fates; the others are as usual.
#[derive(Debug, Clone)]
struct Unsure {
    inner: MemoryStore,
    fates: Arc<Mutex<VecDeque<Fate>>>,
}

fn unknown() -> AppendError {
    let reason = "the connection was lost".to_owned();
    StoreError::OutcomeUnknown { reason }.into()
}

impl Layer for Unsure {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let fate = self.fates.lock().unwrap().pop_front();
        let Some(fate) = fate else {
            return self.inner.append(append).await;
        };
        if matches!(
            fate,
            Fate::Stored | Fate::StoredBeforeOthers | Fate::StoredAndRemoved
        ) {
            self.inner.append(append).await?;
        }
        let others = || Append::to(anns_stream(), ExpectedVersion::Any, [others_deposit()]);
        match fate {
            Fate::Unreachable => {
                let action = "reach the server";
                let cause = "it does not answer".into();
                return Err(StoreError::Backend { action, cause }.into());
            }
            Fate::StoredBeforeOthers | Fate::OthersInstead => {
                self.inner.append(others()).await?;
            }
            Fate::StoredAndRemoved => {
                let state = self.inner.stream_state(&anns_stream()).await?;
                let all = state.last.next();
                self.inner
                    .truncate(&anns_stream(), all, ExpectedVersion::Any)
                    .await?;
            }
            Fate::Stored | Fate::NotStored => {}
        }
        Err(unknown())
    }
}

/// Repeats for longer than any of these tests takes.
const LONG: Duration = Duration::from_secs(60);

fn others_deposit() -> NewEvent {
    NewEvent::encode(&Deposited { cents: 100 }).unwrap()
}

type Unsures = Repository<Account, Layered<Unsure>>;

/// Returns the accounts with ann's 35, in a store with these fates, and the store below.
async fn unsure(fates: &[Fate]) -> (Unsures, MemoryStore) {
    let inner = anns_account().await.store().clone();
    let fates = Arc::new(Mutex::new(fates.iter().copied().collect()));
    let store = Layered::new(Unsure {
        inner: inner.clone(),
        fates,
    });
    let accounts = Repository::new(store).with_repeats_for(LONG);
    (accounts, inner)
}

async fn balance(store: &MemoryStore) -> u64 {
    let accounts = Repository::<Account, _>::new(store.clone());
    accounts.load(&ann()).await.unwrap().state().balance
}

#[test]
fn a_command_takes_effect_once_whatever_became_of_its_first_append() {
    let fates: [&[Fate]; 5] = [
        &[Fate::Stored],
        &[Fate::NotStored],
        &[Fate::Stored, Fate::Unreachable, Fate::Unreachable],
        &[Fate::NotStored, Fate::Unreachable, Fate::NotStored],
        &[Fate::NotStored, Fate::Stored],
    ];
    for fates in fates {
        block_on(async {
            let (accounts, store) = unsure(fates).await;
            let executed = accounts.execute(&ann(), &Deposit(1)).await.unwrap();
            assert_eq!(executed.state().balance, 36, "{fates:?}");
            assert_eq!(balance(&store).await, 36, "{fates:?}");
        });
    }
}

#[test]
fn an_append_that_others_followed_is_recognised_and_one_that_they_preceded_is_decided_again() {
    for fate in [Fate::StoredBeforeOthers, Fate::OthersInstead] {
        block_on(async {
            let (accounts, store) = unsure(&[fate]).await;
            accounts.execute(&ann(), &Deposit(1)).await.unwrap();
            assert_eq!(balance(&store).await, 136, "{fate:?}");
        });
    }
}

#[test]
fn a_commit_and_a_save_are_repeated_too() {
    for fate in [Fate::Stored, Fate::NotStored] {
        block_on(async {
            let (accounts, store) = unsure(&[fate]).await;
            let mut account = accounts.load(&ann()).await.unwrap();
            account.decide(&Deposit(1)).unwrap();
            let committed = accounts.commit(account).await.unwrap();
            assert_eq!(committed.state().balance, 36);
            assert_eq!(balance(&store).await, 36);
        });
    }
}

#[test]
fn several_aggregates_at_once_are_repeated_as_one() {
    for fate in [Fate::Stored, Fate::NotStored] {
        block_on(async {
            let (accounts, store) = unsure(&[fate]).await;
            let bank = Repositories::new(accounts.store().clone());
            let bank = bank.with_repeats_for(LONG);
            let together = bank.execute_together(async |unit| {
                unit.execute::<Account, _>(&ann(), &Deposit(1)).await?;
                Ok::<_, ExecuteError<_>>(())
            });
            together.await.unwrap();
            assert_eq!(balance(&store).await, 36, "{fate:?}");
        });
    }
}

#[test]
fn without_repeats_or_when_their_time_is_over_the_error_says_that_the_outcome_is_unknown() {
    block_on(async {
        let (accounts, _) = unsure(&[Fate::Stored]).await;
        let accounts = accounts.with_repeats_for(Duration::ZERO);
        let error = accounts.execute(&ann(), &Deposit(1)).await.unwrap_err();
        assert!(error.to_string().contains("it is not known"), "{error}");

        let (accounts, _) = unsure(&[Fate::NotStored, Fate::Unreachable, Fate::Unreachable]).await;
        let accounts = accounts.with_repeats_for(Duration::from_millis(50));
        let error = accounts.execute(&ann(), &Deposit(1)).await.unwrap_err();
        assert!(error.to_string().contains("it is not known"), "{error}");
    });
}

#[test]
fn an_append_whose_events_were_removed_meanwhile_is_not_taken_for_one_that_failed() {
    block_on(async {
        let (accounts, _) = unsure(&[Fate::StoredAndRemoved]).await;
        let saved = accounts.save("1", Version(4), events![Deposited { cents: 1 }]);
        let error = saved.await.unwrap_err();
        assert!(error.to_string().contains("it is not known"), "{error}");
    });
}
