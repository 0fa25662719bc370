//! A server and a program, run and ended together.

use crate::account::Balances;
use crate::routes::{Bank, routes};
use midgard::{Midgard, Repository, Views};
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
    let program = Midgard::new(store.clone())
        .project(Balances, views.clone())
        .spawner(|consumer| drop(tokio::spawn(consumer)));
    let handle = program.handle();
    let running = tokio::spawn(program.run());

    let bank = Bank {
        accounts: Repository::new(store),
        views,
        handle: handle.clone(),
    };
    axum::serve(listener, routes(bank))
        .with_graceful_shutdown(async move {
            stop.await;
            // Ends the streams of events, too; axum would wait for those forever.
            handle.drain();
        })
        .await?;
    running.await??;
    Ok(())
}
