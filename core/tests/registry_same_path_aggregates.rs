//! A program in which two aggregates have one path and one name. In a binary of its own, because every test of a
//! program shares the one list of linked types.

use midgard::event::Registry;
use midgard::{Aggregate, Apply, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "named")]
struct Named {}

macro_rules! local_aggregate {
    ($function:ident) => {
        #[test]
        fn $function() {
            #[derive(Debug, Default, Aggregate)]
            #[aggregate(name = "thing", id = u64, events(Named))]
            struct Thing;

            impl Apply<Named> for Thing {
                fn apply(&mut self, _: Named) {}
            }

            assert_eq!(
                Registry::linked().unwrap_err().to_string(),
                "aggregate name \"thing\" is claimed by two types `registry_same_path_aggregates::Thing`, which are \
                 of two releases of a crate (`cargo tree --duplicates` lists them) or of two functions; give one of \
                 them another name"
            );
        }
    };
}

local_aggregate!(one);
local_aggregate!(other);
