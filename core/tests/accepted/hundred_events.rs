//! One hundred events in one aggregate.
#![deny(warnings)]

use midgard::aggregate::Fold as _;
use midgard::{Aggregate, Apply, Event};
use serde::{Deserialize, Serialize};

macro_rules! events {
    ($($event:ident = $name:literal),* $(,)?) => {
        $(
            #[derive(Debug, Clone, Serialize, Deserialize, Event)]
            #[event(name = $name)]
            struct $event {
                #[event(tag = "by")]
                by: u64,
            }

            impl Apply<$event> for Many {
                fn apply(&mut self, event: $event) {
                    self.total += event.by;
                }
            }
        )*

        #[derive(Debug, Default, Aggregate)]
        #[aggregate(name = "many", id = u64, events($($event),*))]
        struct Many {
            total: u64,
        }

        fn each() -> Vec<ManyEvent> {
            vec![$($event { by: 1 }.into()),*]
        }
    };
}

events! {
    E00 = "many.e00", E01 = "many.e01", E02 = "many.e02", E03 = "many.e03", E04 = "many.e04",
    E05 = "many.e05", E06 = "many.e06", E07 = "many.e07", E08 = "many.e08", E09 = "many.e09",
    E10 = "many.e10", E11 = "many.e11", E12 = "many.e12", E13 = "many.e13", E14 = "many.e14",
    E15 = "many.e15", E16 = "many.e16", E17 = "many.e17", E18 = "many.e18", E19 = "many.e19",
    E20 = "many.e20", E21 = "many.e21", E22 = "many.e22", E23 = "many.e23", E24 = "many.e24",
    E25 = "many.e25", E26 = "many.e26", E27 = "many.e27", E28 = "many.e28", E29 = "many.e29",
    E30 = "many.e30", E31 = "many.e31", E32 = "many.e32", E33 = "many.e33", E34 = "many.e34",
    E35 = "many.e35", E36 = "many.e36", E37 = "many.e37", E38 = "many.e38", E39 = "many.e39",
    E40 = "many.e40", E41 = "many.e41", E42 = "many.e42", E43 = "many.e43", E44 = "many.e44",
    E45 = "many.e45", E46 = "many.e46", E47 = "many.e47", E48 = "many.e48", E49 = "many.e49",
    E50 = "many.e50", E51 = "many.e51", E52 = "many.e52", E53 = "many.e53", E54 = "many.e54",
    E55 = "many.e55", E56 = "many.e56", E57 = "many.e57", E58 = "many.e58", E59 = "many.e59",
    E60 = "many.e60", E61 = "many.e61", E62 = "many.e62", E63 = "many.e63", E64 = "many.e64",
    E65 = "many.e65", E66 = "many.e66", E67 = "many.e67", E68 = "many.e68", E69 = "many.e69",
    E70 = "many.e70", E71 = "many.e71", E72 = "many.e72", E73 = "many.e73", E74 = "many.e74",
    E75 = "many.e75", E76 = "many.e76", E77 = "many.e77", E78 = "many.e78", E79 = "many.e79",
    E80 = "many.e80", E81 = "many.e81", E82 = "many.e82", E83 = "many.e83", E84 = "many.e84",
    E85 = "many.e85", E86 = "many.e86", E87 = "many.e87", E88 = "many.e88", E89 = "many.e89",
    E90 = "many.e90", E91 = "many.e91", E92 = "many.e92", E93 = "many.e93", E94 = "many.e94",
    E95 = "many.e95", E96 = "many.e96", E97 = "many.e97", E98 = "many.e98", E99 = "many.e99",
}

pub(crate) fn main() {
    let mut many = Many::default();
    each().into_iter().for_each(|event| many.apply_event(event));
    assert_eq!(many.total, 100);
}
