//! Requests as commands and reads, errors as status codes, events as they happen.

use crate::account::{Account, AccountEvent, Balance, Balances, Book};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{Stream, StreamExt};
use midgard::consumer::ConsumerState;
use midgard::error::{Classify, ErrorKind};
use midgard::event::RecordedEvent;
use midgard::store::{Query, ReadLog};
use midgard::{LogId, Position, Running, Store};
use midgard_store_lmdb::LmdbStore;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::time::Duration;

/// For how long an answer waits until the views show what it did.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// The program that every request needs: its accounts, its views and its handle.
pub type Bank = Running<LmdbStore>;

/// Returns the routes of the service.
pub fn routes(bank: Bank) -> Router {
    Router::new()
        .route("/accounts/{id}", get(balance))
        .route("/accounts/{id}/deposits", post(deposit))
        .route("/accounts/{id}/withdrawals", post(withdraw))
        .route("/events", get(events))
        .route("/health", get(health))
        .with_state(bank)
}

#[derive(Debug, Deserialize)]
struct Amount {
    cents: u64,
}

async fn deposit(
    State(bank): State<Bank>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(amount): Json<Amount>,
) -> Result<Response, Failure> {
    execute(bank, id, &headers, Book::Deposit(amount.cents)).await
}

async fn withdraw(
    State(bank): State<Bank>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(amount): Json<Amount>,
) -> Result<Response, Failure> {
    execute(bank, id, &headers, Book::Withdraw(amount.cents)).await
}

/// Executes a command, and answers when the views show it. A request that is repeated under its `Idempotency-Key` has one effect.
async fn execute(
    bank: Bank,
    id: String,
    headers: &HeaderMap,
    book: Book,
) -> Result<Response, Failure> {
    let key = headers.get("idempotency-key");
    let key = key.map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned());
    // In a task of its own: when the client goes away, its handler is dropped, and the command is executed all the same.
    let task = tokio::spawn(async move {
        let accounts = bank.repository::<Account>();
        let execution = match &key {
            Some(key) => accounts.execute_once(key, &id, &book),
            None => accounts.execute(&id, &book),
        };
        execution
            .and_wait_for::<Balances>(bank.handle(), SHOWN_WITHIN)
            .await
    });
    let account = task
        .await
        .map_err(|panicked| Failure::hidden(&panicked))??;
    let id = account.stream().id_of::<Account>();
    let account_id = id.map_err(|error| Failure::hidden(&error))?;
    Ok(Json(Balance {
        account: account_id,
        cents: account.state().balance,
    })
    .into_response())
}

/// Reads a row: some microseconds, so that it needs no thread of its own.
async fn balance(
    State(bank): State<Bank>,
    Path(id): Path<String>,
) -> Result<Json<Balance>, Failure> {
    match bank.views().get::<Balance>(&id)? {
        Some(balance) => Ok(Json(balance)),
        None => Err(Failure(
            StatusCode::NOT_FOUND,
            format!("there is no account \"{id}\""),
        )),
    }
}

/// What leaves as an event: a form of its own, so that what is stored can change.
#[derive(Debug, Serialize)]
struct Booked {
    account: String,
    cents: i128,
}

/// All bookings as they happen, as server-sent events. A client that comes again says with `Last-Event-ID` where it was.
async fn events(
    State(bank): State<Bank>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Box<dyn Error + Send + Sync>>>>, Failure> {
    let store = bank.store().clone();
    let last = headers
        .get("last-event-id")
        .and_then(|last| last.to_str().ok()?.parse().ok());
    let after = match last {
        Some(position) => Position(position),
        None => store.last_position(LogId::MAIN).await?,
    };
    let bookings = Query::events::<AccountEvent>();
    let read = ReadLog::forward().after(after).matching(bookings);
    // It ends with the program, and its store is its own.
    let recorded = store
        .into_events(read)
        .follow()
        .until(bank.handle().stopped());
    let shown = recorded.map(|event| shown(&event?));
    Ok(Sse::new(shown).keep_alive(KeepAlive::default()))
}

fn shown(event: &RecordedEvent) -> Result<Event, Box<dyn Error + Send + Sync>> {
    let cents = match event.decode::<AccountEvent>()? {
        AccountEvent::Credited(event) => i128::from(event.cents),
        AccountEvent::Debited(event) => -i128::from(event.cents),
    };
    let account = event.aggregate_id::<Account>()?;
    let shown = Event::default()
        .id(event.position.to_string())
        .event("booked");
    Ok(shown.json_data(Booked { account, cents })?)
}

/// Returns the state of each consumer of the program; 503 where one has failed, so that somebody notices.
async fn health(State(bank): State<Bank>) -> Response {
    let status = bank.handle().status();
    let has_failed = status.iter().any(|one| one.state == ConsumerState::Failed);
    let code = if has_failed {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (code, Json(status)).into_response()
}

/// Why a request was not answered as it should: a status code, and a sentence for the client.
#[derive(Debug)]
pub struct Failure(StatusCode, String);

impl Failure {
    /// Wraps an error that the client can do nothing about, and does not see.
    fn hidden(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error, "a request failed");
        let sentence = "the service failed; nothing is lost, try again later";
        Failure(StatusCode::INTERNAL_SERVER_ERROR, sentence.to_owned())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl<E: Classify + Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let (status, sentence) = match error.kind() {
            ErrorKind::Rejected(refusal) => {
                return Failure(StatusCode::UNPROCESSABLE_ENTITY, refusal.to_string());
            }
            // An id or a key that is empty or too long.
            ErrorKind::Invalid => return Failure(StatusCode::BAD_REQUEST, error.to_string()),
            // It was executed: to say that it failed would have it repeated.
            ErrorKind::NotShown => (StatusCode::ACCEPTED, "it is done, and shown soon"),
            ErrorKind::Conflict => (
                StatusCode::CONFLICT,
                "others use the account at this moment; try again",
            ),
            ErrorKind::Gone => (StatusCode::GONE, "the account was closed"),
            ErrorKind::Full => (
                StatusCode::INSUFFICIENT_STORAGE,
                "the disk is full; try again later",
            ),
            ErrorKind::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the service has just begun; try again",
            ),
            ErrorKind::OutcomeUnknown => (
                StatusCode::SERVICE_UNAVAILABLE,
                "it is not known whether it was done; repeat it with the same Idempotency-Key",
            ),
            _ => return Failure::hidden(&error),
        };
        Failure(status, sentence.to_owned())
    }
}
