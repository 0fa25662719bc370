//! Opening: the shards are those that were written down.

use crate::kit::{append, numbers, to};
use midgard::store::EntryWrite;
use midgard::{MemoryStore, Store, block_on};
use midgard_store_sharded::{OpenError, Routing, ShardedStore};

fn open(shards: &[&MemoryStore]) -> Result<ShardedStore<MemoryStore>, OpenError> {
    block_on(ShardedStore::open(shards.iter().copied().cloned()))
}

fn refusal(shards: &[&MemoryStore]) -> String {
    open(shards).unwrap_err().to_string()
}

#[test]
fn the_same_shards_in_the_same_order_are_opened_again() {
    let [a, b] = Default::default();
    let streams = ["order-1", "order-2", "order-3"];
    let store = open(&[&a, &b]).unwrap();
    for (number, name) in (1..).zip(streams) {
        append(&store, to(name, number)).unwrap();
    }
    let again = open(&[&a, &b]).unwrap();
    for (number, name) in (1..).zip(streams) {
        assert_eq!(numbers(&again, name), [number]);
    }
}

#[test]
fn other_shards_are_refused_with_the_difference() {
    let [a, b, c, d] = Default::default();
    open(&[&a, &b]).unwrap();
    open(&[&c, &d]).unwrap();
    assert_eq!(
        refusal(&[&b, &a]),
        "store 0 of the given ones is not shard 0 of 2 of this store: it is shard 1; give the stores in their order"
    );
    assert_eq!(
        refusal(&[&a]),
        "store 0 of the given ones is not shard 0 of 1 of this store: it is one of 2 shards; open all of them"
    );
    assert_eq!(
        refusal(&[&a, &d]),
        "store 1 of the given ones is not shard 1 of 2 of this store: it is a shard of another store; give those that belong together"
    );
    let by_id = block_on(ShardedStore::open_routed([a, b], Routing::Id)).unwrap_err();
    assert_eq!(
        by_id.to_string(),
        "store 0 of the given ones is not shard 0 of 2 of this store: its streams are spread by the names of streams; open it with `Routing::Stream`"
    );
}

#[test]
fn a_store_with_events_becomes_no_shard_but_of_one() {
    let [a, b] = Default::default();
    append(&a, to("order-1", 1)).unwrap();
    assert_eq!(
        refusal(&[&a, &b]),
        "store 0 of the given ones has entries, or events up to position 1, and was no shard so far: they would be looked for in other shards; begin with empty stores, and copy the events"
    );
    // The other was looked at, and nothing was written into it.
    open(&[&b]).unwrap();
    assert_eq!(numbers(&open(&[&a]).unwrap(), "order-1"), [1]);
}

#[test]
fn a_refused_store_leaves_the_others_as_they_were() {
    let [new, used] = <[MemoryStore; 2]>::default();
    block_on(used.write_entries(EntryWrite::new().put(b"a", b"1"))).unwrap();
    let said = refusal(&[&new, &used]);
    assert!(
        said.starts_with("store 1 of the given ones has entries"),
        "{said}"
    );
    open(&[&new]).unwrap();
}

#[test]
fn a_shard_that_is_lost_is_not_replaced_by_an_empty_store() {
    let [a, b] = <[MemoryStore; 2]>::default();
    open(&[&a, &b]).unwrap();
    assert_eq!(
        refusal(&[&a, &MemoryStore::new()]),
        "store 1 of the given ones is empty, and shard 1 of this store was not: look whether its directory or database is the right one, or restore it from a backup"
    );
    open(&[&MemoryStore::new(), &b]).unwrap_err();
    open(&[&a, &b]).unwrap();
}

#[test]
fn there_is_at_least_one_shard_and_none_has_several_logs() {
    assert_eq!(
        refusal(&[]),
        "a sharded store was given 0 stores; give it between 1 and 1,000"
    );
    let [a, b, c] = <[MemoryStore; 3]>::default();
    let two = block_on(ShardedStore::open([a, b])).unwrap();
    let one = block_on(ShardedStore::open([c])).unwrap();
    let error = block_on(ShardedStore::open([one, two])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "store 1 of the given ones has 2 logs, and a shard has one; give the stores underneath it as shards"
    );
}

#[test]
fn several_that_open_at_once_agree() {
    let shards: [MemoryStore; 3] = Default::default();
    std::thread::scope(|scope| {
        for number in 0..8_u64 {
            let shards = shards.clone();
            scope.spawn(move || {
                let store = block_on(ShardedStore::open(shards)).unwrap();
                append(&store, to(&format!("order-{number}"), number)).unwrap();
            });
        }
    });
    let store = open(&shards.each_ref()).unwrap();
    for number in 0..8 {
        assert_eq!(numbers(&store, &format!("order-{number}")), [number]);
    }
}
