//! x
use futures_util::stream::{FuturesUnordered, StreamExt};
use midgard::*;
use midgard_store_lmdb::LmdbStore;
use std::time::*;
fn main() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let store = LmdbStore::open(dir.path()).unwrap();
    for n in [1usize, 8, 64, 256] {
        let t = Instant::now();
        let store = &store;
        let mut ops = 0u64;
        block_on(async {
            let one = |i: u64| async move {
                let s = StreamName::new(format!("customer-{}", i * 7919 % 100_000)).unwrap();
                let e = NewEvent::json("order.approved", 1, vec![b'x'; 228]);
                store
                    .append(Append::to(s, ExpectedVersion::Any, [e]))
                    .await
                    .unwrap();
            };
            let mut f = FuturesUnordered::new();
            for i in 0..n {
                f.push(one(i as u64));
            }
            let mut i = n as u64;
            while t.elapsed() < Duration::from_secs(2) {
                f.next().await;
                ops += 1;
                f.push(one(i));
                i += 1;
            }
            while f.next().await.is_some() {
                ops += 1;
            }
        });
        println!("{n}: {:.0} ev/s", ops as f64 / t.elapsed().as_secs_f64());
    }
}
