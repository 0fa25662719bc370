//! A program in which two types have one path and claim one name. In a binary of its own, because every test of a
//! program shares the one list of linked types.

use midgard::event::{EventDescriptor, Registry};
use midgard::{Event, MemoryStore, Repository};
use release_1 as old;
use release_2 as new;
use serde::{Deserialize, Serialize};

/// Both functions have an event of their own.
macro_rules! local_types {
    ($function:ident) => {
        fn $function() -> &'static EventDescriptor {
            #[derive(Debug, Clone, Serialize, Deserialize, Event)]
            #[event(name = "created")]
            struct Created {}

            Created::DESCRIPTOR
        }
    };
}

local_types!(one);
local_types!(other);

const OF_FUNCTIONS: &str = "event name \"created\" is claimed by two types `registry_same_path::Created`, which are of \
     two releases of a crate (`cargo tree --duplicates` lists them) or of two functions; give one of them another \
     name, or make it a version of the other with `upcast_from`";

#[test]
fn local_types_of_two_functions_are_two() {
    let (first, second) = (one(), other());
    assert_eq!(
        (first.name, first.type_name),
        (second.name, second.type_name)
    );
    assert_ne!(first, second);
    assert_eq!(first, one());
}

#[test]
fn types_of_two_releases_of_a_crate_are_two() {
    assert_ne!(old::Sent::DESCRIPTOR, new::Sent::DESCRIPTOR);
    let error = Registry::new()
        .with::<old::Sent>()
        .unwrap()
        .with::<new::Sent>()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "event name \"parcel.sent\" is claimed by two types `midgard_test_release::Sent`, which are of two releases \
         of a crate (`cargo tree --duplicates` lists them) or of two functions; give one of them another name, or \
         make it a version of the other with `upcast_from`"
    );
    let again = Registry::new().with::<old::Sent>().unwrap();
    assert!(
        again.with::<old::Sent>().is_ok(),
        "the same type twice is no mistake"
    );
}

#[test]
fn the_program_is_refused_before_it_reads_one_for_the_other() {
    assert_eq!(Registry::linked().unwrap_err().to_string(), OF_FUNCTIONS);
    let parcels = Repository::<old::Parcel, _>::new(MemoryStore::new());
    let error = midgard::block_on(parcels.load(&1)).unwrap_err();
    assert_eq!(error.to_string(), OF_FUNCTIONS);
}
