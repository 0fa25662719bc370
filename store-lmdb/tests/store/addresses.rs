//! Stores opened by their addresses.

use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion, OpenError};
use midgard::{DynStore, Store, StreamName, Views, block_on};
use midgard_store_lmdb::LmdbStore;
use tempfile::TempDir;

fn open(address: &str) -> Result<DynStore, OpenError> {
    block_on(DynStore::open(address))
}

fn refusal(address: &str) -> String {
    open(address).unwrap_err().to_string()
}

#[test]
fn the_directory_of_an_address_is_the_store_and_can_hold_views() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("a: b");
    let store = open(&format!("lmdb:{}", data.display())).unwrap();
    let stream = StreamName::new("user-1").unwrap();
    let event = NewEvent::json("user.created", 1, b"{}".to_vec());
    let append = Append::to(stream.clone(), ExpectedVersion::NoStream, [event]);
    block_on(store.append(append)).unwrap();
    Views::new(store).snapshot().unwrap();
    let same = LmdbStore::open(data).unwrap();
    let state = block_on(same.stream_state(&stream)).unwrap();
    assert_eq!(state.last.get(), 1);
}

#[test]
fn an_address_that_means_no_directory_is_refused_with_the_next_step() {
    assert_eq!(
        refusal("lmdb:"),
        "the address of the store is not of the form `lmdb:DIRECTORY`: the directory is missing"
    );
    assert_eq!(
        refusal("lmdb://data"),
        "the address of the store is not of the form `lmdb:DIRECTORY`: a directory has no host; write `lmdb:data` for a \
         directory here, or `lmdb:/var/data` for one from the root"
    );
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "text").unwrap();
    let error = open(&format!("lmdb:{}", file.display())).unwrap_err();
    assert!(matches!(error, OpenError::Store(_)), "{error}");
}

#[test]
fn an_address_of_no_known_kind_lists_those_that_are_known() {
    assert_eq!(
        refusal("data/orders"),
        "the address of the store does not say of what kind it is; write one of: `lmdb:DIRECTORY`, `memory:`"
    );
    let said = refusal("redis://ann:secret@host/1");
    assert!(
        said.starts_with("no store is known for addresses that begin with `redis:`"),
        "{said}"
    );
    assert!(
        said.contains("this program knows: `lmdb:DIRECTORY`, `memory:`"),
        "{said}"
    );
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn a_list_of_schemes_needs_no_linker() {
    let error = block_on(DynStore::open_with(&[LmdbStore::SCHEME], "memory:")).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("this program knows: `lmdb:DIRECTORY`;"),
        "{said}"
    );
    let directory = TempDir::new().unwrap();
    let address = format!("lmdb:{}", directory.path().display());
    block_on(DynStore::open_with(&[LmdbStore::SCHEME], &address)).unwrap();
}
