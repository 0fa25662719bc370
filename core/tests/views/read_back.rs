//! Rows are what the next transaction reads, whichever events are handled in one.

use super::kit::Tables;
use midgard::notes::NoteStore as _;
use midgard::projection::ViewStore as _;
use midgard::view::ViewError;
use midgard::view::{Select, ViewTransaction};
use midgard::{View, ViewKey, block_on};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, HashMap};

/// A number of which JSON has the tens only.
#[derive(Debug, Clone, PartialEq, Default)]
struct Tens(u64);

impl Serialize for Tens {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0 / 10)
    }
}

impl<'de> Deserialize<'de> for Tens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(|tens| Tens(tens * 10))
    }
}

/// Its `Some(None)` is `null`, and no attribute of the row's field says so.
type Twice = Option<Option<u64>>;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Inner {
    seen: Twice,
    #[serde(skip)]
    calls: u64,
}

/// Takes the first variant that fits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Loose {
    Small(u8),
    Large(u64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = id, index(total, ordered))]
struct Account {
    id: u64,
    tens: Tens,
    inner: Inner,
    loose: Loose,
    total: u64,
    counts: HashMap<String, u64>,
}

/// What one event does: what it reads decides what it writes.
fn event(transaction: &mut ViewTransaction, number: u64) -> Result<(), ViewError> {
    let make = || Account {
        id: number % 3,
        tens: Tens(0),
        inner: Inner::default(),
        loose: Loose::Large(0),
        total: 0,
        counts: HashMap::new(),
    };
    transaction.upsert(number % 3, make, |row: &mut Account| {
        row.tens.0 += 7;
        row.inner.calls += 1;
        row.inner.seen = match row.inner.seen {
            None => Some(None),
            Some(None) => Some(Some(1)),
            Some(Some(seen)) => Some(Some(seen + 1)),
        };
        row.loose = match row.loose {
            Loose::Small(_) => Loose::Large(number % 300),
            Loose::Large(_) => Loose::Large(7),
        };
        row.total += row.tens.0 + row.inner.calls + u64::from(row.inner.seen.is_some());
        row.total += u64::from(matches!(row.loose, Loose::Small(_)));
        for word in 0..number % 8 {
            *row.counts.entry(word.to_string()).or_default() += row.total;
        }
    })?;
    let rich = transaction.select(Account::by_total_range(20..))?;
    let make = || Account {
        id: 9,
        tens: Tens(100),
        ..rich.first().cloned().unwrap_or_else(make)
    };
    transaction.upsert(9_u64, make, |row: &mut Account| {
        row.tens.0 += rich.len() as u64;
        row.total += row.tens.0;
    })
}

/// The rows after sixty events, of which so many are in each transaction.
fn after(at_once: usize) -> Vec<Account> {
    let tables = Tables::of::<Account>();
    let numbers: Vec<u64> = (0..60).collect();
    for batch in numbers.chunks(at_once) {
        let mut transaction = tables.begin();
        for number in batch {
            event(&mut transaction, *number).unwrap();
            block_on(tables.views.check(&mut transaction)).unwrap();
        }
        tables.commit(transaction).unwrap();
    }
    tables.views.select(Select::all()).unwrap()
}

#[test]
fn rows_are_the_same_whichever_events_are_in_one_transaction() {
    let live = after(1);
    assert!(live.iter().any(|row| row.total > 100), "{live:?}");
    for at_once in [2, 7, 60] {
        assert_eq!(after(at_once), live, "{at_once} at once");
    }
}

#[derive(Debug, Serialize, Deserialize, View)]
#[view(key = id)]
struct Measure {
    id: u64,
    value: f64,
    secret: String,
}

fn refused<V: View>(row: V) -> ViewError {
    let tables = Tables::of::<V>();
    let mut transaction = tables.begin();
    transaction.put(row).unwrap();
    let error = block_on(tables.views.check(&mut transaction)).unwrap_err();
    // It is no less wrong at the commit, and nothing is written.
    let again = tables.commit(transaction).unwrap_err();
    assert_eq!(again.to_string(), error.to_string());
    assert!(tables.views.is_refusal(&again));
    assert!(tables.views.select(Select::<V>::all()).unwrap().is_empty());
    error
}

#[test]
fn what_cannot_be_read_back_is_refused_after_its_event() {
    let error = refused(Measure {
        id: 7,
        value: f64::NAN,
        secret: "ann@x.org".to_owned(),
    });
    assert_eq!(
        error.to_string(),
        "what is written of the row 7 of view \"measure\" cannot be read back: invalid type: null, expected f64, at \
         `value`; give it values that JSON has, such as floats that are finite, and let its `Deserialize` read all that \
         its `Serialize` writes"
    );
}

/// Half of it is lost each time.
#[derive(Debug)]
struct Halved(u64);

impl Serialize for Halved {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0 / 2)
    }
}

impl<'de> Deserialize<'de> for Halved {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Halved)
    }
}

#[derive(Debug, Serialize, Deserialize, View)]
#[view(key = id)]
struct Half {
    id: u64,
    value: Halved,
}

/// A key that is written without its case.
#[derive(Debug, Deserialize, ViewKey)]
struct Name(String);

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_lowercase())
    }
}

#[derive(Debug, Serialize, Deserialize, View)]
#[view(key = name)]
struct Named {
    name: Name,
    of: BTreeMap<u64, Vec<Option<bool>>>,
}

#[test]
fn what_would_be_read_as_another_row_is_refused_after_its_event() {
    let error = refused(Half {
        id: 7,
        value: Halved(9),
    });
    assert_eq!(
        error.to_string(),
        "the row 7 of view \"half\" would be read back with other values than were put; let its `Deserialize` restore \
         the values that its `Serialize` writes"
    );
    let error = refused(Named {
        name: Name("Ann".to_owned()),
        of: BTreeMap::from([(1, vec![None, Some(true)])]),
    });
    assert!(
        matches!(error, ViewError::NotKept { view: "named", .. }),
        "{error}"
    );
}
