//! Stores in memory by their addresses.

use midgard::store::{OpenError, Scheme};
use midgard::{DynStore, MemoryStore, Views, block_on};

#[test]
fn each_address_of_memory_is_an_empty_store_that_can_hold_views() {
    let store = block_on(DynStore::open("memory:")).unwrap();
    Views::new(store).snapshot().unwrap();
}

#[test]
fn nothing_may_stand_behind_memory() {
    let error = block_on(DynStore::open("memory:orders")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the address of the store is not of the form `memory:`: nothing stands behind the colon, as a store in memory is \
         always empty at first"
    );
}

#[test]
fn a_scheme_receives_the_whole_address() {
    const PAIR: Scheme = Scheme::new("pair", "pair:A,B", |address| {
        let opened = match address {
            "pair:one,two" => Ok(DynStore::new(MemoryStore::new())),
            _ => Err(OpenError::malformed(PAIR, "there are not two of them")),
        };
        Box::pin(std::future::ready(opened))
    });
    assert!(
        !block_on(DynStore::open_with(&[PAIR], "pair:one,two"))
            .unwrap()
            .is_embedded()
    );
    let error = block_on(DynStore::open_with(&[PAIR], "pair:one")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the address of the store is not of the form `pair:A,B`: there are not two of them"
    );
}
