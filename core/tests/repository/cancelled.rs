//! Commands whose future is dropped, as a web server does when a client goes away.

use super::common::{Account, Deposit, ann, anns_account};
use futures_util::FutureExt as _;
use midgard::store::{Append, AppendError, Appended, Layer, Layered};
use midgard::{MemoryStore, Repository, Store as _, block_on};
use std::future::pending;

/// Where a store keeps an append waiting.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Waits {
    /// Before it has begun with it.
    InTheQueue,
    /// When it is stored, and not yet answered.
    BeforeTheAnswer,
}

/// Never answers an append.
#[derive(Debug, Clone)]
struct Busy {
    inner: MemoryStore,
    waits: Waits,
}

impl Layer for Busy {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        if self.waits == Waits::BeforeTheAnswer {
            self.inner.append(append).await?;
        }
        pending().await
    }
}

/// Executes a command until its append waits, and drops it there.
fn drop_while(waits: Waits, accounts: &Repository<Account, MemoryStore>) {
    let inner = accounts.store().clone();
    let busy = Repository::<Account, _>::new(Layered::new(Busy { inner, waits }));
    let polled = busy.execute_once("k", &ann(), &Deposit(1)).now_or_never();
    assert!(polled.is_none(), "it waits for its append: {polled:?}");
}

async fn balance(accounts: &Repository<Account, MemoryStore>) -> u64 {
    accounts.load(&ann()).await.unwrap().state().balance
}

#[test]
fn a_command_that_is_dropped_before_its_append_has_begun_has_no_effect_and_can_be_repeated() {
    block_on(async {
        let accounts = anns_account().await;
        drop_while(Waits::InTheQueue, &accounts);
        assert_eq!(balance(&accounts).await, 35);
        let repeated = accounts.execute_once("k", &ann(), &Deposit(1)).await;
        assert_eq!(repeated.unwrap().state().balance, 36);
    });
}

#[test]
fn a_command_that_is_dropped_before_its_answer_has_its_whole_effect_and_none_when_it_is_repeated() {
    block_on(async {
        let accounts = anns_account().await;
        drop_while(Waits::BeforeTheAnswer, &accounts);
        assert_eq!(balance(&accounts).await, 36);
        let repeated = accounts.execute_once("k", &ann(), &Deposit(1)).await;
        assert_eq!(repeated.unwrap().state().balance, 36);
        assert_eq!(balance(&accounts).await, 36);
    });
}
