//! Serves accounts on port 3000 of loopback, until Ctrl-C: `web [directory of the store]`.

use midgard_example_web::serve::serve;
use midgard_store_lmdb::LmdbStore;
use std::error::Error;
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let directory = std::env::args().nth(1);
    // Opening reads the disk: before the runtime, it keeps no task waiting.
    let store = LmdbStore::open(directory.as_deref().unwrap_or("web-data"))?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:3000").await?;
        serve(store, listener, async {
            // Where the signal cannot be awaited, the program continues until it is killed, which loses nothing.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await
    })
}
