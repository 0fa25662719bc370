//! A server and a program, run and ended together.

use crate::account::Balances;
use crate::routes::routes;
use midgard::{Midgard, Views};
use midgard_store_lmdb::LmdbStore;
use std::error::Error;
use tokio::net::TcpListener;

/// Serves until `stop` is done, and everything has come to its end: requests are answered, streams of events are closed, and
/// the projection has handled what is in the log.
///
/// # Errors
/// When the listener or a consumer fails.
pub async fn serve(
    store: LmdbStore,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let views = Views::new(store.clone());
    let program = Midgard::new(store).project(Balances, views);
    // A program that cannot run says why here.
    let bank = program.start(tokio::spawn).await?;
    let handle = bank.handle().clone();
    axum::serve(listener, routes(bank.clone()))
        .with_graceful_shutdown(async move {
            stop.await;
            // Ends the streams of events, too; axum would wait for those forever.
            handle.drain();
        })
        .await?;
    bank.ended().await?;
    Ok(())
}
