//! What the tests share: an event, a projection of it into tables, and a few words.

use midgard::consumer::{ConsumerOptions, FailurePolicy, RunError};
use midgard::event::{EventDescriptor, NewEvent, RecordedEventRef};
use midgard::projection::ProjectError;
use midgard::projection::ViewDefinition;
use midgard::store::{Append, ExpectedVersion};
use midgard::{
    Context, Event, HandlerError, Midgard, MidgardHandle, Place, Position, Projection, Store,
    StreamName,
};
use midgard_example_sql_views::{SqliteViews, table};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// Longer than anything takes that works.
pub(crate) const LONG: Duration = Duration::from_secs(180);
/// Who is gone is soon replaced.
pub(crate) const SHORT_LEASE: Duration = Duration::from_millis(90);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
});

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

pub(crate) fn spawn<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    RUNTIME.spawn(future)
}

/// A database in a directory of its own.
pub(crate) struct Database(TempDir);

impl Database {
    pub(crate) fn new() -> Self {
        Database(TempDir::new().unwrap())
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("views.db")
    }

    pub(crate) fn views(&self) -> SqliteViews {
        self.views_with(LONG)
    }

    pub(crate) fn views_with(&self, patience: Duration) -> SqliteViews {
        block_on(SqliteViews::open(self.file(), patience)).unwrap()
    }

    /// A connection of a program that knows nothing of Midgard.
    pub(crate) fn plain(&self) -> SqliteConnection {
        block_on(SqliteConnectOptions::new().filename(self.file()).connect()).unwrap()
    }

    /// The accounts and their balances.
    pub(crate) fn balances(&self) -> Vec<(String, i64)> {
        self.query("SELECT account, cents FROM balances ORDER BY account")
    }

    /// The positions of the payments, and the worker that handled each.
    pub(crate) fn payments(&self) -> Vec<(String, i64)> {
        self.query("SELECT worker, position FROM payments ORDER BY position")
    }

    /// Up to where the first generation was handled.
    pub(crate) fn checkpoint(&self) -> Option<i64> {
        let key = "projection/balances/0000000001/checkpoint/0/00000";
        let checkpoint =
            sqlx::query_scalar("SELECT value ->> 'position' FROM midgard_notes WHERE key = ?");
        block_on(checkpoint.bind(key).fetch_optional(&mut self.plain())).unwrap()
    }

    pub(crate) fn query(&self, sql: &'static str) -> Vec<(String, i64)> {
        block_on(sqlx::query_as(sql).fetch_all(&mut self.plain())).unwrap()
    }

    /// The tables and SQL views there are of the projection.
    pub(crate) fn tables(&self) -> Vec<String> {
        let names = "SELECT name FROM sqlite_schema
            WHERE type IN ('table', 'view') AND name NOT LIKE 'midgard%' ORDER BY name";
        block_on(sqlx::query_scalar(names).fetch_all(&mut self.plain())).unwrap()
    }

    /// Waits until there are these: old ones are removed after readers have switched.
    pub(crate) fn wait_for_tables(&self, wanted: &[&str]) {
        let end = Instant::now() + LONG;
        while self.tables() != wanted {
            assert!(Instant::now() < end, "{:?}", self.tables());
            std::thread::yield_now();
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "paid")]
pub(crate) struct Paid {
    pub(crate) account: String,
    pub(crate) cents: i64,
}

/// Sums what was paid, and lists the payments. Version 2 counts double, and lists nothing.
#[derive(Clone, Default)]
pub(crate) struct Balances<const VERSION: u32> {
    /// Who it is, in the list of payments.
    pub(crate) worker: String,
    /// So many times, 13 cents are refused, after they were counted.
    pub(crate) refusals: Arc<AtomicU64>,
    /// So many times, 13 cents make SQLite undo the transaction, and nobody hears of it.
    pub(crate) undone: Arc<AtomicU64>,
    /// Whether each event is printed once it is committed.
    pub(crate) is_printing: bool,
}

fn is_left(counter: &AtomicU64) -> bool {
    let fewer = |left: u64| left.checked_sub(1);
    let order = Ordering::SeqCst;
    counter.fetch_update(order, order, fewer).is_ok()
}

impl<const V: u32> Projection for Balances<V> {
    const NAME: &'static str = "balances";
    const VERSION: u32 = V;
    const EVENTS: &'static [&'static EventDescriptor] = &[Paid::DESCRIPTOR];
    type Store = SqliteViews;

    fn views() -> Vec<ViewDefinition> {
        let balances = "account TEXT PRIMARY KEY, cents INTEGER NOT NULL";
        let payments = "position INTEGER PRIMARY KEY, worker TEXT NOT NULL";
        let mut views = vec![ViewDefinition::new("balances", balances)];
        if V == 1 {
            views.push(ViewDefinition::new("payments", payments));
        }
        views
    }

    async fn project_event(
        &self,
        event: &RecordedEventRef<'_>,
        context: &mut Context<'_, Self>,
    ) -> Result<(), ProjectError> {
        let paid = event.decode()?;
        let projected = self.count(paid, context).await;
        projected.map_err(ProjectError::Handler)
    }
}

impl<const V: u32> Balances<V> {
    async fn count(
        &self,
        Paid { account, cents }: Paid,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let (generation, position) = (context.generation(), context.recorded().position.get());
        let balances = table("balances", generation);
        let count = format!(
            "INSERT INTO {balances} VALUES (?, ?)
             ON CONFLICT DO UPDATE SET cents = cents + excluded.cents"
        );
        sqlx::query(AssertSqlSafe(count))
            .bind(account)
            .bind(if V == 2 { cents * 2 } else { cents })
            .execute(&mut **context.transaction())
            .await?;
        if V == 1 {
            // A second time, this would fail.
            let payments = table("payments", generation);
            sqlx::query(AssertSqlSafe(format!(
                "INSERT INTO {payments} VALUES (?, ?)"
            )))
            .bind(i64::try_from(position)?)
            .bind(&self.worker)
            .execute(&mut **context.transaction())
            .await?;
        }
        if self.is_printing {
            context.after_commit(async move { say(&format!("effect {position}")) });
        }
        if cents == 13 && is_left(&self.undone) {
            let again = format!("INSERT OR ROLLBACK INTO {balances} SELECT * FROM {balances}");
            let again = sqlx::query(AssertSqlSafe(again));
            let undone = again.execute(&mut **context.transaction()).await;
            assert!(undone.is_err());
        }
        if cents == 13 && is_left(&self.refusals) {
            return Err("13 brings bad luck".into());
        }
        Ok(())
    }
}

/// What a child process has to say, in a line of its own.
#[allow(clippy::print_stdout)]
pub(crate) fn say(line: &str) {
    println!("\n{line}");
}

pub(crate) fn pay(store: &impl Store, account: &str, cents: i64) -> Position {
    let account = account.to_owned();
    let stream = StreamName::new(format!("account-{account}")).unwrap();
    let paid = NewEvent::encode(&Paid { account, cents }).unwrap();
    let append = Append::to(stream, ExpectedVersion::Any, [paid]);
    block_on(store.append(append)).unwrap().position.unwrap()
}

/// Five payments of two accounts, with one unlucky one in the middle.
pub(crate) fn accounts(store: &impl Store) {
    for (account, cents) in [("ann", 5), ("bob", 7), ("ann", 13), ("bob", 1), ("ann", 2)] {
        pay(store, account, cents);
    }
}

pub(crate) fn ann_and_bob(ann: i64, bob: i64) -> Vec<(String, i64)> {
    vec![("ann".to_owned(), ann), ("bob".to_owned(), bob)]
}

/// No retries, a lease that is soon over.
pub(crate) fn at_once() -> FailurePolicy {
    FailurePolicy::retry(0)
}

pub(crate) fn options(policy: FailurePolicy) -> ConsumerOptions {
    let options = ConsumerOptions::new().on_failure(policy);
    options.lease(SHORT_LEASE)
}

pub(crate) fn midgard<const V: u32, S: Store + Clone>(
    store: &S,
    database: &Database,
    projection: &Balances<V>,
    policy: FailurePolicy,
) -> Midgard<S> {
    let midgard = Midgard::new(store.clone());
    midgard.project_with(projection.clone(), database.views(), options(policy))
}

pub(crate) fn catch_up<const V: u32, S: Store + Clone>(
    store: &S,
    database: &Database,
    projection: &Balances<V>,
) -> Result<(), RunError> {
    block_on(midgard(store, database, projection, at_once()).catch_up())
}

/// A program that runs beside the test.
pub(crate) struct Running {
    pub(crate) handle: MidgardHandle,
    run: JoinHandle<Result<(), RunError>>,
}

pub(crate) fn start<S: Store + Clone>(midgard: Midgard<S>) -> Running {
    Running {
        handle: midgard.handle(),
        run: spawn(midgard.run()),
    }
}

impl Running {
    pub(crate) fn wait(&self, position: Position) {
        block_on(
            self.handle
                .wait_for("balances", Place::main(position), LONG),
        )
        .unwrap();
    }

    pub(crate) fn wait_until(&self, is_wanted: impl Fn(&midgard::consumer::Status) -> bool + Send) {
        block_on(self.handle.wait_until("balances", LONG, is_wanted)).unwrap();
    }

    pub(crate) fn end(self) -> Result<(), RunError> {
        block_on(self.run).unwrap()
    }

    pub(crate) fn stop(self) -> Result<(), RunError> {
        self.handle.stop();
        self.end()
    }
}
